//! `labelwire serve`: the real WhatsApp.

use crate::cli::Serve;

/// A build that would believe any server must not reach the real ones.
#[cfg(feature = "simulator")]
#[expect(clippy::unused_async, reason = "the plain build's does wait")]
pub(crate) async fn run(_: Serve) -> anyhow::Result<()> {
    anyhow::bail!(
        "this build has the simulator in it and cannot reach the real WhatsApp; \
         build without it: cargo build -p labelwire --release"
    )
}

/// Runs the gateway until a signal.
#[cfg(not(feature = "simulator"))]
pub(crate) async fn run(args: Serve) -> anyhow::Result<()> {
    use anyhow::anyhow;

    use crate::cli::settings;
    use crate::console::say;
    use crate::gateway::{Gateway, Parts};
    use crate::{folder, lifecycle, listen, telemetry};

    telemetry::init()?;
    labelwire_wa::trust::prove_chain_is_checked().map_err(|why| anyhow!(why))?;
    let signals = lifecycle::Signals::listen()?;
    let _claim = folder::claim(&args.storage.data)?;
    let listener = listen::bind(args.http.listen, "--listen").await?;
    let gateway = Gateway::start(Parts {
        listener,
        settings: settings(args.http, &args.labels, &args.webhooks),
        database_url: args.storage.database_url(),
        endpoint: labelwire_wa::Endpoint::WhatsApp,
        pre_keys: None,
    })
    .await?;
    say(&format!("labelwire listens on {}", gateway.url()));
    let caller = gateway.first_account().await?;
    first_instance::show(&gateway, &caller).await?;
    signals.first().await;
    gateway.stop().await;
    Ok(())
}

/// The instance a new user starts with, paired through the terminal.
#[cfg(not(feature = "simulator"))]
mod first_instance {
    use std::sync::Arc;

    use labelwire_app::Caller;
    use labelwire_app::instance::Handle;
    use labelwire_domain::instance::State;
    use labelwire_domain::token::Scope;

    use crate::console::say;
    use crate::gateway::Gateway;
    use crate::qr::draw;

    const NAME: &str = "phone";

    /// Makes it where the account has none yet, and shows its QR codes until it is paired.
    pub(super) async fn show(gateway: &Gateway, caller: &Caller) -> anyhow::Result<()> {
        let app = &gateway.app;
        if app.list_instances(caller)?.is_empty() {
            let (_, token) = app.create_instance(caller, NAME, None).await?;
            say(&format!("instance token: {token}"));
            say("  It opens instance `phone` only. Keep it: it is not shown again.");
        }
        let Ok(handle) = app.instance(caller, Scope::Admin, NAME) else {
            return Ok(());
        };
        let status = handle.status();
        if status.profile.jid.is_some() || status.state == State::LoggedOut {
            return Ok(());
        }
        gateway.spawn(pair(handle));
        Ok(())
    }

    async fn pair(handle: Arc<Handle>) {
        if let Err(error) = handle.connect().await {
            tracing::error!(%error, "instance `{NAME}` could not be connected");
        }
        let mut watch = handle.watch();
        let mut shown = None;
        loop {
            let status = watch.borrow_and_update().clone();
            if status.profile.jid.is_some() {
                say(&format!("instance `{NAME}` is paired"));
                return;
            }
            if status.qr.is_some() && status.qr != shown {
                say("Scan this on the phone: WhatsApp > Linked devices > Link a device");
                draw(status.qr.as_deref().unwrap_or_default());
            } else if status.qr.is_none() && shown.is_some() {
                say(
                    "No code was scanned in time; GET /api/instance/connect/phone or a restart shows a new one",
                );
            }
            shown = status.qr;
            if watch.changed().await.is_err() {
                return;
            }
        }
    }
}

//! `labelwire sim` and `labelwire serve-sim`: the two halves of the demo, apart.

use anyhow::{Context as _, bail};
use labelwire_wa::Endpoint;

use crate::cli::{self, ServeSim, Sim};
use crate::console::say;
use crate::gateway::{Gateway, Parts};
use crate::{folder, lifecycle, listen, telemetry};

/// Runs a simulated WhatsApp until a signal.
pub(crate) async fn run(args: Sim) -> anyhow::Result<()> {
    telemetry::init()?;
    let signals = lifecycle::Signals::listen()?;
    let server = labelwire_sim::Server::start(labelwire_sim::Options {
        listen: args.listen,
        state_dir: args.state,
        seed: args.seed,
    })
    .await
    .context("the simulator cannot start (--listen, --state)")?;
    say(&format!("clients connect to {}", server.ws_url()));
    say(&format!(
        "control API at {} (GET /openapi.json)",
        server.control_url()
    ));
    say(&format!("root key {}", server.world().root_key_hex()));
    signals.first().await;
    server.stop().await;
    Ok(())
}

/// Runs the gateway on a running simulator until a signal.
pub(crate) async fn serve(args: ServeSim) -> anyhow::Result<()> {
    telemetry::init()?;
    let signals = lifecycle::Signals::listen()?;
    let endpoint = endpoint(&args.sim_ws_url)?;
    endpoint.require_loopback()?;
    let _claim = folder::claim(&args.storage.data)?;
    let listener = listen::bind(args.http.listen, "--listen").await?;
    let gateway = Gateway::start(Parts {
        listener,
        settings: cli::settings(args.http, &args.labels, &args.webhooks),
        database_url: args.storage.database_url(),
        endpoint,
        pre_keys: args.pre_keys,
    })
    .await?;
    gateway.first_account().await?;
    say(&format!("labelwire listens on {}", gateway.url()));
    signals.first().await;
    gateway.stop().await;
    Ok(())
}

/// Media is served on the port that clients connect to.
fn endpoint(ws_url: &str) -> anyhow::Result<Endpoint> {
    let Some(authority) = ws_url
        .strip_prefix("ws://")
        .and_then(|rest| rest.split('/').next())
    else {
        bail!(
            "`{ws_url}` is no simulator's address; `labelwire sim` prints it (ws://127.0.0.1:7788/ws/chat)"
        );
    };
    Ok(Endpoint::Simulator {
        ws_url: ws_url.to_owned(),
        http_url: format!("http://{authority}"),
    })
}

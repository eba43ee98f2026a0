//! `labelwire demo`: the main job in one process, on a simulated WhatsApp.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use labelwire_api::{Origins, Rate};
use labelwire_app::Caller;
use labelwire_app::instance::Handle;
use labelwire_domain::instance::State;
use labelwire_domain::intent::LabelRules;
use labelwire_domain::token::Scope;
use labelwire_sim::{NewAccount, Server, World};
use labelwire_wa::Endpoint;
use serde::{Deserialize, Serialize};

use crate::cli::Demo;
use crate::console::say;
use crate::gateway::{Gateway, Parts, Settings};
use crate::{folder, lifecycle, listen, telemetry};

const INSTANCE: &str = "shop";
const PHONE: &str = "4915112345678";
const LABELS: u32 = 8;
/// Nobody who looks around is to meet a limit; its headers are still sent.
const RATE: Rate = Rate {
    calls: 100_000,
    creates: 100_000,
};
/// How long pairing and the first sync may take, at worst a debug build's.
const PATIENCE: Duration = Duration::from_secs(300);

/// What a script needs to drive the demo; there as long as everything answers.
#[derive(Debug, Serialize, Deserialize)]
struct Card {
    base_url: String,
    account_token: String,
    instance: String,
    instance_token: String,
    sim_control_url: String,
    sim_ws_url: String,
    sim_root_key_hex: String,
    phone: String,
}

/// What cannot be had again from the database.
#[derive(Debug, Serialize, Deserialize)]
struct Tokens {
    account_token: String,
    instance_token: String,
}

/// Where the demo keeps things.
struct Home(PathBuf);

impl Home {
    fn card(&self) -> PathBuf {
        self.0.join("demo.json")
    }

    fn tokens(&self) -> PathBuf {
        self.0.join("tokens.json")
    }

    fn sim(&self) -> PathBuf {
        self.0.join("sim")
    }

    fn database(&self) -> PathBuf {
        self.0.join("gateway.db")
    }

    /// The tokens of the start that made this folder.
    fn known_tokens(&self) -> anyhow::Result<Option<Tokens>> {
        let path = self.tokens();
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Some(serde_json::from_str(&text).with_context(|| {
                format!(
                    "`{}` makes no sense; remove folder `{}`",
                    path.display(),
                    self.0.display()
                )
            })?)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => {
                Err(error).with_context(|| format!("`{}` cannot be read", path.display()))
            }
        }
    }

    /// Removes a database whose tokens nobody knows: its start was cut off
    /// before anything was paired.
    fn forget_database(&self) -> anyhow::Result<()> {
        for end in ["", "-wal", "-shm"] {
            let path = self.0.join(format!("gateway.db{end}"));
            remove(&path)?;
        }
        Ok(())
    }
}

fn remove(path: &Path) -> anyhow::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("`{}` cannot be removed", path.display()))
        }
        _ => Ok(()),
    }
}

/// Runs the demo until a signal.
pub(crate) async fn run(args: Demo) -> anyhow::Result<()> {
    telemetry::init()?;
    let signals = lifecycle::Signals::listen()?;
    let _claim = folder::claim(&args.dir)?;
    let home = Home(args.dir.clone());
    // One that a crash left speaks of ports that may be others now.
    remove(&home.card())?;
    let listener = listen::bind(args.listen, "LISTEN=127.0.0.1:0 (or --listen)").await?;
    // The simulator takes its own port; this only says better what is wrong.
    drop(listen::bind(args.sim_listen, "SIM_LISTEN=127.0.0.1:0 (or --sim-listen)").await?);

    let server = Server::start(labelwire_sim::Options {
        listen: args.sim_listen,
        state_dir: Some(home.sim()),
        seed: Some(args.seed),
    })
    .await
    .context("the simulator cannot start")?;
    shop(server.world(), &args).await?;

    let known = home.known_tokens()?;
    if known.is_none() {
        home.forget_database()?;
    }
    let gateway = Gateway::start(Parts {
        listener,
        settings: Settings {
            base_url: None,
            rate: RATE,
            cors: Origins::default(),
            connections: labelwire_api::CONNECTIONS,
            wawp_list_shape: labelwire_api::ListShape::default(),
            rules: LabelRules::default(),
            webhooks_allow_private: true,
        },
        database_url: format!("sqlite://{}", home.database().display()),
        endpoint: Endpoint::Simulator {
            ws_url: server.ws_url(),
            http_url: server.control_url(),
        },
        pre_keys: Some(args.pre_keys),
    })
    .await?;

    let mut signals = std::pin::pin!(signals.first());
    let ready = get_ready(&home, &gateway, &server, known);
    let started = tokio::select! {
        () = &mut signals => None,
        ready = tokio::time::timeout(PATIENCE, ready) => Some(
            ready.unwrap_or_else(|_| bail!("the shop was not synced within {} s", PATIENCE.as_secs())),
        ),
    };
    if let Some(Ok(())) = started {
        signals.await;
    }
    // Nobody must wait for a next start and find this one's ports.
    let removed = remove(&home.card());
    gateway.stop().await;
    server.stop().await;
    started.unwrap_or(Ok(())).and(removed)
}

/// Makes the shop where this folder has none.
async fn shop(world: &World, args: &Demo) -> anyhow::Result<()> {
    if world.phones().iter().any(|phone| phone == PHONE) {
        return Ok(());
    }
    let chats = args.chats;
    let new = NewAccount {
        phone: PHONE.to_owned(),
        name: "Corner Shop".to_owned(),
        seed: Some(args.seed),
        chats,
        labels: LABELS,
        // 500 on 300 chats.
        associations: chats.saturating_mul(5).div_ceil(3),
        ..NewAccount::default()
    };
    let world = world.clone();
    tokio::task::spawn_blocking(move || world.create_account(new))
        .await
        .context("making the shop failed")?
        .context("the shop cannot be made")
}

/// Tokens, pairing, first sync; then tells the world.
async fn get_ready(
    home: &Home,
    gateway: &Gateway,
    server: &Server,
    known: Option<Tokens>,
) -> anyhow::Result<()> {
    let app = &gateway.app;
    let tokens = match known {
        Some(tokens) => tokens,
        None => {
            let (account, account_token) = app.create_account("main").await?;
            let owner = Caller::owner(account);
            let (_, instance_token) = app.create_instance(&owner, INSTANCE, None).await?;
            let tokens = Tokens {
                account_token,
                instance_token,
            };
            folder::write(&home.tokens(), &serde_json::to_string_pretty(&tokens)?)?;
            tokens
        }
    };
    let owner = app.authenticate(&tokens.account_token).await?;
    let handle = app.instance(&owner, Scope::Admin, INSTANCE)?;
    pair(&handle, server.world()).await?;

    let card = Card {
        base_url: gateway.url(),
        account_token: tokens.account_token,
        instance: INSTANCE.to_owned(),
        instance_token: tokens.instance_token,
        sim_control_url: server.control_url(),
        sim_ws_url: server.ws_url(),
        sim_root_key_hex: server.world().root_key_hex(),
        phone: PHONE.to_owned(),
    };
    folder::write(
        &home.card(),
        &format!("{}\n", serde_json::to_string_pretty(&card)?),
    )?;
    tell(&card, gateway, &owner, server.world()).await
}

/// Pairs the instance where it is not, and waits until its labels are here.
async fn pair(handle: &Arc<Handle>, world: &World) -> anyhow::Result<()> {
    let mut watch = handle.watch();
    let mut scanned = None;
    loop {
        let status = watch.borrow_and_update().clone();
        match (status.state, status.qr) {
            (State::Connected, _) if status.synced => return Ok(()),
            (State::Connecting, Some(code)) if scanned.as_ref() != Some(&code) => {
                // A code may run out between seeing and scanning it; the next one comes.
                if let Err(error) = world.scan(PHONE, &code, true).await {
                    tracing::warn!(%error, "the phone could not scan the code");
                }
                scanned = Some(code);
                continue;
            }
            (State::Disconnected | State::LoggedOut, _) => {
                handle.connect().await?;
            }
            _ => {}
        }
        watch.changed().await.context("the instance is gone")?;
    }
}

/// Says what there is to try.
async fn tell(card: &Card, gateway: &Gateway, owner: &Caller, world: &World) -> anyhow::Result<()> {
    let app = &gateway.app;
    let labels = app.list_labels(owner, INSTANCE).await?;
    let label = labels.first().context("the shop has no labels")?;
    let name: String = label.name.split(' ').collect::<Vec<_>>().join("%20");
    let people: Vec<String> = world.with_account(PHONE, |account| {
        let people = account
            .contacts
            .iter()
            .filter(|c| !c.jid.ends_with("@g.us"));
        people.map(|c| c.jid.clone()).collect()
    })?;
    let mut chat = people.first().context("the shop has no customers")?;
    for person in &people {
        let (_, carried) = app.labels_of_chat(owner, INSTANCE, person).await?;
        if carried.iter().all(|l| l.id != label.id) {
            chat = person;
            break;
        }
    }
    let chat = chat.replace('@', "%40");
    let Card {
        base_url,
        account_token,
        instance_token,
        sim_control_url,
        phone,
        ..
    } = card;
    let id = &label.id;
    say(&format!(
        "labelwire demo
  gateway         {base_url}
  account token   {account_token}
  instance        {INSTANCE}
  instance token  {instance_token}
  simulated phone {phone}, control API {sim_control_url}

Chats with label `{}`:
  curl -s -H 'token: {instance_token}' '{base_url}/api/chat/contactsByLabel/{INSTANCE}?labelNames={name}'

All labels:
  curl -s -H 'token: {instance_token}' '{base_url}/api/chat/tag/{INSTANCE}'

Label a chat on the phone, then read it here:
  curl -s -X PUT '{sim_control_url}/accounts/{phone}/labels/{id}/chats/{chat}' && sleep 1 && curl -s -H 'token: {instance_token}' '{base_url}/v1/instances/{INSTANCE}/chats/{chat}/labels'

All of this is also in demo.json. Stop with ctrl-C.",
        label.name
    ));
    Ok(())
}

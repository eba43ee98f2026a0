//! The listener: WebSocket, media blobs and the control API on one loopback port.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::serve::ListenerExt as _;
use rand::RngExt as _;
use rand::rngs::StdRng;
use tokio::net::TcpListener;

use crate::noise::ServerKeys;
use crate::persist::Folder;
use crate::world::World;
use crate::{Error, connection, control};

/// How a simulated WhatsApp is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// Loopback address; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Where state is kept; in memory only without it.
    pub state_dir: Option<PathBuf>,
    /// Seed of accounts that name none; random without it.
    pub seed: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
            state_dir: None,
            seed: None,
        }
    }
}

/// A running simulated WhatsApp.
pub struct Server {
    world: World,
    address: SocketAddr,
}

impl Server {
    /// Binds the port and serves until stopped.
    pub async fn start(options: Options) -> Result<Self, Error> {
        // Anybody who reaches it can read every account, keys included.
        if !options.listen.ip().is_loopback() {
            return Err(Error::Invalid(format!(
                "the simulator listens on loopback addresses only, not on `{}`",
                options.listen
            )));
        }
        // Verifying a big account's stored patches takes seconds.
        let opening = tokio::task::spawn_blocking({
            let options = options.clone();
            move || open(&options)
        });
        let world = opening.await.map_err(Error::crypto)??;

        let listener = TcpListener::bind(options.listen).await;
        let listener = listener
            .map_err(|error| Error::io(format!("listening on {}", options.listen), error))?;
        let address = listener
            .local_addr()
            .map_err(|error| Error::io("listening", error))?;
        let stop = world.shutdown().clone().cancelled_owned();
        // A notification and what follows it are small writes: held back for an
        // acknowledgement, each would arrive 40 ms late.
        let listener = listener.tap_io(|stream| {
            let _ = stream.set_nodelay(true);
        });
        let serving = axum::serve(listener, router(world.clone())).with_graceful_shutdown(stop);
        world.tasks().spawn(async move {
            if let Err(error) = serving.await {
                tracing::error!(%error, "the simulator stopped serving");
            }
        });
        Ok(Self { world, address })
    }

    /// The simulated world.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where clients connect.
    pub fn ws_url(&self) -> String {
        format!("ws://{}/ws/chat", self.address)
    }

    /// Where the control API and the media blobs are.
    pub fn control_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends all connections and waits until everything has.
    pub async fn stop(self) {
        self.world.shutdown().cancel();
        self.world.tasks().close();
        // A client of the HTTP side may hold its connection open.
        let _ = tokio::time::timeout(Duration::from_secs(5), self.world.tasks().wait()).await;
        self.world.close_folder();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.world.shutdown().cancel();
    }
}

/// The world as its state folder has it, or a new one.
fn open(options: &Options) -> Result<World, Error> {
    let mut rng = rand::make_rng::<StdRng>();
    let seed = options.seed.unwrap_or_else(|| rng.random());
    let Some(dir) = &options.state_dir else {
        let keys = ServerKeys::generate(&mut rng)?;
        return Ok(World::new(keys, seed, Vec::new(), None));
    };
    let folder = Folder::open(dir)?;
    let keys = match folder.server()? {
        Some(keys) => keys,
        None => {
            let keys = ServerKeys::generate(&mut rng)?;
            folder.save_server(&keys)?;
            keys
        }
    };
    let accounts = folder.accounts()?;
    Ok(World::new(keys, seed, accounts, Some(folder)))
}

fn router(world: World) -> Router {
    let served = Router::new()
        .route("/ws/chat", get(chat))
        .route("/mms/{*path}", get(blob))
        .with_state(world.clone());
    control::router(world).merge(served)
}

async fn chat(State(world): State<World>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(move |socket| {
        let tasks = world.tasks().clone();
        tasks.track_future(connection::serve(world, socket))
    })
}

async fn blob(State(world): State<World>, request: Request) -> Response {
    match world.media().get(request.uri().path()) {
        Some(bytes) => bytes.into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

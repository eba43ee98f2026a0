//! The gateway put together: database, application, WhatsApp, HTTP.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use labelwire_api::{Origins, Rate, Timeouts};
use labelwire_app::tasks::Tasks;
use labelwire_app::{App, Caller, Outside};
use labelwire_domain::clock::{SystemClock, SystemEntropy};
use labelwire_domain::intent::LabelRules;
use labelwire_store::Db;
use labelwire_wa::{Endpoint, WaConnector};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::console::say;

/// How long requests under way may take to finish at the end.
const LAST_REQUESTS: Duration = Duration::from_secs(10);
/// How long deliveries under way may take to finish at the end.
const LAST_DELIVERIES: Duration = Duration::from_secs(8);
/// How long clients may take to say goodbye at the end.
const LAST_TASKS: Duration = Duration::from_secs(20);

/// What a gateway is made from.
pub(crate) struct Parts {
    pub(crate) listener: TcpListener,
    pub(crate) settings: Settings,
    pub(crate) database_url: String,
    pub(crate) endpoint: Endpoint,
    pub(crate) pre_keys: Option<usize>,
}

/// How the gateway is to be.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) base_url: Option<String>,
    pub(crate) rate: Rate,
    pub(crate) cors: Origins,
    pub(crate) connections: usize,
    pub(crate) wawp_list_shape: labelwire_api::ListShape,
    pub(crate) rules: LabelRules,
    pub(crate) webhooks_allow_private: bool,
}

/// A running gateway.
pub(crate) struct Gateway {
    pub(crate) app: App,
    address: SocketAddr,
    db: Db,
    tasks: Tasks,
    http: Tasks,
    deliveries: Tasks,
}

impl Gateway {
    /// Opens the database, resumes all instances and serves.
    ///
    /// # Errors
    /// The database cannot be opened, or holds what makes no sense.
    pub(crate) async fn start(parts: Parts) -> anyhow::Result<Self> {
        let db = Db::open(&parts.database_url)
            .await
            .context("the database cannot be opened")?;
        let clock = Arc::new(SystemClock);
        let entropy = Arc::new(SystemEntropy);
        let settings = parts.settings;
        let bell = Arc::new(Notify::new());
        let tasks = Tasks::new();
        let connector = WaConnector::new(labelwire_wa::Options {
            db: db.clone(),
            clock: clock.clone(),
            tasks: tasks.clone(),
            endpoint: parts.endpoint,
            pre_keys: parts.pre_keys,
        });
        let app = App::new(Outside {
            db: db.clone(),
            clock: clock.clone(),
            entropy: entropy.clone(),
            connector: Arc::new(connector),
            tasks: tasks.clone(),
            list_budget: labelwire_app::app::LIST_BUDGET,
            rules: settings.rules,
            bell: Arc::clone(&bell),
        })
        .await
        .context("what is stored cannot be loaded")?;

        let worker = labelwire_delivery::Worker::new(labelwire_delivery::Options {
            db: db.clone(),
            clock: clock.clone(),
            entropy: entropy.clone(),
            bell,
            words: labelwire_api::words(settings.base_url.as_deref()),
            allow_private: settings.webhooks_allow_private,
        })
        .context("webhooks cannot be delivered")?;
        let deliveries = Tasks::new();
        let stopping = deliveries.clone();
        deliveries.spawn(worker.run(async move { stopping.stopping().await }));

        let address = parts
            .listener
            .local_addr()
            .context("the listener has no address")?;
        let config = labelwire_api::Config {
            base_url: settings.base_url,
            entropy,
            clock,
            rate: settings.rate,
            cors: settings.cors,
            timeouts: Timeouts::default(),
            connections: settings.connections,
            wawp_list_shape: settings.wawp_list_shape,
        };
        let router = labelwire_api::router(app.clone(), config.clone());
        let http = Tasks::new();
        let stopping = http.clone();
        http.spawn(async move {
            let until = async move { stopping.stopping().await };
            if let Err(error) = labelwire_api::serve(parts.listener, router, config, until).await {
                tracing::error!(%error, "serving ended");
            }
        });
        app.resume_all()
            .await
            .context("instances cannot be resumed")?;
        Ok(Self {
            app,
            address,
            db,
            tasks,
            http,
            deliveries,
        })
    }

    /// Where it is reached from this machine.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Runs a task that ends with the gateway.
    #[cfg(not(feature = "simulator"))]
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let tasks = self.tasks.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = tasks.stopping() => {}
                () = task => {}
            }
        });
    }

    /// Acts for the oldest account. Makes it, and says its token, where there is none.
    ///
    /// # Errors
    /// The database's.
    pub(crate) async fn first_account(&self) -> anyhow::Result<Caller> {
        if let Some((account, _)) = self.app.accounts().await?.into_iter().next() {
            return Ok(Caller::owner(account));
        }
        let (account, token) = self.app.create_account("main").await?;
        say(&format!("account token: {token}"));
        say("  It opens all instances of account `main`. Keep it: it is not shown again.");
        Ok(Caller::owner(account))
    }

    /// Stops accepting, lets requests and deliveries finish, says goodbye to WhatsApp, closes the database.
    pub(crate) async fn stop(self) {
        if tokio::time::timeout(LAST_REQUESTS, self.http.stop())
            .await
            .is_err()
        {
            tracing::warn!("requests were still under way and are given up");
        }
        if tokio::time::timeout(LAST_DELIVERIES, self.deliveries.stop())
            .await
            .is_err()
        {
            tracing::warn!(
                "deliveries were still under way and are made again after the next start"
            );
        }
        if tokio::time::timeout(LAST_TASKS, self.tasks.stop())
            .await
            .is_err()
        {
            tracing::warn!("a client did not stop in time");
        }
        self.db.close().await;
        tracing::info!("stopped");
    }
}

//! Starts clients.

use std::sync::Arc;

use async_trait::async_trait;
use labelwire_app::phone::{Connector, EventSink, Phone, PhoneError, PhoneEvent};
use labelwire_app::tasks::Tasks;
use labelwire_domain::clock::Clock;
use labelwire_domain::ids::InstanceKey;
use labelwire_store::Db;
use tokio::sync::{Mutex, oneshot};
use whatsapp_rust::bot::{Bot, BotHandle};
use whatsapp_rust::wacore::store::device::DevicePropsOverride;
use whatsapp_rust::wacore::store::traits::DeviceStore as _;
use whatsapp_rust::{RawNodeLease, TokioRuntime};

use crate::backend::{RegularOverlay, SqlBackend};
use crate::contacts::Ears;
use crate::events::{Forward, Queue};
use crate::phone::WaPhone;
use crate::raw::Watched;
use crate::send::Acks;

/// Which WhatsApp is spoken to.
#[derive(Debug, Clone)]
pub enum Endpoint {
    /// The real one.
    #[cfg(not(feature = "simulator"))]
    WhatsApp,
    /// A simulated one on a loopback address.
    #[cfg(feature = "simulator")]
    Simulator {
        /// `ws://127.0.0.1:<port>/ws/chat`.
        ws_url: String,
        /// `http://127.0.0.1:<port>`, where media is fetched.
        http_url: String,
    },
}

#[cfg(feature = "simulator")]
impl Endpoint {
    /// Refuses everything that is not on this machine.
    ///
    /// # Errors
    /// [`PhoneError::Refused`] with what to write instead.
    pub fn require_loopback(&self) -> Result<(), PhoneError> {
        let Self::Simulator { ws_url, http_url } = self;
        crate::loopback::refuse_elsewhere(ws_url)?;
        crate::loopback::refuse_elsewhere(http_url)
    }
}

/// What clients are made of.
pub struct Options {
    /// Where protocol state is kept.
    pub db: Db,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Runs the clients' tasks.
    pub tasks: Tasks,
    /// Which WhatsApp.
    pub endpoint: Endpoint,
    /// Pre-keys to upload when pairing; `None`: as many as WhatsApp Web, 812.
    pub pre_keys: Option<usize>,
}

/// Starts clients of the real library.
pub struct WaConnector(Options);

impl WaConnector {
    /// A connector.
    #[must_use]
    pub const fn new(options: Options) -> Self {
        Self(options)
    }

    fn backend(
        &self,
        instance: InstanceKey,
        events: EventSink,
    ) -> (Arc<RegularOverlay>, Arc<SqlBackend>) {
        let overlay = Arc::new(RegularOverlay::new(Arc::new(Queue(events))));
        let clock = Arc::clone(&self.0.clock);
        let backend = SqlBackend::new(self.0.db.clone(), instance, clock, Arc::clone(&overlay));
        (overlay, Arc::new(backend))
    }

    async fn bot(&self, backend: Arc<SqlBackend>, forward: Forward) -> Result<Bot, PhoneError> {
        let builder = Bot::builder()
            .with_backend_arc(backend.clone())
            .with_runtime(TokioRuntime)
            .with_event_handler(forward)
            // What the phone shows as the linked device's system; the library
            // turns names WhatsApp does not know into this one anyway.
            .with_device_props(DevicePropsOverride::new().with_os("Linux"))
            .with_wanted_pre_key_count(self.0.pre_keys.unwrap_or(812));
        #[cfg(not(feature = "simulator"))]
        let builder = match &self.0.endpoint {
            Endpoint::WhatsApp => builder
                .with_transport_factory(crate::socket::Sockets::new(
                    whatsapp_rust::wacore::net::WHATSAPP_WEB_WS_URL,
                ))
                .with_http_client(Watched::new(
                    whatsapp_rust::http::UreqHttpClient::new(),
                    backend,
                )),
        };
        #[cfg(feature = "simulator")]
        let builder = match &self.0.endpoint {
            Endpoint::Simulator { ws_url, http_url } => builder
                .with_transport_factory(crate::loopback::transport(ws_url)?)
                .with_http_client(Watched::new(crate::loopback::Http::new(http_url)?, backend))
                // The simulator takes any; the real one's is read from the web.
                .with_version((2, 3000, 1)),
        };
        builder
            .build()
            .await
            .map_err(|e| PhoneError::Refused(format!("the client did not start: {e}")))
    }
}

#[async_trait]
impl Connector for WaConnector {
    async fn start(
        &self,
        instance: InstanceKey,
        events: EventSink,
    ) -> Result<Arc<dyn Phone>, PhoneError> {
        let (overlay, backend) = self.backend(instance, events.clone());
        let (names, acks) = (Ears::open(events.clone(), &self.0.tasks), Acks::default());
        let forward = Forward {
            overlay: Arc::clone(&overlay),
            events: events.clone(),
            names: names.clone(),
            acks: acks.clone(),
        };
        let bot = self.bot(Arc::clone(&backend), forward).await?;
        let client = bot.client();
        let stanzas = client.acquire_raw_node_forwarding();
        overlay.raw().listen();
        let (stop, stopped) = oneshot::channel();
        self.0
            .tasks
            .spawn(hold(bot.spawn(), stanzas, stopped, events));
        Ok(Arc::new(WaPhone {
            client,
            overlay,
            backend,
            names,
            acks,
            stop: Mutex::new(Some(stop)),
        }))
    }

    async fn is_paired(&self, instance: InstanceKey) -> bool {
        let (nobody, _) = tokio::sync::mpsc::unbounded_channel();
        let (_, backend) = self.backend(instance, nobody);
        matches!(backend.load().await, Ok(Some(device)) if device.pn.is_some())
    }
}

/// Keeps a client alive (dropping its handle would kill it) until it ends or is
/// asked to.
async fn hold(
    mut bot: BotHandle,
    // Stanzas are told of while this lives.
    _stanzas: RawNodeLease,
    stopped: oneshot::Receiver<oneshot::Sender<()>>,
    events: EventSink,
) {
    tokio::select! {
        () = &mut bot => {
            let reason = "the client ended".to_owned();
            let _ = events.send(PhoneEvent::Stopped { reason, again: true });
        }
        done = stopped => {
            bot.shutdown().await;
            if let Ok(done) = done {
                let _ = done.send(());
            }
        }
    }
}

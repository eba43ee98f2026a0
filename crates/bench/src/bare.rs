//! The client library by itself, on our `Backend`: what a link costs without a
//! gateway around it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use labelwire_domain::clock::SystemClock;
use labelwire_domain::collection::Step;
use labelwire_store::testing::{self, TestDb};
use labelwire_wa::backend::{RegularOverlay, SqlBackend, StepSink};
use tokio::sync::mpsc;
use whatsapp_rust::bot::{Bot, BotHandle};
use whatsapp_rust::transport::TokioWebSocketTransportFactory;
use whatsapp_rust::types::events::{Event, EventHandler};
use whatsapp_rust::wacore::store::traits::AppSyncStore as _;
use whatsapp_rust::{Client, TokioRuntime};

use crate::peer::Http;
use crate::stand::Sim;

/// A paired client.
pub(crate) struct Bare {
    client: Arc<Client>,
    _handle: BotHandle,
    _db: TestDb,
}

/// Nobody commits: the overlay keeps what the library wrote.
struct Nobody;

impl StepSink for Nobody {
    fn step(&self, _seq: u64, _task: u64, _step: Step) {}

    fn lids_learned(&self, _pairs: Vec<(String, String)>) {}
}

struct Codes(mpsc::UnboundedSender<String>);

impl EventHandler for Codes {
    fn handle_event(&self, event: Arc<Event>) {
        if let Event::PairingQrCode(qr) = &*event {
            let _ = self.0.send(qr.code.clone());
        }
    }
}

impl Bare {
    /// Pairs a client with an account and waits for its labels.
    pub(crate) async fn pair(sim: &Sim, phone: &str) -> Result<Self> {
        let test_db = TestDb::sqlite()?;
        let db = test_db.open().await?;
        let instance = testing::instance(&db, "bare").await?;
        let overlay = Arc::new(RegularOverlay::new(Arc::new(Nobody)));
        let backend = Arc::new(SqlBackend::new(
            db,
            instance,
            Arc::new(SystemClock),
            overlay,
        ));
        let (codes, mut next_code) = mpsc::unbounded_channel();
        let bot = Bot::builder()
            .with_backend_arc(Arc::clone(&backend) as Arc<_>)
            .with_runtime(TokioRuntime)
            .with_event_handler(Codes(codes))
            .with_transport_factory(TokioWebSocketTransportFactory::new().with_url(&sim.ws_url))
            .with_http_client(Http::new(&sim.url))
            .with_version((2, 3000, 1))
            .with_wanted_pre_key_count(30)
            .build()
            .await?;
        let client = bot.client();
        let handle = bot.spawn();
        let code = next_code
            .recv()
            .await
            .ok_or_else(|| anyhow!("no QR code"))?;
        sim.scan(phone, &code).await?;
        for _ in 0..600 {
            if backend.get_version("regular").await?.version > 0 {
                return Ok(Self {
                    client,
                    _handle: handle,
                    _db: test_db,
                });
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("the bare client was not synced within 30 s")
    }

    /// Puts a label on a chat, the library's way.
    pub(crate) async fn link(&self, label: &str, chat: &str) -> Result<()> {
        let jid = chat.parse().map_err(|_| anyhow!("`{chat}` is no JID"))?;
        self.client
            .labels()
            .add_chat_label(label, &jid)
            .await
            .context("the library's link")
    }
}

//! The same client with memory for a store and a counter for a handler: what a
//! first sync costs without a gateway.
#![expect(clippy::print_stdout, reason = "this role answers on its output")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, anyhow};
use tokio::sync::mpsc;
use whatsapp_rust::TokioRuntime;
use whatsapp_rust::async_trait;
use whatsapp_rust::bot::Bot;
use whatsapp_rust::http::{HttpClient, HttpRequest, HttpResponse, UreqHttpClient};
use whatsapp_rust::transport::TokioWebSocketTransportFactory;
use whatsapp_rust::types::events::{Event, EventHandler};
use whatsapp_rust::wacore::store::InMemoryBackend;

struct Counter {
    seen: Arc<AtomicU64>,
    last: Arc<AtomicU64>,
    codes: mpsc::UnboundedSender<String>,
}

impl EventHandler for Counter {
    fn handle_event(&self, event: Arc<Event>) {
        match &*event {
            Event::LabelAssociationUpdate(_) => {
                self.seen.fetch_add(1, Ordering::Relaxed);
                self.last.store(now(), Ordering::Relaxed);
            }
            Event::PairingQrCode(qr) => {
                let _ = self.codes.send(qr.code.clone());
            }
            _ => {}
        }
    }
}

/// Microseconds since 1970.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or_default()
}

/// Fetches blobs from the simulator, whatever host they are said to be on.
pub(crate) struct Http {
    origin: String,
    inner: UreqHttpClient,
}

impl Http {
    pub(crate) fn new(origin: &str) -> Self {
        Self {
            origin: origin.to_owned(),
            inner: UreqHttpClient::new(),
        }
    }
}

#[async_trait]
impl HttpClient for Http {
    async fn execute(&self, mut request: HttpRequest) -> Result<HttpResponse> {
        let rest = request.url.split_once("://").map_or("", |(_, rest)| rest);
        let path = rest
            .find('/')
            .map(|at| rest[at..].to_owned())
            .ok_or_else(|| anyhow!("no path"))?;
        request.url = format!("{}{path}", self.origin);
        self.inner.execute(request).await
    }
}

/// Prints a QR code; after the sync, how many associations came, when the last
/// did, and the peak memory.
pub(crate) async fn run(ws: &str, http: &str) -> Result<()> {
    let (codes, mut next_code) = mpsc::unbounded_channel();
    let seen = Arc::new(AtomicU64::new(0));
    let last = Arc::new(AtomicU64::new(0));
    let counter = Counter {
        seen: Arc::clone(&seen),
        last: Arc::clone(&last),
        codes,
    };
    let bot = Bot::builder()
        .with_backend_arc(Arc::new(InMemoryBackend::new()))
        .with_runtime(TokioRuntime)
        .with_event_handler(counter)
        .with_transport_factory(TokioWebSocketTransportFactory::new().with_url(ws))
        .with_http_client(Http::new(http))
        .with_version((2, 3000, 1))
        .with_wanted_pre_key_count(30)
        .build()
        .await?;
    let handle = bot.spawn();
    let code = next_code
        .recv()
        .await
        .ok_or_else(|| anyhow!("no QR code"))?;
    println!("qr {code}");
    // The end is known by the quiet behind it.
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let at = last.load(Ordering::Relaxed);
        if at > 0 && now() - at > 1_500_000 {
            break;
        }
    }
    println!(
        "done {} {}",
        seen.load(Ordering::Relaxed),
        last.load(Ordering::Relaxed)
    );
    // Stays until killed, so that its memory can be read.
    handle.await;
    Ok(())
}

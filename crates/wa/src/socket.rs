//! The library's WebSocket, without Nagle's algorithm.
//!
//! The library answers a notification and then asks for what is new: two small
//! writes. Left to itself, TCP holds the second back until the first is
//! acknowledged, which the other side delays: every change arrives 40 ms late.

use std::sync::Arc;

use async_trait::async_trait;
use http::header::{HeaderValue, ORIGIN};
use tokio_websockets::{ClientBuilder, MaybeTlsStream};
use whatsapp_rust::anyhow::{Context as _, Result};
use whatsapp_rust::async_channel::Receiver;
use whatsapp_rust::transport::{
    Transport, TransportEvent, TransportFactory, default_tls_connector, from_websocket,
};
use whatsapp_rust::wacore::net::WHATSAPP_WEB_ORIGIN;

/// Opens sockets to one address.
pub(crate) struct Sockets {
    url: String,
}

impl Sockets {
    pub(crate) fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
        }
    }
}

#[async_trait]
impl TransportFactory for Sockets {
    async fn create_transport(&self) -> Result<(Arc<dyn Transport>, Receiver<TransportEvent>)> {
        let connector = default_tls_connector();
        let (socket, _) = ClientBuilder::from_uri(self.url.parse().context("the address")?)
            .connector(&connector)
            .add_header(ORIGIN, HeaderValue::from_static(WHATSAPP_WEB_ORIGIN))?
            .connect()
            .await
            .context("the WebSocket could not be opened")?;
        let tcp = match socket.get_ref() {
            MaybeTlsStream::Plain(tcp) => tcp,
            MaybeTlsStream::Rustls(tls) => tls.get_ref().0,
        };
        // Slower without, and no worse.
        let _ = tcp.set_nodelay(true);
        Ok(from_websocket(socket))
    }
}

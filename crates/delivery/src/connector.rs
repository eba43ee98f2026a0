//! Connections to receivers: looked up, guarded, and with TLS where asked for.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::guard;

/// How long one address may take to accept, so that there is time for the next.
const ACCEPT: Duration = Duration::from_secs(5);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The URL names no host.
    #[error("the URL names no host")]
    NoHost,
    /// The name is not known.
    #[error("the host's name could not be looked up: {0}")]
    Lookup(io::Error),
    /// The guard.
    #[error(
        "refused: the host leads to {address}, which is not public ({why}); start labelwire with `--webhooks-allow-private` where that is meant"
    )]
    Private {
        /// The address.
        address: IpAddr,
        /// What it is.
        why: &'static str,
    },
    /// Nobody there.
    #[error("no connection: {0}")]
    Connect(io::Error),
    /// No TLS.
    #[error("no TLS connection: {0}")]
    Tls(io::Error),
    /// A certificate's name is of the wrong form.
    #[error("the host's name is none a certificate can have")]
    TlsName,
}

/// TLS as it is spoken to every receiver: certificates of the roots browsers trust.
pub(crate) fn tls_config() -> Result<ClientConfig, rustls::Error> {
    let roots = webpki_roots::TLS_SERVER_ROOTS.iter().cloned();
    trusting(RootCertStore::from_iter(roots))
}

/// TLS that believes certificates of these roots.
pub(crate) fn trusting(roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Makes connections.
#[derive(Clone)]
pub(crate) struct Connector {
    tls: TlsConnector,
    allow_private: bool,
}

impl Connector {
    pub(crate) fn new(tls: ClientConfig, allow_private: bool) -> Self {
        Self {
            tls: TlsConnector::from(Arc::new(tls)),
            allow_private,
        }
    }

    async fn connect(self, uri: Uri) -> Result<Stream, Error> {
        let host = uri.host().ok_or(Error::NoHost)?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let is_tls = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let addresses = tokio::net::lookup_host((host, port))
            .await
            .map_err(Error::Lookup)?;
        let tcp = self.reach(addresses).await?;
        if !is_tls {
            return Ok(Stream::Plain(TokioIo::new(tcp)));
        }
        let name = ServerName::try_from(host.to_owned()).map_err(|_| Error::TlsName)?;
        let tls = self.tls.connect(name, tcp).await.map_err(Error::Tls)?;
        Ok(Stream::Tls(Box::new(TokioIo::new(tls))))
    }

    /// Connects to the first address that may be and answers.
    async fn reach(
        &self,
        addresses: impl Iterator<Item = SocketAddr> + Send,
    ) -> Result<TcpStream, Error> {
        let nowhere = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        let mut last = Error::Lookup(nowhere);
        for address in addresses {
            if let Some(why) = guard::refused(address.ip())
                && !self.allow_private
            {
                let address = address.ip();
                last = Error::Private { address, why };
                continue;
            }
            match tokio::time::timeout(ACCEPT, TcpStream::connect(address)).await {
                Ok(Ok(tcp)) => {
                    let _ = tcp.set_nodelay(true);
                    return Ok(tcp);
                }
                Ok(Err(error)) => last = Error::Connect(error),
                Err(_) => last = Error::Connect(io::ErrorKind::TimedOut.into()),
            }
        }
        Err(last)
    }
}

impl tower_service::Service<Uri> for Connector {
    type Response = Stream;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}

/// A connection, with TLS or without.
pub(crate) enum Stream {
    Plain(TokioIo<TcpStream>),
    Tls(Box<TokioIo<TlsStream<TcpStream>>>),
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl Write for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

//! Calls to receivers with and without TLS.

use std::sync::Arc;

use http::{HeaderMap, Uri};
use labelwire_domain::clock::Timestamp;
use labelwire_domain::webhook::Outcome;
use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::connector::{Connector, trusting};
use crate::sender::{Sender, Tried};

/// Answers one request on a connection with this text.
async fn answer(mut stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin, text: &str) {
    let mut asked = Vec::new();
    let mut piece = [0; 1024];
    // The body of the tests is `{}`.
    while !asked.ends_with(b"{}") {
        match stream.read(&mut piece).await {
            Ok(read) if read > 0 => asked.extend_from_slice(&piece[..read]),
            _ => return,
        }
    }
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.shutdown().await;
}

/// A receiver that answers every call with this text; its port.
async fn plain(text: String) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            answer(stream, &text).await;
        }
    });
    port
}

/// A receiver with a certificate for this name; its port and the root behind it.
async fn secure(name: &str) -> (u16, RootCertStore) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let root = CertifiedIssuer::self_signed(params, key).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &root).unwrap();
    let secret = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], secret)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(stream) = acceptor.accept(stream).await {
                answer(stream, "HTTP/1.1 204 No Content\r\n\r\n").await;
            }
        }
    });
    let mut roots = RootCertStore::empty();
    roots.add(root.der().clone()).unwrap();
    (port, roots)
}

async fn call(sender: &Sender, url: String) -> Tried {
    let uri = Uri::try_from(url).unwrap();
    sender
        .send(uri, HeaderMap::new(), "{}".to_owned(), Timestamp(0))
        .await
}

fn status(tried: &Tried) -> Option<u16> {
    match tried.outcome {
        Outcome::Answered { status, .. } => Some(status),
        Outcome::Failed => None,
    }
}

#[tokio::test]
async fn only_certificates_of_known_roots_for_the_right_name_are_believed() {
    let (port, roots) = secure("localhost").await;
    let knowing = Sender::over(Connector::new(trusting(roots).unwrap(), true));
    let usual = Sender::new(true).unwrap();
    let right = call(&knowing, format!("https://localhost:{port}/")).await;
    assert_eq!(status(&right), Some(204), "{right:?}");
    for (sender, host) in [(&usual, "localhost"), (&knowing, "127.0.0.1")] {
        let refused = call(sender, format!("https://{host}:{port}/")).await;
        let error = refused.error.unwrap();
        assert!(error.starts_with("no TLS connection: "), "{error}");
        assert!(error.contains("certificate"), "{error}");
    }
}

#[tokio::test]
async fn redirects_are_answers_and_no_success() {
    let elsewhere = plain("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_owned()).await;
    let location = format!("http://127.0.0.1:{elsewhere}/");
    let port = plain(format!(
        "HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n"
    ))
    .await;
    let sender = Sender::new(true).unwrap();
    let tried = call(&sender, format!("http://127.0.0.1:{port}/")).await;
    assert_eq!(status(&tried), Some(302));
}

#[tokio::test]
async fn the_first_bytes_of_an_answer_are_kept() {
    let long = "x".repeat(100_000);
    let port = plain(format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{long}",
        long.len()
    ))
    .await;
    let sender = Sender::new(true).unwrap();
    let tried = call(&sender, format!("http://127.0.0.1:{port}/")).await;
    assert_eq!(status(&tried), Some(200));
    assert_eq!(tried.answer, Some("x".repeat(500)));
}

#[tokio::test]
async fn what_is_not_public_is_refused_with_its_reason() {
    let port = plain("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_owned()).await;
    let sender = Sender::new(false).unwrap();
    for host in ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"] {
        let tried = call(&sender, format!("http://{host}:{port}/")).await;
        let error = tried.error.unwrap();
        assert!(error.contains("not public (loopback)"), "{error}");
    }
    let tried = call(&sender, "http://169.254.169.254/latest".to_owned()).await;
    let error = tried.error.unwrap();
    assert!(error.contains("not public (link-local)"), "{error}");
}

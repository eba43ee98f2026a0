//! Who sends or takes too slowly, over real sockets with short settings.

use std::net::SocketAddr;
use std::time::Duration;

use labelwire_api::Timeouts;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::socket::serve;
use crate::stage::Stage;

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(300);
const PATIENCE: Duration = Duration::from_secs(20);

/// All timeouts long; a test shortens the one it is about.
const PATIENT: Timeouts = Timeouts {
    head: LONG,
    idle: LONG,
    body: LONG,
    stall: LONG,
    beat: LONG,
    slow: LONG,
};

async fn open(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.expect("up")
}

/// What comes until the end; a reset is an end.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut bytes))
        .await
        .expect("it ends");
    String::from_utf8_lossy(&bytes).into_owned()
}

async fn until(stream: &mut TcpStream, what: &str) {
    let mut bytes = Vec::new();
    let reading = async {
        while !String::from_utf8_lossy(&bytes).contains(what) {
            let mut piece = [0; 1024];
            let read = stream.read(&mut piece).await.expect("up");
            assert!(read > 0, "ended before `{what}`");
            bytes.extend_from_slice(&piece[..read]);
        }
    };
    timeout(PATIENCE, reading).await.expect("in time");
}

const HEALTH: &[u8] = b"GET /v1/health HTTP/1.1\r\nhost: x\r\n\r\n";

#[tokio::test]
async fn a_head_that_never_ends_is_cut() {
    let timeouts = Timeouts {
        head: SHORT,
        ..PATIENT
    };
    let stage = Stage::with_config(|c| c.timeouts = timeouts).await;
    let (address, stop) = serve(&stage).await;
    let mut silent = open(address).await;
    let mut dripping = open(address).await;
    assert_eq!(rest(&mut silent).await, "");
    // A byte now and then does not help.
    let drip = async {
        while dripping.write_all(b"G").await.is_ok() {
            tokio::time::sleep(SHORT / 10).await;
        }
    };
    timeout(PATIENCE, drip).await.expect("it is cut");
    // Between two requests there is more time than that, and for a new head the same.
    let mut talking = open(address).await;
    talking.write_all(HEALTH).await.expect("sent");
    until(&mut talking, r#"{"status":"ok"}"#).await;
    assert!(
        timeout(SHORT * 3, talking.read_u8()).await.is_err(),
        "still open"
    );
    talking.write_all(b"GET /v1").await.expect("sent");
    assert_eq!(rest(&mut talking).await, "");
    drop(stop);
    stage.close().await;
}

#[tokio::test]
async fn a_connection_nobody_uses_is_closed() {
    let timeouts = Timeouts {
        idle: SHORT,
        ..PATIENT
    };
    let stage = Stage::with_config(|c| c.timeouts = timeouts).await;
    let (address, stop) = serve(&stage).await;
    let mut stream = open(address).await;
    for _ in 0..2 {
        stream.write_all(HEALTH).await.expect("sent");
        until(&mut stream, r#"{"status":"ok"}"#).await;
    }
    assert_eq!(rest(&mut stream).await, "");
    drop(stop);
    stage.close().await;
}

#[tokio::test]
async fn a_body_that_stops_coming_is_told_so() {
    let timeouts = Timeouts {
        body: SHORT,
        ..PATIENT
    };
    let stage = Stage::with_config(|c| c.timeouts = timeouts).await;
    let (address, stop) = serve(&stage).await;
    for (method, path, more) in [
        ("POST", "/api/instance/new", ""),
        (
            "PUT",
            "/v1/instances/shop/chats/1/labels",
            "idempotency-key: k\r\n",
        ),
    ] {
        let mut stream = open(address).await;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\ntoken: {}\r\n{more}content-length: 50\r\n\r\n{{\"na",
            stage.account
        );
        stream.write_all(head.as_bytes()).await.expect("sent");
        let said = rest(&mut stream).await;
        assert!(said.starts_with("HTTP/1.1 408 "), "{path}: {said}");
    }
    drop(stop);
    stage.close().await;
}

/// The head of a request for a list of some megabytes.
async fn large(timeouts: Timeouts) -> (Stage, Vec<u8>) {
    let (stage, token) = Stage::shop_with(|c| c.timeouts = timeouts).await;
    let records = std::iter::once(crate::fake::label("1", "Important", 0))
        .chain((0..60_000).map(|n| crate::fake::on("1", &format!("55119{n:08}@s.whatsapp.net"))));
    stage.fake.hold(records.collect());
    let (status, _) = stage
        .get("/api/chat/contactsByLabel/shop?refresh=true")
        .await;
    assert_eq!(status, 200);
    let head =
        format!("GET /api/chat/contactsByLabel/shop HTTP/1.1\r\nhost: x\r\ntoken: {token}\r\n\r\n");
    (stage, head.into_bytes())
}

/// A connection whose kernel takes little ahead of who reads.
async fn narrow(address: SocketAddr) -> TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(16 * 1024).expect("set");
    socket.connect(address).await.expect("up")
}

#[tokio::test]
async fn who_takes_nothing_is_cut_and_who_takes_little_is_not() {
    let timeouts = Timeouts {
        stall: SHORT * 6,
        ..PATIENT
    };
    let (stage, head) = large(timeouts).await;
    let (address, stop) = serve(&stage).await;
    let mut dead = narrow(address).await;
    dead.write_all(&head).await.expect("sent");
    let mut slow = narrow(address).await;
    slow.write_all(&head).await.expect("sent");
    // Slow for several times as long as a stall may take.
    let mut piece = vec![0; 8 * 1024];
    let (mut taken, until) = (0, Instant::now() + timeouts.stall * 4);
    while Instant::now() < until {
        taken += slow.read(&mut piece).await.expect("still served");
        tokio::time::sleep(SHORT / 10).await;
    }
    assert!(taken < 3_000_000, "slow enough to tell: {taken}");
    let whole = timeout(PATIENCE, slow.read_exact(&mut vec![0; 3_000_000])).await;
    whole.expect("in time").expect("served to the end");
    // What the kernels hold is still there; the whole list is not.
    let mut bytes = Vec::new();
    let _ = timeout(PATIENCE, dead.read_to_end(&mut bytes))
        .await
        .expect("it ends");
    assert!(bytes.len() < 3_000_000, "{}", bytes.len());
    drop(stop);
    stage.close().await;
}

#[tokio::test]
async fn above_the_bound_of_connections_one_waits() {
    let stage = Stage::with_config(|c| {
        c.timeouts = PATIENT;
        c.connections = 1;
    })
    .await;
    let (address, stop) = serve(&stage).await;
    let mut first = open(address).await;
    first.write_all(HEALTH).await.expect("sent");
    until(&mut first, r#"{"status":"ok"}"#).await;
    let mut second = open(address).await;
    second.write_all(HEALTH).await.expect("sent");
    assert!(timeout(SHORT, second.read_u8()).await.is_err(), "it waits");
    drop(first);
    until(&mut second, r#"{"status":"ok"}"#).await;
    drop(stop);
    stage.close().await;
}

//! What only a real connection shows.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use crate::stage::Stage;

/// Serves a stage; what is given back ends it.
pub(crate) async fn serve(stage: &Stage) -> (std::net::SocketAddr, oneshot::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = labelwire_api::serve(
        listener,
        stage.router.clone(),
        stage.config.clone(),
        async {
            let _ = stopped.await;
        },
    );
    stage
        .tasks
        .spawn(async move { serving.await.expect("served") });
    (address, stop)
}

/// Sends bytes while reading, as browsers and `curl` do; what came back until the end.
async fn say(stream: TcpStream, bytes: &[u8]) -> String {
    let (mut read, mut write) = stream.into_split();
    let mut answer = Vec::new();
    let talk = async {
        // A server that has refused may stop reading; what counts is its answer.
        let _ = write.write_all(bytes).await;
        read.read_to_end(&mut answer).await
    };
    tokio::time::timeout(Duration::from_secs(20), talk)
        .await
        .expect("in time")
        .expect("an end, not a reset");
    String::from_utf8(answer).expect("UTF-8")
}

fn get(path: &[u8], more: &str) -> Vec<u8> {
    let mut bytes = b"GET ".to_vec();
    bytes.extend_from_slice(path);
    bytes.extend_from_slice(b" HTTP/1.1\r\nhost: x\r\n");
    bytes.extend_from_slice(more.as_bytes());
    bytes.extend_from_slice(b"\r\n");
    bytes
}

#[tokio::test]
async fn a_url_that_is_too_long_is_told_so_and_never_reset() {
    let stage = Stage::empty().await;
    let (address, stop) = serve(&stage).await;
    for length in [64_100, 65_530, 65_540, 70_000, 300_000, 500_000, 5_000_000] {
        let mut path = b"/api/chat/contactsByLabel/shop?labelIds=".to_vec();
        path.resize(length, b'9');
        let close = "connection: close\r\n";
        let answer = say(
            TcpStream::connect(address).await.expect("up"),
            &get(&path, close),
        )
        .await;
        assert!(answer.starts_with("HTTP/1.1 414 "), "{length}: {answer}");
        let body = r#"{"success":false,"error":{"message":"URL is too long"}}"#;
        assert!(answer.ends_with(body), "{length}: {answer}");
        assert!(
            answer.contains(&format!("content-length: {}", body.len())),
            "{length}: {answer}"
        );
    }
    drop(stop);
    stage.close().await;
}

#[tokio::test]
async fn a_long_url_on_a_connection_in_use_is_told_so_too() {
    let stage = Stage::empty().await;
    let (address, stop) = serve(&stage).await;
    let mut bytes = get(b"/v1/health", "");
    let mut path = b"/api/chat/tag/".to_vec();
    path.resize(100_000, b'a');
    bytes.extend(get(&path, ""));
    let answer = say(TcpStream::connect(address).await.expect("up"), &bytes).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.contains("HTTP/1.1 414 "), "{answer}");
    drop(stop);
    stage.close().await;
}

#[tokio::test]
async fn bytes_that_are_no_utf8_in_the_path_are_told_so() {
    let stage = Stage::empty().await;
    let (address, stop) = serve(&stage).await;
    let with_token = format!("token: {}\r\nconnection: close\r\n", stage.account);
    for path in [
        b"/api/chat/tag/\xff\xfe".as_slice(),
        b"/api/chat/tag/%ff%fe",
    ] {
        let answer = say(
            TcpStream::connect(address).await.expect("up"),
            &get(path, &with_token),
        )
        .await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{path:?} {answer}");
        let body = r#"{"success":false,"error":{"message":"Instance name is invalid"}}"#;
        assert!(answer.ends_with(body), "{path:?} {answer}");
    }
    drop(stop);
    stage.close().await;
}

#[tokio::test]
async fn a_list_is_sent_with_its_length() {
    let (stage, token) = Stage::shop().await;
    let (address, stop) = serve(&stage).await;
    let more = format!("token: {token}\r\nconnection: close\r\n");
    let path = b"/api/chat/contactsByLabel/shop";
    let answer = say(
        TcpStream::connect(address).await.expect("up"),
        &get(path, &more),
    )
    .await;
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(
        head.contains(&format!("content-length: {}", body.len())),
        "{head}"
    );
    assert!(!head.contains("chunked"), "{head}");
    assert!(
        serde_json::from_str::<serde_json::Value>(body).is_ok(),
        "{body}"
    );
    drop(stop);
    stage.close().await;
}

#[tokio::test]
async fn stopping_lets_a_request_under_way_finish() {
    let (stage, token) = Stage::shop().await;
    let (address, stop) = serve(&stage).await;
    let mut stream = TcpStream::connect(address).await.expect("up");
    let body = r#"{"number":"5511966665555","tagId":"2"}"#;
    let head = format!(
        "POST /api/chat/assignTag/shop HTTP/1.1\r\nhost: x\r\ntoken: {token}\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    let mut first = [0; 12];
    // The handler reads the body: the request is under way.
    stream
        .read_exact(&mut first)
        .await
        .expect("an interim answer");
    assert_eq!(&first, b"HTTP/1.1 100");
    drop(stop);
    let answer = say(stream, body.as_bytes()).await;
    assert!(answer.contains("HTTP/1.1 200 OK"), "{answer}");
    stage.close().await;
}

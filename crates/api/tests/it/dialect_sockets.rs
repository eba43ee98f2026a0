//! The dialects' WebSockets, over real connections.

use std::net::SocketAddr;
use std::time::Duration;

use labelwire_app::phone::{HeardMessage, PhoneEvent};
use labelwire_domain::chat::ChatJid;
use labelwire_domain::clock::Timestamp;
use labelwire_domain::token::Scope;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::socket::serve;
use crate::stage::Stage;

/// The client's end of a WebSocket.
struct Socket {
    stream: TcpStream,
    bytes: Vec<u8>,
}

impl Socket {
    async fn open(address: SocketAddr, path: &str) -> Self {
        let mut stream = TcpStream::connect(address).await.expect("up");
        let head = format!(
            "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.expect("sent");
        let mut socket = Self {
            stream,
            bytes: Vec::new(),
        };
        let end = loop {
            if let Some(end) = socket.bytes.windows(4).position(|w| w == b"\r\n\r\n") {
                break end + 4;
            }
            socket.more().await;
        };
        let head = String::from_utf8_lossy(&socket.bytes[..end]).into_owned();
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        socket.bytes.drain(..end);
        socket
    }

    async fn more(&mut self) {
        let mut piece = [0; 4096];
        let reading = self.stream.read(&mut piece);
        let reading = tokio::time::timeout(Duration::from_secs(20), reading);
        let read = reading.await.expect("in time").expect("up");
        assert!(read > 0, "it ended");
        self.bytes.extend_from_slice(&piece[..read]);
    }

    /// The next text, as JSON.
    async fn next(&mut self) -> Value {
        loop {
            let Some((kind, payload)) = self.frame() else {
                self.more().await;
                continue;
            };
            if kind == 1 {
                return serde_json::from_slice(&payload).expect("JSON");
            }
        }
    }

    /// The next frame, where it is there whole.
    fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let kind = self.bytes.first()? & 15;
        let (start, length) = match *self.bytes.get(1)? {
            126 => {
                let length = [*self.bytes.get(2)?, *self.bytes.get(3)?];
                (4, usize::from(u16::from_be_bytes(length)))
            }
            length => (2, usize::from(length)),
        };
        let payload = self.bytes.get(start..start + length)?.to_vec();
        self.bytes.drain(..start + length);
        Some((kind, payload))
    }
}

async fn put(stage: &Stage, label: &str, chat: &str) {
    let line = format!("PUT /v1/instances/shop/chats/{chat}/labels/{label}");
    let said = stage.talk(&stage.account, &[&line]).await;
    assert!(said.contains("\n  200"), "{said}");
}

/// Somebody writes.
async fn message(stage: &Stage, chat: &str, text: &str) {
    let caller = stage.caller().await;
    let handle = stage.app.instance(&caller, Scope::Read, "shop");
    let heard = HeardMessage {
        id: "3EB0AA".into(),
        chat: ChatJid::parse(chat).expect("a chat"),
        from: ChatJid::parse(chat).ok(),
        from_me: false,
        at: Timestamp::from_millis(1_749_999_999_000),
        kind: "text",
        text: Some(text.into()),
        push_name: Some("Ana".into()),
    };
    let event = PhoneEvent::Message(Box::new(heard));
    stage.fake.tell(handle.expect("there").key, event);
}

#[tokio::test]
async fn ryze_tells_what_is_new_once_its_websocket_is_on() {
    let (stage, token) = Stage::shop().await;
    let refused = ["GET /ws/shop", "GET /ws/nobody"];
    let mut said = stage.talk(&token, &refused).await;
    let on = r#"POST /api/events/websocket/shop {"enabled":true,"events":["label.update","message.exchange"]}"#;
    stage.talk(&token, &[on]).await;
    said += &stage
        .talk(&token, &["GET /ws/shop", "GET /ws/shop?after=x"])
        .await;
    said += &stage.talk("nonsense", &["GET /ws/shop"]).await;
    insta::assert_snapshot!("ryze_ws_refused", said);

    let (address, stop) = serve(&stage).await;
    let mut socket = Socket::open(address, &format!("/ws/shop?token={token}")).await;
    put(&stage, "2", "5511966665555").await;
    let told = socket.next().await;
    assert_eq!(told["event"], "label.update");
    assert_eq!(told["data"]["type"], "chat.labeled");
    assert_eq!(told["data"]["chat_jid"], "5511966665555@s.whatsapp.net");
    assert_eq!(told["data"]["label"]["name"], "VIP");
    assert_eq!(
        told["instanceData"],
        json!({"baseUrl": "", "instance": "shop", "token": ""})
    );
    message(&stage, "5511966665555", "olá").await;
    let told = socket.next().await;
    assert_eq!(told["event"], "message.exchange");
    assert_eq!(told["data"]["message"]["content"]["text"], "olá");
    let labels = &told["data"]["message"]["labels"];
    assert_eq!(labels, &json!([{"id": "2", "name": "VIP", "color": 5}]));

    // From any past place: all there is, in order.
    let path = format!("/ws/shop?token={token}&after=0");
    let mut again = Socket::open(address, &path).await;
    put(&stage, "1", "5511966665555").await;
    let names =
        [again.next().await, again.next().await].map(|t| t["data"]["label"]["name"].clone());
    assert_eq!(names, [json!("VIP"), json!("Important")]);
    drop(stop);
    stage.close().await;
}

#[tokio::test]
async fn waha_tells_of_one_session_or_of_all() {
    let (stage, _) = Stage::shop().await;
    stage.instance("desk").await;
    let config = r#"PUT /api/sessions/shop {"config":{"metadata":{"user.id":"7"}}}"#;
    crate::keyed::talk(&stage, ("x-api-key", &stage.account), &[config]).await;
    let key = &stage.account;
    let said = crate::keyed::talk(
        &stage,
        ("x-api-key", key),
        &["GET /ws", "GET /ws?session=nobody", "GET /ws/?after=x"],
    )
    .await;
    insta::assert_snapshot!("waha_ws_refused", said);

    let (address, stop) = serve(&stage).await;
    let path = format!("/ws?session=*&events=label.chat.added&events=message&x-api-key={key}");
    let mut all = Socket::open(address, &path).await;
    let mut one = Socket::open(address, &format!("/ws?session=shop&x-api-key={key}")).await;
    put(&stage, "2", "5511966665555").await;
    let told = all.next().await;
    assert_eq!(told["event"], "label.chat.added");
    assert_eq!(told["session"], "shop");
    assert_eq!(told["metadata"], json!({"user.id": "7"}));
    assert_eq!(told["payload"]["chatId"], "5511966665555@c.us");
    assert_eq!(one.next().await["id"], told["id"]);
    message(&stage, "5511966665555", "olá").await;
    assert_eq!(all.next().await["payload"]["body"], "olá");
    assert_eq!(one.next().await["event"], "message");

    // Behind the last event one has: neither a gap nor a duplicate.
    drop(all);
    put(&stage, "1", "5511966665555").await;
    let id = told["id"].as_str().expect("an id");
    let mut all = Socket::open(address, &format!("{path}&after={id}")).await;
    let told = all.next().await;
    assert_eq!(told["payload"]["labelId"], "1");
    drop(stop);
    stage.close().await;
}

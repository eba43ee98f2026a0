//! Events as they happen, over real sockets.

use std::net::SocketAddr;
use std::time::Duration;

use labelwire_domain::clock::Timestamp;
use labelwire_domain::event::{Kind, Origin};
use labelwire_domain::instance::State;
use labelwire_domain::token::Scope;
use labelwire_store::log::{self, NewEntry};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::socket::serve;
use crate::stage::Stage;

const PATIENCE: Duration = Duration::from_secs(20);

/// A reader of server-sent events.
struct Reader {
    stream: TcpStream,
    heard: String,
}

impl Reader {
    async fn open(address: SocketAddr, path: &str, token: &str, more: &str) -> Self {
        let mut stream = TcpStream::connect(address).await.expect("up");
        let head = format!("GET {path} HTTP/1.1\r\nhost: x\r\ntoken: {token}\r\n{more}\r\n");
        stream.write_all(head.as_bytes()).await.expect("sent");
        Self {
            stream,
            heard: String::new(),
        }
    }

    /// Reads until this was heard.
    async fn until(&mut self, what: &str) {
        let reading = async {
            let mut piece = vec![0; 256 * 1024];
            let mut from = 0;
            while !self.heard[from..].contains(what) {
                from = self.heard.len().saturating_sub(what.len());
                let read = self.stream.read(&mut piece).await.expect("up");
                assert!(read > 0, "ended before `{what}`");
                self.heard
                    .push_str(&String::from_utf8_lossy(&piece[..read]));
            }
        };
        timeout(PATIENCE, reading).await.expect("in time");
    }

    /// Reads until the event about this chat was heard whole.
    async fn until_chat(&mut self, chat: &str) {
        let reading = async {
            let is_there = |reader: &Self| {
                let events = reader.events();
                events.iter().any(|(_, event)| event["chat"]["key"] == chat)
            };
            while !is_there(self) {
                let mut piece = [0; 4096];
                let read = self.stream.read(&mut piece).await.expect("up");
                assert!(read > 0, "ended before `{chat}`: {}", self.heard);
                self.heard
                    .push_str(&String::from_utf8_lossy(&piece[..read]));
            }
        };
        timeout(PATIENCE, reading).await.expect("in time");
    }

    /// What comes until the other side ends.
    async fn rest(&mut self) {
        let mut bytes = Vec::new();
        let _ = timeout(PATIENCE, self.stream.read_to_end(&mut bytes))
            .await
            .expect("it ends");
        self.heard.push_str(&String::from_utf8_lossy(&bytes));
    }

    /// Places and chats of the events heard so far.
    fn events(&self) -> Vec<(i64, Value)> {
        let datas = self
            .heard
            .lines()
            .filter_map(|line| line.strip_prefix("data: "));
        datas
            .filter_map(|data| serde_json::from_str::<Value>(data).ok())
            .filter_map(|event| Some((event["seq"].as_i64()?, event)))
            .collect()
    }
}

async fn put(stage: &Stage, token: &str, n: u32) {
    let line = format!("PUT /v1/instances/shop/chats/55119000{n:05}/labels/1");
    let said = stage.talk(token, &[&line]).await;
    assert!(said.contains("\n  200"), "{said}");
}

/// Every event of history up to now.
async fn all(stage: &Stage, query: &str) -> Vec<(i64, Value)> {
    let (_, page) = stage
        .get(&format!("/v1/instances/shop/events?{query}"))
        .await;
    let events = page["events"].as_array().expect("a list").iter();
    events
        .map(|e| (e["seq"].as_i64().expect("a number"), e.clone()))
        .collect()
}

#[tokio::test]
async fn nothing_is_missed_or_told_twice_across_reconnects_and_restarts() {
    let (stage, token) = Stage::shop().await;
    let (address, stop) = serve(&stage).await;
    let mut heard = Vec::new();
    let mut reader = Reader::open(address, "/v1/instances/shop/stream?after=0", &token, "").await;
    for n in 0..5 {
        put(&stage, &token, n).await;
    }
    reader.until_chat("5511900000004@s.whatsapp.net").await;
    heard.extend(reader.events());
    drop(reader);
    for n in 5..9 {
        put(&stage, &token, n).await;
    }
    let last = heard.last().expect("some").0;
    let resume = format!("Last-Event-ID: {last}\r\n");
    let mut reader = Reader::open(
        address,
        "/v1/instances/shop/stream?after=0",
        &token,
        &resume,
    )
    .await;
    put(&stage, &token, 9).await;
    reader.until_chat("5511900000009@s.whatsapp.net").await;
    heard.extend(reader.events());
    // The server says why it ends, and does not wait for readers.
    stop.send(()).expect("up");
    reader.rest().await;
    assert!(
        reader.heard.contains(r#"{"code":"stopping""#),
        "{}",
        reader.heard
    );
    let stage = stage.reopened().await;
    stage.stands("shop", |s| s.state == State::Connected).await;
    put(&stage, &token, 10).await;
    let (address, stop) = serve(&stage).await;
    let last = heard.last().expect("some").0;
    let path = format!("/v1/instances/shop/stream?after={last}&token={token}");
    let mut reader = Reader::open(address, &path, "", "").await;
    reader.until_chat("5511900000010@s.whatsapp.net").await;
    heard.extend(reader.events());
    let told = all(&stage, "").await;
    let told: Vec<_> = told
        .into_iter()
        .filter(|(seq, _)| *seq <= heard.last().expect("some").0)
        .collect();
    assert_eq!(heard, told);
    stop.send(()).expect("up");
    stage.close().await;
}

#[tokio::test]
async fn a_stream_tells_what_is_asked_for_from_now_on() {
    let (stage, token) = Stage::shop().await;
    let (address, stop) = serve(&stage).await;
    let path = "/v1/instances/shop/stream?type=chat.labeled&chat=%2B55119000-00001";
    let mut reader = Reader::open(address, path, &token, "").await;
    reader.until("welcome").await;
    for n in 0..3 {
        put(&stage, &token, n).await;
    }
    stage
        .talk(
            &token,
            &["DELETE /v1/instances/shop/chats/5511900000001/labels/1"],
        )
        .await;
    put(&stage, &token, 1).await;
    let count = async {
        while reader.events().len() < 2 {
            let seen = reader.heard.len();
            let mut piece = [0; 4096];
            let read = reader.stream.read(&mut piece).await.expect("up");
            reader
                .heard
                .push_str(&String::from_utf8_lossy(&piece[..read]));
            assert!(reader.heard.len() > seen);
        }
    };
    timeout(PATIENCE, count).await.expect("in time");
    let told = all(&stage, "type=chat.labeled&chat=5511900000001").await;
    assert_eq!(reader.events(), told);
    assert!(reader.heard.contains("content-type: text/event-stream"));
    assert!(
        reader
            .heard
            .contains(&format!("id: {}\nevent: chat.labeled\n", told[0].0))
    );
    // Refused as anything else is.
    for (path, code) in [
        ("/v1/instances/shop/stream?after=x", "query_invalid"),
        ("/v1/instances/other/stream", "instance_not_found"),
        ("/v1/instances/shop/ws", "upgrade_required"),
    ] {
        let mut refused = Reader::open(address, path, &stage.account, "").await;
        refused.until(code).await;
    }
    // The instance goes, and the stream says so.
    let gone = stage
        .talk(&stage.account, &["DELETE /v1/instances/shop"])
        .await;
    assert!(gone.contains("\n  20"), "{gone}");
    reader.until("instance_not_found").await;
    stop.send(()).expect("up");
    stage.close().await;
}

/// A frame of a WebSocket the server sent: opcode and content.
async fn frame(stream: &mut TcpStream) -> (u8, Vec<u8>) {
    let reading = async {
        let first = stream.read_u8().await.expect("a frame");
        let length = match stream.read_u8().await.expect("a length") {
            126 => usize::from(stream.read_u16().await.expect("a length")),
            127 => usize::try_from(stream.read_u64().await.expect("a length")).expect("short"),
            short => usize::from(short),
        };
        let mut content = vec![0; length];
        stream.read_exact(&mut content).await.expect("whole");
        (first & 15, content)
    };
    timeout(PATIENCE, reading).await.expect("in time")
}

async fn upgraded(address: SocketAddr, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("up");
    let head = format!(
        "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    let mut heard = String::new();
    while !heard.ends_with("\r\n\r\n") {
        heard.push(char::from(stream.read_u8().await.expect("up")));
    }
    assert!(heard.starts_with("HTTP/1.1 101"), "{heard}");
    stream
}

#[tokio::test]
async fn a_websocket_tells_the_same_events() {
    let (stage, token) = Stage::shop().await;
    let (address, stop) = serve(&stage).await;
    let path = format!("/v1/instances/shop/ws?token={token}&after=0&type=chat.labeled");
    let mut socket = upgraded(address, &path).await;
    for n in 0..3 {
        put(&stage, &token, n).await;
    }
    let told = all(&stage, "type=chat.labeled").await;
    for (_, event) in &told {
        let (opcode, content) = frame(&mut socket).await;
        assert_eq!(opcode, 1);
        assert_eq!(
            serde_json::from_slice::<Value>(&content).expect("JSON"),
            *event
        );
    }
    // The server closes with a reason.
    stop.send(()).expect("up");
    let (opcode, content) = frame(&mut socket).await;
    assert_eq!((opcode, &content[..2]), (8, &1012_u16.to_be_bytes()[..]));
    stage.close().await;
}

/// Large rows of history, as many as no socket takes at once.
async fn flood(stage: &Stage) -> i64 {
    let caller = stage.caller().await;
    let handle = stage
        .app
        .instance(&caller, Scope::Read, "shop")
        .expect("there");
    let body = serde_json::json!({ "reason": "x".repeat(4_000) });
    let entry = NewEntry::new(Timestamp(1), Kind::InstanceOffline, Origin::Sync, &body);
    let mut tx = stage.db.begin().await.expect("begun");
    let rows = vec![entry; 6_000];
    let last = log::append(&mut tx, handle.key, Timestamp(1), &rows)
        .await
        .expect("appended");
    tx.commit().await.expect("committed");
    last.expect("some")
}

#[tokio::test]
async fn who_is_too_slow_is_told_so_and_can_resume() {
    let short = Duration::from_millis(300);
    let (stage, token) = Stage::shop_with(|config| config.timeouts.slow = short).await;
    let last = flood(&stage).await;
    let (address, stop) = serve(&stage).await;
    let path = "/v1/instances/shop/stream?after=0";
    let mut reader = Reader::open(address, path, &token, "").await;
    reader.until("welcome").await;
    // It does something else for a while.
    tokio::time::sleep(short * 5).await;
    reader.until("too_slow").await;
    let heard = reader.events();
    assert!(heard.len() < 6_000, "{}", heard.len());
    // A WebSocket says the same; nobody else notices.
    let mut socket = upgraded(
        address,
        &format!("/v1/instances/shop/ws?token={token}&after=0"),
    )
    .await;
    tokio::time::sleep(short * 5).await;
    let reason = loop {
        let (opcode, content) = frame(&mut socket).await;
        if opcode == 8 {
            break content;
        }
    };
    assert_eq!(reason[..2], 1013_u16.to_be_bytes());
    let seen = heard.last().expect("some").0;
    let resume = format!("Last-Event-ID: {seen}\r\n");
    let mut again = Reader::open(address, path, &token, &resume).await;
    again.until(&format!("id: {last}\n")).await;
    again.until("\n\n").await;
    let first = again.events().first().expect("some").0;
    assert_eq!(first, seen + 1);
    stop.send(()).expect("up");
    stage.close().await;
}

#[tokio::test]
async fn who_loses_its_token_is_told_nothing_more() {
    let short = Duration::from_millis(100);
    let (stage, token) = Stage::shop_with(|config| config.timeouts.beat = short).await;
    let (address, stop) = serve(&stage).await;
    let path = "/v1/instances/shop/stream";
    let mut reader = Reader::open(address, path, &token, "").await;
    reader.until(": beat\n").await;
    let (_, tokens) = stage.get("/v1/tokens").await;
    let tokens = tokens["tokens"].as_array().expect("a list");
    let own = tokens
        .iter()
        .find(|t| t["instance"] == "shop")
        .expect("there");
    let id = own["id"].as_str().expect("text");
    let revoke = format!("DELETE /v1/tokens/{id}");
    let said = stage.talk(&stage.account, &[&revoke]).await;
    assert!(said.contains("\n  20"), "{said}");
    reader.until("invalid_token").await;
    stop.send(()).expect("up");
    stage.close().await;
}

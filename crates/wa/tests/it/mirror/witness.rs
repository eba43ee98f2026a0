//! An unmodified Baileys and the gateway on the same account: what the one
//! writes, the other sees. Neither shares code with the other.

use std::process::Stdio;
use std::time::Duration;

use labelwire_store::testing::TestDb;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::gateway::{INSTANCE, PHONE, Town};

const SOON: Duration = Duration::from_secs(20);
const CHAT: &str = "5511777777777@s.whatsapp.net";

struct Baileys {
    _child: Child,
    commands: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Baileys {
    fn start(town: &Town) -> Self {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../sim/tests/baileys");
        let mut child = Command::new("node")
            .current_dir(folder)
            .args(["witness.mjs", "--mode", "qr", "--ws", &town.sim.ws_url()])
            .args(["--root-key", &town.world().root_key_hex()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self {
            commands: child.stdin.take().unwrap(),
            lines: BufReader::new(child.stdout.take().unwrap()).lines(),
            _child: child,
        }
    }

    /// The next line that is so.
    async fn until(&mut self, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        let found = async {
            loop {
                let line = self
                    .lines
                    .next_line()
                    .await
                    .unwrap()
                    .expect("Baileys ended");
                let line: Value = serde_json::from_str(&line).unwrap();
                assert_ne!(line["event"], "failed", "{line}");
                if is(&line) {
                    return line;
                }
            }
        };
        tokio::time::timeout(SOON, found)
            .await
            .unwrap_or_else(|_| panic!("no {what}"))
    }

    async fn command(&mut self, command: Value) {
        self.commands
            .write_all(format!("{command}\n").as_bytes())
            .await
            .unwrap();
        self.until("done", |line| line["event"] == "done").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs node and npm ci in crates/sim/tests/baileys; run by make test"]
async fn baileys_and_the_gateway_see_each_others_changes() {
    let town = Town::new(TestDb::sqlite().unwrap(), 30, 4, 60).await;
    let gateway = town.paired(true).await;
    let mut baileys = Baileys::start(&town);
    let qr = baileys.until("QR code", |l| l["event"] == "qr").await;
    town.world()
        .scan(PHONE, qr["qr"].as_str().unwrap(), true)
        .await
        .unwrap();
    let open = |l: &Value| l["event"] == "connection.update" && l["connection"] == "open";
    baileys.until("open connection", open).await;
    // Its first sync: the fixture's associations arrive.
    baileys
        .until("initial labels", |l| l["event"] == "labels.association")
        .await;

    // What Baileys writes is in the gateway's mirror.
    let label = json!({ "id": "77", "name": "Von Baileys", "color": 6 });
    baileys
        .command(json!({ "id": 1, "cmd": "addLabel", "label": label }))
        .await;
    baileys
        .command(json!({ "id": 2, "cmd": "addChatLabel", "jid": CHAT, "label_id": "77" }))
        .await;
    town.agrees(&gateway, SOON).await;
    let pair = (CHAT.to_owned(), "77".to_owned());
    assert!(gateway.mirror().await.contains(&pair));
    baileys
        .command(json!({ "id": 3, "cmd": "removeChatLabel", "jid": CHAT, "label_id": "77" }))
        .await;
    town.agrees(&gateway, SOON).await;
    assert!(!gateway.mirror().await.contains(&pair));

    // What the gateway writes, Baileys sees.
    gateway
        .app
        .set_chat_label(&gateway.caller, INSTANCE, "77", CHAT, true)
        .await
        .unwrap();
    let seen = |l: &Value| {
        l["event"] == "labels.association"
            && l["type"] == "add"
            && l["association"]["chatId"] == CHAT
            && l["association"]["labelId"] == "77"
    };
    baileys.until("the gateway's change", seen).await;
    town.agrees(&gateway, SOON).await;
    gateway.stop().await;
    town.sim.stop().await;
}

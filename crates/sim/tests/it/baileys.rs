//! The independent witness: an unmodified Baileys lives through a session beside the library's own client.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use labelwire_sim::faults::{Fault, FaultKind};
use labelwire_sim::{Error, Server, labels};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{Instant, timeout_at};

use crate::client::{DEADLINE, Mirror, PHONE, linked, server_with};

fn key(label: &str, chat: &str) -> (String, String) {
    (label.to_owned(), chat.to_owned())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Baileys in a process of its own.
struct Witness {
    _child: Child,
    stdin: ChildStdin,
    lines: UnboundedReceiver<Value>,
    mirror: Mirror,
    seen: Vec<Value>,
    commands: u64,
}

impl Witness {
    fn start(server: &Server, arguments: &[&str]) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/baileys");
        let mut child = Command::new("node")
            .arg("witness.mjs")
            .args([
                "--ws",
                &server.ws_url(),
                "--root-key",
                &server.world().root_key_hex(),
            ])
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let stdin = child.stdin.take().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        let (tx, lines) = unbounded_channel();
        tokio::spawn(async move {
            while let Ok(Some(line)) = stdout.next_line().await {
                // Anything else on stdout is chatter of its dependencies.
                if let Ok(value) = serde_json::from_str(&line) {
                    let _ = tx.send(value);
                }
            }
        });
        Self {
            _child: child,
            stdin,
            lines,
            mirror: Mirror::default(),
            seen: Vec::new(),
            commands: 0,
        }
    }

    fn follow(&mut self, line: &Value) {
        let (label, one) = (&line["label"], &line["association"]);
        match line["event"].as_str() {
            Some("labels.edit") if label["deleted"] == true => {
                self.mirror.labels.remove(&text(&label["id"]));
            }
            Some("labels.edit") => {
                self.mirror
                    .labels
                    .insert(text(&label["id"]), text(&label["name"]));
            }
            Some("labels.association") if one["type"] == "label_jid" => {
                let key = key(&text(&one["labelId"]), &text(&one["chatId"]));
                if line["type"] == "add" {
                    self.mirror.associations.insert(key, ());
                } else {
                    self.mirror.associations.remove(&key);
                }
            }
            _ => {}
        }
    }

    /// Follows the witness until `found` finds something.
    async fn until<R>(
        &mut self,
        what: &str,
        mut found: impl FnMut(&Self, &Value) -> Option<R>,
    ) -> R {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let line = match timeout_at(deadline, self.lines.recv()).await {
                Ok(Some(line)) => line,
                _ => panic!("never saw {what}; the witness said {:#?}", self.seen),
            };
            self.follow(&line);
            let result = found(self, &line);
            self.seen.push(line);
            if let Some(result) = result {
                return result;
            }
        }
    }

    async fn event(&mut self, name: &str) -> Value {
        self.until(name, |_, line| {
            (line["event"] == name).then(|| line.clone())
        })
        .await
    }

    async fn opened(&mut self) {
        self.until("an open connection", |_, line| {
            (line["connection"] == "open").then_some(())
        })
        .await;
    }

    /// Waits until what it was told equals the truth.
    async fn mirrors(&mut self, server: &Server) {
        let wanted = Mirror::of(server.world(), PHONE);
        let equal = |mirror: &Mirror| {
            let mut live = mirror.clone();
            live.associations
                .retain(|(label, _), ()| live.labels.contains_key(label));
            live == wanted
        };
        if !equal(&self.mirror) {
            self.until(&format!("{wanted:?}"), |own, _| {
                equal(&own.mirror).then_some(())
            })
            .await;
        }
    }

    async fn command(&mut self, mut command: Value) -> Value {
        self.commands += 1;
        let id = self.commands;
        command["id"] = json!(id);
        self.stdin
            .write_all(format!("{command}\n").as_bytes())
            .await
            .unwrap();
        let what = format!("an answer to {command}");
        let answer = self.until(&what, |_, line| {
            (line["id"] == id && line["cmd"].is_string()).then(|| line.clone())
        });
        let answer = answer.await;
        assert_eq!(answer["event"], "done", "{command}: {answer}");
        answer["result"].clone()
    }

    /// What it did not believe of the app state.
    fn doubts(&self) -> Vec<&str> {
        let logged = self.seen.iter().filter(|line| line["event"] == "log");
        logged
            .filter_map(|line| line["message"].as_str())
            .filter(|message| is_doubt(message))
            .collect()
    }

    fn saw(&self, event: &str) -> bool {
        self.seen.iter().any(|line| line["event"] == event)
    }
}

/// Its library only logs it when a MAC or a hash is not the one it computed itself.
fn is_doubt(message: &str) -> bool {
    ["LTHash", "HMAC", "failed to decode"]
        .iter()
        .any(|word| message.contains(word))
}

/// All that is asked of the witness once it is paired.
async fn session(server: &Server, witness: &mut Witness) {
    let world = server.world();
    witness.opened().await;
    witness.mirrors(server).await;
    let (second, _) = linked(server, PHONE).await;

    // A change on the phone.
    let live = labels::PatchLabel {
        name: Some("Seen live".into()),
        color: Some(3),
        ..Default::default()
    };
    let edit = |account: &mut labelwire_sim::Account| {
        Ok(vec![labels::edit(account.regular(), "6", &live, 1)])
    };
    world.change_with(PHONE, edit).unwrap();
    world
        .change(
            PHONE,
            vec![labels::chat("6", "4915112345678@s.whatsapp.net", true, 2)],
        )
        .unwrap();
    witness.mirrors(server).await;
    second.mirrors(world, PHONE).await;

    // The witness's own label, chat label and unlabel.
    let chat = world
        .with_account(PHONE, |account| account.contacts[3].jid.clone())
        .unwrap();
    let label = json!({"id": "77", "name": "From Baileys", "color": 5});
    witness
        .command(json!({"cmd": "addLabel", "label": label}))
        .await;
    let truth = Mirror::of(world, PHONE);
    assert_eq!(
        truth.labels.get("77").map(String::as_str),
        Some("From Baileys")
    );
    witness
        .command(json!({"cmd": "addChatLabel", "jid": chat, "label_id": "77"}))
        .await;
    assert!(
        Mirror::of(world, PHONE)
            .associations
            .contains_key(&key("77", &chat))
    );
    second.mirrors(world, PHONE).await;
    witness.mirrors(server).await;
    witness
        .command(json!({"cmd": "removeChatLabel", "jid": chat, "label_id": "77"}))
        .await;
    assert!(
        !Mirror::of(world, PHONE)
            .associations
            .contains_key(&key("77", &chat))
    );
    second.mirrors(world, PHONE).await;
    let gone = json!({"id": "77", "name": "From Baileys", "color": 5, "deleted": true});
    witness
        .command(json!({"cmd": "addLabel", "label": gone}))
        .await;
    assert!(!Mirror::of(world, PHONE).labels.contains_key("77"));
    second.mirrors(world, PHONE).await;
    witness.mirrors(server).await;

    // Texts both ways.
    let sender = world
        .with_account(PHONE, |account| account.contacts[0].jid.clone())
        .unwrap();
    let id = world
        .send_text(PHONE, &sender, "Good morning")
        .await
        .unwrap();
    let received = witness.until("the text", |_, line| {
        let mut messages = line["messages"].as_array()?.iter();
        messages
            .find(|message| message["id"] == id.as_str())
            .cloned()
    });
    assert_eq!(received.await["text"], "Good morning");
    let sent = witness
        .command(json!({"cmd": "sendText", "jid": sender, "text": "Good day"}))
        .await;
    let inbox = world
        .with_account(PHONE, |account| account.inbox.clone())
        .unwrap();
    let arrived = inbox
        .iter()
        .any(|one| sent == one.id.as_str() && one.text == "Good day");
    assert!(arrived, "{inbox:?}");

    assert_eq!(witness.doubts(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs node and npm ci in tests/baileys; run by make test"]
async fn baileys_pairs_by_qr_and_lives_from_a_snapshot() {
    let server = server_with(60, 6, 120).await;
    let mut witness = Witness::start(&server, &["--mode", "qr"]);
    let qr = text(&witness.event("qr").await["qr"]);
    server.world().scan(PHONE, &qr, true).await.unwrap();
    session(&server, &mut witness).await;
    assert!(witness.saw("snapshot"), "it fetched a blob");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs node and npm ci in tests/baileys; run by make test"]
async fn baileys_pairs_by_code_and_lives_from_patches() {
    let server = server_with(60, 6, 120).await;
    let mut witness = Witness::start(&server, &["--mode", "code", "--phone", PHONE]);
    let code = text(&witness.event("pairing-code").await["code"]);
    // It shows the code before its request reached the server: the user is slower than that.
    let deadline = Instant::now() + DEADLINE;
    loop {
        match server.world().enter_pair_code(PHONE, &code, false).await {
            Err(Error::NothingToPair) if Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(5)).await
            }
            linked => break assert_eq!(linked.unwrap(), 1),
        }
    }
    session(&server, &mut witness).await;
    assert!(!witness.saw("snapshot"), "it never fetched a blob");
}

/// A witness that believes everything would be none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs node and npm ci in tests/baileys; run by make test"]
async fn baileys_doubts_a_wrong_snapshot_mac_and_a_wrong_patch_mac() {
    for (kind, snapshot) in [
        (FaultKind::WrongSnapshotMac, true),
        (FaultKind::WrongPatchMac, false),
    ] {
        let server = server_with(20, 2, 20).await;
        let mut witness = Witness::start(&server, &["--mode", "qr"]);
        let qr = text(&witness.event("qr").await["qr"]);
        server.world().scan(PHONE, &qr, snapshot).await.unwrap();
        witness.opened().await;
        witness.mirrors(&server).await;
        assert_eq!(witness.doubts(), [""; 0]);
        let fault = Fault::new(kind).times(1);
        server
            .world()
            .with_account(PHONE, |account| account.faults.add(fault))
            .unwrap();
        server
            .world()
            .change(PHONE, vec![labels::chat("1", "1@lid", true, 1)])
            .unwrap();
        witness
            .until(&format!("a doubt about {kind:?}"), |_, line| {
                line["message"].as_str().is_some_and(is_doubt).then_some(())
            })
            .await;
    }
}

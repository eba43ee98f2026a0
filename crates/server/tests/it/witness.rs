//! An unmodified Baileys on the account, and what it made of all it saw.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::watch;

use crate::process::Town;

const PATIENCE: Duration = Duration::from_secs(60);

/// What Baileys saw, put together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Name and colour of the live labels, by id.
    pub(crate) labels: BTreeMap<String, (String, i64)>,
    /// Key and label of every association that is on, of deleted labels too.
    pub(crate) chats: BTreeSet<(String, String)>,
    /// Key, message and label of every one that is on.
    pub(crate) messages: BTreeSet<(String, String, String)>,
    qr: Option<String>,
    is_open: bool,
    done: u64,
    failed: Option<String>,
}

impl Seen {
    fn take(&mut self, line: &Value) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        match line["event"].as_str().unwrap_or_default() {
            "qr" => self.qr = line["qr"].as_str().map(str::to_owned),
            "connection.update" => self.is_open |= line["connection"] == "open",
            "done" => self.done = line["id"].as_u64().unwrap_or_default(),
            "failed" => self.failed = Some(line.to_string()),
            "labels.edit" => {
                let label = &line["label"];
                let id = text(&label["id"]);
                if label["deleted"] == true {
                    self.labels.remove(&id);
                } else {
                    let color = label["color"].as_i64().unwrap_or_default();
                    self.labels.insert(id, (text(&label["name"]), color));
                }
            }
            "labels.association" => {
                let on = line["type"] == "add";
                let about = &line["association"];
                let (chat, label) = (text(&about["chatId"]), text(&about["labelId"]));
                match about["messageId"].as_str() {
                    Some(message) => {
                        put(&mut self.messages, (chat, message.to_owned(), label), on);
                    }
                    None => put(&mut self.chats, (chat, label), on),
                }
            }
            _ => {}
        }
    }
}

fn put<T: Ord>(set: &mut BTreeSet<T>, item: T, on: bool) {
    if on {
        set.insert(item);
    } else {
        set.remove(&item);
    }
}

/// A linked Baileys.
pub(crate) struct Witness {
    _child: Child,
    commands: ChildStdin,
    seen: watch::Receiver<Seen>,
    said: u64,
}

impl Witness {
    /// Starts it and links it to the account.
    pub(crate) async fn start(town: &Town) -> Self {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../sim/tests/baileys");
        let mut child = Command::new("node")
            .current_dir(folder)
            .args(["witness.mjs", "--mode", "qr", "--ws", &town.ws_url()])
            .args(["--root-key", &town.world().root_key_hex()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (told, seen) = watch::channel(Seen::default());
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let line: Value = serde_json::from_str(&line).unwrap();
                told.send_modify(|seen| seen.take(&line));
            }
        });
        let mut witness = Self {
            commands: child.stdin.take().unwrap(),
            _child: child,
            seen,
            said: 0,
        };
        let qr = witness.until("a QR code", |s| s.qr.is_some()).await.qr;
        town.scan(&qr.unwrap()).await;
        witness.until("a connection", |s| s.is_open).await;
        witness
    }

    /// Waits until what it saw is so.
    pub(crate) async fn until(&mut self, what: &str, is: impl Fn(&Seen) -> bool) -> Seen {
        let found = self.seen.wait_for(|s| s.failed.is_some() || is(s));
        let found = tokio::time::timeout(PATIENCE, found).await;
        let found = found
            .unwrap_or_else(|_| panic!("Baileys never saw {what}"))
            .expect("Baileys ended")
            .clone();
        assert_eq!(found.failed, None);
        found
    }

    /// What it has seen so far.
    pub(crate) fn seen(&self) -> Seen {
        self.seen.borrow().clone()
    }

    /// Puts a label on a chat or takes it off.
    pub(crate) async fn link(&mut self, chat: &str, label: &str, on: bool) {
        let command = if on {
            "addChatLabel"
        } else {
            "removeChatLabel"
        };
        self.said += 1;
        let id = self.said;
        let line = json!({ "id": id, "cmd": command, "jid": chat, "label_id": label });
        let line = format!("{line}\n");
        self.commands.write_all(line.as_bytes()).await.unwrap();
        self.until("the end of a command", |s| s.done == id).await;
    }
}

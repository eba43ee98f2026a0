//! `labelwire demo` from its first start to a second one on the same folder.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(120);

struct Demo {
    child: Child,
    card: Value,
    /// The `curl` lines it printed.
    curls: Vec<String>,
    /// Where it logs.
    log: PathBuf,
}

fn command(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_labelwire"));
    command
        .arg("demo")
        .env("DEMO_DIR", dir)
        .env("LISTEN", "127.0.0.1:0")
        .env("SIM_LISTEN", "127.0.0.1:0")
        .env("SEED", "7")
        .env("CHATS", "60")
        .env("LABELWIRE_LOG", "trace,hyper=off,mio=off")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

impl Demo {
    async fn start(dir: &Path) -> Self {
        let log = dir.with_extension("log");
        let file = std::fs::File::create(&log).expect("a file");
        let mut child = command(dir).stderr(file).spawn().expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut curls = Vec::new();
        let said = async {
            while let Some(line) = lines.next_line().await.expect("readable") {
                if line.trim_start().starts_with("curl ") {
                    curls.push(line.trim().to_owned());
                }
                if line.contains("ctrl-C") {
                    return;
                }
            }
            panic!("it ended");
        };
        timeout(PATIENCE, said).await.expect("in time");
        let text = std::fs::read_to_string(dir.join("demo.json")).expect("demo.json");
        Self {
            child,
            card: serde_json::from_str(&text).expect("JSON"),
            curls,
            log,
        }
    }

    fn get(&self, field: &str) -> &str {
        self.card[field].as_str().expect(field)
    }

    async fn ask(&self, path: &str) -> (u16, Value) {
        let answer = reqwest::Client::new()
            .get(format!("{}{path}", self.get("base_url")))
            .header("token", self.get("instance_token"))
            .send()
            .await
            .expect("an answer");
        (answer.status().as_u16(), answer.json().await.expect("JSON"))
    }

    /// SIGTERM; what it logged.
    async fn stop(mut self) -> String {
        let pid = self.child.id().expect("it runs").to_string();
        // Twice, as `make` hands on what its process group got: that is one signal.
        let kill = format!("kill -TERM {pid}; kill -TERM {pid}");
        let killed = Command::new("sh")
            .args(["-c", &kill])
            .status()
            .await
            .expect("sh");
        assert!(killed.success());
        let status = timeout(PATIENCE, self.child.wait())
            .await
            .expect("in time")
            .expect("ended");
        assert_eq!(status.code(), Some(0));
        std::fs::read_to_string(&self.log).expect("UTF-8")
    }
}

#[tokio::test]
async fn it_pairs_answers_stops_and_resumes() {
    let home = tempfile::tempdir().expect("a folder");
    let dir = home.path().join("demo");
    let demo = Demo::start(&dir).await;

    let mut fields: Vec<&String> = demo.card.as_object().expect("an object").keys().collect();
    fields.sort();
    assert_eq!(
        fields,
        [
            "account_token",
            "base_url",
            "instance",
            "instance_token",
            "phone",
            "sim_control_url",
            "sim_root_key_hex",
            "sim_ws_url"
        ]
    );
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(dir.join("demo.json"))
            .expect("there")
            .permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);

    // The list is what the phone holds.
    let truth = truth(&demo).await;
    let (status, listed) = demo.ask("/api/chat/contactsByLabel/shop").await;
    assert_eq!(status, 200);
    assert_eq!(pairs(&listed), truth);
    assert!(truth.iter().any(|(chat, _)| chat.ends_with("@g.us")));

    // The three lines work as printed.
    assert_eq!(demo.curls.len(), 3, "{:?}", demo.curls);
    let mut answers = Vec::new();
    for line in &demo.curls {
        let out = Command::new("sh")
            .args(["-c", line])
            .output()
            .await
            .expect("curl");
        assert!(out.status.success(), "{line}");
        answers.push(String::from_utf8(out.stdout).expect("UTF-8"));
    }
    assert!(
        answers[0].contains("Chats by label retrieved successfully"),
        "{}",
        answers[0]
    );
    let tags: Value = serde_json::from_str(&answers[1]).expect("JSON");
    assert_eq!(tags["total"], 8);
    let label = tags["tags"][0]["id"].as_str().expect("an id");
    assert!(
        answers[2].contains(&format!(r#""labels":[{{"id":"{label}""#)),
        "{}",
        answers[2]
    );

    let first = demo.card.clone();
    let token = demo.get("instance_token").to_owned();
    let account = demo.get("account_token").to_owned();
    let log = demo.stop().await;
    assert!(
        !dir.join("demo.json").exists(),
        "it speaks of ports that are gone"
    );
    assert!(log.contains("labelwire_app"), "the log is not empty");
    assert!(
        !log.contains(&token) && !log.contains(&account),
        "a token is in the log"
    );

    // While it was down nothing is lost; the second start resumes without pairing.
    let demo = Demo::start(&dir).await;
    for field in [
        "account_token",
        "instance_token",
        "phone",
        "sim_root_key_hex",
    ] {
        assert_eq!(demo.card[field], first[field], "{field}");
    }
    assert_eq!(devices(&demo).await, 1);
    let expected = self::truth(&demo).await;
    let deadline = Instant::now() + PATIENCE;
    while pairs(&demo.ask("/api/chat/contactsByLabel/shop").await.1) != expected {
        assert!(
            Instant::now() < deadline,
            "the mirror never became what the phone holds"
        );
        sleep(Duration::from_millis(20)).await;
    }
    demo.stop().await;
}

#[tokio::test]
async fn a_port_that_is_taken_is_told_with_what_to_do() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let home = tempfile::tempdir().expect("a folder");
    for variable in ["LISTEN", "SIM_LISTEN"] {
        let out = command(home.path())
            .env(variable, &address)
            .env("LABELWIRE_LOG", "")
            .output()
            .await
            .expect("it runs");
        assert_eq!(out.status.code(), Some(1));
        let said = String::from_utf8(out.stderr).expect("UTF-8");
        let helpful = said.contains(&address) && said.contains(&format!("{variable}="));
        assert!(helpful, "{said}");
    }
}

async fn control(demo: &Demo, end: &str) -> Value {
    let url = format!(
        "{}/accounts/{}{end}",
        demo.get("sim_control_url"),
        demo.get("phone")
    );
    reqwest::get(url)
        .await
        .expect("an answer")
        .json()
        .await
        .expect("JSON")
}

async fn devices(demo: &Demo) -> usize {
    control(demo, "").await["devices"]
        .as_array()
        .expect("devices")
        .len()
}

/// Chat and label of every live association, chats by number where there is one.
async fn truth(demo: &Demo) -> Vec<(String, String)> {
    let truth = control(demo, "/truth").await;
    let chats = truth["chats"].as_array().expect("chats");
    let shown = |key: &Value| {
        let known = chats.iter().find(|chat| chat["lid"] == *key);
        known
            .map_or(key, |chat| &chat["jid"])
            .as_str()
            .expect("a chat")
            .to_owned()
    };
    let mut pairs: Vec<(String, String)> = truth["associations"]
        .as_array()
        .expect("associations")
        .iter()
        .map(|a| {
            (
                shown(&a["chat_jid"]),
                a["label_id"].as_str().expect("an id").to_owned(),
            )
        })
        .collect();
    pairs.sort();
    pairs.dedup();
    pairs
}

fn pairs(listed: &Value) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    for chat in listed["chats"].as_array().expect("chats") {
        for label in chat["labels"].as_array().expect("labels") {
            let text = |value: &Value| value.as_str().expect("text").to_owned();
            pairs.push((text(&chat["chat_jid"]), text(&label["id"])));
        }
    }
    pairs.sort();
    pairs
}

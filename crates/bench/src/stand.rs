//! A simulator, a gateway, and what is needed to pair and change things.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::Process;

/// A running simulator.
pub(crate) struct Sim {
    _process: Process,
    client: reqwest::Client,
    pub(crate) ws_url: String,
    pub(crate) url: String,
}

/// A running gateway on a database of its own.
pub(crate) struct Gateway {
    pub(crate) process: Process,
    client: reqwest::Client,
    /// `127.0.0.1:<port>`.
    pub(crate) authority: String,
    /// The account's token.
    pub(crate) token: String,
    _data: TempDir,
}

impl Sim {
    pub(crate) async fn start() -> Result<Self> {
        let mut process = Process::start("labelwire", &["sim", "--listen", "127.0.0.1:0"])?;
        let url = loop {
            let line = process.line().await?;
            if let Some(url) = word_with(&line, "http://127.0.0.1:") {
                break url;
            }
        };
        let ws_url = format!("{}/ws/chat", url.replacen("http://", "ws://", 1));
        Ok(Self {
            _process: process,
            client: reqwest::Client::new(),
            ws_url,
            url,
        })
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let answer = self
            .client
            .post(format!("{}{path}", self.url))
            .header("content-type", "application/json")
            .body(body.to_string())
            .timeout(Duration::from_secs(600))
            .send()
            .await?;
        let status = answer.status();
        let text = answer.text().await?;
        if !status.is_success() {
            bail!("POST {path}: {status} {text}");
        }
        Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value> {
        let answer = self
            .client
            .get(format!("{}{path}", self.url))
            .send()
            .await?;
        Ok(serde_json::from_str(
            &answer.error_for_status()?.text().await?,
        )?)
    }

    pub(crate) async fn delete(&self, path: &str) -> Result<()> {
        let answer = self
            .client
            .delete(format!("{}{path}", self.url))
            .send()
            .await?;
        answer.error_for_status()?;
        Ok(())
    }

    /// An account with one label a name, and the label on chats `0..count`.
    pub(crate) async fn account(&self, phone: &str, labels: &[(&str, u32)]) -> Result<()> {
        self.post(
            "/accounts",
            &json!({ "phone": phone, "kind": "business", "name": "Bench" }),
        )
        .await?;
        for (at, (name, _)) in labels.iter().enumerate() {
            let id = (at + 1).to_string();
            self.post(
                &format!("/accounts/{phone}/labels"),
                &json!({ "id": id, "name": name, "color": 3 }),
            )
            .await?;
        }
        for (at, (_, count)) in labels.iter().enumerate() {
            let id = (at + 1).to_string();
            for first in (0..*count).step_by(2_500) {
                let changes: Vec<Value> = (first..(first + 2_500).min(*count))
                    .map(|n| json!({ "chat": { "label_id": id, "chat_jid": chat(n), "labeled": true } }))
                    .collect();
                self.changes(phone, changes).await?;
            }
        }
        Ok(())
    }

    /// Several changes in one patch.
    pub(crate) async fn changes(&self, phone: &str, changes: Vec<Value>) -> Result<()> {
        self.post(
            &format!("/accounts/{phone}/changes"),
            &json!({ "changes": changes }),
        )
        .await?;
        Ok(())
    }

    /// Puts a label on a chat or takes it off, on the phone.
    pub(crate) async fn label(&self, phone: &str, id: &str, jid: &str, on: bool) -> Result<()> {
        let url = format!("{}/accounts/{phone}/labels/{id}/chats/{jid}", self.url);
        let request = if on {
            self.client.put(url)
        } else {
            self.client.delete(url)
        };
        request.send().await?.error_for_status()?;
        Ok(())
    }

    pub(crate) async fn scan(&self, phone: &str, qr: &str) -> Result<()> {
        self.post(&format!("/accounts/{phone}/scan"), &json!({ "qr": qr }))
            .await?;
        Ok(())
    }
}

/// A made-up person's chat.
pub(crate) fn chat(n: u32) -> String {
    format!("55119{n:08}@s.whatsapp.net")
}

impl Gateway {
    /// On SQLite, or on the database of this URL.
    pub(crate) async fn start(sim: &Sim, database: Option<&str>, pre_keys: &str) -> Result<Self> {
        let data = tempfile::tempdir()?;
        let folder = data
            .path()
            .to_str()
            .context("the temporary folder's name is no text")?;
        let mut args = vec![
            "serve-sim",
            "--data",
            folder,
            "--listen",
            "127.0.0.1:0",
            "--sim-ws-url",
            &sim.ws_url,
            "--pre-keys",
            pre_keys,
            "--rate-limit",
            "0",
            "--rate-limit-create",
            "0",
        ];
        if let Some(url) = database {
            args.extend(["--database-url", url]);
        }
        let mut process = Process::start("labelwire", &args)?;
        let (mut token, mut base) = (None, None);
        while token.is_none() || base.is_none() {
            let line = process.line().await?;
            base = base.or(word_with(&line, "http://127.0.0.1:"));
            token = token.or(line
                .split_whitespace()
                .find(|w| is_token(w))
                .map(str::to_owned));
        }
        let base = base.unwrap_or_default();
        Ok(Self {
            process,
            client: reqwest::Client::new(),
            authority: base
                .trim_start_matches("http://")
                .trim_end_matches('/')
                .to_owned(),
            token: token.unwrap_or_default(),
            _data: data,
        })
    }

    async fn call(&self, request: reqwest::RequestBuilder) -> Result<(u16, Value)> {
        let answer = request.header("token", &self.token).send().await?;
        let status = answer.status().as_u16();
        let text = answer.text().await?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::Null)))
    }

    pub(crate) async fn get(&self, path: &str) -> Result<(u16, Value)> {
        self.call(self.client.get(format!("http://{}{path}", self.authority)))
            .await
    }

    pub(crate) async fn put(&self, path: &str) -> Result<(u16, Value)> {
        self.call(self.client.put(format!("http://{}{path}", self.authority)))
            .await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<(u16, Value)> {
        let url = format!("http://{}{path}", self.authority);
        let request = self.client.post(url).body(body.to_string());
        self.call(request.header("content-type", "application/json"))
            .await
    }

    /// Makes an instance and returns its QR code.
    pub(crate) async fn offer(&self, name: &str) -> Result<String> {
        let request = self
            .client
            .post(format!("http://{}/api/instance/new", self.authority))
            .header("content-type", "application/json")
            .body(json!({ "name": name }).to_string());
        let (status, answer) = self.call(request).await?;
        if status != 201 {
            bail!("instance/new answered {status} {answer}");
        }
        let (status, answer) = self.get(&format!("/api/instance/connect/{name}")).await?;
        match answer["qrCode"].as_str() {
            Some(code) => Ok(code.to_owned()),
            None => bail!("connect answered {status} {answer}"),
        }
    }

    /// Waits until the instance's labels are mirrored.
    pub(crate) async fn synced(&self, name: &str) -> Result<()> {
        let path = format!("/api/chat/tag/{name}");
        // Seldom enough that asking takes no time from what is measured.
        for _ in 0..12_000 {
            if self.get(&path).await?.0 == 200 {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        bail!("`{name}` was not synced within two minutes");
    }

    /// Pairs an instance with an account and waits for its labels.
    pub(crate) async fn pair(&self, sim: &Sim, name: &str, phone: &str) -> Result<()> {
        let qr = self.offer(name).await?;
        sim.scan(phone, &qr).await?;
        self.synced(name).await
    }
}

fn word_with(line: &str, start: &str) -> Option<String> {
    let at = line.find(start)?;
    let end = line[at..].find(|c: char| c.is_whitespace() || matches!(c, '"' | ',' | '`' | ')'));
    Some(
        line[at..end.map_or(line.len(), |e| at + e)]
            .trim_end_matches('/')
            .to_owned(),
    )
}

fn is_token(word: &str) -> bool {
    word.len() == 36
        && word.char_indices().all(|(i, c)| {
            if matches!(i, 8 | 13 | 18 | 23) {
                c == '-'
            } else {
                c.is_ascii_hexdigit()
            }
        })
}

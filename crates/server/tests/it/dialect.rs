//! The same questions and writes in the words of every dialect.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use serde_json::{Value, json};

use crate::process::{Gateway, INSTANCE};

/// A way to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Native,
    Ryze,
    Wawp,
    Waha,
    Evolution,
}

/// A label change.
#[derive(Clone, Debug)]
pub(crate) enum Write {
    Create {
        name: String,
        color: i32,
    },
    Edit {
        id: String,
        name: Option<String>,
        color: Option<i32>,
        /// Its name now, for a dialect that always wants one.
        known: String,
    },
    Delete {
        id: String,
    },
    Link {
        label: String,
        chat: String,
        on: bool,
    },
    /// The whole list of a chat.
    Set {
        chat: String,
        labels: Vec<String>,
    },
    Message {
        label: String,
        chat: String,
        message: String,
        on: bool,
    },
    Reorder {
        ids: Vec<String>,
    },
    Many {
        chats: Vec<String>,
        add: String,
        remove: String,
    },
}

/// Id, name and colour of a label.
pub(crate) type Label = (String, String, i32);
/// A chat's shown name, by `@s.whatsapp.net` for numbers, and a label's id.
pub(crate) type Pair = (String, String);

type Request = (Method, String, Option<Value>);

impl Dialect {
    pub(crate) const ALL: [Self; 5] = [
        Self::Native,
        Self::Ryze,
        Self::Wawp,
        Self::Waha,
        Self::Evolution,
    ];

    /// The call for a write; none where the dialect has no such call.
    fn request(self, write: &Write) -> Option<Request> {
        match self {
            Self::Native => Some(native(write)),
            Self::Ryze => ryze(write),
            Self::Wawp => wawp(write),
            Self::Waha => waha(write),
            Self::Evolution => evolution(write),
        }
    }

    /// Whether the dialect has a call for it.
    pub(crate) fn knows(self, write: &Write) -> bool {
        self.request(write).is_some()
    }

    /// Does a write the dialect knows; the answer, which must be a success.
    pub(crate) async fn write(self, gateway: &Gateway, write: &Write) -> Value {
        let (method, path, body) = self.request(write).unwrap();
        let (status, answer) = self.ask(gateway, method, &path, body).await;
        assert!(
            (200..300).contains(&status),
            "{self:?} {write:?}: {status} {answer}"
        );
        answer
    }

    async fn ask(
        self,
        gateway: &Gateway,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> (u16, Value) {
        let token = gateway.token();
        let bearer = format!("Bearer {token}");
        let headers: &[(&str, &str)] = match self {
            Self::Native => &[("authorization", &bearer)],
            Self::Ryze => &[("token", token)],
            Self::Wawp => &[("access-token", token), ("x-instance-id", INSTANCE)],
            Self::Waha => &[("x-api-key", token)],
            Self::Evolution => &[("apikey", token)],
        };
        gateway.call(method, path, headers, body).await.unwrap()
    }

    async fn get(self, gateway: &Gateway, path: &str) -> Value {
        let (status, answer) = self.ask(gateway, Method::GET, path, None).await;
        assert_eq!(status, 200, "{self:?} {path}: {answer}");
        answer
    }

    /// The id of a label just made.
    pub(crate) fn made(self, answer: &Value) -> String {
        let label = if self == Self::Ryze {
            &answer["tag"]
        } else {
            answer
        };
        text(&label["id"])
    }

    /// All live labels.
    pub(crate) async fn labels(self, gateway: &Gateway) -> BTreeSet<Label> {
        let path = match self {
            Self::Native => "/v1/instances/shop/labels",
            Self::Ryze => "/api/chat/tag/shop",
            Self::Wawp => "/v2/labels",
            Self::Waha => "/api/shop/labels",
            Self::Evolution => "/label/findLabels/shop",
        };
        let answer = self.get(gateway, path).await;
        let list = match self {
            Self::Native => &answer["labels"],
            Self::Ryze => {
                assert_eq!(answer["total"], answer["tags"].as_array().unwrap().len());
                &answer["tags"]
            }
            _ => &answer,
        };
        let color = |value: &Value| match value {
            Value::String(text) => text.parse().unwrap(),
            number => i32::try_from(number.as_i64().unwrap()).unwrap(),
        };
        once(list, |l| {
            (text(&l["id"]), text(&l["name"]), color(&l["color"]))
        })
    }

    /// Every chat with every label of these it carries; none where the dialect
    /// cannot be asked.
    pub(crate) async fn pairs(
        self,
        gateway: &Gateway,
        labels: &BTreeSet<Label>,
    ) -> Option<BTreeSet<Pair>> {
        let whole = match self {
            Self::Native => ("/v1/instances/shop/chats", "chat"),
            Self::Ryze => ("/api/chat/contactsByLabel/shop", "chat_jid"),
            Self::Evolution => return None,
            Self::Wawp | Self::Waha => {
                let mut pairs = BTreeSet::new();
                for (id, ..) in labels {
                    let chats = self.carriers(gateway, id).await?;
                    pairs.extend(chats.into_iter().map(|chat| (chat, id.clone())));
                }
                return Some(pairs);
            }
        };
        let answer = self.get(gateway, whole.0).await;
        let chats = once(&answer["chats"], |c| text(&c[whole.1]));
        let pairs: BTreeSet<Pair> = answer["chats"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|chat| {
                let jid = text(&chat[whole.1]);
                once(&chat["labels"], |l| (jid.clone(), text(&l["id"])))
            })
            .collect();
        if self == Self::Ryze {
            assert_eq!(answer["total_chats"], chats.len());
            assert_eq!(answer["total_rows"], pairs.len());
        }
        Some(pairs)
    }

    /// The chats that carry a label, each once.
    pub(crate) async fn carriers(self, gateway: &Gateway, id: &str) -> Option<BTreeSet<String>> {
        let (path, list, field) = match self {
            Self::Native => (
                format!("/v1/instances/shop/chats?any={id}"),
                "chats",
                "chat",
            ),
            Self::Ryze => (
                format!("/api/chat/contactsByLabel/shop?labelIds={id}"),
                "chats",
                "chat_jid",
            ),
            Self::Wawp => (format!("/v2/labels/{id}/chats"), "", "id"),
            Self::Waha => (format!("/api/shop/labels/{id}/chats"), "", "id"),
            Self::Evolution => return None,
        };
        let answer = self.get(gateway, &path).await;
        let list = if list.is_empty() {
            &answer
        } else {
            &answer[list]
        };
        let chats = once(list, |chat| {
            let jid = text(&chat[field]);
            match jid.strip_suffix("@c.us") {
                Some(number) => format!("{number}@s.whatsapp.net"),
                None => jid,
            }
        });
        if self == Self::Ryze {
            assert_eq!(answer["total_chats"], chats.len());
        }
        Some(chats)
    }

    /// The labels of a chat; none where the dialect cannot be asked.
    pub(crate) async fn labels_of(self, gateway: &Gateway, chat: &str) -> Option<BTreeSet<String>> {
        let chat = escaped(chat);
        let path = match self {
            Self::Native => format!("/v1/instances/shop/chats/{chat}/labels"),
            Self::Wawp => format!("/v2/labels/chats/{chat}"),
            Self::Waha => format!("/api/shop/labels/chats/{chat}"),
            Self::Ryze | Self::Evolution => return None,
        };
        let answer = self.get(gateway, &path).await;
        let list = if self == Self::Native {
            &answer["labels"]
        } else {
            &answer
        };
        Some(once(list, |l| text(&l["id"])))
    }
}

/// Chats by label, as the native API counts them.
pub(crate) async fn counts(gateway: &Gateway) -> BTreeMap<String, u64> {
    let answer = Dialect::Native
        .get(gateway, "/v1/instances/shop/labels/counts")
        .await;
    once(&answer["counts"], |c| {
        (text(&c["label"]["id"]), c["chats"].as_u64().unwrap())
    })
    .into_iter()
    .collect()
}

/// Chat and id of the messages that carry a label.
pub(crate) async fn messages(gateway: &Gateway, id: &str) -> BTreeSet<Pair> {
    let path = format!("/v1/instances/shop/labels/{id}/messages?limit=1000");
    let answer = Dialect::Native.get(gateway, &path).await;
    once(&answer["messages"], |m| {
        (text(&m["chat"]), text(&m["message"]))
    })
}

/// Ids of the live labels in their order.
pub(crate) async fn order(gateway: &Gateway) -> Vec<String> {
    let answer = Dialect::Native
        .get(gateway, "/v1/instances/shop/labels")
        .await;
    let labels = answer["labels"].as_array().unwrap();
    labels.iter().map(|l| text(&l["id"])).collect()
}

/// What a list holds, nothing of it twice.
fn once<T: Ord>(list: &Value, of: impl Fn(&Value) -> T) -> BTreeSet<T> {
    let list = list.as_array().unwrap();
    let set: BTreeSet<T> = list.iter().map(of).collect();
    assert_eq!(set.len(), list.len(), "something is there twice");
    set
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn escaped(chat: &str) -> String {
    chat.replace('+', "%2B")
}

fn native(write: &Write) -> Request {
    let base = "/v1/instances/shop";
    let put = |on: bool| if on { Method::PUT } else { Method::DELETE };
    match write {
        Write::Create { name, color } => (
            Method::POST,
            format!("{base}/labels"),
            Some(json!({ "name": name, "color": color })),
        ),
        Write::Edit {
            id, name, color, ..
        } => (
            Method::PATCH,
            format!("{base}/labels/{id}"),
            Some(json!({ "name": name, "color": color })),
        ),
        Write::Delete { id } => (Method::DELETE, format!("{base}/labels/{id}"), None),
        Write::Link { label, chat, on } => (
            put(*on),
            format!("{base}/chats/{}/labels/{label}", escaped(chat)),
            None,
        ),
        Write::Set { chat, labels } => (
            Method::PUT,
            format!("{base}/chats/{}/labels", escaped(chat)),
            Some(json!({ "labels": labels })),
        ),
        Write::Message {
            label,
            chat,
            message,
            on,
        } => (
            put(*on),
            format!(
                "{base}/chats/{}/messages/{message}/labels/{label}",
                escaped(chat)
            ),
            None,
        ),
        Write::Reorder { ids } => (
            Method::PUT,
            format!("{base}/labels/order"),
            Some(json!({ "labels": ids })),
        ),
        Write::Many { chats, add, remove } => (
            Method::POST,
            format!("{base}/chats/labels"),
            Some(json!({ "chats": chats, "add": [add], "remove": [remove] })),
        ),
    }
}

fn ryze(write: &Write) -> Option<Request> {
    Some(match write {
        // Its palette ends at 10.
        Write::Create { name, color } if *color <= 10 => (
            Method::POST,
            "/api/chat/tag/shop".into(),
            Some(json!({ "name": name, "color": color })),
        ),
        Write::Delete { id } => (
            Method::DELETE,
            format!("/api/chat/tag/shop?tagId={id}"),
            None,
        ),
        Write::Link {
            label,
            chat,
            on: true,
        } => (
            Method::POST,
            "/api/chat/assignTag/shop".into(),
            Some(json!({ "number": chat, "tagId": label })),
        ),
        Write::Link {
            label,
            chat,
            on: false,
        } => (
            Method::DELETE,
            format!(
                "/api/chat/assignTag/shop?number={}&tagId={label}",
                escaped(chat)
            ),
            None,
        ),
        _ => return None,
    })
}

fn wawp(write: &Write) -> Option<Request> {
    Some(match write {
        Write::Create { name, color } => (
            Method::POST,
            "/v2/labels".into(),
            Some(json!({ "name": name, "color": color })),
        ),
        Write::Edit {
            id, name, color, ..
        } => (
            Method::PUT,
            format!("/v2/labels/{id}"),
            Some(json!({ "name": name, "color": color })),
        ),
        Write::Delete { id } => (Method::DELETE, format!("/v2/labels/{id}"), None),
        Write::Link { label, chat, on } => (
            if *on { Method::PUT } else { Method::DELETE },
            format!("/v2/labels/{label}/chats/{}", escaped(chat)),
            None,
        ),
        Write::Set { chat, labels } => (
            Method::PUT,
            format!("/v2/labels/chats/{}", escaped(chat)),
            Some(refs(labels)),
        ),
        _ => return None,
    })
}

fn waha(write: &Write) -> Option<Request> {
    Some(match write {
        Write::Create { name, color } => (
            Method::POST,
            "/api/shop/labels".into(),
            Some(json!({ "name": name, "color": color })),
        ),
        Write::Edit {
            id,
            name,
            color,
            known,
        } => (
            Method::PUT,
            format!("/api/shop/labels/{id}"),
            Some(json!({ "name": name.as_ref().unwrap_or(known), "color": color })),
        ),
        Write::Delete { id } => (Method::DELETE, format!("/api/shop/labels/{id}"), None),
        Write::Set { chat, labels } => (
            Method::PUT,
            format!("/api/shop/labels/chats/{}", escaped(chat)),
            Some(refs(labels)),
        ),
        _ => return None,
    })
}

fn refs(labels: &[String]) -> Value {
    let refs: Vec<Value> = labels.iter().map(|id| json!({ "id": id })).collect();
    json!({ "labels": refs })
}

fn evolution(write: &Write) -> Option<Request> {
    let Write::Link { label, chat, on } = write else {
        return None;
    };
    let action = if *on { "add" } else { "remove" };
    Some((
        Method::POST,
        "/label/handleLabel/shop".into(),
        Some(json!({ "number": chat, "labelId": label, "action": action })),
    ))
}

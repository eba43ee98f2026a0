//! The phone's labels: what its user does to them.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::accounts::check_jid;
use super::answer::{Answer, Body, ErrorView, Parameters, Problem, created, ok};
use crate::account::Account;
use crate::collection::{Change, Op};
use crate::labels::{self, PatchLabel};
use crate::{Error, World};

/// A label to make.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateLabel {
    /// A decimal number as text; the next free one by default.
    pub id: Option<String>,
    /// Shown name.
    pub name: String,
    /// Colour, 0 to 19.
    pub color: i32,
}

/// A label that was written.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct LabelWritten {
    /// The label.
    pub id: String,
    /// Version of the `regular` collection that brought it.
    pub version: u64,
}

/// A change that was written.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Written {
    /// Version of the `regular` collection that brought it.
    pub version: u64,
}

/// The labels in their new order.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// Label ids, first to last.
    pub ids: Vec<LabelId>,
}

/// A label's id, as text or as a number.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum LabelId {
    /// As everywhere else.
    Text(String),
    /// As on the wire.
    Number(i32),
}

impl LabelId {
    fn number(&self) -> Result<i32, Problem> {
        match self {
            Self::Number(number) if *number >= 0 => Ok(*number),
            Self::Number(number) => Err(bad_id(&number.to_string())),
            Self::Text(text) => {
                check_id(text)?;
                text.parse().map_err(|_| bad_id(text))
            }
        }
    }
}

/// Several changes in one patch, as the phone writes them.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Changes {
    /// At least one; of several on the same thing the last counts.
    pub changes: Vec<ChangeView>,
}

/// One change. Nothing is asked of the account's present state: an association may come before its label.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ChangeView {
    /// Defines a label, or merges into its last definition.
    Label {
        /// The label.
        id: String,
        /// What changes.
        set: PatchLabel,
    },
    /// Puts a label on a chat or takes it off.
    Chat {
        /// The label.
        label_id: String,
        /// The chat's key, taken as it is.
        chat_jid: String,
        /// Whether it is on.
        labeled: bool,
    },
    /// Puts a label on a message or takes it off.
    Message {
        /// The label.
        label_id: String,
        /// The chat's key, taken as it is.
        chat_jid: String,
        /// The message.
        message_id: String,
        /// Whether it is on.
        labeled: bool,
    },
    /// Drops a record altogether, which WhatsApp itself does not do to labels.
    Remove {
        /// Index parts, such as `["label_jid", "3", "4915112345678@s.whatsapp.net"]`.
        index: Vec<String>,
    },
}

fn now_ms() -> i64 {
    wacore::time::now_millis()
}

fn bad_id(id: &str) -> Problem {
    Problem::bad(format!(
        "`{}` is no label id; ids are whole numbers from 0 to {}",
        id.escape_debug(),
        i32::MAX
    ))
}

fn check_id(id: &str) -> Result<(), Problem> {
    if labels::is_id(id) {
        Ok(())
    } else {
        Err(bad_id(id))
    }
}

fn check_message(id: &str) -> Result<(), Problem> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if !id.is_empty() && id.len() <= 128 && id.bytes().all(plain) {
        return Ok(());
    }
    Err(Problem::bad(format!(
        "`{}` is no message id; they look like `3EB0C767D82B3C2E`",
        id.escape_debug()
    )))
}

/// Writes what `make` makes of the account's present state; its refusals keep their status.
fn write(
    world: &World,
    phone: &str,
    make: impl FnOnce(&Account) -> Result<Vec<Change>, Problem>,
) -> Result<u64, Problem> {
    let mut refusal = None;
    let done = world.change_with(phone, |account| {
        make(account).map_err(|problem| {
            refusal = Some(problem);
            Error::Invalid(String::new())
        })
    });
    match refusal {
        Some(problem) => Err(problem),
        None => Ok(done?),
    }
}

fn live(account: &Account, id: &str) -> Result<(), Problem> {
    check_id(id)?;
    match labels::find(account.regular(), id) {
        Some(label) if label.deleted != Some(true) => Ok(()),
        Some(_) => Err(Problem::missing(format!(
            "label `{id}` is deleted; PATCH it with {{\"deleted\": false}} to bring it back"
        ))),
        None => Err(Problem::missing(format!(
            "there is no label `{id}`; POST it to …/labels first"
        ))),
    }
}

/// Makes a label.
#[utoipa::path(post, path = "/accounts/{phone}/labels", tag = "labels", params(("phone" = String, Path)), request_body = CreateLabel, responses(
    (status = 201, body = LabelWritten),
    (status = 400, body = ErrorView),
    (status = 404, body = ErrorView),
    (status = 409, body = ErrorView, description = "The id is taken"),
))]
pub(super) async fn create(
    State(world): State<World>,
    Parameters(phone): Parameters<String>,
    Body(new): Body<CreateLabel>,
) -> Answer<LabelWritten> {
    let mut id = String::new();
    let version = write(&world, &phone, |account| {
        let regular = account.regular();
        id = match new.id {
            Some(id) => {
                check_id(&id)?;
                if labels::is_live(regular, &id) {
                    let text =
                        format!("label `{id}` exists; PATCH it, or leave `id` out for a free one");
                    return Err(Problem::new(axum::http::StatusCode::CONFLICT, text));
                }
                id
            }
            None => labels::next_id(regular),
        };
        let live = regular
            .records_of("label_edit")
            .filter(|record| record.action().label_edit_action.deleted != Some(true));
        let label = PatchLabel {
            name: Some(new.name),
            color: Some(new.color),
            deleted: Some(false),
            order: Some(i32::try_from(live.count()).unwrap_or(i32::MAX)),
            is_active: Some(true),
            kind: Some(labels::ListType::CUSTOM as i32),
            ..PatchLabel::default()
        };
        label.check().map_err(Problem::bad)?;
        Ok(vec![labels::edit(regular, &id, &label, now_ms())])
    })?;
    created(LabelWritten { id, version })
}

/// Changes some fields of a label; the others keep their last known values.
#[utoipa::path(patch, path = "/accounts/{phone}/labels/{id}", tag = "labels", params(("phone" = String, Path), ("id" = String, Path)), request_body = PatchLabel, responses(
    (status = 200, body = LabelWritten),
    (status = 400, body = ErrorView),
    (status = 404, body = ErrorView),
))]
pub(super) async fn edit(
    State(world): State<World>,
    Parameters((phone, id)): Parameters<(String, String)>,
    Body(patch): Body<PatchLabel>,
) -> Answer<LabelWritten> {
    check_id(&id)?;
    patch.check().map_err(Problem::bad)?;
    if patch == PatchLabel::default() {
        return Err(Problem::bad(
            "there is nothing to change; send for example {\"name\": \"Paid\"}",
        ));
    }
    let version = write(&world, &phone, |account| {
        let regular = account.regular();
        if labels::find(regular, &id).is_none() {
            live(account, &id)?;
        }
        Ok(vec![labels::edit(regular, &id, &patch, now_ms())])
    })?;
    ok(LabelWritten { id, version })
}

/// Deletes a label: it becomes a tombstone, and its associations stay as they are.
#[utoipa::path(delete, path = "/accounts/{phone}/labels/{id}", tag = "labels", params(("phone" = String, Path), ("id" = String, Path)), responses(
    (status = 200, body = LabelWritten),
    (status = 400, body = ErrorView),
    (status = 404, body = ErrorView),
))]
pub(super) async fn delete(
    State(world): State<World>,
    Parameters((phone, id)): Parameters<(String, String)>,
) -> Answer<LabelWritten> {
    let version = write(&world, &phone, |account| {
        live(account, &id)?;
        let gone = PatchLabel {
            deleted: Some(true),
            ..PatchLabel::default()
        };
        Ok(vec![labels::edit(account.regular(), &id, &gone, now_ms())])
    })?;
    ok(LabelWritten { id, version })
}

/// Puts the labels in another order: the list itself, and each label's place.
#[utoipa::path(put, path = "/accounts/{phone}/labels/order", tag = "labels", params(("phone" = String, Path)), request_body = Order, responses(
    (status = 200, body = Written),
    (status = 400, body = ErrorView),
    (status = 404, body = ErrorView),
))]
pub(super) async fn order(
    State(world): State<World>,
    Parameters(phone): Parameters<String>,
    Body(order): Body<Order>,
) -> Answer<Written> {
    let ids = order
        .ids
        .iter()
        .map(LabelId::number)
        .collect::<Result<Vec<i32>, _>>()?;
    let mut seen = std::collections::HashSet::new();
    if let Some(twice) = ids.iter().find(|id| !seen.insert(**id)) {
        return Err(Problem::bad(format!(
            "label `{twice}` occurs twice; name each label once"
        )));
    }
    if ids.is_empty() {
        return Err(Problem::bad(
            "`ids` is empty; name the labels, first to last",
        ));
    }
    let version = write(&world, &phone, |account| {
        let at = now_ms();
        let mut changes = vec![labels::order(&ids, at)];
        for (place, id) in (0..).zip(&ids) {
            let id = id.to_string();
            live(account, &id)?;
            let moved = PatchLabel {
                order: Some(place),
                ..PatchLabel::default()
            };
            changes.push(labels::edit(account.regular(), &id, &moved, at));
        }
        Ok(changes)
    })?;
    ok(Written { version })
}

/// Puts a label on a chat, under exactly this JID.
#[utoipa::path(put, path = "/accounts/{phone}/labels/{id}/chats/{jid}", tag = "labels", params(("phone" = String, Path), ("id" = String, Path), ("jid" = String, Path)), responses(
    (status = 200, body = Written),
    (status = 400, body = ErrorView),
    (status = 404, body = ErrorView),
))]
pub(super) async fn put_chat(
    State(world): State<World>,
    Parameters((phone, id, jid)): Parameters<(String, String, String)>,
) -> Answer<Written> {
    chat(&world, &phone, &id, &jid, true)
}

/// Takes a label off a chat, under exactly this JID.
#[utoipa::path(delete, path = "/accounts/{phone}/labels/{id}/chats/{jid}", tag = "labels", params(("phone" = String, Path), ("id" = String, Path), ("jid" = String, Path)), responses(
    (status = 200, body = Written),
    (status = 400, body = ErrorView),
    (status = 404, body = ErrorView),
))]
pub(super) async fn delete_chat(
    State(world): State<World>,
    Parameters((phone, id, jid)): Parameters<(String, String, String)>,
) -> Answer<Written> {
    chat(&world, &phone, &id, &jid, false)
}

fn chat(world: &World, phone: &str, id: &str, jid: &str, labeled: bool) -> Answer<Written> {
    check_jid(jid)?;
    let version = write(world, phone, |account| {
        live(account, id)?;
        Ok(vec![labels::chat(id, jid, labeled, now_ms())])
    })?;
    ok(Written { version })
}

/// Puts a label on a message.
#[utoipa::path(put, path = "/accounts/{phone}/labels/{id}/messages/{jid}/{message_id}", tag = "labels", params(("phone" = String, Path), ("id" = String, Path), ("jid" = String, Path), ("message_id" = String, Path)), responses(
    (status = 200, body = Written),
    (status = 400, body = ErrorView),
    (status = 404, body = ErrorView),
))]
pub(super) async fn put_message(
    State(world): State<World>,
    Parameters((phone, id, jid, message)): Parameters<(String, String, String, String)>,
) -> Answer<Written> {
    message_label(&world, &phone, &id, &jid, &message, true)
}

/// Takes a label off a message.
#[utoipa::path(delete, path = "/accounts/{phone}/labels/{id}/messages/{jid}/{message_id}", tag = "labels", params(("phone" = String, Path), ("id" = String, Path), ("jid" = String, Path), ("message_id" = String, Path)), responses(
    (status = 200, body = Written),
    (status = 400, body = ErrorView),
    (status = 404, body = ErrorView),
))]
pub(super) async fn delete_message(
    State(world): State<World>,
    Parameters((phone, id, jid, message)): Parameters<(String, String, String, String)>,
) -> Answer<Written> {
    message_label(&world, &phone, &id, &jid, &message, false)
}

fn message_label(
    world: &World,
    phone: &str,
    id: &str,
    jid: &str,
    message: &str,
    labeled: bool,
) -> Answer<Written> {
    check_jid(jid)?;
    check_message(message)?;
    let version = write(world, phone, |account| {
        live(account, id)?;
        Ok(vec![labels::message(id, jid, message, labeled, now_ms())])
    })?;
    ok(Written { version })
}

/// Writes a batch of changes as one patch.
#[utoipa::path(post, path = "/accounts/{phone}/changes", tag = "labels", params(("phone" = String, Path)), request_body = Changes, responses(
    (status = 200, body = Written),
    (status = 400, body = ErrorView),
    (status = 404, body = ErrorView),
))]
pub(super) async fn change(
    State(world): State<World>,
    Parameters(phone): Parameters<String>,
    Body(batch): Body<Changes>,
) -> Answer<Written> {
    let version = write(&world, &phone, |account| {
        let at = now_ms();
        batch
            .changes
            .into_iter()
            .map(|change| read(account, change, at))
            .collect()
    })?;
    ok(Written { version })
}

fn read(account: &Account, change: ChangeView, at: i64) -> Result<Change, Problem> {
    match change {
        ChangeView::Label { id, set } => {
            check_id(&id)?;
            set.check().map_err(Problem::bad)?;
            Ok(labels::edit(account.regular(), &id, &set, at))
        }
        ChangeView::Chat {
            label_id,
            chat_jid,
            labeled,
        } => {
            check_id(&label_id)?;
            check_jid(&chat_jid)?;
            Ok(labels::chat(&label_id, &chat_jid, labeled, at))
        }
        ChangeView::Message {
            label_id,
            chat_jid,
            message_id,
            labeled,
        } => {
            check_id(&label_id)?;
            check_jid(&chat_jid)?;
            check_message(&message_id)?;
            Ok(labels::message(
                &label_id,
                &chat_jid,
                &message_id,
                labeled,
                at,
            ))
        }
        ChangeView::Remove { index } => match account.regular().get(&index) {
            Some(record) => Ok(Change {
                op: Op::Remove,
                action: record.action(),
                version: record.version(),
                index,
            }),
            None => Err(Problem::missing(format!(
                "there is no record `{index:?}` to remove"
            ))),
        },
    }
}

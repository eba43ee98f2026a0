//! Labels on chats: put on, taken off, set whole, many at once.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use labelwire_app::App;
use labelwire_app::writes::LabelChats;
use labelwire_domain::label::Label;
use labelwire_domain::token::Scope;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Call;
use super::as_of::{self, AsOfParam};
use super::error::Error;
use super::problems::{InInstance, OfChat, OfChatLabel, Once, ReadProblems, WriteProblems};
use super::view::LabelView;
use crate::body;

/// A chat's labels.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ChatLabels)]
pub(super) struct ChatLabelsView {
    /// The chat, by phone number where that is known.
    #[schema(example = "5511999999999@s.whatsapp.net")]
    chat: String,
    /// Its live labels, by id.
    labels: Vec<LabelView>,
}

impl From<(String, Vec<Label>)> for ChatLabelsView {
    fn from((chat, labels): (String, Vec<Label>)) -> Self {
        Self {
            chat,
            labels: labels.into_iter().map(LabelView::from).collect(),
        }
    }
}

/// Labels by id, or by name in any case.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = SetLabels)]
pub(super) struct SetLabels {
    /// All labels the chat is to carry; an empty list takes all of them off.
    labels: Vec<String>,
}

/// A label as it stands on a chat or message now.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Link)]
pub(super) struct LinkView {
    /// The chat, by phone number where that is known.
    #[schema(example = "5511999999999@s.whatsapp.net")]
    pub(super) chat: String,
    /// The message; only where the label is on one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) message: Option<String>,
    /// The label's id.
    #[schema(example = "2")]
    pub(super) label: String,
    /// Whether it carries the label.
    pub(super) labeled: bool,
}

/// A chat in any of its forms.
#[derive(ToSchema)]
#[schema(
    as = ChatForm,
    pattern = r"^(\+?[0-9]{5,20}(@(c\.us|s\.whatsapp\.net))?|[0-9]{1,20}@lid|[0-9]{10,20}@newsletter|([0-9]{10,20}|[0-9]{5,20}-[0-9]{5,20})@g\.us)$",
    example = "5511999999999"
)]
#[expect(dead_code, reason = "it is only described here")]
pub(super) struct ChatForm(String);

/// Labels for many chats at once.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = LabelChats)]
pub(super) struct LabelChatsBody {
    /// The chats, each in any of its forms.
    #[schema(example = json!(["5511999999999", "120363021033254949@g.us"]))]
    #[schema(value_type = Vec<ChatForm>)]
    chats: Vec<String>,
    /// Labels to put on, by id or name.
    #[serde(default)]
    add: Vec<String>,
    /// Labels to take off, by id or name.
    #[serde(default)]
    remove: Vec<String>,
}

/// What a write over many chats did.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Done)]
pub(super) struct DoneView {
    /// The command it was; null where everything was as asked already.
    #[schema(required)]
    command: Option<String>,
    /// Different chats among those asked for.
    chats: u64,
    /// Records written.
    mutations: u64,
    /// Patches they travelled in: round trips to WhatsApp.
    patches: u64,
}

/// The labels of one chat, under whichever of its ids it is asked for.
///
/// A chat that carries no label, or that nobody knows, has an empty list.
#[utoipa::path(
    get,
    path = "/v1/instances/{instance}/chats/{jid}/labels",
    operation_id = "getChatLabels",
    tag = "chats",
    security(("token" = [])),
    params(OfChat, AsOfParam),
    responses((status = 200, body = ChatLabelsView), ReadProblems),
)]
pub(super) async fn of_chat(
    State(app): State<App>,
    Call(call): Call,
) -> Result<Json<ChatLabelsView>, Error> {
    let (name, chat) = (call.instance()?, call.param("jid"));
    app.instance(&call.caller, Scope::Read, name)?;
    let found = match as_of::asked(&call.query)? {
        None => app.labels_of_chat(&call.caller, name, chat).await?,
        Some(moment) => {
            app.labels_of_chat_as_of(&call.caller, name, chat, moment)
                .await?
        }
    };
    Ok(Json(found.into()))
}

/// Makes a chat carry exactly these labels, in one patch.
#[utoipa::path(
    put,
    path = "/v1/instances/{instance}/chats/{jid}/labels",
    operation_id = "setChatLabels",
    tag = "chats",
    security(("token" = [])),
    params(OfChat, Once),
    request_body = SetLabels,
    responses((status = 200, body = ChatLabelsView), WriteProblems),
)]
pub(super) async fn set_chat(
    State(app): State<App>,
    Call(call): Call,
    body: Body,
) -> Result<Json<ChatLabelsView>, Error> {
    let (caller, name) = (&call.caller, call.instance()?);
    let asked: SetLabels = body::json(body).await?;
    let labels = app.label_ids(caller, name, &asked.labels).await?;
    let set = app
        .set_labels_of_chat(caller, name, call.param("jid"), labels)
        .await?;
    Ok(Json(set.into()))
}

async fn link(app: &App, call: &Call, labeled: bool) -> Result<Json<LinkView>, Error> {
    let Call(call) = call;
    let (caller, name) = (&call.caller, call.instance()?);
    let label = label_id(app, call).await?;
    let chat = app
        .set_chat_label(caller, name, &label, call.param("jid"), labeled)
        .await?;
    Ok(Json(LinkView {
        chat,
        message: None,
        label,
        labeled,
    }))
}

/// The label a path names.
pub(super) async fn label_id(app: &App, call: &crate::call::Call) -> Result<String, Error> {
    let asked = call.param("label").to_owned();
    let mut ids = app
        .label_ids(&call.caller, call.instance()?, std::slice::from_ref(&asked))
        .await?;
    Ok(ids.pop().unwrap_or(asked))
}

/// Puts a label on a chat; one it carries already stays on it.
#[utoipa::path(
    put,
    path = "/v1/instances/{instance}/chats/{jid}/labels/{label}",
    operation_id = "putChatLabel",
    tag = "chats",
    security(("token" = [])),
    params(OfChat, OfChatLabel, Once),
    responses((status = 200, body = LinkView), WriteProblems),
)]
pub(super) async fn put(State(app): State<App>, call: Call) -> Result<Json<LinkView>, Error> {
    link(&app, &call, true).await
}

/// Takes a label off a chat, under whichever of its ids it is on it.
#[utoipa::path(
    delete,
    path = "/v1/instances/{instance}/chats/{jid}/labels/{label}",
    operation_id = "deleteChatLabel",
    tag = "chats",
    security(("token" = [])),
    params(OfChat, OfChatLabel, Once),
    responses((status = 200, body = LinkView), WriteProblems),
)]
pub(super) async fn take_off(State(app): State<App>, call: Call) -> Result<Json<LinkView>, Error> {
    link(&app, &call, false).await
}

/// Puts labels on many chats and takes others off, many records a patch.
///
/// Nothing is written if one of the chats or labels is wrong.
#[utoipa::path(
    post,
    path = "/v1/instances/{instance}/chats/labels",
    operation_id = "labelChats",
    tag = "chats",
    security(("token" = [])),
    params(InInstance, Once),
    request_body = LabelChatsBody,
    responses((status = 200, body = DoneView), WriteProblems),
)]
pub(super) async fn bulk(
    State(app): State<App>,
    Call(call): Call,
    body: Body,
) -> Result<Json<DoneView>, Error> {
    let (caller, name) = (&call.caller, call.instance()?);
    let asked: LabelChatsBody = body::json(body).await?;
    let ask = LabelChats {
        chats: asked.chats,
        add: app.label_ids(caller, name, &asked.add).await?,
        remove: app.label_ids(caller, name, &asked.remove).await?,
    };
    let done = app.label_chats(caller, name, ask).await?;
    Ok(Json(DoneView {
        command: done.command,
        chats: done.chats,
        mutations: done.mutations,
        patches: done.patches,
    }))
}

//! What changed between two moments.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use labelwire_app::App;
use labelwire_app::timeline::{AsOf, ChatChange, Diff, LabelChange, Side};
use labelwire_domain::label::Label;
use labelwire_domain::token::Scope as Right;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::Call;
use super::as_of;
use super::error::Error;
use super::format::Format;
use super::listing::Listing;
use super::problems::{InInstance, ReadProblems};
use super::snapshots::{FormatParam, format};
use super::view::{LabelView, moment};
use crate::refusal::Refusal;

/// One end of a comparison.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Moment)]
pub(super) struct MomentView {
    /// The event it stands right behind.
    seq: i64,
    /// When that was seen here; when the snapshot was made, where history of before was
    /// dropped.
    #[schema(required, format = DateTime)]
    at: Option<String>,
}

/// A label that has other properties.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LabelChange)]
pub(super) struct ChangedView {
    /// As it was.
    before: LabelView,
    /// As it is.
    after: LabelView,
}

/// What became of labels.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = LabelChanges)]
pub(super) struct LabelChangesView {
    /// Those that are there now.
    created: Vec<LabelView>,
    /// Those that have another name, colour or place.
    changed: Vec<ChangedView>,
    /// Those that are gone.
    deleted: Vec<LabelView>,
}

/// A chat that carries other labels.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ChatChange)]
pub(super) struct ChatChangeView {
    /// The chat, by phone number where that is known.
    #[schema(example = "5511999999999@s.whatsapp.net")]
    chat: String,
    /// Labels it carries now and did not, by id.
    gained: Vec<LabelView>,
    /// Labels it carried and does not now, by id, as they were.
    lost: Vec<LabelView>,
}

impl From<ChatChange> for ChatChangeView {
    fn from(change: ChatChange) -> Self {
        let views = |labels: Vec<Label>| labels.into_iter().map(LabelView::from).collect();
        Self {
            chat: change.chat,
            gained: views(change.gained),
            lost: views(change.lost),
        }
    }
}

/// What differs between two moments.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Diff)]
pub(super) struct DiffView {
    /// The first moment.
    from: MomentView,
    /// The other.
    to: MomentView,
    /// Labels.
    labels: LabelChangesView,
    /// Chats, by id.
    chats: Vec<ChatChangeView>,
}

impl From<Diff> for DiffView {
    fn from(diff: Diff) -> Self {
        let mut labels = LabelChangesView::default();
        for change in diff.labels {
            match change {
                LabelChange::Created(label) => labels.created.push(label.into()),
                LabelChange::Deleted(label) => labels.deleted.push(label.into()),
                LabelChange::Changed { before, after } => labels.changed.push(ChangedView {
                    before: before.into(),
                    after: after.into(),
                }),
            }
        }
        let at = |(seq, at)| MomentView {
            seq,
            at: moment(at),
        };
        Self {
            from: at(diff.from),
            to: at(diff.to),
            labels,
            chats: diff.chats.into_iter().map(ChatChangeView::from).collect(),
        }
    }
}

/// One difference, for forms of a line each.
#[derive(Debug, Serialize)]
struct Line {
    #[serde(rename = "type")]
    kind: &'static str,
    chat: Option<String>,
    label_id: String,
    label: String,
    before: Option<String>,
}

fn lines(diff: Diff) -> Vec<Line> {
    let line = |kind, chat: Option<&str>, label: Label, before: Option<String>| Line {
        kind,
        chat: chat.map(str::to_owned),
        label_id: label.id,
        label: label.name,
        before,
    };
    let mut lines = Vec::new();
    for change in diff.labels {
        lines.push(match change {
            LabelChange::Created(label) => line("label.created", None, label, None),
            LabelChange::Deleted(label) => line("label.deleted", None, label, None),
            LabelChange::Changed { before, after } => {
                line("label.changed", None, after, Some(before.name))
            }
        });
    }
    for ChatChange { chat, gained, lost } in diff.chats {
        let chat = Some(chat.as_str());
        lines.extend(
            gained
                .into_iter()
                .map(|l| line("chat.labeled", chat, l, None)),
        );
        lines.extend(
            lost.into_iter()
                .map(|l| line("chat.unlabeled", chat, l, None)),
        );
    }
    lines
}

const LINES: Listing<Line> = Listing {
    key: "changes",
    header: &["type", "chat", "label_id", "label", "before"],
    json: |line| serde_json::to_vec(line),
    cells: |line| {
        vec![
            line.kind.to_owned(),
            line.chat.clone().unwrap_or_default(),
            line.label_id.clone(),
            line.label.clone(),
            line.before.clone().unwrap_or_default(),
        ]
    },
};

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it is only described here")]
pub(super) struct DiffParams {
    /// The first moment: the `seq` of an event, a time (RFC 3339), or a snapshot's id.
    #[param(inline, value_type = as_of::SideForm, example = "snp_01jy0000000000000000000000")]
    from: String,
    /// The other moment, in the same forms; `now` where it is left out.
    #[param(nullable = false, inline, value_type = Option<as_of::SideForm>, example = "now")]
    to: Option<String>,
}

/// What differs between two moments: labels made, changed and deleted, and chats that
/// carry other labels. With a snapshot of some chats, the comparison is about those.
///
/// NDJSON and CSV have a line a difference.
#[utoipa::path(
    get,
    path = "/v1/instances/{instance}/diff",
    operation_id = "diff",
    tag = "history",
    security(("token" = [])),
    params(InInstance, DiffParams, FormatParam),
    responses(
        (status = 200, description = "What differs",
            content(
                (DiffView = "application/json"),
                (String = "application/x-ndjson"),
                (String = "text/csv"),
            ),
        ),
        ReadProblems,
    ),
)]
pub(super) async fn diff(
    State(app): State<App>,
    headers: HeaderMap,
    Call(call): Call,
) -> Result<Response, Error> {
    let name = call.instance()?;
    app.instance(&call.caller, Right::Read, name)?;
    let format = format(&headers, &call)?;
    let side = |of| as_of::said(&call.query, of, as_of::side);
    let from = side("from")?.ok_or(Refusal::Query("from"))?;
    let to = side("to")?.unwrap_or(Side::Moment(AsOf::Now));
    let diff = app.diff(&call.caller, name, &from, &to).await?;
    if format == Format::Json {
        return Ok(Json(DiffView::from(diff)).into_response());
    }
    LINES
        .whole(format, stream::once(std::future::ready(Ok(lines(diff)))))
        .await
}

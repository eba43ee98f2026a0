//! Labels themselves: list, make, change, order, delete, count.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use labelwire_app::App;
use labelwire_app::writes::{LabelEdit, NewLabel};
use labelwire_domain::label::{PALETTE, parse_color};
use labelwire_domain::token::Scope;
use serde::{Deserialize, Serialize};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::Call;
use super::as_of::{self, AsOfParam};
use super::error::Error;
use super::problems::{InInstance, OfLabel, Once, ReadProblems, WriteProblems};
use super::view::{LabelView, LabelsView};
use crate::body;
use crate::whole::whole;

/// A colour: an index into WhatsApp's palette, or one of its colours.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Color {
    /// Index.
    Index(#[serde(deserialize_with = "whole")] Option<i64>),
    /// `#rrggbb` of the palette, in either case, or the index as text.
    Text(String),
}

impl PartialSchema for Color {
    fn schema() -> RefOr<Schema> {
        let index = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .description(Some("An index into WhatsApp's palette"))
            .minimum(Some(0))
            .maximum(Some(19));
        let colors = PALETTE.map(serde_json::Value::from);
        let text = ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(
                "A colour of WhatsApp's palette; letters may be capitals, and the index as text is taken too",
            ))
            .enum_values(Some(colors));
        OneOfBuilder::new().item(index).item(text).into()
    }
}

impl ToSchema for Color {}

impl Color {
    /// The index; what is no colour becomes one that every rule refuses.
    fn index(&self) -> i32 {
        match self {
            Self::Index(index) => index.and_then(|i| i32::try_from(i).ok()).unwrap_or(-1),
            Self::Text(text) => parse_color(text).unwrap_or(-1),
        }
    }
}

/// A label to make.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = CreateLabel)]
pub(super) struct CreateLabel {
    /// Its name; blanks at its ends are cut off.
    #[schema(
        min_length = 1,
        max_length = 100,
        pattern = r"^[^\u0000-\u001f\u007f-\u009f]*[^\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000][^\u0000-\u001f\u007f-\u009f]*$",
        example = "VIP"
    )]
    name: String,
    /// Its colour; the first one no label has where it is left out.
    color: Option<Color>,
}

/// What is to be changed of a label; what is left out stays as the phone has it.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = PatchLabel)]
pub(super) struct PatchLabel {
    /// The new name.
    #[schema(
        min_length = 1,
        max_length = 100,
        pattern = r"^[^\u0000-\u001f\u007f-\u009f]*[^\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000][^\u0000-\u001f\u007f-\u009f]*$"
    )]
    name: Option<String>,
    /// The new colour.
    color: Option<Color>,
    /// The new place among the live labels, 0 for the first; places behind the
    /// end are the end. Written behind name and colour, as a change of its own.
    #[serde(default, deserialize_with = "whole")]
    #[schema(minimum = 0)]
    order: Option<u64>,
}

/// Labels in the order they are to have.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = OrderLabels)]
pub(super) struct OrderLabels {
    /// Ids of labels, first one first; labels left out follow as they stand.
    labels: Vec<String>,
}

/// A label and how many chats carry it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LabelCount)]
pub(super) struct CountView {
    /// The label.
    label: LabelView,
    /// Chats that carry it; a person known by number and by hidden id counts once.
    chats: u64,
}

/// All live labels with their counts.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LabelCounts)]
pub(super) struct CountsView {
    /// By label id.
    counts: Vec<CountView>,
}

/// The live labels, in the account's own order.
#[utoipa::path(
    get,
    path = "/v1/instances/{instance}/labels",
    operation_id = "listLabels",
    tag = "labels",
    security(("token" = [])),
    params(InInstance, AsOfParam),
    responses((status = 200, body = LabelsView), ReadProblems),
)]
pub(super) async fn list(
    State(app): State<App>,
    Call(call): Call,
) -> Result<Json<LabelsView>, Error> {
    let name = call.instance()?;
    app.instance(&call.caller, Scope::Read, name)?;
    let labels = match as_of::asked(&call.query)? {
        None => app.ordered_labels(&call.caller, name).await?,
        Some(moment) => app.labels_as_of(&call.caller, name, moment).await?,
    };
    Ok(Json(labels.into()))
}

/// Makes a label.
///
/// Its id is above every id the account has ever seen. Two live labels cannot
/// have one name, in any case of its letters.
#[utoipa::path(
    post,
    path = "/v1/instances/{instance}/labels",
    operation_id = "createLabel",
    tag = "labels",
    security(("token" = [])),
    params(InInstance, Once),
    request_body = CreateLabel,
    responses((status = 201, body = LabelView), WriteProblems),
)]
pub(super) async fn create(
    State(app): State<App>,
    Call(call): Call,
    body: Body,
) -> Result<(StatusCode, Json<LabelView>), Error> {
    let name = call.instance()?;
    let asked: CreateLabel = body::json(body).await?;
    let new = NewLabel {
        name: asked.name,
        color: asked.color.as_ref().map(Color::index),
    };
    let label = app.create_label(&call.caller, name, new).await?;
    Ok((StatusCode::CREATED, Json(label.into())))
}

/// One live label.
#[utoipa::path(
    get,
    path = "/v1/instances/{instance}/labels/{label}",
    operation_id = "getLabel",
    tag = "labels",
    security(("token" = [])),
    params(OfLabel),
    responses((status = 200, body = LabelView), ReadProblems),
)]
pub(super) async fn get(
    State(app): State<App>,
    Call(call): Call,
) -> Result<Json<LabelView>, Error> {
    let label = app
        .label(&call.caller, call.instance()?, call.param("label"))
        .await?;
    Ok(Json(label.into()))
}

/// Renames a label, recolours it, or moves it in the order.
#[utoipa::path(
    patch,
    path = "/v1/instances/{instance}/labels/{label}",
    operation_id = "patchLabel",
    tag = "labels",
    security(("token" = [])),
    params(OfLabel, Once),
    request_body = PatchLabel,
    responses((status = 200, body = LabelView), WriteProblems),
)]
pub(super) async fn patch(
    State(app): State<App>,
    Call(call): Call,
    body: Body,
) -> Result<Json<LabelView>, Error> {
    let (name, id) = (call.instance()?, call.param("label"));
    let asked: PatchLabel = body::json(body).await?;
    let edit = LabelEdit {
        name: asked.name,
        color: asked.color.as_ref().map(Color::index),
    };
    let label = app.edit_label(&call.caller, name, id, edit).await?;
    if let Some(place) = asked.order {
        let labels = app.ordered_labels(&call.caller, name).await?;
        let mut ids: Vec<String> = labels
            .into_iter()
            .map(|l| l.id)
            .filter(|i| i != id)
            .collect();
        let place = usize::try_from(place).map_or(ids.len(), |place| place.min(ids.len()));
        ids.insert(place, id.to_owned());
        app.reorder_labels(&call.caller, name, ids).await?;
    }
    Ok(Json(label.into()))
}

/// Deletes a label. No chat shows it from then on, and its id is not given again.
#[utoipa::path(
    delete,
    path = "/v1/instances/{instance}/labels/{label}",
    operation_id = "deleteLabel",
    tag = "labels",
    security(("token" = [])),
    params(OfLabel, Once),
    responses((status = 204), WriteProblems),
)]
pub(super) async fn delete(State(app): State<App>, Call(call): Call) -> Result<StatusCode, Error> {
    app.delete_label(&call.caller, call.instance()?, call.param("label"))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Puts labels into an order, as the phone shows it. Answers with all live
/// labels in their new order.
#[utoipa::path(
    put,
    path = "/v1/instances/{instance}/labels/order",
    operation_id = "orderLabels",
    tag = "labels",
    security(("token" = [])),
    params(InInstance, Once),
    request_body = OrderLabels,
    responses((status = 200, body = LabelsView), WriteProblems),
)]
pub(super) async fn reorder(
    State(app): State<App>,
    Call(call): Call,
    body: Body,
) -> Result<Json<LabelsView>, Error> {
    let name = call.instance()?;
    let asked: OrderLabels = body::json(body).await?;
    let labels = app.reorder_labels(&call.caller, name, asked.labels).await?;
    Ok(Json(labels.into()))
}

/// How many chats carry each label.
#[utoipa::path(
    get,
    path = "/v1/instances/{instance}/labels/counts",
    operation_id = "countLabels",
    tag = "labels",
    security(("token" = [])),
    params(InInstance, AsOfParam),
    responses((status = 200, body = CountsView), ReadProblems),
)]
pub(super) async fn counts(
    State(app): State<App>,
    Call(call): Call,
) -> Result<Json<CountsView>, Error> {
    let name = call.instance()?;
    app.instance(&call.caller, Scope::Read, name)?;
    let counts = match as_of::asked(&call.query)? {
        None => app.label_counts(&call.caller, name).await?,
        Some(moment) => app.label_counts_as_of(&call.caller, name, moment).await?,
    };
    let counts = counts.into_iter().map(|(label, chats)| CountView {
        label: label.into(),
        chats,
    });
    Ok(Json(CountsView {
        counts: counts.collect(),
    }))
}

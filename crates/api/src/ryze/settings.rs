//! The seven settings of an instance: read and changed.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use labelwire_app::App;
use labelwire_app::settings::{Fields, Settings};
use labelwire_domain::token::Scope;
use serde::de::{DeserializeOwned, Deserializer};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::Call;
use super::error::Error;
use super::view::OfInstance;
use crate::body;

/// The group they are kept in.
pub(super) const SETTINGS: &str = "settings";
/// What an instance does by itself. These are kept and shown; labelwire itself
/// takes no calls, marks nothing as read and keeps no messages.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Settings)]
#[serde(default, rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "the dialect's shape")]
pub(super) struct SettingsView {
    #[schema(required)]
    auto_reject_calls: bool,
    #[schema(required)]
    call_reject_message: String,
    #[schema(required)]
    ignore_group_messages: bool,
    #[schema(required)]
    keep_online_status: bool,
    #[schema(required)]
    auto_read_messages: bool,
    #[schema(required)]
    disable_history_sync: bool,
    #[schema(required)]
    ignore_status: bool,
}

impl Default for SettingsView {
    /// As the documented example has them.
    fn default() -> Self {
        Self {
            auto_reject_calls: false,
            call_reject_message: String::new(),
            ignore_group_messages: false,
            keep_online_status: false,
            auto_read_messages: false,
            disable_history_sync: true,
            ignore_status: false,
        }
    }
}

/// Settings to change, at least one; those left out stay.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct SettingsChange {
    #[serde(deserialize_with = "not_null")]
    #[schema(value_type = bool)]
    auto_reject_calls: Option<bool>,
    #[serde(deserialize_with = "not_null")]
    #[schema(value_type = String)]
    call_reject_message: Option<String>,
    #[serde(deserialize_with = "not_null")]
    #[schema(value_type = bool)]
    ignore_group_messages: Option<bool>,
    #[serde(deserialize_with = "not_null")]
    #[schema(value_type = bool)]
    keep_online_status: Option<bool>,
    #[serde(deserialize_with = "not_null")]
    #[schema(value_type = bool)]
    auto_read_messages: Option<bool>,
    #[serde(deserialize_with = "not_null")]
    #[schema(value_type = bool)]
    disable_history_sync: Option<bool>,
    #[serde(deserialize_with = "not_null")]
    #[schema(value_type = bool)]
    ignore_status: Option<bool>,
}

/// A field that may be left out but not be null.
fn not_null<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    from: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

/// The seven settings.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SettingsAnswer)]
pub(super) struct SettingsAnswer {
    success: bool,
    #[schema(example = "Settings retrieved successfully")]
    message: &'static str,
    settings: SettingsView,
}

/// An instance's settings.
#[utoipa::path(
    get,
    path = "/api/instance/getSettings/{instance}",
    tag = "instance",
    params(OfInstance),
    responses((status = 200, description = "The settings", body = SettingsAnswer)),
)]
pub(super) async fn read(
    State(app): State<App>,
    Call(call): Call,
) -> Result<Json<SettingsAnswer>, Error> {
    let fields = app
        .settings(&call.caller, call.instance()?, SETTINGS)
        .await
        .map_err(failed)?;
    Ok(Json(SettingsAnswer {
        success: true,
        message: "Settings retrieved successfully",
        settings: shape(fields),
    }))
}

/// Changes some of an instance's settings; answers with all of them.
#[utoipa::path(
    post,
    path = "/api/instance/settings/{instance}",
    tag = "instance",
    params(OfInstance),
    request_body = SettingsChange,
    responses((status = 200, description = "The settings as they are now", body = SettingsAnswer)),
)]
pub(super) async fn update(
    State(app): State<App>,
    Call(call): Call,
    body: Body,
) -> Result<Json<SettingsAnswer>, Error> {
    let name = call.instance()?;
    // Who may not change them learns so before the body is looked at.
    app.instance(&call.caller, Scope::Admin, name)?;
    let asked: SettingsChange = body::json(body).await?;
    let changes = fields(&asked);
    if changes.is_empty() {
        return Err(Error::bad("At least one setting is required"));
    }
    let fields = app
        .update_settings(&call.caller, name, SETTINGS, changes)
        .await
        .map_err(failed)?;
    Ok(Json(SettingsAnswer {
        success: true,
        message: "Settings updated successfully",
        settings: shape(fields),
    }))
}

fn failed(error: labelwire_app::Error) -> Error {
    Error::from(error).named("Failed to get settings configuration")
}

/// The fields of a request that are there.
pub(super) fn fields(asked: &impl Serialize) -> Fields {
    match serde_json::to_value(asked) {
        Ok(Value::Object(mut fields)) => {
            fields.retain(|_, value| !value.is_null());
            fields
        }
        _ => Fields::new(),
    }
}

/// Kept fields in the shape of an answer; what does not fit (nothing this dialect
/// writes) reads as not set.
pub(super) fn shape<T: DeserializeOwned + Default>(fields: Fields) -> T {
    serde_json::from_value(Value::Object(fields)).unwrap_or_default()
}

/// An instance's seven settings.
pub(super) fn of(settings: &Settings) -> SettingsView {
    shape(settings.group(SETTINGS))
}

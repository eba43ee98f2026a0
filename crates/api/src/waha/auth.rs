//! Pairing: a QR code to scan, or a code to type on the phone.

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use labelwire_app::App;
use labelwire_app::instance::Handle;
use labelwire_app::instances::Connecting;
use labelwire_domain::instance::State as Standing;
use labelwire_domain::token::Scope;
use serde::Deserialize;
use utoipa::ToSchema;

use super::Call;
use super::error::{Error, ErrorView, UnprocessableView};
use super::view::{CodeView, FileView, QrValueView, QrView, SessionStatus};
use crate::refusal::Refusal;
use crate::{body, qr as picture};

/// How long a session that is starting is given to show its code.
const PATIENCE: Duration = Duration::from_secs(10);

/// The QR code to scan now: a PNG; with `Accept: application/json` the picture in
/// base64, and with `format=raw` the code's text, both as JSON.
#[utoipa::path(
    get,
    path = "/api/{session}/auth/qr",
    operation_id = "waha_auth_qr",
    tag = "auth",
    params(
        ("session" = String, Path, description = "Session name", example = "default"),
        ("format" = inline(Option<QrFormat>), Query, description = "`raw` answers with the code's text as JSON"),
    ),
    responses(
        (status = 200, description = "The code", content(
            (Png = "image/png"),
            (QrView = "application/json"),
        )),
        (status = 404, body = ErrorView, description = "No such session"),
        (status = 422, body = UnprocessableView, description = "The session shows no code: it is stopped, or paired already"),
    ),
)]
pub(super) async fn qr(
    State(app): State<App>,
    call: Call,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let raw = match call.0.query.text("format") {
        None | Some("image") => false,
        Some("raw") => true,
        Some(_) => return Err(Refusal::Query("format").into()),
    };
    let session = call.session(&app, Scope::Admin)?;
    let value = code(&session).await?;
    if raw {
        return Ok(Json(QrView::Value(QrValueView { value })).into_response());
    }
    let png = picture::png(&value).ok_or_else(|| {
        Error::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "The QR code could not be drawn",
        )
    })?;
    let mimetype = "image/png";
    if wants_json(&headers) {
        let data = STANDARD.encode(png);
        return Ok(Json(QrView::File(FileView { mimetype, data })).into_response());
    }
    Ok(([(header::CONTENT_TYPE, mimetype)], png).into_response())
}

/// A picture.
#[derive(Debug, ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "describes an answer that is sent as bytes")]
struct Png(Vec<u8>);

/// What a QR code is answered as.
#[derive(Debug, ToSchema)]
#[schema(as = QRCodeFormat, rename_all = "lowercase")]
#[expect(dead_code, reason = "describes a query parameter that is read as text")]
enum QrFormat {
    /// A picture.
    Image,
    /// The code's text.
    Raw,
}

/// Whether JSON is asked for, and no picture before it.
fn wants_json(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|kind| kind.split(';').next().unwrap_or_default().trim())
        .find_map(|kind| match kind.to_ascii_lowercase().as_str() {
            "application/json" => Some(true),
            "image/png" | "image/*" => Some(false),
            _ => None,
        })
        .unwrap_or(false)
}

/// The code a session shows. One that is just starting is waited for; one that
/// is stopped is not started.
async fn code(session: &Handle) -> Result<String, Error> {
    let mut status = session.watch();
    let shown = status.wait_for(|s| s.qr.is_some() || s.state != Standing::Connecting);
    let shown = match tokio::time::timeout(PATIENCE, shown).await {
        Ok(Ok(seen)) => seen
            .qr
            .clone()
            .filter(|_| seen.state == Standing::Connecting),
        Ok(Err(_)) | Err(_) => None,
    };
    shown.ok_or_else(|| no_code(session))
}

fn no_code(session: &Handle) -> Error {
    let now = SessionStatus::of(&session.status());
    Error::standing(session.name.clone(), now, SessionStatus::ScanQrCode)
}

/// Which phone a code is for.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = RequestCodeRequest)]
pub(super) struct RequestCode {
    /// With country code.
    #[serde(rename = "phoneNumber")]
    #[schema(required, value_type = String, pattern = "^[0-9]{7,15}$", example = "5511999999999")]
    phone_number: Option<String>,
}

/// Asks for a code to type on the phone.
#[utoipa::path(
    post,
    path = "/api/{session}/auth/request-code",
    operation_id = "waha_auth_request_code",
    tag = "auth",
    params(("session" = String, Path, description = "Session name", example = "default")),
    request_body = RequestCode,
    responses(
        (status = 201, body = CodeView),
        (status = 404, body = ErrorView, description = "No such session"),
        (status = 422, body = UnprocessableView, description = "The session is stopped, or paired already"),
        (status = 502, body = ErrorView, description = "WhatsApp refused"),
    ),
)]
pub(super) async fn request_code(
    State(app): State<App>,
    call: Call,
    body: Body,
) -> Result<(StatusCode, Json<CodeView>), Error> {
    let session = call.session(&app, Scope::Admin)?;
    let asked: RequestCode = body::json(body).await?;
    let number = asked.phone_number.as_deref().map(str::trim);
    let number = number
        .filter(|n| !n.is_empty())
        .ok_or_else(|| Error::bad("phoneNumber should not be empty"))?;
    // Nothing is started for a session that shows no code.
    code(&session).await?;
    let led_to = app
        .connect_instance(&call.0.caller, call.name(), Some(number))
        .await?;
    match led_to {
        Connecting::PairCode(code) => Ok((StatusCode::CREATED, Json(CodeView { code }))),
        Connecting::Connected | Connecting::Qr(_) => Err(no_code(&session)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_sent_unless_json_is_preferred() {
        for (accept, json) in [
            (None, false),
            (Some("*/*"), false),
            (Some("application/json"), true),
            (Some("Application/JSON; charset=utf-8"), true),
            (Some("application/json, image/png"), true),
            (Some("image/png, application/json"), false),
            (Some("text/html, image/*;q=0.8, */*"), false),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(header::ACCEPT, accept.parse().expect("a value"));
            }
            assert_eq!(wants_json(&headers), json, "{accept:?}");
        }
    }
}

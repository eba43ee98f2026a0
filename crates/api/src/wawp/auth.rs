//! Linking a session: a QR code to scan or a code to type.

use axum::Json;
use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use labelwire_app::App;
use labelwire_app::instances::Connecting;
use labelwire_domain::token::Scope;
use utoipa::ToSchema;

use super::call::Call;
use super::error::Error;
use super::view::{CodeView, FileView, RawQr};
use crate::qr;

/// Milliseconds a QR code is good for, but for the first one, which lives longer.
const QR_LIFE_MS: i64 = 20_000;

/// How to show a QR code.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes what is read through `Said`")]
pub(super) struct QrBody {
    /// `raw`: its text; `image`: a picture.
    #[schema(example = "raw")]
    format: Option<String>,
}

/// The phone to link.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes what is read through `Said`")]
pub(super) struct CodeBody {
    /// With country code.
    #[schema(example = "201145202826")]
    phone_number: String,
}

/// The QR code to scan, in base64: as JSON (`{"value":"…","expiry":…}`, the code's
/// text and when another takes its place, in milliseconds since 1970), or as a PNG.
/// Starts the session where it does not run.
#[utoipa::path(
    method(post, get),
    path = "/v2/auth/qr",
    tag = "auth",
    request_body = QrBody,
    responses((status = 200, body = FileView)),
)]
pub(super) async fn qr(State(app): State<App>, call: Call) -> Result<Json<FileView>, Error> {
    match call.said.even_blank(&["format"])? {
        None | Some("raw") => {
            let code = code(&app, &call).await?;
            let raw = RawQr {
                value: &code,
                expiry: app.now().as_millis() + QR_LIFE_MS,
            };
            Ok(Json(FileView {
                mimetype: "application/json",
                data: STANDARD.encode(serde_json::to_vec(&raw).unwrap_or_default()),
            }))
        }
        Some("image") => picture(&app, &call).await,
        Some(_) => Err(Error::parameter("`format` must be `raw` or `image`")),
    }
}

/// The QR code to scan, as a PNG in base64. Starts the session where it does not run.
#[utoipa::path(
    method(post, get),
    path = "/v2/auth/qr-image",
    tag = "auth",
    responses((status = 200, body = FileView)),
)]
pub(super) async fn qr_image(State(app): State<App>, call: Call) -> Result<Json<FileView>, Error> {
    picture(&app, &call).await
}

/// A code to type on the phone, instead of a QR code. Starts the session where it
/// does not run.
#[utoipa::path(
    post,
    path = "/v2/auth/request-code",
    tag = "auth",
    request_body = CodeBody,
    responses((status = 200, body = CodeView)),
)]
pub(super) async fn request_code(
    State(app): State<App>,
    call: Call,
) -> Result<Json<CodeView>, Error> {
    let number = call.said.required(&["phone_number", "phoneNumber"])?;
    match connect(&app, &call, Some(&number)).await? {
        Connecting::PairCode(code) => Ok(Json(CodeView { code })),
        _ => Err(Error::already_working()),
    }
}

async fn picture(app: &App, call: &Call) -> Result<Json<FileView>, Error> {
    let png = qr::png(&code(app, call).await?).ok_or_else(Error::not_drawn)?;
    Ok(Json(FileView {
        mimetype: "image/png",
        data: STANDARD.encode(png),
    }))
}

async fn code(app: &App, call: &Call) -> Result<String, Error> {
    match connect(app, call, None).await? {
        Connecting::Qr(code) => Ok(code),
        _ => Err(Error::already_working()),
    }
}

/// Connects, but not what a caller stopped: asking for a code must not undo that.
async fn connect(app: &App, call: &Call, number: Option<&str>) -> Result<Connecting, Error> {
    let name = call.instance(app)?;
    if app
        .instance(&call.caller, Scope::Admin, &name)?
        .status()
        .stopped
    {
        return Err(Error::stopped());
    }
    Ok(app.connect_instance(&call.caller, &name, number).await?)
}

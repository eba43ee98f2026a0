//! Instances: linked WhatsApp accounts, and how they stand.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use labelwire_app::App;
use labelwire_app::instance::Recovery;
use labelwire_app::instances::{Connecting, Standing};
use labelwire_domain::instance::{Profile, State as Doing};
use labelwire_domain::token::Scope;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Call;
use super::error::Error;
use super::problems::{InInstance, Once, ReadProblems, WriteProblems};
use crate::{body, qr};

/// The path of [`connect`], whose body may be left out.
pub(super) const CONNECT: &str = "/v1/instances/{instance}/connect";

/// What an instance is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = InstanceState)]
#[serde(rename_all = "snake_case")]
pub(super) enum StateView {
    /// Logged in; changes come and go.
    Connected,
    /// A client runs but is not logged in: dialling, pairing, or between two tries.
    Connecting,
    /// Nothing runs; a pairing may exist.
    Disconnected,
    /// WhatsApp or the caller removed this device; it must be paired anew.
    LoggedOut,
}

/// The WhatsApp account behind an instance, as far as it is known.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Profile)]
pub(super) struct ProfileView {
    /// Own number.
    #[schema(required, example = "5511900000000@s.whatsapp.net")]
    jid: Option<String>,
    /// Own hidden id.
    #[schema(required)]
    lid: Option<String>,
    /// The name the account shows to others.
    #[schema(required)]
    push_name: Option<String>,
    /// Business name, where the account is one.
    #[schema(required)]
    business_name: Option<String>,
    /// The phone's platform as WhatsApp names it.
    #[schema(required)]
    platform: Option<String>,
    /// Whether the phone is a Business app: personal accounts have lists instead
    /// of labels.
    is_business: bool,
}

impl From<Profile> for ProfileView {
    fn from(profile: Profile) -> Self {
        Self {
            is_business: profile.is_business(),
            jid: profile.jid,
            lid: profile.lid,
            push_name: profile.push_name,
            business_name: profile.business_name,
            platform: profile.platform,
        }
    }
}

/// An instance.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Instance)]
pub(super) struct InstanceView {
    /// Public id.
    #[schema(example = "ins_01jy0000000000000000000000")]
    id: String,
    /// Name, unique within the account.
    #[schema(example = "shop")]
    name: String,
    /// What it is doing.
    state: StateView,
    /// Why; null where there is nothing to say.
    #[schema(required)]
    reason: Option<String>,
    /// Whether a caller stopped it: no client runs until it is started, whatever is
    /// restarted.
    stopped: bool,
    /// Whether its labels were synced; reads answer from then on, online or not.
    synced: bool,
    /// What is being done where the labels are known to be behind WhatsApp.
    recovery: RecoveryView,
    /// The WhatsApp account.
    profile: ProfileView,
}

/// What is being done where the labels are known to be behind WhatsApp.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Recovery)]
pub(super) enum RecoveryView {
    /// Nothing: they are not known to be behind.
    None,
    /// What is new is fetched.
    CatchingUp,
    /// All is fetched anew, for what is new could not be read.
    ReadingSnapshot,
    /// The phone was asked for the keys it takes: open WhatsApp on it.
    AskingPhone,
}

impl From<&Standing> for InstanceView {
    fn from(standing: &Standing) -> Self {
        let status = &standing.status;
        Self {
            id: standing.handle.id.to_string(),
            name: standing.handle.name.clone(),
            state: match status.state {
                Doing::Connected => StateView::Connected,
                Doing::Connecting => StateView::Connecting,
                Doing::Disconnected => StateView::Disconnected,
                Doing::LoggedOut => StateView::LoggedOut,
            },
            reason: Some(status.reason.clone()).filter(|r| !r.is_empty()),
            stopped: status.stopped,
            synced: status.synced,
            recovery: match status.recovery {
                Recovery::None => RecoveryView::None,
                Recovery::CatchingUp => RecoveryView::CatchingUp,
                Recovery::ReadingSnapshot => RecoveryView::ReadingSnapshot,
                Recovery::AskingPhone => RecoveryView::AskingPhone,
            },
            profile: status.profile.clone().into(),
        }
    }
}

/// Instances, by name.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Instances)]
pub(super) struct InstancesView {
    /// The instances.
    instances: Vec<InstanceView>,
}

/// An instance to make.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = CreateInstance)]
pub(super) struct CreateInstance {
    /// Its name.
    #[schema(
        min_length = 1,
        max_length = 100,
        pattern = "^[A-Za-z0-9_-]+$",
        example = "shop"
    )]
    name: String,
}

/// A new instance and the token that is good for it alone.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NewInstance)]
pub(super) struct NewInstanceView {
    /// The instance.
    instance: InstanceView,
    /// Its token; it is shown this once.
    token: String,
}

/// How to connect.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = Connect)]
pub(super) struct ConnectBody {
    /// The phone's number with country code, for a pairing code instead of a QR code.
    #[schema(pattern = r"^\+?[0-9]{7,15}$", example = "5511900000000")]
    number: Option<String>,
}

/// What connecting led to.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    /// It is connected.
    Connected,
    /// A QR code is to be scanned on the phone.
    Qr,
    /// A code is to be typed on the phone.
    PairingCode,
}

/// What connecting led to, with the code.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Connecting)]
pub(super) struct ConnectView {
    /// What it led to.
    outcome: Outcome,
    /// The QR code's text.
    #[schema(required)]
    qr: Option<String>,
    /// The QR code as a picture, a `data:image/png;base64,…` address.
    #[schema(required)]
    qr_image: Option<String>,
    /// The code to type, `ABCD-EFGH`.
    #[schema(required)]
    pairing_code: Option<String>,
}

/// The account's instances, by name; an instance token sees its own.
#[utoipa::path(
    get,
    path = "/v1/instances",
    operation_id = "listInstances",
    tag = "instances",
    security(("token" = [])),
    responses((status = 200, body = InstancesView), ReadProblems),
)]
pub(super) async fn list(
    State(app): State<App>,
    Call(call): Call,
) -> Result<Json<InstancesView>, Error> {
    let found = app.list_instances(&call.caller)?;
    Ok(Json(InstancesView {
        instances: found.iter().map(InstanceView::from).collect(),
    }))
}

/// Makes an instance and a token for it.
#[utoipa::path(
    post,
    path = "/v1/instances",
    operation_id = "createInstance",
    tag = "instances",
    security(("token" = [])),
    params(Once),
    request_body = CreateInstance,
    responses((status = 201, body = NewInstanceView), WriteProblems),
)]
pub(super) async fn create(
    State(app): State<App>,
    Call(call): Call,
    body: Body,
) -> Result<(StatusCode, Json<NewInstanceView>), Error> {
    let asked: CreateInstance = body::json(body).await?;
    let (standing, token) = app.create_instance(&call.caller, &asked.name, None).await?;
    let view = NewInstanceView {
        instance: InstanceView::from(&standing),
        token,
    };
    Ok((StatusCode::CREATED, Json(view)))
}

/// How an instance stands.
#[utoipa::path(
    get,
    path = "/v1/instances/{instance}",
    operation_id = "getInstance",
    tag = "instances",
    security(("token" = [])),
    params(InInstance),
    responses((status = 200, body = InstanceView), ReadProblems),
)]
pub(super) async fn get(
    State(app): State<App>,
    Call(call): Call,
) -> Result<Json<InstanceView>, Error> {
    shown(&app, &call, Scope::Read)
}

fn shown(app: &App, call: &crate::call::Call, scope: Scope) -> Result<Json<InstanceView>, Error> {
    let handle = app.instance(&call.caller, scope, call.instance()?)?;
    let status = handle.status();
    Ok(Json(InstanceView::from(&Standing { handle, status })))
}

/// Unlinks the device and removes the instance with all that is known of it, its
/// tokens included.
#[utoipa::path(
    delete,
    path = "/v1/instances/{instance}",
    operation_id = "deleteInstance",
    tag = "instances",
    security(("token" = [])),
    params(InInstance, Once),
    responses((status = 204), WriteProblems),
)]
pub(super) async fn delete(State(app): State<App>, Call(call): Call) -> Result<StatusCode, Error> {
    app.delete_instance(&call.caller, call.instance()?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Connects an instance; answers with a code where it must be paired first.
#[utoipa::path(
    post,
    path = "/v1/instances/{instance}/connect",
    operation_id = "connectInstance",
    tag = "instances",
    security(("token" = [])),
    params(InInstance, Once),
    request_body(content = ConnectBody, description = "May be left out"),
    responses((status = 200, body = ConnectView), WriteProblems),
)]
pub(super) async fn connect(
    State(app): State<App>,
    Call(call): Call,
    body: Body,
) -> Result<Json<ConnectView>, Error> {
    let name = call.instance()?;
    let asked: ConnectBody = if http_body::Body::is_end_stream(&body) {
        ConnectBody::default()
    } else {
        body::json(body).await?
    };
    let mut view = ConnectView {
        outcome: Outcome::Connected,
        qr: None,
        qr_image: None,
        pairing_code: None,
    };
    let number = asked.number.as_deref();
    match app.connect_instance(&call.caller, name, number).await? {
        Connecting::Connected => {}
        Connecting::PairCode(code) => {
            view.outcome = Outcome::PairingCode;
            view.pairing_code = Some(code);
        }
        Connecting::Qr(code) => {
            view.outcome = Outcome::Qr;
            view.qr_image = qr::data_uri(&code);
            view.qr = Some(code);
        }
    }
    Ok(Json(view))
}

/// Unlinks the device; the instance, its tokens and what is known of its labels stay.
#[utoipa::path(
    post,
    path = "/v1/instances/{instance}/logout",
    operation_id = "logoutInstance",
    tag = "instances",
    security(("token" = [])),
    params(InInstance, Once),
    responses((status = 200, body = InstanceView), WriteProblems),
)]
pub(super) async fn logout(
    State(app): State<App>,
    Call(call): Call,
) -> Result<Json<InstanceView>, Error> {
    app.logout_instance(&call.caller, call.instance()?).await?;
    shown(&app, &call, Scope::Admin)
}

/// Runs the instance's client, if none runs, and does not wait for where that leads:
/// a login where it is paired, else a QR code.
#[utoipa::path(
    post,
    path = "/v1/instances/{instance}/start",
    operation_id = "startInstance",
    tag = "instances",
    security(("token" = [])),
    params(InInstance, Once),
    responses((status = 200, body = InstanceView), WriteProblems),
)]
pub(super) async fn start(
    State(app): State<App>,
    Call(call): Call,
) -> Result<Json<InstanceView>, Error> {
    app.start_instance(&call.caller, call.instance()?).await?;
    // Who may start and stop it may see how it stands.
    shown(&app, &call, Scope::Admin)
}

/// Disconnects the instance without unlinking it. It stays so, restarts of the
/// gateway included, until it is started or connected.
#[utoipa::path(
    post,
    path = "/v1/instances/{instance}/stop",
    operation_id = "stopInstance",
    tag = "instances",
    security(("token" = [])),
    params(InInstance, Once),
    responses((status = 200, body = InstanceView), WriteProblems),
)]
pub(super) async fn stop(
    State(app): State<App>,
    Call(call): Call,
) -> Result<Json<InstanceView>, Error> {
    app.stop_instance(&call.caller, call.instance()?).await?;
    // Who may start and stop it may see how it stands.
    shown(&app, &call, Scope::Admin)
}

/// Disconnects the instance, if it is connected, and starts it anew.
#[utoipa::path(
    post,
    path = "/v1/instances/{instance}/restart",
    operation_id = "restartInstance",
    tag = "instances",
    security(("token" = [])),
    params(InInstance, Once),
    responses((status = 200, body = InstanceView), WriteProblems),
)]
pub(super) async fn restart(
    State(app): State<App>,
    Call(call): Call,
) -> Result<Json<InstanceView>, Error> {
    app.restart_instance(&call.caller, call.instance()?).await?;
    // Who may start and stop it may see how it stands.
    shown(&app, &call, Scope::Admin)
}

//! Accounts, pairing, texts and the truth.

use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answer::{Answer, Body, ErrorView, Parameters, Problem, created, ok};
use crate::World;
use crate::account::{Account, Kind, NewAccount, Received};
use crate::truth::Truth;

/// An account to make, with what its phone holds.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateAccount {
    /// Phone number, digits only.
    pub phone: String,
    /// Which app the phone runs; business by default.
    #[serde(default)]
    pub kind: Kind,
    /// Shown name.
    pub name: String,
    /// Same seed, same chats, records, versions and hashes; the server's own by default.
    pub seed: Option<u64>,
    /// Chats to make up; none by default.
    #[serde(default)]
    pub chats: u32,
    /// Labels to make up; none by default.
    #[serde(default)]
    pub labels: u32,
    /// Live associations to make up; none by default.
    #[serde(default)]
    pub associations: u32,
}

/// An account at a glance.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AccountView {
    /// Phone number, digits only.
    pub phone: String,
    /// Its hidden JID.
    pub lid: String,
    /// Which app the phone runs.
    pub kind: Kind,
    /// Shown name.
    pub name: String,
    /// Version of the `regular` collection.
    pub version: u64,
    /// How many chats the phone knows.
    pub chats: usize,
    /// Numbers of the linked devices.
    pub devices: Vec<u16>,
}

impl AccountView {
    fn of(account: &Account) -> Self {
        Self {
            phone: account.phone.clone(),
            lid: account.lid_jid(),
            kind: account.kind,
            name: account.name.clone(),
            version: account.regular().version(),
            chats: account.contacts.len(),
            devices: account.devices.keys().copied().collect(),
        }
    }
}

/// What the phone's camera saw.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Scan {
    /// The QR code's text, with or without a link before it.
    pub qr: String,
    /// Whether the device is served snapshots (the default) or every patch from the first.
    #[serde(default = "yes")]
    pub snapshot: bool,
}

fn yes() -> bool {
    true
}

/// What the user typed on the phone.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PairCode {
    /// Eight characters; a hyphen and small letters do no harm.
    pub code: String,
    /// Whether the device is served snapshots (the default) or every patch from the first.
    #[serde(default = "yes")]
    pub snapshot: bool,
}

/// A newly linked device.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Linked {
    /// Its number on the account.
    pub device: u16,
}

/// A text from one of the account's chats.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SendText {
    /// Phone-number JID or hidden JID of the sender; the form decides how it is addressed.
    pub from: String,
    /// The text.
    pub text: String,
}

/// A message that is on its way.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Sent {
    /// Message id.
    pub id: String,
}

/// All accounts, by phone number.
#[utoipa::path(get, path = "/accounts", tag = "accounts", responses((status = 200, body = [AccountView])))]
pub(super) async fn list(State(world): State<World>) -> Answer<Vec<AccountView>> {
    let mut views = Vec::new();
    for phone in world.phones() {
        views.push(world.with_account(&phone, |account| AccountView::of(account))?);
    }
    ok(views)
}

/// Makes an account and fills its phone from a seed.
#[utoipa::path(post, path = "/accounts", tag = "accounts", request_body = CreateAccount, responses(
    (status = 201, body = AccountView),
    (status = 400, body = ErrorView, description = "A number that makes no sense"),
    (status = 409, body = ErrorView, description = "The account exists"),
))]
pub(super) async fn create(
    State(world): State<World>,
    Body(new): Body<CreateAccount>,
) -> Answer<AccountView> {
    let phone = new.phone.clone();
    let new = NewAccount {
        phone: new.phone,
        kind: new.kind,
        name: new.name,
        seed: new.seed,
        chats: new.chats,
        labels: new.labels,
        associations: new.associations,
    };
    // Hundreds of thousands of records take seconds to encrypt.
    let maker = world.clone();
    tokio::task::spawn_blocking(move || maker.create_account(new))
        .await
        .map_err(|error| {
            tracing::error!(%error, "making an account failed");
            Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the account could not be made; see the log",
            )
        })??;
    created(world.with_account(&phone, |account| AccountView::of(account))?)
}

/// One account.
#[utoipa::path(get, path = "/accounts/{phone}", tag = "accounts", params(("phone" = String, Path)), responses(
    (status = 200, body = AccountView),
    (status = 404, body = ErrorView),
))]
pub(super) async fn show(
    State(world): State<World>,
    Parameters(phone): Parameters<String>,
) -> Answer<AccountView> {
    ok(world.with_account(&phone, |account| AccountView::of(account))?)
}

/// What the phone holds to be true.
#[utoipa::path(get, path = "/accounts/{phone}/truth", tag = "accounts", params(("phone" = String, Path)), responses(
    (status = 200, body = Truth),
    (status = 404, body = ErrorView),
))]
pub(super) async fn truth(
    State(world): State<World>,
    Parameters(phone): Parameters<String>,
) -> Answer<Truth> {
    ok(world.with_account(&phone, |account| account.truth())?)
}

/// Scans a client's QR code; answers when the client accepted the pairing.
#[utoipa::path(post, path = "/accounts/{phone}/scan", tag = "accounts", params(("phone" = String, Path)), request_body = Scan, responses(
    (status = 200, body = Linked),
    (status = 400, body = ErrorView, description = "This is no QR code of a client"),
    (status = 404, body = ErrorView),
    (status = 409, body = ErrorView, description = "No client shows this code any more"),
    (status = 502, body = ErrorView, description = "The client did not complete the pairing"),
))]
pub(super) async fn scan(
    State(world): State<World>,
    Parameters(phone): Parameters<String>,
    Body(scan): Body<Scan>,
) -> Answer<Linked> {
    ok(Linked {
        device: world.scan(&phone, &scan.qr, scan.snapshot).await?,
    })
}

/// Types a client's pairing code; answers when the client accepted the pairing.
#[utoipa::path(post, path = "/accounts/{phone}/pair-code", tag = "accounts", params(("phone" = String, Path)), request_body = PairCode, responses(
    (status = 200, body = Linked),
    (status = 400, body = ErrorView, description = "The code is wrong"),
    (status = 404, body = ErrorView),
    (status = 409, body = ErrorView, description = "No client asked to be paired with this account"),
    (status = 502, body = ErrorView, description = "The client did not complete the pairing"),
))]
pub(super) async fn pair_code(
    State(world): State<World>,
    Parameters(phone): Parameters<String>,
    Body(typed): Body<PairCode>,
) -> Answer<Linked> {
    ok(Linked {
        device: world
            .enter_pair_code(&phone, &typed.code, typed.snapshot)
            .await?,
    })
}

/// Somebody writes to the account.
#[utoipa::path(post, path = "/accounts/{phone}/messages", tag = "messages", params(("phone" = String, Path)), request_body = SendText, responses(
    (status = 201, body = Sent),
    (status = 400, body = ErrorView, description = "Nobody is known by this JID"),
    (status = 404, body = ErrorView),
))]
pub(super) async fn send(
    State(world): State<World>,
    Parameters(phone): Parameters<String>,
    Body(message): Body<SendText>,
) -> Answer<Sent> {
    created(Sent {
        id: world
            .send_text(&phone, &message.from, &message.text)
            .await?,
    })
}

/// The texts the account's devices sent to its chats, oldest first.
#[utoipa::path(get, path = "/accounts/{phone}/messages", tag = "messages", params(("phone" = String, Path)), responses(
    (status = 200, body = [Received]),
    (status = 404, body = ErrorView),
))]
pub(super) async fn inbox(
    State(world): State<World>,
    Parameters(phone): Parameters<String>,
) -> Answer<Vec<Received>> {
    ok(world.with_account(&phone, |account| account.inbox.clone())?)
}

/// Refuses what no phone would hold as a chat.
pub(super) fn check_jid(jid: &str) -> Result<(), Problem> {
    let known = ["s.whatsapp.net", "lid", "g.us", "newsletter", "broadcast"];
    match jid.split_once('@') {
        Some((user, server))
            if !user.is_empty()
                && known.contains(&server)
                && user
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte)) =>
        {
            Ok(())
        }
        _ => Err(Problem::bad(format!(
            "`{}` is no chat's JID; write for example `4915112345678@s.whatsapp.net`",
            jid.escape_debug()
        ))),
    }
}

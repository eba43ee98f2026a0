//! Tokens: who may ask, and for what.

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use labelwire_app::App;
use labelwire_app::tokens::{NewToken, TokenView as Token};
use labelwire_domain::clock::Timestamp;
use labelwire_domain::token::Scope;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Call;
use super::error::Error;
use super::problems::{Once, ReadProblems, WriteProblems};
use super::view::moment;
use crate::body;
use crate::refusal::Refusal;

/// Seconds a rotated token's old text may keep working: a week.
const LONGEST_GRACE: u64 = 604_800;

/// What a token is good for.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[schema(as = Scope)]
#[serde(rename_all = "snake_case")]
pub(super) enum ScopeView {
    /// Reading labels, chats, contacts and how instances stand.
    Read,
    /// Changing labels and what carries them.
    Label,
    /// Sending messages.
    Send,
    /// Instances, settings and tokens.
    Admin,
}

impl From<ScopeView> for Scope {
    fn from(scope: ScopeView) -> Self {
        match scope {
            ScopeView::Read => Self::Read,
            ScopeView::Label => Self::Label,
            ScopeView::Send => Self::Send,
            ScopeView::Admin => Self::Admin,
        }
    }
}

impl From<Scope> for ScopeView {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Read => Self::Read,
            Scope::Label => Self::Label,
            Scope::Send => Self::Send,
            Scope::Admin => Self::Admin,
        }
    }
}

/// A token, without its text.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Token)]
pub(super) struct TokenView {
    /// Public id; history names callers by it.
    #[schema(example = "tok_01jy0000000000000000000000")]
    id: String,
    /// Name for people.
    name: String,
    /// The one instance it is good for; null: all of the account's.
    #[schema(required)]
    instance: Option<String>,
    /// What it is good for.
    scopes: Vec<ScopeView>,
    /// When it was made.
    #[schema(required, format = DateTime)]
    created_at: Option<String>,
    /// When it ends by itself.
    #[schema(required, format = DateTime)]
    expires_at: Option<String>,
    /// When it was last used, about to the minute.
    #[schema(required, format = DateTime)]
    last_used_at: Option<String>,
    /// When it was revoked.
    #[schema(required, format = DateTime)]
    revoked_at: Option<String>,
}

impl From<Token> for TokenView {
    fn from(token: Token) -> Self {
        Self {
            id: token.id.to_string(),
            name: token.name,
            instance: token.instance,
            scopes: token.scopes.iter().map(ScopeView::from).collect(),
            created_at: moment(token.created_at),
            expires_at: token.expires_at.and_then(moment),
            last_used_at: token.last_used_at.and_then(moment),
            revoked_at: token.revoked_at.and_then(moment),
        }
    }
}

/// Tokens, oldest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Tokens)]
pub(super) struct TokensView {
    /// The tokens, revoked ones too.
    tokens: Vec<TokenView>,
}

/// A token with its text, which is shown this once.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NewToken)]
pub(super) struct NewTokenView {
    /// The token.
    token: TokenView,
    /// What callers send.
    text: String,
}

impl From<(Token, String)> for NewTokenView {
    fn from((token, text): (Token, String)) -> Self {
        Self {
            token: token.into(),
            text,
        }
    }
}

/// A token to make.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = CreateToken)]
pub(super) struct CreateToken {
    /// Name for people.
    #[schema(
        min_length = 1,
        max_length = 100,
        pattern = r"^[^\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]([^\u0000-\u001f\u007f-\u009f]*[^\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000])?$",
        example = "dashboard"
    )]
    name: String,
    /// What it is to be good for.
    #[schema(min_items = 1)]
    scopes: Vec<ScopeView>,
    /// The one instance it is to be good for; all of the account's where it is left out.
    #[schema(example = "shop")]
    instance: Option<String>,
    /// When it is to end by itself; never where it is left out.
    #[schema(format = DateTime, example = "2030-01-01T00:00:00Z")]
    expires_at: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it is only described here")]
pub(super) struct OfToken {
    /// The token's public id.
    #[param(
        min_length = 1,
        pattern = "^[a-z0-9_]+$",
        example = "tok_01jy0000000000000000000000"
    )]
    id: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it is only described here")]
pub(super) struct Grace {
    /// Seconds the old text keeps working.
    #[param(nullable = false, minimum = 0, maximum = 604_800, default = 0)]
    grace_s: Option<u32>,
}

/// The tokens of the account, or of the instance whose token asks.
#[utoipa::path(
    get,
    path = "/v1/tokens",
    operation_id = "listTokens",
    tag = "tokens",
    security(("token" = [])),
    responses((status = 200, body = TokensView), ReadProblems),
)]
pub(super) async fn list(
    State(app): State<App>,
    Call(call): Call,
) -> Result<Json<TokensView>, Error> {
    let tokens = app.list_tokens(&call.caller).await?;
    Ok(Json(TokensView {
        tokens: tokens.into_iter().map(TokenView::from).collect(),
    }))
}

/// Makes a token. Its text is shown this once; only its hash is kept.
#[utoipa::path(
    post,
    path = "/v1/tokens",
    operation_id = "createToken",
    tag = "tokens",
    security(("token" = [])),
    params(Once),
    request_body = CreateToken,
    responses((status = 201, body = NewTokenView), WriteProblems),
)]
pub(super) async fn create(
    State(app): State<App>,
    Call(call): Call,
    body: Body,
) -> Result<(StatusCode, Json<NewTokenView>), Error> {
    let asked: CreateToken = body::json(body).await?;
    let expires_at = asked
        .expires_at
        .map(|text| {
            text.parse::<jiff::Timestamp>()
                .map(|at| Timestamp(at.as_microsecond()))
                .map_err(|_| Refusal::Body("`expires_at` is no RFC 3339 moment".to_owned()))
        })
        .transpose()?;
    let new = NewToken {
        name: &asked.name,
        instance: asked.instance.as_deref(),
        scopes: asked.scopes.into_iter().map(Scope::from).collect(),
        expires_at,
    };
    let made = app.create_token(&call.caller, new).await?;
    Ok((StatusCode::CREATED, Json(made.into())))
}

/// The token this call came with; needs no scope.
#[utoipa::path(
    get,
    path = "/v1/tokens/self",
    operation_id = "getOwnToken",
    tag = "tokens",
    security(("token" = [])),
    responses((status = 200, body = TokenView), ReadProblems),
)]
pub(super) async fn own(
    State(app): State<App>,
    Call(call): Call,
) -> Result<Json<TokenView>, Error> {
    Ok(Json(app.token_of(&call.caller).await?.into()))
}

/// One token.
#[utoipa::path(
    get,
    path = "/v1/tokens/{id}",
    operation_id = "getToken",
    tag = "tokens",
    security(("token" = [])),
    params(OfToken),
    responses((status = 200, body = TokenView), ReadProblems),
)]
pub(super) async fn get(
    State(app): State<App>,
    Call(call): Call,
) -> Result<Json<TokenView>, Error> {
    let id = call.param("id");
    let tokens = app.list_tokens(&call.caller).await?;
    let found = tokens.into_iter().find(|token| token.id.as_str() == id);
    let missing = || labelwire_app::Error::TokenNotFound(id.chars().take(40).collect());
    Ok(Json(found.ok_or_else(missing)?.into()))
}

/// Gives a token a new text; the old one keeps working for a while, if asked.
#[utoipa::path(
    post,
    path = "/v1/tokens/{id}/rotate",
    operation_id = "rotateToken",
    tag = "tokens",
    security(("token" = [])),
    params(OfToken, Grace, Once),
    responses((status = 200, body = NewTokenView), WriteProblems),
)]
pub(super) async fn rotate(
    State(app): State<App>,
    Call(call): Call,
) -> Result<Json<NewTokenView>, Error> {
    let grace = match call.query.text("grace_s") {
        None => 0,
        Some(text) => text
            .parse()
            .ok()
            .filter(|seconds| *seconds <= LONGEST_GRACE)
            .ok_or(Refusal::Query("grace_s"))?,
    };
    let made = app
        .rotate_token(&call.caller, call.param("id"), Duration::from_secs(grace))
        .await?;
    Ok(Json(made.into()))
}

/// Ends a token for good. It stays listed, because history names it.
#[utoipa::path(
    delete,
    path = "/v1/tokens/{id}",
    operation_id = "revokeToken",
    tag = "tokens",
    security(("token" = [])),
    params(OfToken, Once),
    responses((status = 200, body = TokenView), WriteProblems),
)]
pub(super) async fn revoke(
    State(app): State<App>,
    Call(call): Call,
) -> Result<Json<TokenView>, Error> {
    let ended = app.revoke_token(&call.caller, call.param("id")).await?;
    Ok(Json(ended.into()))
}

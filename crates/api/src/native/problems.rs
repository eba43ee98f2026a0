//! The errors a call may answer with, for the OpenAPI document.

use std::collections::BTreeMap;

use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::{ContentBuilder, ObjectBuilder, Ref, RefOr, Response, ResponseBuilder, Type};
use utoipa::{IntoParams, IntoResponses};

/// What any call with a token may answer.
const READ: &[(u16, &str)] = &[
    (
        400,
        "The request makes no sense: `path_invalid`, `query_invalid`, `instance_name_required`, `invalid_chat`, `invalid_message`, `cursor_mismatch`, `cursor_expired`, `as_of_future`, `as_of_before_pairing`, `as_of_pruned`",
    ),
    (
        401,
        "`token_missing`, `invalid_token`, `token_expired`, `account_token_required`",
    ),
    (403, "`instance_mismatch`, `scope_missing`"),
    (
        404,
        "`instance_not_found`, `label_not_found`, `command_not_found`, `token_not_found`, `webhook_not_found`, `delivery_not_found`, `snapshot_not_found`, `route_not_found`",
    ),
    (414, "`url_too_long`"),
    (
        429,
        "`rate_limited`: too many calls a minute; the header `Retry-After` says when to come again",
    ),
    (
        500,
        "`internal`: our fault; the log has it under `request_id`",
    ),
    (503, "`instance_never_synced`, `stopping`"),
    (504, "`deadline`, `refresh_timeout`"),
];

/// What a write may answer.
const WRITE: &[(u16, &str)] = &[
    (
        400,
        "The request makes no sense: `path_invalid`, `query_invalid`, `body_invalid`, `instance_name_required`, `instance_name_invalid`, `invalid_chat`, `invalid_message`, `invalid_number`, `label_name_invalid`, `color_invalid`, `token_name_invalid`, `scopes_empty`, `expiry_past`, `webhook_invalid`, `history_invalid`, `as_of_future`, `as_of_before_pairing`, `as_of_pruned`, `idempotency_key_invalid`",
    ),
    (
        401,
        "`token_missing`, `invalid_token`, `token_expired`, `account_token_required`",
    ),
    (403, "`instance_mismatch`, `scope_missing`"),
    (
        404,
        "`instance_not_found`, `label_not_found`, `token_not_found`, `webhook_not_found`, `delivery_not_found`, `snapshot_not_found`, `route_not_found`",
    ),
    (408, "`body_timeout`: the body stopped coming"),
    (
        409,
        "It clashes with what is there: `label_name_taken`, `label_limit_reached`, `label_not_editable`, `label_ambiguous`, `label_ids_exhausted`, `instance_name_taken`, `webhook_name_taken`, `webhook_limit_reached`, `webhook_disabled`, `snapshot_limit_reached`, `idempotency_in_progress`",
    ),
    (413, "`body_too_large`"),
    (414, "`url_too_long`"),
    (
        422,
        "`idempotency_key_reused`: the key came with another request before",
    ),
    (
        429,
        "`rate_limited`: too many calls a minute; the header `Retry-After` says when to come again",
    ),
    (
        500,
        "`internal`: our fault; the log has it under `request_id`",
    ),
    (
        502,
        "`whatsapp_refused`, `write_failed`: nothing was changed; `write_incomplete`: only a part was",
    ),
    (
        503,
        "`instance_not_connected`, `instance_never_synced`, `connecting_ended`, `stopping`: nothing was changed",
    ),
    (
        504,
        "`write_pending`: it is not known yet whether WhatsApp took it, `command` will tell; `pairing_timeout`, `deadline`",
    ),
];

fn problems(all: &[(u16, &str)]) -> BTreeMap<String, RefOr<Response>> {
    all.iter()
        .map(|&(status, description)| {
            let content = ContentBuilder::new()
                .schema(Some(Ref::from_schema_name("Problem")))
                .build();
            let mut response = ResponseBuilder::new()
                .description(description)
                .content("application/problem+json", content);
            if status == 429 {
                let seconds = ObjectBuilder::new().schema_type(Type::Integer).build();
                response = response.header(
                    "Retry-After",
                    HeaderBuilder::new()
                        .schema(Some(seconds))
                        .description(Some("Seconds until the next call may come"))
                        .build(),
                );
            }
            (status.to_string(), RefOr::T(response.build()))
        })
        .collect()
}

/// The problems of calls that change nothing.
pub(super) struct ReadProblems;

impl IntoResponses for ReadProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(READ)
    }
}

/// The problems of calls that change something.
pub(super) struct WriteProblems;

impl IntoResponses for WriteProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(WRITE)
    }
}

/// The header every write takes.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(
    dead_code,
    reason = "it is only described here; the layer around writes reads it"
)]
pub(super) struct Once {
    /// A word of the caller's own, 1 to 255 visible ASCII characters. A second
    /// request with it within 24 hours is not carried out again but gets the
    /// first one's answer, with the header `Idempotency-Replayed: true`.
    #[param(
        rename = "Idempotency-Key",
        nullable = false,
        min_length = 1,
        max_length = 255,
        pattern = "^[!-~]+$"
    )]
    idempotency_key: Option<String>,
}

/// An instance's place in a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it is only described here")]
pub(super) struct InInstance {
    /// The instance's name.
    #[param(
        min_length = 1,
        max_length = 100,
        pattern = "^[A-Za-z0-9_-]+$",
        example = "shop"
    )]
    instance: String,
}

/// A label's place in a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it is only described here")]
pub(super) struct OfLabel {
    /// The instance's name.
    #[param(
        min_length = 1,
        max_length = 100,
        pattern = "^[A-Za-z0-9_-]+$",
        example = "shop"
    )]
    instance: String,
    /// The label's id.
    #[param(min_length = 1, max_length = 20, pattern = "^[0-9]+$", example = "2")]
    label: String,
}

/// A chat's place in a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it is only described here")]
pub(super) struct OfChat {
    /// The instance's name.
    #[param(
        min_length = 1,
        max_length = 100,
        pattern = "^[A-Za-z0-9_-]+$",
        example = "shop"
    )]
    instance: String,
    /// Digits, `+digits`, `…@s.whatsapp.net`, `…@c.us`, `…@lid`, `…@g.us` or `…@newsletter`.
    #[param(
        pattern = r"^(\+?[0-9]{5,20}(@(c\.us|s\.whatsapp\.net))?|[0-9]{1,20}@lid|[0-9]{10,20}@newsletter|([0-9]{10,20}|[0-9]{5,20}-[0-9]{5,20})@g\.us)$",
        example = "5511999999999"
    )]
    jid: String,
}

/// A label's place on a chat in a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it is only described here")]
pub(super) struct OfChatLabel {
    /// The label, by id or else by name in any case.
    #[param(min_length = 1, max_length = 100, example = "2")]
    label: String,
}

/// A message's place in a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it is only described here")]
pub(super) struct OfMessage {
    /// The message's id, as WhatsApp gave it.
    #[param(
        min_length = 1,
        max_length = 128,
        pattern = "^[!-~]+$",
        example = "3EB0C767D097B7C7C030"
    )]
    message: String,
}

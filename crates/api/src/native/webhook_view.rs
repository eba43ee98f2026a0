//! Webhooks and deliveries as the native API writes them.

use std::collections::BTreeMap;

use labelwire_app::webhooks::{Attempt, Delivery, Standing, Webhook};
use labelwire_domain::clock::Timestamp;
use labelwire_domain::event::Kind;
use labelwire_domain::selection::ChatKind;
use labelwire_domain::webhook::{Dialect, Filter, Schedule};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, SchemaType, Type};

use super::event_view::kinds;
use super::view::moment;
use crate::document;
use crate::whole::whole_number;

/// A list of kinds of event, for documents.
pub(super) fn kind_list() -> Schema {
    some_kinds(Type::Array.into())
}

/// The same where it may be null.
pub(super) fn kinds_or_null() -> Schema {
    some_kinds(array_or_null())
}

fn array_or_null() -> SchemaType {
    SchemaType::from_iter([Type::Array, Type::Null])
}

fn some_kinds(types: SchemaType) -> Schema {
    ArrayBuilder::new()
        .schema_type(types)
        .items(RefOr::T(kinds()))
        .description(Some(
            "Kinds of event that are sent; all but `message.received` where it is empty",
        ))
        .into()
}

/// A list of kinds of chat, for documents.
pub(super) fn chat_list() -> Schema {
    some_chats(Type::Array.into())
}

/// The same where it may be null.
pub(super) fn chats_or_null() -> Schema {
    some_chats(array_or_null())
}

/// Headers sent along, for documents.
pub(super) fn headers() -> Schema {
    document::headers(Type::Object.into())
        .description(Some("Headers sent along"))
        .into()
}

/// The same where they may be null.
pub(super) fn headers_or_null() -> Schema {
    document::headers(document::object_or_null())
        .description(Some("Headers sent along, instead of those there are"))
        .into()
}

/// A label by which a webhook chooses, for documents.
#[derive(ToSchema)]
#[schema(as = WebhookLabel, max_length = 100, example = "VIP")]
#[expect(dead_code, reason = "it is only described here")]
pub(super) struct LabelWord(String);

fn some_chats(types: SchemaType) -> Schema {
    let kinds = ChatKind::ALL.map(ChatKind::as_str);
    let item = ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(kinds));
    ArrayBuilder::new()
        .schema_type(types)
        .items(item)
        .description(Some(
            "Kinds of chat whose events are sent, all where it is empty; events that are about no chat are always sent",
        ))
        .into()
}

/// When a delivery that failed is tried again. Each pause grows by up to a fifth at
/// random; `Retry-After` makes it longer.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = Retries)]
#[serde(tag = "policy", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum RetriesView {
    /// Sixteen times over three days: after 5 s, 15 s, 1 min, 5 min, 15 min, 30 min,
    /// 1 h, 2 h, 4 h, 8 h, then every 12 h.
    #[default]
    Standard,
    /// Every so many seconds.
    Constant {
        /// Seconds.
        #[serde(deserialize_with = "whole_number")]
        #[schema(minimum = 1, maximum = 86_400)]
        delay_s: u32,
        /// Tries after the first.
        #[serde(deserialize_with = "whole_number")]
        #[schema(maximum = 100)]
        attempts: u32,
    },
    /// After so many seconds, twice as many, thrice as many…
    Linear {
        /// Seconds.
        #[serde(deserialize_with = "whole_number")]
        #[schema(minimum = 1, maximum = 86_400)]
        delay_s: u32,
        /// Tries after the first.
        #[serde(deserialize_with = "whole_number")]
        #[schema(maximum = 100)]
        attempts: u32,
    },
    /// After so many seconds, doubled each time, at most a day.
    Exponential {
        /// Seconds.
        #[serde(deserialize_with = "whole_number")]
        #[schema(minimum = 1, maximum = 86_400)]
        delay_s: u32,
        /// Tries after the first.
        #[serde(deserialize_with = "whole_number")]
        #[schema(maximum = 100)]
        attempts: u32,
    },
}

impl RetriesView {
    /// The schedule; `None` for one out of bounds.
    pub(super) fn schedule(&self) -> Option<Schedule> {
        let (delay_s, attempts) = match *self {
            Self::Standard => return Some(Schedule::Standard),
            Self::Constant { delay_s, attempts }
            | Self::Linear { delay_s, attempts }
            | Self::Exponential { delay_s, attempts } => (delay_s, attempts),
        };
        if !(1..=86_400).contains(&delay_s) || attempts > 100 {
            return None;
        }
        Some(match self {
            Self::Standard => Schedule::Standard,
            Self::Constant { .. } => Schedule::Constant { delay_s, attempts },
            Self::Linear { .. } => Schedule::Linear { delay_s, attempts },
            Self::Exponential { .. } => Schedule::Exponential { delay_s, attempts },
        })
    }
}

impl From<&Schedule> for RetriesView {
    fn from(schedule: &Schedule) -> Self {
        match *schedule {
            Schedule::Standard => Self::Standard,
            Schedule::Constant { delay_s, attempts } => Self::Constant { delay_s, attempts },
            Schedule::Linear { delay_s, attempts } => Self::Linear { delay_s, attempts },
            Schedule::Exponential { delay_s, attempts } => Self::Exponential { delay_s, attempts },
        }
    }
}

/// What the derived schemas cannot say: schedules have these fields and no others.
pub(super) fn describe(document: &mut Value) {
    let schedules = document["components"]["schemas"]["Retries"]["oneOf"].as_array_mut();
    for schedule in schedules.into_iter().flatten() {
        schedule["additionalProperties"] = false.into();
    }
}

/// In whose words events are told: that of the API the webhook was made with.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[schema(as = Dialect)]
#[serde(rename_all = "snake_case")]
pub(super) enum DialectView {
    /// This API's, by Standard Webhooks.
    Native,
    /// `RyzeAPI`'s.
    Ryze,
    /// Wawp's.
    Wawp,
    /// WAHA's.
    Waha,
    /// Evolution API's.
    Evolution,
}

impl From<Dialect> for DialectView {
    fn from(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Native => Self::Native,
            Dialect::Ryze => Self::Ryze,
            Dialect::Wawp => Self::Wawp,
            Dialect::Waha => Self::Waha,
            Dialect::Evolution => Self::Evolution,
        }
    }
}

/// A webhook, without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Webhook)]
pub(super) struct WebhookView {
    /// Public id.
    #[schema(example = "whk_01jy0000000000000000000000")]
    id: String,
    /// Its name, unique within instance and dialect.
    #[schema(example = "crm")]
    name: String,
    /// In whose words it is told.
    dialect: DialectView,
    /// Where events are sent.
    #[schema(example = "https://crm.example.org/hooks/labels")]
    url: String,
    /// Whether events are sent.
    enabled: bool,
    /// Why it is off, where the gateway switched it off.
    #[schema(required, example = "the receiver answered 410 Gone")]
    reason: Option<String>,
    #[schema(schema_with = kind_list)]
    events: Vec<Kind>,
    /// Labels, by id or by name in any case, whose events are sent, all where it is
    /// empty; events that are about no label are always sent.
    labels: Vec<String>,
    #[schema(schema_with = chat_list)]
    chats: Vec<ChatKind>,
    /// Headers sent along.
    headers: BTreeMap<String, String>,
    /// Whether messages are sent with their text.
    message_text: bool,
    /// When a delivery that failed is tried again.
    retries: RetriesView,
    /// When the secret of before the last rotation stops signing along.
    #[schema(required, format = DateTime)]
    old_secret_until: Option<String>,
    /// When it was made.
    #[schema(required, format = DateTime)]
    created_at: Option<String>,
    /// When it was changed last.
    #[schema(required, format = DateTime)]
    updated_at: Option<String>,
}

impl WebhookView {
    /// The view at this moment.
    pub(super) fn of(webhook: Webhook, now: Timestamp) -> Self {
        let config = webhook.config;
        let Filter {
            events,
            labels,
            chats,
        } = config.filter;
        let until = config.secrets.iter().filter_map(|secret| secret.until);
        Self {
            id: webhook.id,
            name: webhook.name,
            dialect: webhook.dialect.into(),
            url: config.url,
            enabled: webhook.enabled,
            reason: webhook.reason,
            events,
            labels,
            chats,
            headers: config.headers.into_iter().collect(),
            message_text: config.message_text,
            retries: (&config.retries).into(),
            old_secret_until: until.filter(|until| *until > now).max().and_then(moment),
            created_at: moment(webhook.created_at),
            updated_at: moment(webhook.updated_at),
        }
    }
}

/// The webhooks of an instance.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Webhooks)]
pub(super) struct WebhooksView {
    /// By dialect and name.
    pub(super) webhooks: Vec<WebhookView>,
}

/// A webhook with its secret, which is shown this once.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NewWebhook)]
pub(super) struct NewWebhookView {
    /// The webhook.
    pub(super) webhook: WebhookView,
    /// What deliveries are signed with.
    #[schema(example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    pub(super) secret: String,
}

/// How the deliveries of a webhook stand. What has arrived is forgotten after a week.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = WebhookStanding)]
pub(super) struct StandingView {
    /// Still to be made.
    pending: i64,
    /// When the oldest of these was queued.
    #[schema(required, format = DateTime)]
    oldest_pending_at: Option<String>,
    /// Arrived.
    done: i64,
    /// Given up; they can be replayed.
    dead: i64,
}

impl From<Vec<Standing>> for StandingView {
    fn from(all: Vec<Standing>) -> Self {
        let mut view = Self::default();
        for Standing {
            state,
            deliveries,
            oldest_at,
        } in all
        {
            match state.as_str() {
                "pending" => {
                    view.pending = deliveries;
                    view.oldest_pending_at = moment(Timestamp(oldest_at));
                }
                "done" => view.done = deliveries,
                _ => view.dead = deliveries,
            }
        }
        view
    }
}

/// A webhook and how its deliveries stand.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookStatus)]
pub(super) struct WebhookStatusView {
    /// The webhook.
    pub(super) webhook: WebhookView,
    /// Its deliveries.
    pub(super) deliveries: StandingView,
}

/// How a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = DeliveryState)]
#[serde(rename_all = "snake_case")]
pub(super) enum StateView {
    /// Still to be made, or to be tried again.
    Pending,
    /// Arrived.
    Done,
    /// Given up.
    Dead,
}

impl StateView {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Done => "done",
            Self::Dead => "dead",
        }
    }

    pub(super) fn parse(word: &str) -> Option<Self> {
        [Self::Pending, Self::Done, Self::Dead]
            .into_iter()
            .find(|state| state.as_str() == word)
    }
}

/// A delivery of one event.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Delivery)]
pub(super) struct DeliveryView {
    /// Its number: a chat's deliveries are made in the order of these.
    id: i64,
    /// The event's id.
    #[schema(example = "evt_01jy0000000000000000000000")]
    event_id: String,
    /// The event's place in the log; null for what is not kept there.
    #[schema(required)]
    seq: Option<i64>,
    /// The event's kind.
    #[serde(rename = "type")]
    #[schema(example = "chat.labeled")]
    kind: String,
    /// How it stands.
    state: StateView,
    /// Tries so far.
    attempts: i32,
    /// When it is tried next at the earliest; null where it has ended.
    #[schema(required, format = DateTime)]
    due_at: Option<String>,
    /// When it was queued.
    #[schema(required, format = DateTime)]
    created_at: Option<String>,
    /// When it arrived or was given up.
    #[schema(required, format = DateTime)]
    ended_at: Option<String>,
}

impl From<Delivery> for DeliveryView {
    fn from(delivery: Delivery) -> Self {
        let state = StateView::parse(&delivery.state).unwrap_or(StateView::Dead);
        Self {
            id: delivery.delivery,
            event_id: delivery.event_id,
            seq: delivery.seq,
            kind: delivery.kind,
            state,
            attempts: delivery.attempts,
            due_at: (state == StateView::Pending)
                .then(|| moment(Timestamp(delivery.due_at)))
                .flatten(),
            created_at: moment(Timestamp(delivery.created_at)),
            ended_at: delivery.ended_at.and_then(|at| moment(Timestamp(at))),
        }
    }
}

/// A page of deliveries.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Deliveries)]
pub(super) struct DeliveriesView {
    /// Latest first.
    pub(super) deliveries: Vec<DeliveryView>,
    /// `before` of the next page; null on the last.
    #[schema(required)]
    pub(super) next_before: Option<i64>,
}

/// A try of a delivery.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeliveryAttempt)]
pub(super) struct AttemptView {
    /// Which, from 1.
    attempt: i32,
    /// When.
    #[schema(required, format = DateTime)]
    at: Option<String>,
    /// How long it took, milliseconds.
    duration_ms: i64,
    /// The answer's status; null where there was no answer.
    #[schema(required, example = 204)]
    status: Option<i32>,
    /// The answer's first 500 bytes.
    #[schema(required)]
    answer: Option<String>,
    /// Why there was no answer.
    #[schema(required)]
    error: Option<String>,
}

impl From<Attempt> for AttemptView {
    fn from(attempt: Attempt) -> Self {
        Self {
            attempt: attempt.attempt,
            at: moment(Timestamp(attempt.at)),
            duration_ms: attempt.ms,
            status: attempt.status,
            answer: attempt.answer,
            error: attempt.error,
        }
    }
}

/// A delivery and every try of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeliveryStory)]
pub(super) struct StoryView {
    /// The delivery.
    pub(super) delivery: DeliveryView,
    /// First one first.
    pub(super) attempts: Vec<AttemptView>,
}

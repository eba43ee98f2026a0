//! Webhooks: where events are sent, which, and in whose words.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::event::{Event, Kind};
use crate::ids::InstanceId;
use crate::instance::Profile;
use crate::label::fold;
use crate::selection::ChatKind;

/// In whose words an event is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// Ours, by Standard Webhooks.
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

impl Dialect {
    /// The word the database has for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Ryze => "ryze",
            Self::Wawp => "wawp",
            Self::Waha => "waha",
            Self::Evolution => "evolution",
        }
    }

    /// What the word names.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [
            Self::Native,
            Self::Ryze,
            Self::Wawp,
            Self::Waha,
            Self::Evolution,
        ]
        .into_iter()
        .find(|d| d.as_str() == word)
    }
}

/// Which events are sent. A part that is empty lets all pass.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Filter {
    /// Kinds.
    pub events: Vec<Kind>,
    /// Label ids or names; events that are about no label pass.
    pub labels: Vec<String>,
    /// Kinds of chat; events that are about no chat pass.
    pub chats: Vec<ChatKind>,
}

impl Filter {
    /// Whether an event passes. Messages pass only where they are asked for by name,
    /// tests always.
    ///
    /// `label` is the label's id and name then, `chat` the chat's JID.
    #[must_use]
    pub fn passes(
        &self,
        kind: Kind,
        label: Option<(&str, Option<&str>)>,
        chat: Option<&str>,
    ) -> bool {
        match kind {
            Kind::WebhookTest => return true,
            Kind::MessageReceived if self.events.is_empty() => return false,
            _ => {}
        }
        let label = label.is_none_or(|(id, name)| {
            let named = |wanted: &String| {
                *wanted == id || name.is_some_and(|name| fold(name) == fold(wanted))
            };
            self.labels.is_empty() || self.labels.iter().any(named)
        });
        let sort = |chat| self.chats.is_empty() || self.chats.contains(&ChatKind::of(chat));
        (self.events.is_empty() || self.events.contains(&kind)) && label && chat.is_none_or(sort)
    }
}

/// A key deliveries are signed with.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    /// Its text; `whsec_…` in the native form.
    pub text: String,
    /// When it ends: the one before a rotation signs along for a while.
    pub until: Option<Timestamp>,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secret").finish_non_exhaustive()
    }
}

/// How a webhook is configured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// Where to.
    pub url: String,
    /// Which.
    #[serde(default)]
    pub filter: Filter,
    /// Whether the event's name is added to the URL's path (`RyzeAPI`'s `byEvents`,
    /// Evolution's `byEvents`).
    #[serde(default)]
    pub by_event: bool,
    /// Headers sent along, values as they are.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// Keys; the first is the one of today.
    #[serde(default)]
    pub secrets: Vec<Secret>,
    /// When to try again.
    #[serde(default)]
    pub retries: Schedule,
    /// Whether messages are sent with their text.
    #[serde(default)]
    pub message_text: bool,
    /// What the dialect keeps besides: echoed, not looked into.
    #[serde(default)]
    pub extra: serde_json::Value,
}

/// A webhook and what its words need to know besides the event.
#[derive(Debug, Clone)]
pub struct Hook {
    /// `whk_…`.
    pub id: String,
    /// In whose words.
    pub dialect: Dialect,
    /// Its name.
    pub name: String,
    /// How it is configured.
    pub config: Config,
    /// The instance's name.
    pub instance: String,
    /// The instance's public id.
    pub instance_id: InstanceId,
    /// The account behind the instance.
    pub profile: Profile,
}

/// An event in a dialect's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The event's name in the dialect; with `by_event` it goes into the URL.
    pub name: String,
    /// The body, JSON.
    pub body: String,
}

/// Puts events into the words of dialects. The API implements it, for it knows the
/// shapes; what delivers only carries them.
pub trait Words: Send + Sync {
    /// The event as this webhook is told it; `None` where the dialect has no such event,
    /// or the webhook did not ask for it by the dialect's name.
    fn tell(&self, hook: &Hook, event: &Event) -> Option<Told>;
}

/// When a delivery that failed is tried again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "policy", rename_all = "snake_case")]
pub enum Schedule {
    /// Sixteen tries over three days: 5 s, 15 s, 1 min, 5 min, 15 min, 30 min, 1 h, 2 h, 4 h, 8 h,
    /// then every 12 h.
    #[default]
    Standard,
    /// Every so many seconds.
    Constant {
        /// Seconds.
        delay_s: u32,
        /// Tries after the first.
        attempts: u32,
    },
    /// So many seconds, twice as many, thrice as many…
    Linear {
        /// Seconds.
        delay_s: u32,
        /// Tries after the first.
        attempts: u32,
    },
    /// So many seconds, doubled each time, at most a day.
    Exponential {
        /// Seconds.
        delay_s: u32,
        /// Tries after the first.
        attempts: u32,
    },
}

const STANDARD_S: [u32; 16] = [
    5, 15, 60, 300, 900, 1_800, 3_600, 7_200, 14_400, 28_800, 43_200, 43_200, 43_200, 43_200,
    43_200, 43_200,
];

impl Schedule {
    /// The pause after the `attempt`th failure (from 1); `None`: no more.
    #[must_use]
    pub fn pause(&self, attempt: u32) -> Option<Duration> {
        let (seconds, attempts) = match *self {
            Self::Standard => {
                let at = usize::try_from(attempt.saturating_sub(1)).ok()?;
                return STANDARD_S
                    .get(at)
                    .map(|s| Duration::from_secs(u64::from(*s)));
            }
            Self::Constant { delay_s, attempts } => (u64::from(delay_s), attempts),
            Self::Linear { delay_s, attempts } => {
                (u64::from(delay_s) * u64::from(attempt), attempts)
            }
            Self::Exponential { delay_s, attempts } => {
                let doubled = 1_u64 << attempt.saturating_sub(1).min(17);
                (u64::from(delay_s) * doubled, attempts)
            }
        };
        (attempt <= attempts).then(|| Duration::from_secs(seconds.min(86_400)))
    }
}

/// How a try went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// An answer of this status.
    Answered {
        /// The status.
        status: u16,
        /// What `Retry-After` said.
        retry_after: Option<Duration>,
    },
    /// No answer.
    Failed,
}

/// What becomes of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It has arrived.
    Done,
    /// Once more, then.
    Again(Timestamp),
    /// No more tries.
    Dead,
    /// The receiver wants no more of anything (410).
    Disable,
}

/// The longest a `Retry-After` is believed.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);

/// What to do after the `attempt`th try (from 1); `jitter` is 0 to 255: up to a
/// fifth is added to each pause, so that what failed together does not come back
/// together.
#[must_use]
pub fn decide(
    schedule: &Schedule,
    attempt: u32,
    outcome: &Outcome,
    now: Timestamp,
    jitter: u8,
) -> Next {
    let retry_after = match outcome {
        Outcome::Answered { status, .. } if (200..300).contains(status) => return Next::Done,
        Outcome::Answered { status: 410, .. } => return Next::Disable,
        Outcome::Answered { retry_after, .. } => *retry_after,
        Outcome::Failed => None,
    };
    match schedule.pause(attempt) {
        None => Next::Dead,
        Some(pause) => {
            let pause = pause + pause * u32::from(jitter) / 1_275;
            let asked = retry_after.unwrap_or_default().min(RETRY_AFTER_MAX);
            Next::Again(now.after(pause.max(asked)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);

    fn status(status: u16) -> Outcome {
        Outcome::Answered {
            status,
            retry_after: None,
        }
    }

    #[test]
    fn success_ends_410_disables_and_the_rest_is_tried_over_days() {
        let standard = Schedule::Standard;
        assert_eq!(decide(&standard, 1, &status(204), NOW, 9), Next::Done);
        assert_eq!(decide(&standard, 1, &status(410), NOW, 9), Next::Disable);
        let mut at = NOW;
        let mut attempt = 0;
        loop {
            attempt += 1;
            match decide(&standard, attempt, &status(500), at, 0) {
                Next::Again(next) => {
                    assert!(next > at);
                    at = next;
                }
                next => break assert_eq!(next, Next::Dead),
            }
        }
        assert_eq!(attempt, 17);
        assert!(at.0 - NOW.0 > 3 * 86_400 * 1_000_000);
    }

    #[test]
    fn a_receiver_that_names_a_time_is_left_alone_until_then() {
        let busy = |hours| Outcome::Answered {
            status: 429,
            retry_after: Some(Duration::from_hours(hours)),
        };
        let hour = Next::Again(NOW.after(Duration::from_hours(1)));
        assert_eq!(decide(&Schedule::Standard, 1, &busy(1), NOW, 255), hour);
        let day = Next::Again(NOW.after(Duration::from_hours(24)));
        assert_eq!(decide(&Schedule::Standard, 1, &busy(999), NOW, 0), day);
    }

    #[test]
    fn policies_grow_as_they_say() {
        let pauses = |schedule: Schedule| -> Vec<u64> {
            (1..9)
                .map_while(|n| schedule.pause(n))
                .map(|p| p.as_secs())
                .collect()
        };
        let (delay_s, attempts) = (2, 4);
        assert_eq!(
            pauses(Schedule::Constant { delay_s, attempts }),
            [2, 2, 2, 2]
        );
        assert_eq!(pauses(Schedule::Linear { delay_s, attempts }), [2, 4, 6, 8]);
        assert_eq!(
            pauses(Schedule::Exponential { delay_s, attempts }),
            [2, 4, 8, 16]
        );
    }
}

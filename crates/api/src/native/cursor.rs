//! Cursors: where a page ended, as a word callers hand back.
//!
//! A cursor carries the hash of the question it belongs to, so that it is not
//! taken for another one's.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use labelwire_app::chats::{Place, TimePlace};
use labelwire_domain::clock::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The version of what stands behind it.
const PREFIX: &str = "c1_";

/// Why a cursor is not taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Bad {
    /// It is none of ours.
    Form,
    /// It belongs to another question.
    Question,
}

#[derive(Serialize, Deserialize)]
struct Inside {
    q: String,
    c: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    t: Option<(i64, i64, Vec<String>)>,
}

/// A short hash of texts; where one ends and the next begins counts.
pub(super) fn hash<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let mut sha = Sha256::new();
    for text in texts {
        sha.update(text.len().to_le_bytes());
        sha.update(text);
    }
    URL_SAFE_NO_PAD.encode(&sha.finalize()[..12])
}

/// The cursor of a place in the answer to the question of this hash.
pub(super) fn write(question: &str, place: &Place) -> String {
    let inside = Inside {
        q: question.to_owned(),
        c: place.chat.clone(),
        t: place
            .time
            .as_ref()
            .map(|time| (time.at.0, time.since, time.label_ids.clone())),
    };
    // Texts and numbers always have a JSON form.
    let json = serde_json::to_vec(&inside).unwrap_or_default();
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(json))
}

/// The place of a cursor.
///
/// # Errors
/// [`Bad`].
pub(super) fn read(question: &str, timed: bool, cursor: &str) -> Result<Place, Bad> {
    let inside = cursor.strip_prefix(PREFIX).ok_or(Bad::Form)?;
    let json = URL_SAFE_NO_PAD.decode(inside).map_err(|_| Bad::Form)?;
    let inside: Inside = serde_json::from_slice(&json).map_err(|_| Bad::Form)?;
    if inside.q != question {
        return Err(Bad::Question);
    }
    if inside.t.is_some() != timed {
        return Err(Bad::Form);
    }
    Ok(Place {
        chat: inside.c,
        time: inside.t.map(|(at, since, label_ids)| TimePlace {
            at: Timestamp(at),
            since,
            label_ids,
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_good_for_its_question_only() {
        let by_chat = Place {
            chat: "1@lid".into(),
            time: None,
        };
        let by_time = Place {
            time: Some(TimePlace {
                at: Timestamp(-5),
                since: 7,
                label_ids: vec!["1".into(), "é\"".into()],
            }),
            ..by_chat.clone()
        };
        for (place, timed) in [(by_chat, false), (by_time, true)] {
            let cursor = write("q", &place);
            assert_eq!(read("q", timed, &cursor), Ok(place));
            assert_eq!(read("other", timed, &cursor), Err(Bad::Question));
            assert_eq!(read("q", !timed, &cursor), Err(Bad::Form));
            assert_eq!(read("q", timed, &cursor[1..]), Err(Bad::Form));
            assert_eq!(
                read("q", timed, &cursor[..cursor.len() - 2]),
                Err(Bad::Form)
            );
        }
        assert_eq!(read("q", false, ""), Err(Bad::Form));
        assert_eq!(read("q", false, "c1_é"), Err(Bad::Form));
        assert_ne!(hash(["a", "b"]), hash(["ab", ""]));
    }
}

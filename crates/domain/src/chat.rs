//! Chats: the forms a caller may write, and the one form we keep.

use std::fmt;

/// A chat as WhatsApp's app state names it: `<user>@<server>`, without device.
///
/// A person may be known by two of them (`…@s.whatsapp.net` and `…@lid`); which
/// is the shown one is decided by the LID map, not here.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChatJid(String);

/// Server part of a person known by phone number.
pub const PHONE_SERVER: &str = "s.whatsapp.net";
/// Server part of a person known by hidden id.
pub const LID_SERVER: &str = "lid";

/// Text that names no chat.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a chat id; write digits, `<digits>@s.whatsapp.net`, `<digits>@lid`, `<id>@g.us` or `<id>@newsletter`"
)]
pub struct InvalidChat(String);

impl ChatJid {
    /// Reads any form a caller may write: digits, `+digits`, `@c.us`,
    /// `@s.whatsapp.net`, `@lid`, `@g.us`, `@newsletter`, `status@broadcast`.
    ///
    /// # Errors
    /// [`InvalidChat`] for everything else.
    pub fn parse(text: &str) -> Result<Self, InvalidChat> {
        let bad = || InvalidChat(text.chars().take(80).collect());
        let trimmed = text.trim();
        let (user, server) = trimmed.split_once('@').unwrap_or((trimmed, PHONE_SERVER));
        let is_id = |s: &str| {
            !s.is_empty() && s.len() <= 64 && s.bytes().all(|b| b.is_ascii_digit() || b == b'-')
        };
        match server {
            PHONE_SERVER | "c.us" => {
                let digits: String = user
                    .strip_prefix('+')
                    .unwrap_or(user)
                    .chars()
                    .filter(|c| !matches!(c, ' ' | '-' | '(' | ')' | '.'))
                    .collect();
                let digits = digits.split(':').next().unwrap_or_default();
                if (5..=20).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) {
                    Ok(Self(format!("{digits}@{PHONE_SERVER}")))
                } else {
                    Err(bad())
                }
            }
            LID_SERVER => {
                let user = user.split(':').next().unwrap_or_default();
                if is_id(user) {
                    Ok(Self(format!("{user}@lid")))
                } else {
                    Err(bad())
                }
            }
            "g.us" | "newsletter" if is_id(user) => Ok(Self(format!("{user}@{server}"))),
            "broadcast" if is_id(user) || user == "status" => Ok(Self(format!("{user}@broadcast"))),
            _ => Err(bad()),
        }
    }

    /// The same for a chat that is to carry a label: broadcast lists and the status
    /// can not, and no group or channel has so short an id.
    ///
    /// # Errors
    /// [`InvalidChat`].
    pub fn parse_labelled(text: &str) -> Result<Self, InvalidChat> {
        let jid = Self::parse(text)?;
        let digits = jid.0.bytes().filter(u8::is_ascii_digit).count();
        let short = !jid.is_phone() && !jid.is_lid() && digits < 10;
        if short || jid.0.ends_with("@broadcast") {
            return Err(InvalidChat(text.chars().take(80).collect()));
        }
        Ok(jid)
    }

    /// A key exactly as app state holds it. Nothing is refused: what the phone
    /// wrote must be kept, or the mirror would not equal WhatsApp.
    #[must_use]
    pub fn from_app_state(key: impl Into<String>) -> Self {
        Self(key.into())
    }

    /// The JID as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this names a person by hidden id.
    #[must_use]
    pub fn is_lid(&self) -> bool {
        self.0.ends_with("@lid")
    }

    /// Whether this names a person by phone number.
    #[must_use]
    pub fn is_phone(&self) -> bool {
        self.0.ends_with("@s.whatsapp.net")
    }

    /// The number with or without Brazil's ninth digit, where the other form
    /// may be the one WhatsApp uses: `55 DD 9XXXXXXXX` and `55 DD XXXXXXXX`.
    #[must_use]
    pub fn ninth_digit_twin(&self) -> Option<Self> {
        let digits = self.0.strip_suffix("@s.whatsapp.net")?;
        let rest = digits.strip_prefix("55")?;
        if !rest.is_ascii() {
            return None;
        }
        match rest.len() {
            11 if rest.as_bytes()[2] == b'9' => Some(Self(format!(
                "55{}{}@{PHONE_SERVER}",
                &rest[..2],
                &rest[3..]
            ))),
            10 => Some(Self(format!(
                "55{}9{}@{PHONE_SERVER}",
                &rest[..2],
                &rest[2..]
            ))),
            _ => None,
        }
    }
}

impl fmt::Display for ChatJid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_written_form_of_a_person_is_one_jid() {
        for text in [
            "5511999999999",
            "+5511999999999",
            "5511999999999@c.us",
            "5511999999999@s.whatsapp.net",
            " +55 11 99999-9999 ",
        ] {
            assert_eq!(
                ChatJid::parse(text).map(|j| j.to_string()),
                Ok("5511999999999@s.whatsapp.net".to_owned()),
                "{text}"
            );
        }
        assert_eq!(ChatJid::parse("123@lid").map(|j| j.is_lid()), Ok(true));
        assert!(ChatJid::parse("120363021033254949@g.us").is_ok());
        assert!(ChatJid::parse("bob").is_err());
        assert!(ChatJid::parse("").is_err());
        assert!(ChatJid::parse("1@evil.example").is_err());
    }

    #[test]
    fn brazils_ninth_digit_has_a_twin_both_ways() {
        let with = ChatJid::parse("5511987654321").expect("valid");
        let without = ChatJid::parse("551187654321").expect("valid");
        assert_eq!(with.ninth_digit_twin(), Some(without.clone()));
        assert_eq!(without.ninth_digit_twin(), Some(with));
        assert_eq!(
            ChatJid::parse("4917012345678")
                .expect("valid")
                .ninth_digit_twin(),
            None
        );
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_is_idempotent(text in "\\PC{0,40}") {
            if let Ok(jid) = ChatJid::parse(&text) {
                prop_assert_eq!(ChatJid::parse(jid.as_str()), Ok(jid.clone()));
            }
        }
    }
}

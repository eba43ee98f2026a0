//! What WhatsApp calls people, groups and channels.

use std::collections::HashMap;

use crate::chat::ChatJid;

/// Longest name kept, in characters: names are others' to choose.
const LONGEST: usize = 512;

/// What was learned of a chat's names under one of its JIDs. `None`: nothing was
/// said of it; an empty text: it has none any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactNews {
    /// The JID the names were learned under.
    pub chat: ChatJid,
    /// Full name in the account's address book.
    pub name: Option<String>,
    /// First name in the account's address book.
    pub first_name: Option<String>,
    /// Name of a business that WhatsApp verified.
    pub business_name: Option<String>,
    /// The name people show of themselves.
    pub push_name: Option<String>,
    /// Subject of a group or name of a channel.
    pub subject: Option<String>,
    /// Told by history: fills in what is unknown and replaces nothing.
    pub old: bool,
}

impl ContactNews {
    /// Nothing yet of this chat.
    #[must_use]
    pub const fn of(chat: ChatJid) -> Self {
        Self {
            chat,
            name: None,
            first_name: None,
            business_name: None,
            push_name: None,
            subject: None,
            old: false,
        }
    }

    /// Whether it says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let said = [
            &self.name,
            &self.first_name,
            &self.business_name,
            &self.push_name,
            &self.subject,
        ];
        said.iter().all(|s| s.is_none())
    }

    fn take_later(&mut self, later: Self) {
        let pairs = [
            (&mut self.name, later.name),
            (&mut self.first_name, later.first_name),
            (&mut self.business_name, later.business_name),
            (&mut self.push_name, later.push_name),
            (&mut self.subject, later.subject),
        ];
        for (held, told) in pairs {
            if told.is_some() {
                *held = told;
            }
        }
    }
}

/// A name as it is kept: without blanks around it and without NUL, which
/// PostgreSQL refuses, and not endless.
#[must_use]
pub fn clean(name: &str) -> String {
    let kept: String = name.chars().filter(|c| *c != '\0').take(LONGEST).collect();
    kept.trim().to_owned()
}

/// One piece of news a chat, the later text of each name winning. What history
/// told stays apart from the rest.
#[must_use]
pub fn one_of_each(news: Vec<ContactNews>) -> Vec<ContactNews> {
    let mut at: HashMap<(ChatJid, bool), usize> = HashMap::with_capacity(news.len());
    let mut kept: Vec<ContactNews> = Vec::with_capacity(news.len());
    for one in news {
        match at.get(&(one.chat.clone(), one.old)) {
            Some(&i) => kept[i].take_later(one),
            None => {
                at.insert((one.chat.clone(), one.old), kept.len());
                kept.push(one);
            }
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_news_add_to_earlier_ones_and_history_stays_apart() {
        let jid = ChatJid::parse("5511999999999").expect("valid");
        let push = |name: &str, old| ContactNews {
            push_name: Some(name.into()),
            old,
            ..ContactNews::of(jid.clone())
        };
        let named = ContactNews {
            name: Some("Ada".into()),
            ..ContactNews::of(jid.clone())
        };
        let kept = one_of_each(vec![
            push("a", false),
            push("b", true),
            named,
            push("c", false),
        ]);
        assert_eq!(kept.len(), 2);
        assert_eq!(kept[0].push_name.as_deref(), Some("c"));
        assert_eq!(kept[0].name.as_deref(), Some("Ada"));
        assert_eq!(kept[1].push_name.as_deref(), Some("b"));
        assert!(ContactNews::of(jid).is_empty());
    }

    #[test]
    fn names_are_kept_without_what_a_database_refuses() {
        assert_eq!(clean(" A\0da \u{1f600} "), "Ada \u{1f600}");
        assert_eq!(clean(&"x".repeat(9_000)).len(), LONGEST);
    }
}

//! Who the chats are with, and what they carry at first.

use labelwire_sim::collection::Change;
use labelwire_sim::labels;

use super::{ALL, CROSSED, SOME};
use crate::process::Town;

/// A chat and the ids it has.
#[derive(Clone, Debug)]
pub(super) struct Chat {
    /// Its number's JID, a group's; none for who is known by hidden id only.
    pub(super) jid: Option<String>,
    pub(super) lid: Option<String>,
}

impl Chat {
    /// The name it is shown under.
    pub(super) fn shown(&self) -> &str {
        self.jid.as_deref().or(self.lid.as_deref()).unwrap()
    }

    fn keys(&self) -> Vec<&str> {
        [self.jid.as_deref(), self.lid.as_deref()]
            .into_iter()
            .flatten()
            .collect()
    }

    pub(super) fn is_both(&self) -> bool {
        self.jid.is_some() && self.lid.is_some()
    }

    /// A number's form that differs from chat to chat.
    pub(super) fn number(&self, n: usize) -> String {
        let jid = self.jid.as_deref().unwrap();
        match jid.strip_suffix("@s.whatsapp.net") {
            Some(number) => match n % 4 {
                0 => number.to_owned(),
                1 => format!("+{number}"),
                2 => format!("{number}@c.us"),
                _ => jid.to_owned(),
            },
            None => jid.to_owned(),
        }
    }

    /// Each of its ids.
    pub(super) fn forms(&self, n: usize) -> Vec<String> {
        let number = self.jid.is_some().then(|| self.number(n));
        number.into_iter().chain(self.lid.clone()).collect()
    }

    /// Keys a label is on under, as the phone has it.
    pub(super) fn on(&self, town: &Town, label: &str) -> Vec<String> {
        let truth = town
            .world()
            .with_account(town.phone(), |a| a.truth())
            .unwrap();
        let on = truth.associations.into_iter();
        on.filter(|a| a.label_id == label && self.keys().contains(&a.chat_jid.as_str()))
            .map(|a| a.chat_jid)
            .collect()
    }
}

/// Brazilian numbers, with and without the ninth digit.
fn brazilian(n: usize) -> String {
    if n.is_multiple_of(2) {
        format!("55119{:08}@s.whatsapp.net", 80_000_000 + n)
    } else {
        format!("5511{:08}@s.whatsapp.net", 80_000_000 + n)
    }
}

pub(super) fn twin(jid: &str) -> String {
    let digits = jid.strip_suffix("@s.whatsapp.net").unwrap();
    match digits.len() {
        13 => format!("{}{}", &digits[..4], &digits[5..]),
        _ => format!("{}9{}", &digits[..4], &digits[4..]),
    }
}

/// 300 with both ids, 60 with a number, 20 groups, 20 with a hidden id; 30 of the
/// numbers are Brazilian.
pub(super) fn chats() -> Vec<Chat> {
    (0..400)
        .map(|n| {
            let number = match n {
                0..20 | 300..310 => brazilian(n),
                _ => format!("4915100{n:06}@s.whatsapp.net"),
            };
            let lid = format!("1000000000{n:05}@lid");
            match n {
                0..300 => Chat {
                    jid: Some(number),
                    lid: Some(lid),
                },
                300..360 => Chat {
                    jid: Some(number),
                    lid: None,
                },
                360..380 => Chat {
                    jid: Some(format!("120363000000{n:06}@g.us")),
                    lid: None,
                },
                _ => Chat {
                    jid: None,
                    lid: Some(lid),
                },
            }
        })
        .collect()
}

/// Labels as the phone put them: some under the number, some under the hidden id,
/// some under both.
pub(super) fn labelled(chats: &[Chat]) -> Vec<Change> {
    let mut at = 1_760_000_000_000;
    let mut changes = Vec::new();
    let mut on = |label: &str, key: &str| {
        at += 1;
        changes.push(labels::chat(label, key, true, at));
    };
    for (n, chat) in chats.iter().enumerate() {
        let keys = chat.keys();
        let (first, last) = (keys[0], keys[keys.len() - 1]);
        let (main, other) = if n % 3 == 0 {
            (last, first)
        } else {
            (first, last)
        };
        on(ALL, main);
        if n % 3 == 2 && main != other {
            on(ALL, other);
        }
        if n % 2 == 0 {
            on(SOME, main);
        }
        if n % 5 == 0 {
            on(CROSSED, other);
        }
    }
    changes
}

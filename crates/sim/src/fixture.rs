//! A shop made up from a seed: people, groups, labels and what they are stuck on.

use std::collections::HashSet;

use rand::seq::SliceRandom as _;
use rand::seq::index::sample;
use rand::{Rng, RngExt as _};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use waproto::whatsapp::sync_action_value as action;

use crate::collection::Change;
use crate::labels::{self, ListType};

/// When the first record of every fixture was written, in milliseconds since 1970.
const BEGINNING_MS: i64 = 1_750_000_000_000;

/// How much to make up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FixtureSpec {
    /// Same seed, same shop.
    pub seed: u64,
    /// Chats: about one in twelve is a group.
    pub chats: u32,
    /// Labels with ids from 1.
    pub labels: u32,
    /// Live association records. A few more are tombstones.
    pub associations: u32,
}

impl FixtureSpec {
    /// Says what cannot be made up, and what to ask for instead.
    pub fn check(&self) -> Result<(), String> {
        let most = u64::from(self.chats) * u64::from(self.labels);
        if u64::from(self.associations) > most {
            return Err(format!(
                "{} associations do not fit on {} chats with {} labels; ask for at most {most}",
                self.associations, self.chats, self.labels
            ));
        }
        if self.labels > 10_000 {
            return Err(format!(
                "{} labels are too many; ask for at most 10000",
                self.labels
            ));
        }
        if self.chats > 2_000_000 {
            return Err(format!(
                "{} chats are too many; ask for at most 2000000",
                self.chats
            ));
        }
        Ok(())
    }
}

/// A chat the phone knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Contact {
    /// Phone-number JID, or a group's.
    pub jid: String,
    /// The hidden id of the same person; groups have none.
    pub lid: Option<String>,
    /// As saved in the phone's address book, or the group's subject.
    pub name: String,
}

/// What was made up.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fixture {
    /// The chats.
    pub contacts: Vec<Contact>,
    /// Label definitions and associations, in the order the phone wrote them.
    pub changes: Vec<Change>,
}

/// Makes up a shop; the same `spec` and the same state of `rng` give the same one.
pub fn generate<R: Rng + ?Sized>(spec: &FixtureSpec, rng: &mut R) -> Fixture {
    let contacts = contacts(spec.chats, rng);
    let mut changes: Vec<Change> = (0..spec.labels).map(label).collect();
    changes.extend(associations(spec, &contacts, rng));
    Fixture { contacts, changes }
}

fn contacts<R: Rng + ?Sized>(count: u32, rng: &mut R) -> Vec<Contact> {
    let mut taken = HashSet::with_capacity(count as usize * 2);
    let mut number = |rng: &mut R, head: &str, from: u64, to: u64| {
        loop {
            let candidate = format!("{head}{}", rng.random_range(from..to));
            if taken.insert(candidate.clone()) {
                return candidate;
            }
        }
    };
    (0..count)
        .map(|position| {
            // One in twelve, and never the first: a shop with one chat has a customer.
            if position % 12 == 7 {
                let id = number(rng, "120363", 100_000_000_000, 1_000_000_000_000);
                let topic = GROUPS[rng.random_range(0..GROUPS.len())];
                let name = format!("{topic} {}", position / 12 + 1);
                return Contact {
                    jid: format!("{id}@g.us"),
                    lid: None,
                    name,
                };
            }
            let phone = number(rng, "4915", 100_000_000, 1_000_000_000);
            let lid = number(rng, "", 100_000_000_000_000, 1_000_000_000_000_000);
            let first = FIRST[rng.random_range(0..FIRST.len())];
            let last = LAST[rng.random_range(0..LAST.len())];
            Contact {
                jid: format!("{phone}@s.whatsapp.net"),
                // Some people have never been given one, as on an account that is half migrated.
                lid: (rng.random_range(0..20) != 0).then(|| format!("{lid}@lid")),
                name: format!("{first} {last}"),
            }
        })
        .collect()
}

fn label(position: u32) -> Change {
    let at = position as usize;
    let number = i32::try_from(position + 1).unwrap_or(i32::MAX);
    let predefined = at < PREDEFINED.len();
    let name = match PREDEFINED.iter().chain(CUSTOM).nth(at) {
        Some(name) => (*name).to_owned(),
        None => format!("Label {number}"),
    };
    let label = action::LabelEditAction {
        name: Some(name),
        color: Some(number.rem_euclid(labels::COLORS)),
        predefined_id: predefined.then_some(number),
        deleted: Some(false),
        order_index: Some(number - 1),
        is_active: Some(true),
        r#type: Some(if predefined {
            ListType::PREDEFINED
        } else {
            ListType::CUSTOM
        }),
        ..Default::default()
    };
    labels::define(
        &number.to_string(),
        label,
        BEGINNING_MS + i64::from(position),
    )
}

/// Exactly `spec.associations` live records on distinct keys. About one in a hundred says
/// again under a chat's second key what its first one says, and about one in fifty live
/// records is joined by a tombstone of another pair.
fn associations<R: Rng + ?Sized>(
    spec: &FixtureSpec,
    contacts: &[Contact],
    rng: &mut R,
) -> Vec<Change> {
    let (chats, live) = (contacts.len(), spec.associations as usize);
    let pairs = chats * spec.labels as usize;
    let tombstones = (live / 50).min(pairs - live);
    let mut chosen = sample(rng, pairs, live + tombstones).into_vec();
    let dead = chosen.split_off(live);

    let mut wanted: Vec<(usize, String, bool)> = Vec::with_capacity(live + tombstones);
    let mut twice = live / 100;
    for pair in chosen {
        if wanted.len() == live {
            break;
        }
        let contact = &contacts[pair % chats];
        let (key, other) = keys(contact, rng);
        wanted.push((pair / chats, key, true));
        if twice > 0
            && wanted.len() < live
            && let Some(other) = other
        {
            twice -= 1;
            wanted.push((pair / chats, other, true));
        }
    }
    for pair in dead {
        let (key, _) = keys(&contacts[pair % chats], rng);
        wanted.push((pair / chats, key, false));
    }
    wanted.shuffle(rng);
    let first = BEGINNING_MS + i64::from(spec.labels);
    (first..)
        .zip(wanted)
        .map(|(at, (label, jid, labeled))| {
            labels::chat(&(label + 1).to_string(), &jid, labeled, at)
        })
        .collect()
}

/// The key a chat is filed under this time, and the other one it has.
fn keys<R: Rng + ?Sized>(contact: &Contact, rng: &mut R) -> (String, Option<String>) {
    match &contact.lid {
        Some(lid) if rng.random_bool(0.5) => (lid.clone(), Some(contact.jid.clone())),
        lid => (contact.jid.clone(), lid.clone()),
    }
}

/// The five labels a new business account starts with.
const PREDEFINED: &[&str] = &[
    "New customer",
    "New order",
    "Pending payment",
    "Paid",
    "Order complete",
];
const CUSTOM: &[&str] = &[
    "VIP",
    "Follow up",
    "Complaint",
    "Supplier",
    "Wholesale",
    "Lead",
    "Newsletter",
];
const GROUPS: &[&str] = &[
    "Regulars",
    "Market day",
    "Suppliers",
    "Delivery team",
    "Neighbours",
    "Book club",
];
const FIRST: &[&str] = &[
    "Ada", "Bruno", "Chiara", "Daan", "Elif", "Femi", "Greta", "Hugo", "Ines", "Jonas", "Kofi",
    "Lena", "Mateo", "Nadia", "Olga", "Priya", "Quentin", "Rosa", "Sami", "Tomoko", "Uma", "Vera",
    "Wim", "Yara",
];
const LAST: &[&str] = &[
    "Almeida",
    "Becker",
    "Conti",
    "Dubois",
    "Eriksen",
    "Fischer",
    "García",
    "Haddad",
    "Ito",
    "Jansen",
    "Keller",
    "Lindqvist",
    "Moreau",
    "Novák",
    "Okafor",
    "Petrov",
    "Rossi",
    "Silva",
    "Tanaka",
    "Weber",
];

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::*;
    use crate::collection::{Collection, SyncKey};
    use crate::truth::truth;

    const SPEC: FixtureSpec = FixtureSpec {
        seed: 5,
        chats: 300,
        labels: 8,
        associations: 900,
    };

    fn make(seed: u64) -> Fixture {
        generate(&SPEC, &mut StdRng::seed_from_u64(seed))
    }

    #[test]
    fn the_same_seed_makes_the_same_shop_and_the_same_hashes() {
        assert_eq!(make(5), make(5));
        assert_ne!(make(5), make(6));
        let commit = || {
            let mut rng = StdRng::seed_from_u64(5);
            let fixture = generate(&SPEC, &mut rng);
            let key = SyncKey::new(vec![0, 0, 0, 0, 0, 1], [9; 32], 1);
            let mut regular = Collection::new(labels::COLLECTION);
            for changes in fixture.changes.chunks(400) {
                regular.commit(&key, changes, &mut rng).unwrap();
            }
            (*regular.hash(), regular.snapshot(&key).unwrap())
        };
        assert_eq!(commit(), commit());
    }

    #[test]
    fn a_shop_has_what_was_asked_for_and_every_kind_of_key() {
        let fixture = make(5);
        let key = SyncKey::new(vec![0, 0, 0, 0, 0, 1], [9; 32], 1);
        let mut regular = Collection::new(labels::COLLECTION);
        regular
            .commit(&key, &fixture.changes, &mut StdRng::seed_from_u64(1))
            .unwrap();
        let truth = truth(&regular, &fixture.contacts, Vec::new());
        assert_eq!(truth.labels.len(), 8);
        assert_eq!(truth.associations.len(), 900);
        assert_eq!(truth.chats.len(), 300);
        for ending in ["@g.us", "@lid", "@s.whatsapp.net"] {
            assert!(
                truth
                    .associations
                    .iter()
                    .any(|one| one.chat_jid.ends_with(ending)),
                "{ending}"
            );
        }
        let tombstones = regular.records_of("label_jid").count() - 900;
        assert!((1..=18).contains(&tombstones), "{tombstones}");
        let jids: HashSet<_> = fixture
            .contacts
            .iter()
            .map(|contact| &contact.jid)
            .collect();
        assert_eq!(jids.len(), 300);
    }

    #[test]
    fn a_full_shop_and_an_empty_one_can_be_made() {
        let mut rng = StdRng::seed_from_u64(1);
        let full = FixtureSpec {
            seed: 1,
            chats: 20,
            labels: 5,
            associations: 100,
        };
        assert_eq!(full.check(), Ok(()));
        assert_eq!(generate(&full, &mut rng).changes.len(), 105);
        assert_eq!(
            generate(&FixtureSpec::default(), &mut rng),
            Fixture::default()
        );
        assert!(
            FixtureSpec {
                associations: 101,
                ..full
            }
            .check()
            .is_err()
        );
    }
}

//! Which keys of a kind are stored, where they are few: so that asking for what
//! is not there costs no query.
//!
//! A first sync makes the library ask for the sessions and devices of every
//! contact that history names, tens of thousands of times, when it has none.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use labelwire_store::protocol::Kind;

/// Keys of one kind that are remembered; with more, the database is asked.
const FEW: usize = 512;

/// The keys of kinds that were loaded.
#[derive(Default)]
pub(super) struct KnownKeys(Mutex<HashMap<Kind, Keys>>);

enum Keys {
    All(BTreeSet<String>),
    TooMany,
}

impl KnownKeys {
    /// Whether this kind is looked after at all.
    pub(super) const fn covers(kind: Kind) -> bool {
        matches!(kind, Kind::Session | Kind::Identity | Kind::DeviceList)
    }

    /// Whether a key that begins so may be stored; `None` before [`Self::load`].
    pub(super) fn may_have(&self, kind: Kind, prefix: &str, whole: bool) -> Option<bool> {
        Some(match self.lock().get(&kind)? {
            Keys::TooMany => true,
            Keys::All(keys) if whole => keys.contains(prefix),
            Keys::All(keys) => keys
                .range::<str, _>((
                    std::ops::Bound::Included(prefix),
                    std::ops::Bound::Unbounded,
                ))
                .next()
                .is_some_and(|key| key.starts_with(prefix)),
        })
    }

    /// Takes what is stored, unless a write has been noted since it was read.
    pub(super) fn load(&self, kind: Kind, keys: Vec<String>) {
        let keys = if keys.len() > FEW {
            Keys::TooMany
        } else {
            Keys::All(keys.into_iter().collect())
        };
        self.lock().insert(kind, keys);
    }

    /// Notes keys about to be stored.
    pub(super) fn add<'a>(&self, kind: Kind, keys: impl Iterator<Item = &'a str>) {
        let mut kinds = self.lock();
        if let Some(known) = kinds.get_mut(&kind)
            && let Keys::All(all) = known
        {
            all.extend(keys.map(str::to_owned));
            if all.len() > FEW {
                *known = Keys::TooMany;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Kind, Keys>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_stored_may_be_there() {
        let known = KnownKeys::default();
        assert_eq!(known.may_have(Kind::Session, "1@", false), None);
        known.load(Kind::Session, vec!["12@c.0".into()]);
        assert_eq!(known.may_have(Kind::Session, "1@", false), Some(false));
        known.add(Kind::Session, ["1@c.0"].into_iter());
        assert_eq!(known.may_have(Kind::Session, "1@", false), Some(true));
        assert_eq!(known.may_have(Kind::Session, "1@", true), Some(false));
        assert_eq!(known.may_have(Kind::Session, "1@c.0", true), Some(true));
        let many: Vec<String> = (0..=FEW).map(|n| n.to_string()).collect();
        known.add(Kind::Session, many.iter().map(String::as_str));
        assert_eq!(known.may_have(Kind::Session, "none", true), Some(true));
    }
}

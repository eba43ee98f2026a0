//! An instance's labels, for rendering.

use labelwire_domain::label::{Label, id_order};

/// The labels of an instance, as of a commit.
#[derive(Debug)]
pub struct Labels {
    pub(super) as_of: u64,
    /// All labels, deleted ones too, ordered by id.
    pub all: Vec<Label>,
}

impl Labels {
    /// These labels, ordered by id, as of a commit.
    pub(crate) const fn of(as_of: u64, all: Vec<Label>) -> Self {
        Self { as_of, all }
    }

    /// The live label of an id.
    #[must_use]
    pub fn live(&self, id: &str) -> Option<&Label> {
        self.all
            .binary_search_by(|l| id_order(&l.id).cmp(&id_order(id)))
            .ok()
            .map(|at| &self.all[at])
            .filter(|l| !l.deleted)
    }

    /// The live labels of these ids, ordered by id, each once.
    pub(super) fn live_of<'a>(&'a self, ids: impl Iterator<Item = &'a str>) -> Vec<&'a Label> {
        let mut labels: Vec<&Label> = ids.filter_map(|id| self.live(id)).collect();
        labels.sort_unstable_by(|a, b| id_order(&a.id).cmp(&id_order(&b.id)));
        labels.dedup_by(|a, b| a.id == b.id);
        labels
    }
}

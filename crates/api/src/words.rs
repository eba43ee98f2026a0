//! Events in the words of each dialect, for what delivers webhooks.

use std::sync::Arc;

use labelwire_domain::event::Event;
use labelwire_domain::webhook::{Dialect, Hook, Told, Words};

use crate::native;

/// The words of all dialects.
#[must_use]
pub fn words() -> Arc<dyn Words> {
    Arc::new(All)
}

struct All;

impl Words for All {
    fn tell(&self, hook: &Hook, event: &Event) -> Option<Told> {
        match hook.dialect {
            Dialect::Native => native::tell(hook, event),
            Dialect::Ryze | Dialect::Wawp | Dialect::Waha | Dialect::Evolution => None,
        }
    }
}

//! Events in the words of each dialect, for what delivers webhooks.

use std::sync::Arc;

use labelwire_domain::event::Event;
use labelwire_domain::webhook::{Dialect, Hook, Told, Words};

use crate::{evolution, native, ryze, waha, wawp};

/// The words of all dialects; `base_url` is where clients reach this gateway, which
/// some of them tell with each event.
#[must_use]
pub fn words(base_url: Option<&str>) -> Arc<dyn Words> {
    Arc::new(All {
        base_url: base_url.unwrap_or_default().to_owned(),
    })
}

struct All {
    base_url: String,
}

impl Words for All {
    fn tell(&self, hook: &Hook, event: &Event) -> Option<Told> {
        match hook.dialect {
            Dialect::Native => native::tell(hook, event),
            Dialect::Ryze => ryze::events::tell(hook, event, &self.base_url),
            Dialect::Wawp => wawp::events::tell(hook, event),
            Dialect::Waha => waha::events::tell(hook, event),
            Dialect::Evolution => evolution::events::tell(hook, event, &self.base_url),
        }
    }
}

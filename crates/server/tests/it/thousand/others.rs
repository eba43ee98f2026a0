//! The other devices of the account.

use std::sync::Arc;

use labelwire_sim::labels;
use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use tokio::sync::watch;

use super::truth::{Chat, truth_of};
use super::{KEPT, PHONES_OWN};
use crate::dialect::{Dialect, Write};
use crate::process::{Gateway, Town};

/// What other devices do meanwhile, as the writes go on.
pub(super) struct Others {
    pub(super) town: Arc<Town>,
    pub(super) second: Arc<Gateway>,
    pub(super) rng: StdRng,
    pub(super) phones: Vec<Chat>,
    pub(super) seconds: Vec<Chat>,
}

impl Others {
    pub(super) async fn run(mut self, mut done: watch::Receiver<u32>, writes: u32) {
        loop {
            let next = *done.borrow_and_update();
            if next >= writes {
                return;
            }
            self.phone(next);
            if next.is_multiple_of(3) {
                let chat = self.seconds.choose(&mut self.rng).unwrap().clone();
                let label = *KEPT.choose(&mut self.rng).unwrap();
                let on = !chat.held(&truth_of(&self.town)).contains(label);
                let write = Write::Link {
                    label: label.to_owned(),
                    chat: chat.form(&mut self.rng),
                    on,
                };
                Dialect::Native.write(&self.second, &write).await;
                let held = chat.held(&truth_of(&self.town));
                assert_eq!(held.contains(label), on, "the second device's {write:?}");
            }
            // A breath: the phone does not change something at every write.
            let more = next + 2;
            if done.wait_for(|now| *now >= more.min(writes)).await.is_err() {
                return;
            }
        }
    }

    fn phone(&mut self, n: u32) {
        let at = 1_760_000_000_000 + i64::from(n);
        let rng = &mut self.rng;
        let chat = self.phones.choose(rng).unwrap();
        let key = chat.keys.choose(rng).unwrap();
        let label = *KEPT.choose(rng).unwrap();
        let mut changes = vec![labels::chat(label, key, rng.random_bool(0.6), at)];
        if n.is_multiple_of(10) {
            let message = format!("PHONE{}", rng.random_range(0..9));
            changes.push(labels::message(
                label,
                key,
                &message,
                rng.random_bool(0.6),
                at,
            ));
        }
        let recolour = n.is_multiple_of(7).then(|| labels::PatchLabel {
            name: Some(format!("Telefon {n}")),
            color: Some(rng.random_range(0..20)),
            ..Default::default()
        });
        self.town
            .world()
            .change_with(self.town.phone(), |account| {
                if let Some(patch) = recolour {
                    changes.push(labels::edit(account.regular(), PHONES_OWN, &patch, at));
                }
                Ok(changes)
            })
            .unwrap();
    }
}

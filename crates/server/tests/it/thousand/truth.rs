//! What the phone holds, and whether every reader sees it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use labelwire_sim::truth::{Truth, TruthLabel};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use tokio::time::Instant;

use crate::dialect::{self, Dialect, Label};
use crate::process::{Gateway, Town};
use crate::witness::Witness;

const PATIENCE: Duration = Duration::from_secs(60);

/// A chat by all its ids.
#[derive(Clone, Debug)]
pub(super) struct Chat {
    pub(super) keys: Vec<String>,
    /// How callers may write it.
    pub(super) forms: Vec<String>,
}

impl Chat {
    pub(super) fn new(jid: &str, lid: Option<&str>) -> Self {
        let mut forms = vec![jid.to_owned()];
        if let Some(number) = jid.strip_suffix("@s.whatsapp.net") {
            forms.push(number.to_owned());
            forms.push(format!("{number}@c.us"));
            forms.push(format!("+{number}"));
        }
        forms.extend(lid.map(str::to_owned));
        Self {
            keys: [Some(jid), lid]
                .into_iter()
                .flatten()
                .map(str::to_owned)
                .collect(),
            forms,
        }
    }

    /// Labels on it, under whichever key.
    pub(super) fn held(&self, truth: &Truth) -> BTreeSet<String> {
        let on = truth.associations.iter();
        on.filter(|a| self.keys.contains(&a.chat_jid))
            .map(|a| a.label_id.clone())
            .collect()
    }

    pub(super) fn form(&self, rng: &mut StdRng) -> String {
        self.forms.choose(rng).unwrap().clone()
    }
}

pub(super) fn truth_of(town: &Town) -> Truth {
    town.world()
        .with_account(town.phone(), |a| a.truth())
        .unwrap()
}

pub(super) fn order_of(town: &Town) -> Vec<i32> {
    let index = ["label_reordering".to_owned()];
    town.world()
        .with_account(town.phone(), |a| {
            let record = a.regular().get(&index)?;
            let order = record.action().label_reordering_action.into_option()?;
            Some(order.sorted_label_ids)
        })
        .unwrap()
        .unwrap_or_default()
}

pub(super) fn live(truth: &Truth) -> Vec<&TruthLabel> {
    truth.labels.iter().filter(|l| !l.deleted).collect()
}

pub(super) fn find<'a>(truth: &'a Truth, id: &str) -> &'a TruthLabel {
    truth.labels.iter().find(|l| l.id == id).unwrap()
}

/// Everything a dialect can be asked, against the phone's truth; what differs first.
async fn differs(town: &Town, gateway: &Gateway) -> Option<String> {
    let truth = truth_of(town);
    let labels: BTreeSet<Label> = live(&truth)
        .iter()
        .map(|l| (l.id.clone(), l.name.clone(), l.color.unwrap_or_default()))
        .collect();
    let pairs = town.truth();
    for dialect in Dialect::ALL {
        let read = dialect.labels(gateway).await;
        if read != labels {
            let differences: Vec<_> = read.symmetric_difference(&labels).collect();
            return Some(format!("{dialect:?} labels: {differences:?}"));
        }
        if let Some(read) = dialect.pairs(gateway, &labels).await
            && read != pairs
        {
            let differences: Vec<_> = read.symmetric_difference(&pairs).collect();
            return Some(format!("{dialect:?} chats: {differences:?}"));
        }
        for chat in &truth.chats {
            let held = Chat::new(&chat.jid, chat.lid.as_deref()).held(&truth);
            if let Some(read) = dialect.labels_of(gateway, &chat.jid).await
                && read != held
            {
                return Some(format!("{dialect:?} {}: {read:?}, not {held:?}", chat.jid));
            }
        }
    }
    let mut counts = BTreeMap::new();
    for (id, ..) in &labels {
        counts.insert(id.clone(), 0);
    }
    for (_, label) in &pairs {
        *counts.entry(label.clone()).or_default() += 1;
    }
    if dialect::counts(gateway).await != counts {
        return Some("counts".into());
    }
    let numbers = town.numbers();
    for (id, ..) in &labels {
        let of_label = truth
            .message_associations
            .iter()
            .filter(|m| m.label_id == *id);
        let on: BTreeSet<(String, String)> = of_label
            .map(|m| {
                let chat = numbers.get(&m.chat_jid).unwrap_or(&m.chat_jid);
                (chat.clone(), m.message_id.clone())
            })
            .collect();
        let read = dialect::messages(gateway, id).await;
        if read != on {
            let differences: Vec<_> = read.symmetric_difference(&on).collect();
            return Some(format!("messages of {id}: {differences:?}"));
        }
    }
    let of_phone: Vec<String> = order_of(town).iter().map(i32::to_string).collect();
    let order: Vec<String> = dialect::order(gateway).await;
    let of_phone: Vec<&String> = of_phone.iter().filter(|id| order.contains(id)).collect();
    let begins = order.iter().take(of_phone.len()).eq(of_phone);
    (!begins).then(|| "the order of labels".into())
}

pub(super) async fn agrees(town: &Town, gateway: &Gateway, when: &str) {
    let deadline = Instant::now() + PATIENCE;
    while let Some(difference) = differs(town, gateway).await {
        assert!(Instant::now() < deadline, "{when}: {difference}");
        tokio::task::yield_now().await;
    }
}

/// Baileys has seen what the phone holds.
pub(super) async fn witnessed(town: &Town, baileys: &Witness) {
    let truth = truth_of(town);
    let labels: BTreeMap<String, (String, i64)> = live(&truth)
        .iter()
        .map(|l| (l.id.clone(), (l.name.clone(), l.color.unwrap_or(0).into())))
        .collect();
    let chats: BTreeSet<(String, String)> = truth
        .associations
        .iter()
        .map(|a| (a.chat_jid.clone(), a.label_id.clone()))
        .collect();
    let messages: BTreeSet<(String, String, String)> = truth
        .message_associations
        .iter()
        .map(|m| (m.chat_jid.clone(), m.message_id.clone(), m.label_id.clone()))
        .collect();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut seen = baileys.seen();
        // A deleted label's associations stay on: it is the reader that hides them.
        seen.chats.retain(|(_, label)| labels.contains_key(label));
        seen.messages
            .retain(|(_, _, label)| labels.contains_key(label));
        if seen.labels == labels && seen.chats == chats && seen.messages == messages {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "Baileys saw other labels: {:?} {:?}; chats: {:?}; messages: {:?}",
            seen.labels,
            labels,
            seen.chats.symmetric_difference(&chats).collect::<Vec<_>>(),
            seen.messages
                .symmetric_difference(&messages)
                .collect::<Vec<_>>(),
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

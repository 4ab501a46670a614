//! Nothing is sent after somebody said that it is not to be.

use std::collections::{BTreeMap, HashMap};

use super::Index;
use crate::crash::facts::{Act, What};

/// No intent was committed between the commit of a pause and that of its end, or after a cancellation. Both lock the campaign, so their
/// commits are in order.
pub(super) fn ghosts_of_campaigns(index: &Index<'_>, found: &mut Vec<String>) {
    let mut barriers: BTreeMap<i64, Vec<(i64, Option<i64>)>> = BTreeMap::new();
    for act in &index.facts.acts {
        match act.what {
            What::Paused(id) | What::Cancelled(id) => barriers.entry(id).or_default().push((act.committed, None)),
            What::Resumed(id) => close(barriers.entry(id).or_default(), act),
            _ => {}
        }
    }
    for intent in index.intents() {
        let inside =
            |(from, to): &(i64, Option<i64>)| intent.committed > *from && to.is_none_or(|to| intent.committed < to);
        if barriers.get(&intent.campaign).is_some_and(|all| all.iter().any(inside)) {
            found.push(format!(
                "{} of campaign {}: the intent was committed at {}, behind a pause or cancellation",
                intent.delivery, intent.campaign, intent.committed
            ));
        }
    }
}

/// A resumption ends the pauses before it.
fn close(barriers: &mut [(i64, Option<i64>)], act: &Act) {
    for (_, to) in barriers.iter_mut().filter(|(_, to)| to.is_none()) {
        *to = Some(act.committed);
    }
}

/// No intent whose transaction began after a person was taken off. Nothing locks a person, so what had begun before may go.
pub(super) fn ghosts_of_people(index: &Index<'_>, found: &mut Vec<String>) {
    let recipients: HashMap<i64, &str> = index.rows().map(|(_, row)| (row.delivery, row.recipient.as_str())).collect();
    // Deleting a subscriber takes his number out of the row.
    let mut subscribers: HashMap<i64, i64> = HashMap::new();
    for one in &index.facts.moves {
        if let Some(subscriber) = one.subscriber {
            subscribers.entry(one.delivery).or_insert(subscriber);
        }
    }
    let (mut addresses, mut people): (HashMap<&str, &Act>, HashMap<i64, &Act>) = Default::default();
    for act in &index.facts.acts {
        match &act.what {
            What::Suppressed(address) => drop(addresses.entry(address).or_insert(act)),
            What::Unsubscribed(id) | What::Deleted(id) => drop(people.entry(*id).or_insert(act)),
            _ => {}
        }
    }
    for intent in index.intents() {
        let by_address = recipients.get(&intent.delivery).and_then(|address| addresses.get(address));
        let by_person = subscribers.get(&intent.delivery).and_then(|id| people.get(id));
        for act in by_address.into_iter().chain(by_person).filter(|act| intent.began > act.committed) {
            found.push(format!("{}: an intent began at {}, after {act:?}", intent.delivery, intent.began));
        }
    }
}

//! What must hold after every run. Each check names what breaks it.

use std::collections::{BTreeMap, HashMap, HashSet};

use tidings_domain::{CampaignState, DeliveryState};

use super::facts::{Act, Arrival, CampaignFacts, Facts, Move, Row, What};

/// Violations of one check that are told one by one.
const TOLD: usize = 20;

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    pub check: &'static str,
    pub words: String,
}

/// Sums for whoever reads the result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums {
    pub recipients: usize,
    pub copies: usize,
    pub lost: usize,
    /// Copies beyond the first of their delivery.
    pub doubled: usize,
    pub in_doubt: usize,
    pub sent_again: usize,
}

impl std::ops::AddAssign for Sums {
    fn add_assign(&mut self, other: Self) {
        self.recipients += other.recipients;
        self.copies += other.copies;
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.in_doubt += other.in_doubt;
        self.sent_again += other.sent_again;
    }
}

/// The facts, by what they are about.
struct Index<'a> {
    facts: &'a Facts,
    copies: HashMap<i64, Vec<&'a Arrival>>,
    moves: HashMap<i64, Vec<&'a Move>>,
}

type Check = fn(&Index<'_>, &mut Vec<String>);

const CHECKS: &[(&str, Check)] = &[
    ("lost", lost),
    ("doubled", doubled),
    ("ghosts of campaigns", ghosts_of_campaigns),
    ("ghosts of people", ghosts_of_people),
    ("truthfulness", truthfulness),
    ("integrity", integrity),
    ("accounting", accounting),
    ("history", history),
    ("launched once", launched_once),
    ("resources", resources),
];

/// Every promise that was broken; empty when all were kept.
#[must_use]
pub fn check(facts: &Facts) -> Vec<Violation> {
    let index = Index::of(facts);
    let mut violations = Vec::new();
    for (name, check) in CHECKS {
        let mut found = Vec::new();
        check(&index, &mut found);
        let more = found.len().saturating_sub(TOLD);
        violations.extend(found.into_iter().take(TOLD).map(|words| Violation { check: name, words }));
        if more > 0 {
            violations.push(Violation { check: name, words: format!("… and {more} more") });
        }
    }
    violations
}

#[must_use]
pub fn sums(facts: &Facts) -> Sums {
    let index = Index::of(facts);
    let mut lost_ones = Vec::new();
    lost(&index, &mut lost_ones);
    let rows = || facts.campaigns.iter().flat_map(|campaign| &campaign.rows);
    Sums {
        recipients: rows().count(),
        copies: facts.copies.len(),
        lost: lost_ones.len(),
        doubled: index.copies.values().map(|copies| copies.len() - 1).sum(),
        in_doubt: rows().filter(|row| row.state == DeliveryState::InDoubt).count(),
        sent_again: facts.moves.iter().filter(|m| m.is_sent_again()).count(),
    }
}

impl<'a> Index<'a> {
    fn of(facts: &'a Facts) -> Self {
        let (mut copies, mut moves) = (HashMap::<_, Vec<_>>::new(), HashMap::<_, Vec<_>>::new());
        for copy in &facts.copies {
            if let Some(delivery) = copy.delivery {
                copies.entry(delivery).or_default().push(copy);
            }
        }
        for one in &facts.moves {
            moves.entry(one.delivery).or_default().push(one);
        }
        Self { facts, copies, moves }
    }

    fn rows(&self) -> impl Iterator<Item = (&'a CampaignFacts, &'a Row)> {
        self.facts.campaigns.iter().flat_map(|campaign| campaign.rows.iter().map(move |row| (campaign, row)))
    }

    fn copies_of(&self, delivery: i64) -> usize {
        self.copies.get(&delivery).map_or(0, Vec::len)
    }

    fn moves_of(&self, delivery: i64) -> &[&'a Move] {
        self.moves.get(&delivery).map_or(&[], Vec::as_slice)
    }

    fn intents(&self) -> impl Iterator<Item = &'a Move> {
        self.facts.moves.iter().filter(|m| m.is_intent())
    }
}

/// Everybody who was invited is in the ledger, everybody in the ledger came to an end, and who is told accepted was.
fn lost(index: &Index<'_>, found: &mut Vec<String>) {
    for campaign in &index.facts.campaigns {
        let rows: HashSet<&str> = campaign.rows.iter().map(|row| row.recipient.as_str()).collect();
        // Cancelled in the middle of fan-out, the audience is what there was of it.
        if campaign.state == CampaignState::Done {
            let missing = campaign.invited.iter().filter(|address| !rows.contains(address.as_str()));
            found.extend(missing.map(|address| format!("{}: {address} has no row", campaign.name)));
        }
    }
    for (campaign, row) in index.rows() {
        let copies = index.copies_of(row.delivery);
        if !row.state.is_terminal() {
            found
                .push(format!("{}: {} ({}) still stands as {}", campaign.name, row.delivery, row.recipient, row.state));
        } else if row.state == DeliveryState::Accepted && copies == 0 {
            found.push(format!(
                "{}: {} ({}) was told accepted and never arrived",
                campaign.name, row.delivery, row.recipient
            ));
        }
    }
}

/// A second copy only where a person sent a row in doubt again.
fn doubled(index: &Index<'_>, found: &mut Vec<String>) {
    for (delivery, copies) in &index.copies {
        let moves = index.moves_of(*delivery);
        let again = moves.iter().filter(|m| m.is_sent_again()).count();
        let intents = moves.iter().filter(|m| m.is_intent()).count();
        if copies.len() > 1 + again || copies.len() > intents {
            let at: Vec<_> = copies.iter().map(|copy| copy.seq).collect();
            found.push(format!(
                "{delivery} ({}) arrived as numbers {at:?}, with {intents} intents, {again} times sent again in doubt",
                copies[0].recipient
            ));
        }
    }
}

/// No intent was committed between the commit of a pause and that of its end, or after a cancellation. Both lock the campaign, so their
/// commits are in order.
fn ghosts_of_campaigns(index: &Index<'_>, found: &mut Vec<String>) {
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
fn ghosts_of_people(index: &Index<'_>, found: &mut Vec<String>) {
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

/// No row says that nothing arrived when something did, unless it was in doubt before.
fn truthfulness(index: &Index<'_>, found: &mut Vec<String>) {
    for (campaign, row) in index.rows() {
        let copies = index.copies_of(row.delivery);
        let may_have_arrived = matches!(row.state, DeliveryState::Accepted | DeliveryState::InDoubt);
        let was_in_doubt = || index.moves_of(row.delivery).iter().any(|m| m.to == DeliveryState::InDoubt);
        if copies > 0 && !may_have_arrived && !was_in_doubt() {
            found.push(format!(
                "{}: {} ({}) stands as {} and arrived",
                campaign.name, row.delivery, row.recipient, row.state
            ));
        }
    }
}

/// Each copy is the whole message of the person who got it.
fn integrity(index: &Index<'_>, found: &mut Vec<String>) {
    let recipients: HashMap<i64, &str> = index.rows().map(|(_, row)| (row.delivery, row.recipient.as_str())).collect();
    for copy in &index.facts.copies {
        let Some(delivery) = copy.delivery else {
            found.push(format!("number {}, to {}, is none of our messages", copy.seq, copy.recipient));
            continue;
        };
        match (recipients.get(&delivery), index.facts.expected.get(&delivery)) {
            (Some(recipient), _) if *recipient != copy.recipient => {
                found.push(format!("number {}: {recipient}'s message went to {}", copy.seq, copy.recipient));
            }
            (Some(_), Some(content)) if *content != copy.content => {
                found.push(format!("number {}, to {}, is not what was composed", copy.seq, copy.recipient));
            }
            (Some(_), Some(_)) => {}
            _ => found.push(format!("number {}, to {}, belongs to no row", copy.seq, copy.recipient)),
        }
    }
}

/// Rows, counters and the frozen audience are one number, and every counter is right.
fn accounting(index: &Index<'_>, found: &mut Vec<String>) {
    for campaign in &index.facts.campaigns {
        let rows = i64::try_from(campaign.rows.len()).unwrap_or(i64::MAX);
        if rows != campaign.counted || campaign.audience != Some(rows) {
            found.push(format!(
                "{}: {rows} rows, the counters say {}, the audience was {:?}",
                campaign.name, campaign.counted, campaign.audience
            ));
        }
        found.extend(campaign.miscounts.iter().map(|words| format!("{}: {words}", campaign.name)));
    }
}

/// What the witness saw, told again, leads along legal edges to where the rows stand.
fn history(index: &Index<'_>, found: &mut Vec<String>) {
    for (campaign, row) in index.rows() {
        let moves = index.moves_of(row.delivery);
        if let Some(illegal) = moves.iter().find(|m| !m.from.may_become(m.to)) {
            found.push(format!("{}: {} went from {} to {}", campaign.name, row.delivery, illegal.from, illegal.to));
        }
        let torn = moves.windows(2).find(|pair| pair[0].to != pair[1].from);
        if let Some(pair) = torn {
            found.push(format!("{}: {} became {} and left {}", campaign.name, row.delivery, pair[0].to, pair[1].from));
        }
        if let Some(last) = moves.last().filter(|last| last.to != row.state) {
            found.push(format!("{}: {} became {} and stands as {}", campaign.name, row.delivery, last.to, row.state));
        }
    }
}

/// Whoever else pressed the button.
fn launched_once(index: &Index<'_>, found: &mut Vec<String>) {
    for campaign in &index.facts.campaigns {
        let launches = index.facts.acts.iter().filter(|act| act.what == What::Launched(campaign.id)).count();
        if launches != 1 {
            found.push(format!("{} was launched {launches} times", campaign.name));
        }
    }
}

fn resources(index: &Index<'_>, found: &mut Vec<String>) {
    let over = index.facts.vitals.iter().filter(|vital| vital.is > vital.at_most);
    found.extend(
        over.map(|vital| format!("{}: {}, and at most {} would be right", vital.what, vital.is, vital.at_most)),
    );
}

#[cfg(test)]
mod tests;

//! What must hold after every run. Each check names what breaks it.

mod copies;
mod ghosts;
mod ledger;

use std::collections::HashMap;

use tidings_domain::DeliveryState;

use super::facts::{Arrival, CampaignFacts, Facts, Move, Row};
use copies::{doubled, integrity, intent_first, lost, truthfulness};
use ghosts::{ghosts_of_campaigns, ghosts_of_people};
use ledger::{accounting, bounced_once, history, launched_once, one_attempt, resources};

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
    /// Deliveries that others wrote about later.
    pub bounced: usize,
    /// Their reports, as often as they were answered.
    pub brought: usize,
}

impl std::ops::AddAssign for Sums {
    fn add_assign(&mut self, other: Self) {
        self.recipients += other.recipients;
        self.copies += other.copies;
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.in_doubt += other.in_doubt;
        self.sent_again += other.sent_again;
        self.bounced += other.bounced;
        self.brought += other.brought;
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
    ("intent first", intent_first),
    ("one attempt", one_attempt),
    ("bounced once", bounced_once),
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
        bounced: facts.bounces.len(),
        brought: facts.bounces.iter().map(|bounce| bounce.answered).sum(),
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

#[cfg(test)]
mod tests;

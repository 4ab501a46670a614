//! The ledger by itself: its sums, its steps, what was told to it; and what the processes hold.

use std::collections::{HashMap, HashSet};

use tidings_domain::DeliveryState;

use super::Index;
use crate::crash::facts::{Bounce, Move, What};

/// The end of an attempt is told of the attempt that the row has come to, never of an earlier one by somebody who lost it since.
pub(super) fn one_attempt(index: &Index<'_>, found: &mut Vec<String>) {
    for telling in index.facts.tellings.iter().filter(|telling| telling.number < telling.row_is_at) {
        found.push(format!(
            "{}: the end of attempt {} was written when it had come to attempt {}",
            telling.delivery, telling.number, telling.row_is_at
        ));
    }
}

/// A report that was answered with 250 is kept, and however often it comes, something follows from it once.
pub(super) fn bounced_once(index: &Index<'_>, found: &mut Vec<String>) {
    let states: HashMap<i64, DeliveryState> = index.rows().map(|(_, row)| (row.delivery, row.state)).collect();
    let came_back = |m: &&&Move| m.to == DeliveryState::HardBounced && m.from == DeliveryState::Accepted;
    for bounce in &index.facts.bounces {
        let Bounce { delivery, answered, kept, followed } = *bounce;
        if kept < answered {
            found.push(format!("{delivery}: {answered} reports were answered with 250, and {kept} are kept"));
        }
        let moved = index.moves_of(delivery).iter().filter(came_back).count();
        let state = states.get(&delivery);
        if state != Some(&DeliveryState::HardBounced) || moved != 1 || followed != 1 {
            found.push(format!(
                "{delivery}: after {answered} reports it stands as {state:?}, came back {moved} times, and something followed from {followed}"
            ));
        }
    }
    let reported: HashSet<i64> = index.facts.bounces.iter().map(|bounce| bounce.delivery).collect();
    let unheard = index.facts.moves.iter().filter(|m| came_back(&m) && !reported.contains(&m.delivery));
    found.extend(unheard.map(|m| format!("{}: nobody wrote that it bounced", m.delivery)));
}

/// Rows, counters and the frozen audience are one number, and every counter is right.
pub(super) fn accounting(index: &Index<'_>, found: &mut Vec<String>) {
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
pub(super) fn history(index: &Index<'_>, found: &mut Vec<String>) {
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
pub(super) fn launched_once(index: &Index<'_>, found: &mut Vec<String>) {
    for campaign in &index.facts.campaigns {
        let launches = index.facts.acts.iter().filter(|act| act.what == What::Launched(campaign.id)).count();
        if launches != 1 {
            found.push(format!("{} was launched {launches} times", campaign.name));
        }
    }
}

pub(super) fn resources(index: &Index<'_>, found: &mut Vec<String>) {
    let over = index.facts.vitals.iter().filter(|vital| vital.is > vital.at_most);
    found.extend(over.map(|vital| {
        format!("{}: {}, and at most {} would be right {}", vital.what, vital.is, vital.at_most, vital.detail)
    }));
}

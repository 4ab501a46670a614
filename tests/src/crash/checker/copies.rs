//! The copies that arrived, beside the rows that tell of them.

use std::collections::{HashMap, HashSet};

use tidings_domain::{CampaignState, DeliveryState};

use super::Index;

/// Everybody who was invited is in the ledger, everybody in the ledger came to an end, and who is told accepted was.
pub(super) fn lost(index: &Index<'_>, found: &mut Vec<String>) {
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
pub(super) fn doubled(index: &Index<'_>, found: &mut Vec<String>) {
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

/// The final dot of a copy was written after the commit of its intent: a kill between the two would send it again as if it were new.
pub(super) fn intent_first(index: &Index<'_>, found: &mut Vec<String>) {
    for (delivery, copies) in &index.copies {
        let intents: Vec<i64> = index.moves_of(*delivery).iter().filter(|m| m.is_intent()).map(|m| m.at_ms).collect();
        for (number, copy) in copies.iter().enumerate() {
            let before = intents.iter().filter(|at| **at <= copy.at_ms).count();
            if before <= number {
                found.push(format!(
                    "{delivery}: number {} arrived at {}, when {before} of its intents {intents:?} were committed",
                    copy.seq, copy.at_ms
                ));
            }
        }
    }
}

/// No row says that nothing arrived when something did, unless it was in doubt before or came back.
pub(super) fn truthfulness(index: &Index<'_>, found: &mut Vec<String>) {
    for (campaign, row) in index.rows() {
        let copies = index.copies_of(row.delivery);
        let may_have_arrived = matches!(row.state, DeliveryState::Accepted | DeliveryState::InDoubt);
        let was_in_doubt = || index.moves_of(row.delivery).iter().any(|m| m.to == DeliveryState::InDoubt);
        let was_accepted = || index.moves_of(row.delivery).iter().any(|m| m.to == DeliveryState::Accepted);
        let came_back = || row.state == DeliveryState::HardBounced && was_accepted();
        if copies > 0 && !may_have_arrived && !was_in_doubt() && !came_back() {
            found.push(format!(
                "{}: {} ({}) stands as {} and arrived",
                campaign.name, row.delivery, row.recipient, row.state
            ));
        }
    }
}

/// Each copy is the whole message of the person who got it.
pub(super) fn integrity(index: &Index<'_>, found: &mut Vec<String>) {
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

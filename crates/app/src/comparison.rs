//! The ledger's word against the sandbox's record, recipient by recipient.

use std::collections::HashMap;
use std::process::ExitCode;

use tidings_domain::{DeliveryState, SubscriberStatus, SuppressionReason};
use tidings_sandbox::{Expectation, expected};
use tidings_store::{CampaignId, PeopleFilter, Workspace};
use tidings_worker::now;

/// Rows of the ledger read in one page.
const PAGE_ROWS: i64 = 5_000;
/// Differences printed one by one.
const SHOWN_DIFFERENCES: usize = 20;

pub struct Comparison {
    rows: i64,
    agreed: i64,
    in_doubt: i64,
    in_doubt_copies: u32,
    hard_bounced: Vec<String>,
    marked: usize,
    differences: Vec<String>,
}

impl Comparison {
    /// Walks the whole ledger of a campaign that is done.
    pub async fn of(
        workspace: &Workspace,
        campaign: CampaignId,
        mut copies: HashMap<String, u32>,
    ) -> anyhow::Result<Self> {
        let mut found = Self {
            rows: 0,
            agreed: 0,
            in_doubt: 0,
            in_doubt_copies: 0,
            hard_bounced: Vec::new(),
            marked: 0,
            differences: Vec::new(),
        };
        let mut after = None;
        loop {
            let page = workspace.people(campaign, PeopleFilter::default(), after, PAGE_ROWS).await?;
            for person in &page.people {
                let accepted = copies.remove(&person.recipient).unwrap_or(0);
                found.look(&person.recipient, person.state, accepted);
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        for (stranger, n) in copies {
            found.differences.push(format!("{stranger}: {n} copies accepted, and no row in the ledger"));
        }
        found.check_sums(workspace, campaign).await?;
        found.check_bounced(workspace).await?;
        Ok(found)
    }

    fn look(&mut self, recipient: &str, state: DeliveryState, copies: u32) {
        self.rows += 1;
        match state {
            DeliveryState::InDoubt => {
                self.in_doubt += 1;
                self.in_doubt_copies += copies;
            }
            DeliveryState::HardBounced => self.hard_bounced.push(recipient.to_owned()),
            _ => {}
        }
        let expectation = expected(recipient);
        if holds(state, copies) && is_expected(expectation, state) {
            self.agreed += 1;
        } else {
            let words =
                format!("{recipient}: the ledger says {state}, the world accepted {copies}, expected {expectation:?}");
            self.differences.push(words);
        }
    }

    /// Rows, counters and the frozen audience are one number.
    async fn check_sums(&mut self, workspace: &Workspace, campaign: CampaignId) -> anyhow::Result<()> {
        let overview = workspace.overview(campaign).await?;
        let counted: i64 = overview.counts.values().sum();
        if self.rows != counted || overview.head.audience_total != Some(counted) {
            let audience = overview.head.audience_total;
            self.differences.push(format!("{} rows, counters say {counted}, the audience was {audience:?}", self.rows));
        }
        Ok(())
    }

    /// Each hard bounce marked its subscriber and suppressed the address.
    async fn check_bounced(&mut self, workspace: &Workspace) -> anyhow::Result<()> {
        for address in std::mem::take(&mut self.hard_bounced) {
            if is_marked(workspace, &address).await? {
                self.marked += 1;
            } else {
                self.differences.push(format!("{address}: hard bounced, but not marked and suppressed"));
            }
        }
        Ok(())
    }

    /// Prints what was found. Success when nothing differs.
    pub fn report(&self) -> ExitCode {
        println!("\n{} subscribers marked bounced, their addresses on the suppression list", self.marked);
        println!("{} of {} recipients: the ledger agrees with what the sandbox accepted", self.agreed, self.rows);
        if self.in_doubt > 0 {
            println!(
                "{} in doubt, of which {} had arrived: that is what in doubt means",
                self.in_doubt, self.in_doubt_copies
            );
        }
        for difference in self.differences.iter().take(SHOWN_DIFFERENCES) {
            println!("DIFFERS  {difference}");
        }
        if self.differences.is_empty() {
            println!("Nothing lost, nothing doubled.");
            return ExitCode::SUCCESS;
        }
        println!("{} differences", self.differences.len());
        ExitCode::FAILURE
    }
}

/// The guarantee for one recipient.
const fn holds(state: DeliveryState, copies: u32) -> bool {
    match state {
        DeliveryState::Accepted => copies == 1,
        DeliveryState::InDoubt => copies <= 1,
        state => copies == 0 && state.is_terminal(),
    }
}

fn is_expected(expectation: Expectation, state: DeliveryState) -> bool {
    match expectation {
        Expectation::Accepted | Expectation::AcceptedAfterRetry => state == DeliveryState::Accepted,
        Expectation::HardBounce => state == DeliveryState::HardBounced,
        Expectation::SoftBounce => state == DeliveryState::SoftBounced,
        Expectation::InDoubt { .. } => state == DeliveryState::InDoubt,
    }
}

async fn is_marked(workspace: &Workspace, address: &str) -> anyhow::Result<bool> {
    let subscriber = workspace.subscriber_by_email(address.to_owned()).await?;
    let suppressed = workspace.suppressions_of(address.to_owned(), now()).await?;
    let bounced = subscriber.is_some_and(|s| s.status == SubscriberStatus::Bounced);
    Ok(bounced && suppressed.iter().any(|s| s.reason == SuppressionReason::HardBounce))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_or_doubled_copy_is_seen() {
        assert!(
            holds(DeliveryState::Accepted, 1) && holds(DeliveryState::InDoubt, 1) && holds(DeliveryState::InDoubt, 0)
        );
        assert!(!holds(DeliveryState::Accepted, 0), "lost");
        assert!(!holds(DeliveryState::Accepted, 2) && !holds(DeliveryState::InDoubt, 2), "doubled");
        assert!(!holds(DeliveryState::SoftBounced, 1), "a bounce with a copy");
        assert!(!holds(DeliveryState::Queued, 0), "still open");
    }
}

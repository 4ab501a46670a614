//! A campaign's state as a badge with one line below it, the same everywhere.

use tidings_domain::{CampaignState, DeliveryState};
use tidings_store::CampaignHead;

use super::tally::{Tally, percent};
use super::wording;
use crate::page::Page;
use crate::text::number;

/// The badge and its sub-line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Badge {
    /// A tone of the `badge` macro.
    pub tone: &'static str,
    pub text: &'static str,
    pub line: String,
}

impl Badge {
    pub fn of(head: &CampaignHead, tally: &Tally, page: &Page) -> Self {
        if !head.attention.is_empty() {
            return Self { tone: "bad", text: "Needs attention", line: head.attention.clone() };
        }
        if let (Some(at), true) = (head.paused_at_ms, head.state.is_active()) {
            let line =
                format!("Paused by {} {} · {} waiting", head.paused_by, page.when(&at).relative, number(tally.open()));
            return Self { tone: "warn", text: "Paused", line };
        }
        let text = wording::campaign_state(head.state);
        let (tone, line) = match head.state {
            CampaignState::Draft => ("neutral", format!("Edited {}", page.when(&head.updated_at_ms).relative)),
            CampaignState::Scheduled => ("info", String::new()),
            CampaignState::Queuing => ("live", format!("Preparing: {} people so far", number(tally.total()))),
            CampaignState::Queued => ("info", "Ready · the first messages leave in a few seconds".to_owned()),
            CampaignState::Sending => ("live", sending_line(tally)),
            CampaignState::Done => ("ok", done_line(head, tally, page)),
            CampaignState::Cancelled => ("neutral", cancelled_line(head, tally, page)),
        };
        Self { tone, text, line }
    }
}

fn sending_line(tally: &Tally) -> String {
    let line = format!("{} of {} handled", number(tally.to_send() - tally.open()), number(tally.to_send()));
    match tally.of(DeliveryState::Deferred) {
        0 => line,
        n => format!("{line} · {} trying again", number(n)),
    }
}

fn done_line(head: &CampaignHead, tally: &Tally, page: &Page) -> String {
    let when = head.done_at_ms.map(|at| page.when(&at).relative).unwrap_or_default();
    match tally.settled() {
        0 => format!("Finished {when} · nobody was to be sent to"),
        settled => format!("Finished {when} · {} accepted", percent(tally.accepted(), settled)),
    }
}

fn cancelled_line(head: &CampaignHead, tally: &Tally, page: &Page) -> String {
    let when = head.cancelled_at_ms.map(|at| page.when(&at).relative).unwrap_or_default();
    format!("Cancelled {when} · {} had got it", number(tally.accepted()))
}

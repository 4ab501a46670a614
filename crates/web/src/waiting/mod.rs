//! Why something waits: a pure function from facts to reasons, in words, in the order of their importance. The pages, the JSON, the
//! overview's one sentence and `tidings queue why` all say what stands here, so there is one source of such sentences.

mod budget_sentences;
mod cause;
mod destination;
mod facts;
mod gather;
mod lanes;
mod limits;
mod sentences;
#[cfg(test)]
mod tests;
mod warm_up;
mod words;

pub use budget_sentences::full;
pub use cause::{Cause, Full, Process, WarmUpDay};
pub use destination::{Destination, DestinationJson, window_end};
pub use facts::{CampaignFacts, DeliveryFacts, Facts, HEARTBEAT_LIMIT, Left, causes, does};
pub(crate) use gather::here;
pub use gather::{of_delivery, of_overview, of_provider, process_facts};
pub use lanes::{reasons_of_lanes, reasons_of_workers, unserved};
pub use sentences::lane_mail;
pub use warm_up::{WarmUp, is_stopped_by_warm_up, warm_ups};
pub use words::{Reason, reason};

use serde::Serialize;

use tidings_domain::UnixMs;

/// All reasons, the most important first. `clock` shows an instant in the reader's zone.
pub fn explain(facts: &Facts, clock: &dyn Fn(UnixMs) -> String) -> Vec<Reason> {
    causes(facts).iter().map(|cause| reason(cause, facts, clock)).collect()
}

/// All of it, for programs.
#[derive(Debug, Serialize)]
pub struct Answer {
    /// What was asked about, in words.
    pub about: String,
    pub at_ms: i64,
    /// Something of it can still move.
    pub open: i64,
    pub pending: i64,
    pub queued: i64,
    pub in_flight: i64,
    pub deferred: i64,
    /// The most important first.
    pub reasons: Vec<Reason>,
    pub destinations: Vec<DestinationJson>,
}

impl Answer {
    #[must_use]
    pub fn new(about: String, facts: &Facts, clock: &dyn Fn(UnixMs) -> String) -> Self {
        let left = &facts.left;
        Self {
            about,
            at_ms: facts.now.0,
            open: left.open(),
            pending: left.pending,
            queued: left.queued,
            in_flight: left.in_flight,
            deferred: left.deferred,
            reasons: explain(facts, clock),
            destinations: facts.destinations.iter().map(Destination::json).collect(),
        }
    }
}

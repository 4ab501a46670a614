use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::clock::{NEVER, Nanos};
use super::fifo::{Fifo, Packed};
use super::ring::Ring;

/// A campaign's number inside the queue. Never used twice: a dropped campaign leaves entries behind that must not
/// be taken for a later one's.
pub type Slot = u32;

/// One lane of a destination. Its ready jobs lie in [`Pile`]s, one for each campaign.
#[derive(Debug)]
pub struct Line {
    /// Campaigns that have ready jobs here, in turn. May still name paused and dropped ones; who meets one takes it
    /// out.
    pub ring: Ring,
    /// Jobs whose time has not come, the soonest on top. May still hold jobs of dropped campaigns.
    pub later: BinaryHeap<Reverse<Later>>,
    pub ready: usize,
    pub delayed: usize,
    pub leased: usize,
    /// It stands in the list of lines that can perhaps be served.
    pub listed: bool,
    /// It waits at its route.
    pub parked: bool,
    /// When the alarm rings for the soonest delayed job.
    pub alarm: Nanos,
}

/// A job and the instant at which it becomes ready. Ordered by instant, then by delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Later {
    pub due: Nanos,
    pub job: Packed,
    pub slot: Slot,
}

/// The jobs of one campaign in one line.
#[derive(Debug, Default)]
pub struct Pile {
    pub ready: Fifo,
    /// Its jobs in the line's `later`.
    pub delayed: usize,
    /// The line's ring names it. So it is while there are ready jobs, the campaign is not paused and its
    /// stream has room.
    pub in_ring: bool,
    /// The paused campaign keeps it in mind, or a chore is about to offer it.
    pub parked: bool,
    /// It waits at its campaign's stream.
    pub at_stream: bool,
}

impl Default for Line {
    fn default() -> Self {
        Self {
            ring: Ring::default(),
            later: BinaryHeap::new(),
            ready: 0,
            delayed: 0,
            leased: 0,
            listed: false,
            parked: false,
            alarm: NEVER,
        }
    }
}

impl Line {
    pub const fn has_jobs(&self) -> bool {
        self.ready + self.delayed + self.leased > 0
    }

    /// Nothing in it, and nothing points to it.
    pub fn is_blank(&self) -> bool {
        !self.has_jobs() && self.ring.is_empty() && self.later.is_empty() && !self.listed && !self.parked
    }
}

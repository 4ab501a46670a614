use std::time::Duration;

use crate::embedded::Embedded;
use crate::{Grant, Job, LeaseState, Limits, More, QueueOptions, Settle, Shard, Signal, Snapshot};

/// A handle to the queue; clones share it.
#[derive(Clone)]
pub struct Queue(Engine);

#[derive(Clone)]
enum Engine {
    Embedded(Embedded),
}

/// Calls the same method of whichever engine is inside.
macro_rules! engine {
    ($self:ident, |$e:ident| $call:expr) => {
        match &$self.0 {
            Engine::Embedded($e) => $call,
        }
    };
}

impl Queue {
    /// In this process. It is empty at every start; the ledger fills it.
    #[must_use]
    pub fn embedded(options: QueueOptions) -> Self {
        Self(Engine::Embedded(Embedded::new(options)))
    }

    /// Appends jobs, in this order, each to the list of its campaign.
    pub async fn push(&self, shard: &Shard, jobs: &[Job]) {
        engine!(self, |e| e.push(shard, jobs));
    }

    /// Adds jobs that become ready after a while, each at its time, at the end of its campaign's list.
    pub async fn push_delayed(&self, shard: &Shard, jobs: &[(Job, Duration)]) {
        engine!(self, |e| e.push_delayed(shard, jobs));
    }

    /// Waits up to `wait` for a shard that may be spoken to, and takes one connection slot and up to `max_jobs` of its
    /// jobs, charged to its rate. `None` when the time is over. Dropping the future loses nothing.
    pub async fn lease(&self, worker: &str, max_jobs: usize, wait: Duration) -> Option<Grant> {
        engine!(self, |e| e.lease(worker, max_jobs, wait).await)
    }

    /// Claims again for the same connection, never waiting. Counts as a sign of life.
    pub async fn more(&self, grant: &Grant, max_jobs: usize) -> More {
        engine!(self, |e| e.more(grant, max_jobs))
    }

    /// Says how jobs ended. Those that the grant does not hold (any more) are passed over; if the lease itself is
    /// lost, all are. Counts as a sign of life.
    pub async fn settle(&self, grant: &Grant, settled: &[(Job, Settle)]) -> LeaseState {
        engine!(self, |e| e.settle(grant, settled))
    }

    /// A sign of life: the lease runs anew from now.
    pub async fn extend(&self, grant: &Grant) -> LeaseState {
        engine!(self, |e| e.extend(grant))
    }

    /// Gives the connection slot back and releases the jobs not settled.
    pub async fn close(&self, grant: Grant) {
        engine!(self, |e| e.close(&grant));
    }

    /// Lets a destination's reply slow everyone who speaks to it, in all lanes.
    pub async fn signal(&self, shard: &Shard, signal: Signal) {
        engine!(self, |e| e.signal(shard, &signal));
    }

    /// Sets the ceilings of a destination, for all its lanes. A knob that stands lower stays there and recovers.
    pub async fn set_limits(&self, shard: &Shard, limits: Limits) {
        engine!(self, |e| e.set_limits(shard, limits));
    }

    /// No job of the campaign is claimed from now on. O(1). Holds for jobs pushed later too.
    pub async fn pause_campaign(&self, campaign: i64) {
        engine!(self, |e| e.pause_campaign(campaign));
    }

    pub async fn resume_campaign(&self, campaign: i64) {
        engine!(self, |e| e.resume_campaign(campaign));
    }

    /// Forgets the campaign's jobs, ready and delayed, and its pause. O(1); the memory is freed bit by bit by later
    /// calls. Jobs already claimed can still be settled, but do not come back. Jobs pushed later are new.
    pub async fn drop_campaign(&self, campaign: i64) {
        engine!(self, |e| e.drop_campaign(campaign));
    }

    /// Ends the leases whose holders are gone and hands over their jobs, which the queue then does not know any more.
    /// To be called every few seconds; it also forgets destinations long idle.
    pub async fn expired(&self) -> Vec<(Shard, Job)> {
        engine!(self, |e| e.expired())
    }

    pub async fn snapshot(&self) -> Snapshot {
        engine!(self, |e| e.snapshot())
    }
}

use std::time::Duration;

use crate::embedded::Embedded;
use crate::redis::{OpenError, Redis, RedisOptions};
use crate::{
    ExpiredLease, Grant, Health, Job, Lanes, LeaseState, Limits, More, QueueOptions, Sent, Settle, Shard, Signal,
    Snapshot, Turn,
};

/// A handle to the queue; clones share it.
#[derive(Clone)]
pub struct Queue(Engine);

#[derive(Clone)]
enum Engine {
    Embedded(Embedded),
    Redis(Redis),
}

/// Calls the same method of whichever engine is inside.
macro_rules! engine {
    ($self:ident, |$e:ident| $embedded:expr, $redis:expr) => {
        match &$self.0 {
            Engine::Embedded($e) => $embedded,
            Engine::Redis($e) => $redis,
        }
    };
}

impl Queue {
    /// In this process. It is empty at every start; the ledger fills it.
    #[must_use]
    pub fn embedded(options: QueueOptions) -> Self {
        Self(Engine::Embedded(Embedded::new(options)))
    }

    /// In Redis, shared with the other processes of this installation.
    ///
    /// From here on calls wait while the server is away, and try again; see [`health`](Self::health). Only
    /// [`lease`](Self::lease) ends when its time is over, [`more`](Self::more) gives the connection up after five
    /// seconds, [`extend`](Self::extend) takes the lease as held, [`expired`](Self::expired) gives what it has, and
    /// [`snapshot`](Self::snapshot) gives the last one known.
    ///
    /// # Errors
    /// Whatever would go wrong later: see [`OpenError`].
    pub async fn redis(options: RedisOptions) -> Result<Self, OpenError> {
        Ok(Self(Engine::Redis(Redis::open(options).await?)))
    }

    /// Another number than before says that all jobs, limits, pauses and leases are gone, and must be told again from
    /// the ledger. Kept up to date by every call; costs nothing.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        engine!(self, |e| e.epoch(), e.epoch())
    }

    /// Whether calls are answered now.
    #[must_use]
    pub fn health(&self) -> Health {
        engine!(self, |e| e.health(), e.health())
    }

    /// Appends jobs of one workspace, in this order, each to the list of its campaign.
    pub async fn push(&self, shard: &Shard, workspace: i64, jobs: &[Job]) {
        engine!(self, |e| e.push(shard, workspace, jobs), e.push(shard, workspace, jobs).await);
    }

    /// Adds jobs that become ready after a while, each at its time, at the end of its campaign's list.
    pub async fn push_delayed(&self, shard: &Shard, workspace: i64, jobs: &[(Job, Duration)]) {
        engine!(self, |e| e.push_delayed(shard, workspace, jobs), e.push_delayed(shard, workspace, jobs).await);
    }

    /// Waits up to `wait` for a shard of these lanes that may be spoken to, and takes one connection slot and up to
    /// `max_jobs` of its jobs, charged to its rate. `None` when the time is over. Dropping the future loses nothing.
    pub async fn lease(&self, worker: &str, lanes: Lanes, max_jobs: usize, wait: Duration) -> Option<Grant> {
        engine!(self, |e| e.lease(worker, lanes, max_jobs, wait).await, e.lease(worker, lanes, max_jobs, wait).await)
    }

    /// Claims again for the same connection, never waiting. Counts as a sign of life.
    pub async fn more(&self, grant: &Grant, max_jobs: usize) -> More {
        engine!(self, |e| e.more(grant, max_jobs), e.more(grant, max_jobs).await)
    }

    /// Says how jobs ended. Those that the grant does not hold (any more) are passed over; if the lease itself is
    /// lost, all are. Counts as a sign of life.
    pub async fn settle(&self, grant: &Grant, settled: &[(Job, Settle)]) -> LeaseState {
        engine!(self, |e| e.settle(grant, settled), e.settle(grant, settled).await)
    }

    /// A sign of life: the lease runs anew from now.
    pub async fn extend(&self, grant: &Grant) -> LeaseState {
        engine!(self, |e| e.extend(grant), e.extend(grant).await)
    }

    /// Gives the connection slot back and releases the jobs not settled.
    pub async fn close(&self, grant: Grant) {
        engine!(self, |e| e.close(&grant), e.close(&grant).await);
    }

    /// Lets a destination's reply slow everyone whom it concerns, in all lanes. Says which knob moved; `None` when none
    /// was to be turned, or it stands at its floor, or it was turned just before.
    pub async fn signal(&self, shard: &Shard, signal: Signal) -> Option<Turn> {
        engine!(self, |e| e.signal(shard, &signal), e.signal(shard, &signal).await)
    }

    /// An operator's word: lifts the hold of the shard's destination, or of its stream if the shard names one, and lets
    /// its knobs return to their ceilings at once. `why` stands in the history.
    pub async fn release(&self, shard: &Shard, why: &str) {
        engine!(self, |e| e.release(shard, why), e.release(shard, why).await);
    }

    /// Sets the ceilings of a destination, for all its lanes. A knob that stands lower stays there and recovers.
    pub async fn set_limits(&self, shard: &Shard, limits: Limits) {
        engine!(self, |e| e.set_limits(shard, limits), e.set_limits(shard, limits).await);
    }

    /// What went to this destination, as the ledger knows: a queue that was lost, or that begins anew with each process, has not seen it.
    /// What it has counted itself is not counted twice, and a window that is over by now is left out.
    pub async fn sent(&self, shard: &Shard, sent: Sent) {
        engine!(self, |e| e.sent(shard, sent), e.sent(shard, sent).await);
    }

    /// The same of a route that was [given a budget](Queue::set_route_limits).
    pub async fn sent_by_route(&self, route: &str, sent: Sent) {
        engine!(self, |e| e.sent_by_route(route, sent), e.sent_by_route(route, sent).await);
    }

    /// Gives a route a budget, which claims of all its shards are charged to besides their own; `UNLIMITED` takes it
    /// away. `route` is as in [`Shard::route`].
    pub async fn set_route_limits(&self, route: &str, limits: Limits) {
        engine!(self, |e| e.set_route_limits(route, limits), e.set_route_limits(route, limits).await);
    }

    /// This process takes no jobs of these routes from now on, each named as in [`Shard::route`]; another process may. What it
    /// has claimed it settles as ever.
    pub fn bar_routes(&self, routes: &[String]) {
        engine!(self, |e| e.bar_routes(routes), e.bar_routes(routes));
    }

    /// No job of the campaign is claimed from now on. O(1). Holds for jobs pushed later too.
    pub async fn pause_campaign(&self, campaign: i64) {
        engine!(self, |e| e.pause_campaign(campaign), e.tell_campaign("pause", campaign).await);
    }

    pub async fn resume_campaign(&self, campaign: i64) {
        engine!(self, |e| e.resume_campaign(campaign), e.tell_campaign("resume", campaign).await);
    }

    /// Forgets the campaign's jobs, ready and delayed, and its pause. O(1); the memory is freed bit by bit by later
    /// calls. Jobs already claimed can still be settled, but do not come back. Jobs pushed later are new.
    pub async fn drop_campaign(&self, campaign: i64) {
        engine!(self, |e| e.drop_campaign(campaign), e.tell_campaign("drop", campaign).await);
    }

    /// Ends the leases whose holders are gone and hands over their jobs, again every [`HAND_OUT_AGAIN`](crate::HAND_OUT_AGAIN)
    /// until [`recovered`](Self::recovered) is told. To be called every few seconds; it also forgets destinations long idle.
    pub async fn expired(&self) -> Vec<ExpiredLease> {
        engine!(self, |e| e.expired(), e.expired().await)
    }

    /// Says what became of an expired lease: these of its jobs go back to the front of their lists, the others are
    /// forgotten, and the lease is not handed over again. Told twice, the second changes nothing.
    pub async fn recovered(&self, lease: &ExpiredLease, again: &[Job]) {
        engine!(self, |e| e.recovered(lease, again), e.recovered(lease, again).await);
    }

    /// Bytes that the server uses, in a cluster all of its nodes together; `None` when there is none, or it does not answer.
    pub async fn memory_bytes(&self) -> Option<u64> {
        match &self.0 {
            Engine::Embedded(_) => None,
            Engine::Redis(redis) => redis.memory_bytes().await,
        }
    }

    pub async fn snapshot(&self) -> Snapshot {
        engine!(self, |e| e.snapshot(), e.snapshot().await)
    }
}

use std::time::Duration;

use crate::{Knob, Limits, Shard};

/// What the queue looks like now. Each shard is consistent in itself; two shards may be read a moment apart.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Shards that have something to say: jobs, connections, a hold, a turned knob. Ordered by lane, then name.
    pub shards: Vec<ShardStatus>,
    /// Campaigns with jobs, and paused ones. Ordered by id.
    pub campaigns: Vec<CampaignStatus>,
    /// Calls of `lease` that wait for work now.
    pub waiting_workers: usize,
}

/// One lane of a destination. What belongs to the budget is the same in all lanes of a name.
#[derive(Debug, Clone)]
pub struct ShardStatus {
    pub shard: Shard,
    /// Jobs whose time has come, those of paused campaigns included.
    pub ready: usize,
    pub delayed: usize,
    pub next_due_in: Option<Duration>,
    /// Jobs claimed and not yet settled.
    pub leased: usize,
    /// Connection slots in use by all lanes.
    pub connections: Gauge<u32>,
    /// Messages a second: claimed lately (all lanes, smoothed over ten seconds), and allowed.
    pub rate: Gauge<f64>,
    pub messages_per_connection: u32,
    /// The ceilings, as set.
    pub limits: Limits,
    pub hold: Option<HoldStatus>,
    /// Knobs that stand below their ceiling.
    pub reduced: Vec<ReducedKnob>,
    pub last_signal: Option<SignalStatus>,
    /// What the shard does, or why it does nothing.
    pub standing: Standing,
}

/// A value and its present limit; a limit of 0 is none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gauge<T> {
    pub now: T,
    pub limit: T,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldStatus {
    /// The reply that caused it.
    pub why: String,
    /// How long ago it began.
    pub since: Duration,
    /// How long it still lasts.
    pub remaining: Duration,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ReducedKnob {
    pub knob: Knob,
    /// Where it stood before the first signal.
    pub ceiling: f64,
    pub now: f64,
    /// The reply that last turned it.
    pub why: String,
    /// How long ago it was first turned below its ceiling.
    pub since: Duration,
    /// It rises after this, if enough jobs are done by then.
    pub next_raise_in: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignalStatus {
    pub why: String,
    pub ago: Duration,
    /// Signals since the destination is known.
    pub count: u64,
}

/// The one thing that decides a shard's speed now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing ready, nothing delayed.
    Idle,
    /// Only delayed jobs: waits for the first of them.
    WaitsForRetry,
    /// Every ready job belongs to a paused campaign.
    Paused,
    Held,
    /// The rate has no token now.
    RateLimited,
    /// All connections allowed are in use: the peer's speed decides.
    ConnectionLimited,
    /// Ready, and not at any limit: our own workers decide.
    Free,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CampaignStatus {
    pub campaign: i64,
    pub paused: bool,
    pub ready: usize,
    pub delayed: usize,
    pub leased: usize,
}

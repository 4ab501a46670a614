use std::time::Duration;

use crate::{Health, Knob, Limits, Shard, Turn, Window};

/// What the queue looks like now. Each shard is consistent in itself; two shards may be read a moment apart.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Shards that have something to say: jobs, connections, a hold, a turned knob. Ordered by lane, then name.
    pub shards: Vec<ShardStatus>,
    /// Routes with a budget of their own. Ordered by name.
    pub routes: Vec<RouteStatus>,
    /// Campaigns with jobs, and paused ones. Ordered by id.
    pub campaigns: Vec<CampaignStatus>,
    /// Calls of `lease` that wait for work now.
    pub waiting_workers: usize,
    /// When it is not up, all else is as it was last known.
    pub health: Health,
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
    /// Minute, hour and day, as far as they are limited.
    pub windows: Vec<WindowStatus>,
    pub hold: Option<HoldStatus>,
    /// Knobs that stand below their ceiling.
    pub reduced: Vec<ReducedKnob>,
    /// The last turns of its knobs, the latest first, at most [`HISTORY_TURNS`].
    pub history: Vec<PastTurn>,
    pub last_signal: Option<SignalStatus>,
    /// Streams that are held or slowed by themselves. Ordered by name.
    pub streams: Vec<StreamStatus>,
    /// What the shard does, or why it does nothing.
    pub standing: Standing,
    /// The limit that stops it, when it has ready jobs and one does.
    pub stopped_by: Option<StoppedBy>,
}

/// A stream that is held or slowed within its destination.
#[derive(Debug, Clone)]
pub struct StreamStatus {
    /// As in [`Shard::stream`].
    pub stream: String,
    /// Messages a second, as in [`ShardStatus::rate`].
    pub rate: Gauge<f64>,
    pub hold: Option<HoldStatus>,
    pub reduced: Vec<ReducedKnob>,
    pub history: Vec<PastTurn>,
    pub last_signal: Option<SignalStatus>,
    /// Campaigns with ready jobs that wait for it, each counted for every lane.
    pub waiting: usize,
}

/// The budget of a route, which all its shards are charged to besides their own.
#[derive(Debug, Clone)]
pub struct RouteStatus {
    /// As in [`Shard::route`].
    pub route: String,
    pub limits: Limits,
    pub connections: Gauge<u32>,
    /// Messages a second, as in [`ShardStatus::rate`].
    pub rate: Gauge<f64>,
    pub messages_per_connection: u32,
    pub windows: Vec<WindowStatus>,
    /// Lines of shards with ready jobs that wait for this budget.
    pub waiting: usize,
}

/// The turns of a knob that a budget remembers.
pub const HISTORY_TURNS: usize = 20;

/// How far a calendar window is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowStatus {
    pub window: Window,
    /// The minute in which it began, since 1970, UTC.
    pub began: u64,
    pub used: u32,
    pub limit: u32,
    /// Of these, only the transactional lane may use.
    pub reserved: u32,
    pub ends_in: Duration,
}

/// The limit that keeps ready jobs from being claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoppedBy {
    pub budget: BudgetKind,
    pub limit: Limit,
    /// After so long there is room again. For connections only after a refused one; else the peers' speed decides.
    pub frees_in: Option<Duration>,
}

/// Whose budget it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BudgetKind {
    /// The shard's own, shared by its lanes.
    Destination,
    /// The route's, shared by its shards.
    Route,
    /// Those of the streams of all its ready jobs; the one that is free first.
    Stream,
}

/// One limit of a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Limit {
    /// A signal holds it.
    Hold,
    Connections,
    /// Messages a second.
    Rate,
    Window(Window),
}

/// A turn of a knob, and when and why.
#[derive(Debug, Clone, PartialEq)]
pub struct PastTurn {
    pub turn: Turn,
    pub ago: Duration,
    /// Downwards the reply; upwards what allowed it.
    pub why: String,
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
    /// No signal turns it further down.
    pub floor: f64,
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

use std::sync::Arc;
use std::time::Duration;

/// The most jobs that one call hands out. A worker that asks for more is given this many.
pub const MAX_JOBS_PER_CLAIM: usize = 1_000;

/// The queue's entry for one delivery: ids only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Job {
    pub delivery: i64,
    pub campaign: i64,
    /// The attempt this job stands for. The ledger's guard compares it, so that a stale job does nothing.
    pub attempt: i16,
}

/// One lane of one destination.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Shard {
    /// 0 transactional, 1 automation, 2 bulk: the lowest is served first. Higher numbers are served as 2.
    pub lane: u8,
    /// `<provider>@<route id>`, `relay:<route id>`, or a provider's name alone. All lanes of a name share one budget.
    /// It has no `#` and does not begin with `@`: so the budgets of streams and routes are told apart.
    pub name: Arc<str>,
    /// The sending domain of the jobs; empty for none. Jobs of all streams share the shard's budget and connections,
    /// and each stream may be held or slowed by itself. A campaign has one stream: that of its last push. In what the
    /// queue gives out it is empty.
    pub stream: Arc<str>,
}

impl Shard {
    pub fn new(lane: u8, name: impl Into<Arc<str>>) -> Self {
        Self { lane, name: name.into(), stream: "".into() }
    }

    /// The same, for the jobs of one sending domain.
    #[must_use]
    pub fn with_stream(self, stream: impl Into<Arc<str>>) -> Self {
        Self { stream: stream.into(), ..self }
    }

    /// The part of the name that names the route: `3` of `google@3`, `relay:5`, else the whole name. All shards of a
    /// route lie together, so that one call can charge its budget too.
    #[must_use]
    pub fn route(&self) -> &str {
        route_of(&self.name)
    }
}

pub(crate) fn route_of(name: &str) -> &str {
    name.rsplit_once('@').map_or(name, |(_, route)| route)
}

/// One connection slot of a shard, with the jobs first claimed for it. To be [closed](crate::Queue::close); a grant
/// that is only dropped keeps its slot until its lease runs out.
#[derive(Debug)]
pub struct Grant {
    pub id: u64,
    /// Grows with each grant, so that the word of a holder that lost its lease is told from its successor's.
    pub fence: u64,
    pub shard: Shard,
    pub jobs: Vec<Job>,
    /// How many messages this connection may still carry after `jobs`; `u32::MAX` where there is no limit.
    pub messages_left: u32,
    /// What its holder serves.
    pub(crate) lanes: Lanes,
}

/// The lanes that a worker serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lanes(u8);

impl Lanes {
    pub const ALL: Self = Self(0b111);
    const COUNT: u8 = 3;

    /// Of lanes' numbers; higher ones than 2 are left out.
    #[must_use]
    pub fn of(lanes: impl IntoIterator<Item = u8>) -> Self {
        Self(lanes.into_iter().filter(|lane| *lane < Self::COUNT).fold(0, |set, lane| set | 1 << lane))
    }

    #[must_use]
    pub const fn contains(self, lane: u8) -> bool {
        lane < Self::COUNT && self.0 & (1 << lane) != 0
    }

    /// The lowest first.
    pub fn iter(self) -> impl Iterator<Item = u8> {
        (0..Self::COUNT).filter(move |lane| self.contains(*lane))
    }
}

/// After so long the jobs of a lease that ran out are handed over again, unless somebody said what became of them.
pub const HAND_OUT_AGAIN: Duration = Duration::from_secs(10);

/// A lease whose holder is gone, with the jobs that it had not settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpiredLease {
    pub fence: u64,
    /// Who held it.
    pub worker: String,
    pub shard: Shard,
    pub jobs: Vec<Job>,
}

/// What [`Queue::more`](crate::Queue::more) has for an open connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum More {
    Jobs(Vec<Job>),
    /// There are jobs, and no token now; after so long there is one that no other open connection was told to wait for.
    /// Close rather than wait long: others may use the slot.
    Wait(Duration),
    /// No job is ready in this shard.
    Empty,
    Close(CloseReason),
}

/// Why an open connection is to be given back, although there may be jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// It has carried as many messages as the provider takes on one connection.
    MessagesUsedUp,
    /// The provider is held.
    Held,
    /// The provider's connection limit fell below what is open.
    TooManyConnections,
    /// A lower lane has work, and nobody is free to take it.
    LowerLaneWaits,
    /// Other shards of this lane have work, nobody is free to take it, and this connection has had its turn.
    TurnOver,
    /// The lease ran out; what this holder settles is not counted any more.
    LeaseLost,
    /// The queue's server does not answer, and the peer is not to be kept waiting for it.
    QueueAway,
}

/// How one job of a grant ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settle {
    /// Over, whatever its outcome.
    Done,
    /// To be offered again after so long, with the attempt number that the settled job carries.
    RetryIn(Duration),
    /// Not begun, through no fault of the job: back to the front of its list, and its token back to the rate.
    Release,
    /// Not begun and over: what it stood for went another way. Its token goes back to the rate.
    Void,
}

/// Whether the caller still holds the grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseState {
    Held,
    /// The lease had run out, or was closed: nothing was changed.
    Lost,
}

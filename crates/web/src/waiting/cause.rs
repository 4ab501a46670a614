use std::time::Duration;

use tidings_domain::{CampaignState, Lane, UnixMs};
use tidings_queue::{BudgetKind, Gauge, Limit, ShardStatus, StoppedBy, Window};

/// What somebody waits for when no process does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Process {
    Worker,
    Dispatcher,
}

/// Why no connection more is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// All that the destination allows are in use; of several, one may be kept for the transactional lane.
    InUse { now: u32, limit: u32 },
    /// All that the route allows are in use, by whomever.
    RouteInUse,
    /// The receiver has just refused one as one too many.
    Refused { next: Duration },
}

impl Full {
    pub fn of(shard: &ShardStatus) -> Self {
        let Gauge { now, limit } = shard.connections;
        match shard.stopped_by {
            Some(StoppedBy { limit: Limit::Connections, frees_in: Some(next), .. }) => Self::Refused { next },
            Some(StoppedBy { limit: Limit::Connections, budget: BudgetKind::Route, .. }) => Self::RouteInUse,
            _ => Self::InUse { now, limit },
        }
    }

    /// Until one closes: how fast the receiver answers decides.
    pub const fn lasts_until_one_closes(self) -> bool {
        matches!(self, Self::InUse { .. } | Self::RouteInUse)
    }
}

/// A day of a route's warm-up at one provider that allows no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WarmUpDay {
    pub who: String,
    pub route: String,
    /// The plan's day, from 1.
    pub day: u32,
    /// What it allows, of which `kept` are the transactional lane's alone.
    pub cap: u32,
    pub used: u32,
    pub kept: u32,
    /// What the next day allows; `None`: nothing is limited then.
    pub next_cap: Option<u32>,
    /// Why the plan stands on this day again; may be empty.
    pub stays: String,
    /// Until the next day begins.
    pub next: Duration,
    pub waiting: i64,
}

/// Why something does not move, or not faster. The order of the variants is that of importance: what stops more stands first.
#[derive(Debug, Clone, PartialEq)]
pub enum Cause {
    /// A restored database sends nothing.
    SendingLocked {
        why: String,
    },
    DiskFull {
        free_bytes: u64,
    },
    /// Redis cannot be used.
    QueueAway {
        trouble: String,
        why: String,
        since: Duration,
    },
    NotLaunched,
    /// Nothing waits any more.
    Ended {
        state: CampaignState,
        at: Option<UnixMs>,
    },
    /// This one delivery has ended.
    Settled {
        how: String,
    },
    DeadlinePassed {
        at: UnixMs,
    },
    Paused {
        by: String,
        at: UnixMs,
        why: String,
        waiting: i64,
        in_flight: i64,
    },
    /// Nobody does the work. `last`: who showed life last, and when.
    NoProcess {
        process: Process,
        is_one: bool,
        last: Option<(String, UnixMs)>,
        since: UnixMs,
    },
    /// Workers run, and none of them serves this lane.
    LaneUnserved {
        lane: Lane,
        waiting: i64,
        is_one: bool,
    },
    /// A person keeps it back.
    HeldByHand,
    /// A destination asked to be left alone.
    Held {
        who: String,
        since: Duration,
        left: Duration,
        reply: String,
        waiting: i64,
    },
    /// No connection more is opened to a destination.
    Connections {
        who: String,
        full: Full,
        waiting: i64,
        reply: String,
    },
    /// The destination's rate, or another limit in messages, is used up. `next`: until the next one may go.
    Rate {
        who: String,
        limit: String,
        next: Duration,
        waiting: i64,
        takes: Option<Duration>,
        reply: String,
    },
    /// The messages of a minute, an hour or a day are used up. `limit`: 0 where it is the route's and not known here.
    Window {
        who: String,
        window: Window,
        limit: u32,
        next: Duration,
        waiting: i64,
    },
    /// The day of a route's warm-up is used up.
    WarmUp(WarmUpDay),
    /// The domain's DNS did not answer, or answered nonsense.
    DnsTrouble {
        said: String,
        next: Option<UnixMs>,
    },
    /// Providers of so many recipients are being looked up.
    LookingUp {
        n: i64,
    },
    /// Put off by the receivers.
    PutOff {
        n: i64,
        first: Option<UnixMs>,
        last: Option<UnixMs>,
        reply: String,
        is_all: bool,
    },
    Preparing,
    /// Its jobs are on their way into the queue.
    Queueing {
        n: i64,
    },
    InFlight {
        n: i64,
    },
    /// No limit is reached: the machine's own speed.
    OwnSpeed {
        waiting: i64,
    },
    /// A process is alive, nothing explains it, and yet nothing moves.
    Standstill {
        since: UnixMs,
        host: String,
    },
    Attention {
        why: String,
    },
    /// It ends by itself then.
    Deadline {
        at: UnixMs,
    },
}

impl Cause {
    /// For programs.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::SendingLocked { .. } => "sending_locked",
            Self::DiskFull { .. } => "disk_full",
            Self::QueueAway { .. } => "queue_away",
            Self::NotLaunched => "not_launched",
            Self::Ended { .. } => "ended",
            Self::Settled { .. } => "settled",
            Self::DeadlinePassed { .. } => "deadline_passed",
            Self::Paused { .. } => "paused",
            Self::NoProcess { process: Process::Worker, .. } => "no_worker",
            Self::NoProcess { process: Process::Dispatcher, .. } => "no_dispatcher",
            Self::LaneUnserved { .. } => "lane_unserved",
            Self::HeldByHand => "held_by_hand",
            Self::Held { .. } => "held",
            Self::Connections { .. } => "connections",
            Self::Rate { .. } => "rate",
            Self::Window { .. } => "window",
            Self::WarmUp(_) => "warm_up",
            Self::DnsTrouble { .. } => "dns",
            Self::LookingUp { .. } => "looking_up",
            Self::PutOff { .. } => "put_off",
            Self::Preparing => "preparing",
            Self::Queueing { .. } => "queueing",
            Self::InFlight { .. } => "in_flight",
            Self::OwnSpeed { .. } => "own_speed",
            Self::Standstill { .. } => "standstill",
            Self::Attention { .. } => "attention",
            Self::Deadline { .. } => "deadline",
        }
    }

    /// How many it is about, where it is one destination's doing.
    pub const fn waiting(&self) -> Option<i64> {
        match self {
            Self::Held { waiting, .. }
            | Self::Connections { waiting, .. }
            | Self::Rate { waiting, .. }
            | Self::Window { waiting, .. }
            | Self::WarmUp(WarmUpDay { waiting, .. })
            | Self::OwnSpeed { waiting } => Some(*waiting),
            _ => None,
        }
    }

    /// Nothing goes until somebody does something or a time is over; otherwise it is only slow, or takes its course.
    pub const fn stops(&self) -> bool {
        !matches!(
            self,
            Self::Connections { .. }
                | Self::Rate { .. }
                | Self::Window { .. }
                | Self::WarmUp(_)
                | Self::LookingUp { .. }
                | Self::Preparing
                | Self::Queueing { .. }
                | Self::InFlight { .. }
                | Self::OwnSpeed { .. }
                | Self::Ended { .. }
                | Self::Settled { .. }
                | Self::Deadline { .. }
        )
    }
}

//! Jobs and budgets: what is to be sent next, and whether its provider may be spoken to now.
//!
//! The queue is an index over the ledger. It holds ids only, knows nothing of mail, and may be lost at any moment:
//! whoever owns the ledger pushes the open jobs again. What it promises while it lives is held by one suite of
//! properties, `tests/conformance/`, that every implementation passes.
//!
//! # The model
//!
//! * A [`Shard`] is one lane of one destination: a provider over a route for direct sending, a relay otherwise. All
//!   lanes of a destination share one **budget**: messages a second, minute, hour and day, connections, and messages
//!   for each connection. The peer sees one sender, so the lanes cannot have a rate each; but a part of each budget is
//!   kept for the transactional lane ([`RESERVED_ONE_IN`]).
//! * A route may have a budget too ([`Queue::set_route_limits`]). A claim is charged to both or to neither.
//! * In a shard the jobs of each campaign lie in their own list, first in, first out. Workspaces take turns, one job
//!   each, and in a workspace its campaigns, so that a campaign of a million does not stand before one of a hundred,
//!   and a workspace of a hundred campaigns not before one of one. Pausing or dropping a campaign touches no job.
//! * A campaign's jobs may belong to a [stream](Shard::stream), its sending domain. When a reply names the domain, the
//!   stream is held or slowed by itself, and the others of the destination go on.
//! * [`Queue::lease`] waits until a shard has a ready job, a free connection and a token, and is not held. The lowest
//!   lane goes first, always; shards of one lane take turns. What it returns is a [`Grant`]: one connection slot and
//!   some jobs, **charged** to the rate when claimed. [`Queue::more`] claims again for the same connection.
//! * Each job is [settled](Queue::settle) once: done, again later, or released. A released job costs nothing: its
//!   token comes back and it goes to the front of its list. [Closing](Queue::close) a grant releases what is unsettled.
//! * A grant carries a fence and ends by itself when its holder shows no life. Its jobs then go to the reconciler
//!   ([`Queue::expired`]) and never straight back: whether the message left is known to the ledger only. They are handed
//!   over again until the reconciler says what became of them ([`Queue::recovered`]).
//! * Replies turn a destination's knobs down ([`Queue::signal`]); clean work turns them up again (see [`Limits`]).
//!
//! There are two engines: one in this process, and one in Redis that all processes of an installation share. All time
//! is tokio's, or the Redis server's; in tests a paused clock drives every wait of both.

mod embedded;
mod health;
mod job;
mod limits;
mod queue;
mod redis;
mod signal;
mod snapshot;

pub use health::{Health, Trouble};
pub use job::{
    CloseReason, ExpiredLease, Grant, HAND_OUT_AGAIN, Job, Lanes, LeaseState, MAX_JOBS_PER_CLAIM, More, Settle, Shard,
};
pub use limits::{Limits, QueueOptions, RESERVED_ONE_IN, Sent, Window};
pub use queue::Queue;
pub use redis::{OpenError, RedisClock, RedisOptions};
pub use signal::{Cut, Knob, Scope, Signal, Turn};
pub use snapshot::{
    BudgetKind, CampaignStatus, Gauge, HISTORY_TURNS, HoldStatus, Limit, PastTurn, ReducedKnob, RouteStatus,
    ShardStatus, SignalStatus, Snapshot, Standing, StoppedBy, StreamStatus, WindowStatus,
};

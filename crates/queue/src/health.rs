use std::fmt;
use std::time::Duration;

/// Whether the queue's server can be used now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Health {
    #[default]
    Up,
    /// Calls wait and try again. `since` is how long ago it began.
    Down { since: Duration, trouble: Trouble, why: String },
}

/// What keeps a call from being answered, as far as that is understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// No connection, or it broke, or no reply came in time.
    Unreachable,
    /// `maxmemory` is reached: nothing can be pushed, all else goes on.
    OutOfMemory,
    /// A replica answers: a failover is under way, or the address is wrong.
    ReadOnly,
    /// The server has just started and reads its data.
    Loading,
    /// A part of the cluster has no master.
    ClusterDown,
    /// The password or user is refused, or may not do what is needed.
    NotPermitted,
    /// The server cannot write its data to its disk and refuses writes.
    DiskFailing,
    /// Another script runs for too long.
    Busy,
    /// Anything else: see the reply.
    Other,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreachable => "Redis cannot be reached",
            Self::OutOfMemory => "Redis is out of memory: raise maxmemory, or wait until jobs are sent",
            Self::ReadOnly => "a Redis replica answers, which takes no writes",
            Self::Loading => "Redis is loading its data",
            Self::ClusterDown => "a part of the Redis Cluster is down",
            Self::NotPermitted => "Redis refuses the user or what it asks",
            Self::DiskFailing => "Redis cannot save to its disk and takes no writes",
            Self::Busy => "Redis is busy with another script",
            Self::Other => "Redis answered with an error",
        })
    }
}

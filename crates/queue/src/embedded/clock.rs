use std::time::Duration;

use tokio::time::Instant;

/// Nanoseconds since the queue was made: small enough to lie in every list, and long enough for 584 years.
pub type Nanos = u64;

pub const SECOND: Nanos = 1_000_000_000;
/// An alarm that is not set.
pub const NEVER: Nanos = Nanos::MAX;

#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }

    pub fn now(self) -> Nanos {
        nanos(self.start.elapsed())
    }

    pub fn instant(self, at: Nanos) -> Instant {
        self.start + Duration::from_nanos(at)
    }
}

pub fn nanos(duration: Duration) -> Nanos {
    Nanos::try_from(duration.as_nanos()).unwrap_or(NEVER)
}

/// `later − earlier`, zero when it is not later.
pub const fn between(earlier: Nanos, later: Nanos) -> Duration {
    Duration::from_nanos(later.saturating_sub(earlier))
}

use std::time::Duration;

use crate::{Lane, UnixMs};

/// When a deferred delivery is tried again, and when it is given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The wait after the 1st, 2nd, … attempt; the last one repeats.
    pub waits: Vec<Duration>,
    /// Measured from the first attempt.
    pub give_up_after: Duration,
    /// The share of a wait that jitter may add or take, in percent.
    pub jitter_percent: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryVerdict {
    At(UnixMs),
    /// The window is over: a dead letter.
    GiveUp,
}

const fn minutes(n: u64) -> Duration {
    Duration::from_secs(60 * n)
}

impl RetryPolicy {
    /// Marketing mail loses its value: three days for bulk, four for what somebody waits for (RFC 5321 §4.5.4.1
    /// recommends four to five).
    #[must_use]
    pub fn for_lane(lane: Lane) -> Self {
        let waits = [5, 15, 30, 60, 120, 240, 360].map(minutes).to_vec();
        let hours = match lane {
            Lane::Transactional => 96,
            Lane::Automation | Lane::Bulk => 72,
        };
        Self { waits, give_up_after: minutes(60 * hours), jitter_percent: 20 }
    }

    /// `attempts`: how many have been made, at least 1. `jitter`: a random number from 0 to 1. `at_least`: what the
    /// reply asked for.
    #[must_use]
    pub fn next(
        &self,
        attempts: u32,
        first_attempt: UnixMs,
        now: UnixMs,
        jitter: f64,
        at_least: Option<Duration>,
    ) -> RetryVerdict {
        let index = (attempts.max(1) as usize - 1).min(self.waits.len().saturating_sub(1));
        let base = self.waits.get(index).copied().unwrap_or(minutes(30));
        let spread = f64::from(self.jitter_percent) / 100.0;
        let wait = base.mul_f64(1.0 + spread * (2.0 * jitter.clamp(0.0, 1.0) - 1.0));
        let due = now.plus(wait.max(at_least.unwrap_or(Duration::ZERO)));
        if due.since(first_attempt) > self.give_up_after { RetryVerdict::GiveUp } else { RetryVerdict::At(due) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_then_repeat_then_end() {
        let policy = RetryPolicy::for_lane(Lane::Bulk);
        let start = UnixMs(0);
        assert_eq!(policy.next(1, start, start, 0.5, None), RetryVerdict::At(UnixMs(5 * UnixMs::MINUTE)));
        assert_eq!(policy.next(50, start, start, 0.5, None), RetryVerdict::At(UnixMs(6 * UnixMs::HOUR)));
        assert_eq!(policy.next(50, start, UnixMs(70 * UnixMs::HOUR), 0.5, None), RetryVerdict::GiveUp);
    }

    #[test]
    fn jitter_stays_inside_its_share_and_a_hint_is_a_floor() {
        let policy = RetryPolicy::for_lane(Lane::Bulk);
        let at = |jitter, hint| policy.next(1, UnixMs(0), UnixMs(0), jitter, hint);
        assert_eq!(at(0.0, None), RetryVerdict::At(UnixMs(4 * UnixMs::MINUTE)));
        assert_eq!(at(1.0, None), RetryVerdict::At(UnixMs(6 * UnixMs::MINUTE)));
        assert_eq!(at(0.0, Some(minutes(60))), RetryVerdict::At(UnixMs(UnixMs::HOUR)));
    }
}

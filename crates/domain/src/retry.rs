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

/// What is known of a delivery when its next try is sought.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tries {
    /// How many have been made that count, at least 1. `None`: the last one does not count, and the wait goes by the time
    /// since the first.
    pub attempts: Option<u32>,
    pub first_attempt: UnixMs,
    /// The campaign's: no try begins after it.
    pub deadline: Option<UnixMs>,
    pub now: UnixMs,
    /// Random, 0 to 1.
    pub jitter: f64,
}

/// What the reply asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Asked {
    #[default]
    Nothing,
    /// The schedule stands, but no try comes before this.
    NotBefore(Duration),
    /// The peer named the time itself ("try again in 300 seconds"), or is known to want one.
    In(Duration),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryVerdict {
    At(UnixMs),
    /// The window is over: a dead letter.
    GiveUp,
}

/// So many tries follow the peer's own time, also where the schedule would wait longer; after them a peer that always says
/// "in five minutes" is asked as seldom as any other.
const BELIEVED_TRIES: u32 = 3;

const fn minutes(n: u64) -> Duration {
    Duration::from_secs(60 * n)
}

impl RetryPolicy {
    /// Hours that a workspace may choose for a lane: an hour is the least that reaches past a greylist, and after a week no
    /// mail server tries any more.
    pub const WINDOW_HOURS: std::ops::RangeInclusive<u32> = 1..=168;

    /// Marketing mail loses its value: three days for bulk, four for what somebody waits for (RFC 5321 §4.5.4.1
    /// recommends four to five). Automation stands between: its mail is awaited, but not by a person at the screen.
    #[must_use]
    pub fn for_lane(lane: Lane) -> Self {
        let waits = [5, 15, 30, 60, 120, 240, 360].map(minutes).to_vec();
        Self { waits, give_up_after: minutes(60 * u64::from(Self::hours_of(lane))), jitter_percent: 20 }
    }

    /// The window of a lane, in hours, where a workspace chose none.
    #[must_use]
    pub const fn hours_of(lane: Lane) -> u32 {
        match lane {
            Lane::Transactional => 96,
            Lane::Automation => 84,
            Lane::Bulk => 72,
        }
    }

    /// The window that a workspace chose; `None` leaves the lane's.
    #[must_use]
    pub fn within(mut self, window: Option<Duration>) -> Self {
        self.give_up_after = window.unwrap_or(self.give_up_after);
        self
    }

    /// No try begins later.
    #[must_use]
    pub fn end(&self, first_attempt: UnixMs, deadline: Option<UnixMs>) -> UnixMs {
        let window = first_attempt.plus(self.give_up_after);
        deadline.map_or(window, |deadline| deadline.min(window))
    }

    #[must_use]
    pub fn next(&self, tries: &Tries, asked: Asked) -> RetryVerdict {
        let wait = match (asked, tries.attempts) {
            (Asked::In(time), attempts) if attempts.is_none_or(|n| n <= BELIEVED_TRIES) => self.not_before(time, tries),
            (Asked::In(time) | Asked::NotBefore(time), _) => self.spread(self.base(tries), tries.jitter).max(time),
            (Asked::Nothing, _) => self.spread(self.base(tries), tries.jitter),
        };
        let due = tries.now.plus(wait);
        if due > self.end(tries.first_attempt, tries.deadline) { RetryVerdict::GiveUp } else { RetryVerdict::At(due) }
    }

    /// By the number of the try, or by how long it has gone on: a host that refuses connections for a day is not asked
    /// every five minutes.
    fn base(&self, tries: &Tries) -> Duration {
        let last = self.waits.len().saturating_sub(1);
        let index = match tries.attempts {
            Some(attempts) => attempts.max(1) as usize - 1,
            None => {
                let mut left = tries.now.since(tries.first_attempt);
                let passed = |wait: &&Duration| left.checked_sub(**wait).inspect(|rest| left = *rest).is_some();
                self.waits.iter().take_while(passed).count()
            }
        };
        self.waits.get(index.min(last)).copied().unwrap_or(minutes(30))
    }

    fn spread(&self, base: Duration, jitter: f64) -> Duration {
        base.mul_f64(1.0 + self.share() * (2.0 * jitter.clamp(0.0, 1.0) - 1.0))
    }

    /// Earlier than the peer said is in vain, so jitter only adds.
    fn not_before(&self, time: Duration, tries: &Tries) -> Duration {
        time.mul_f64(1.0 + self.share() * tries.jitter.clamp(0.0, 1.0))
    }

    fn share(&self) -> f64 {
        f64::from(self.jitter_percent) / 100.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: UnixMs = UnixMs(0);

    fn tries(attempts: Option<u32>, now: UnixMs, jitter: f64) -> Tries {
        Tries { attempts, first_attempt: START, deadline: None, now, jitter }
    }

    fn at(minutes: i64) -> RetryVerdict {
        RetryVerdict::At(UnixMs(minutes * UnixMs::MINUTE))
    }

    #[test]
    fn waits_grow_then_repeat_then_end() {
        let policy = RetryPolicy::for_lane(Lane::Bulk);
        assert_eq!(policy.next(&tries(Some(1), START, 0.5), Asked::Nothing), at(5));
        assert_eq!(policy.next(&tries(Some(50), START, 0.5), Asked::Nothing), at(6 * 60));
        let late = UnixMs(70 * UnixMs::HOUR);
        assert_eq!(policy.next(&tries(Some(50), late, 0.5), Asked::Nothing), RetryVerdict::GiveUp);
    }

    #[test]
    fn each_lane_has_its_window_and_a_workspace_another() {
        let hours = |lane| RetryPolicy::for_lane(lane).give_up_after.as_secs() / 3600;
        assert_eq!([Lane::Bulk, Lane::Automation, Lane::Transactional].map(hours), [72, 84, 96]);
        let chosen = RetryPolicy::for_lane(Lane::Bulk).within(Some(minutes(120)));
        let after_an_hour = UnixMs(UnixMs::HOUR);
        assert_eq!(chosen.next(&tries(Some(4), after_an_hour, 0.5), Asked::Nothing), at(120));
        assert_eq!(chosen.next(&tries(Some(5), after_an_hour, 0.5), Asked::Nothing), RetryVerdict::GiveUp);
        assert_eq!(RetryPolicy::for_lane(Lane::Bulk).within(None), RetryPolicy::for_lane(Lane::Bulk));
    }

    #[test]
    fn jitter_stays_inside_its_share() {
        let policy = RetryPolicy::for_lane(Lane::Bulk);
        let with = |jitter, asked| policy.next(&tries(Some(1), START, jitter), asked);
        assert_eq!(with(0.0, Asked::Nothing), at(4));
        assert_eq!(with(1.0, Asked::Nothing), at(6));
        assert_eq!(with(0.0, Asked::NotBefore(minutes(60))), at(60));
    }

    #[test]
    fn the_peers_own_time_is_met_and_never_too_early() {
        let policy = RetryPolicy::for_lane(Lane::Bulk);
        let with = |attempts, jitter| policy.next(&tries(Some(attempts), START, jitter), Asked::In(minutes(10)));
        assert_eq!(with(1, 0.0), at(10));
        assert_eq!(with(3, 1.0), at(12), "sooner than the schedule's half hour");
        assert_eq!(with(4, 0.5), at(60), "it is not believed for ever");
        let long = policy.next(&tries(Some(9), START, 0.0), Asked::In(minutes(600)));
        assert_eq!(long, at(600), "but never asked before its time");
    }

    #[test]
    fn what_does_not_count_waits_longer_the_longer_it_goes_on() {
        let policy = RetryPolicy::for_lane(Lane::Bulk);
        let wait = |after: i64| match policy.next(&tries(None, UnixMs(after * UnixMs::MINUTE), 0.5), Asked::Nothing) {
            RetryVerdict::At(due) => due.0 / UnixMs::MINUTE - after,
            RetryVerdict::GiveUp => -1,
        };
        assert_eq!([0, 4, 5, 19, 20, 50, 60 * 24, 60 * 71].map(wait), [5, 5, 15, 15, 30, 60, 360, -1]);
    }

    #[test]
    fn a_deadline_ends_the_window_early() {
        let policy = RetryPolicy::for_lane(Lane::Bulk);
        let until =
            |minutes: i64| Tries { deadline: Some(UnixMs(minutes * UnixMs::MINUTE)), ..tries(Some(1), START, 0.5) };
        assert_eq!(policy.next(&until(5), Asked::Nothing), at(5));
        assert_eq!(policy.next(&until(4), Asked::Nothing), RetryVerdict::GiveUp);
        assert_eq!(
            policy.end(START, Some(UnixMs(90 * UnixMs::HOUR))),
            UnixMs(72 * UnixMs::HOUR),
            "it makes none longer"
        );
    }
}

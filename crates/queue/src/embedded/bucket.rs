use super::clock::{Nanos, SECOND};
use crate::RESERVED_ONE_IN;

/// The rate as a generic cell rate algorithm: one number for each destination.
///
/// The number is the instant at which the bucket is full again. In any window at most
/// `rate × (window + one timer tick) + burst` tokens are taken.
#[derive(Debug, Clone, Copy, Default)]
pub struct Bucket {
    full_at: f64,
}

/// Tokens a second and at once. A rate of 0 is none, and every token is there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    pub per_second: f64,
    pub burst: u32,
}

/// A waiter is woken up to a tick late; without this much more room a small burst could never use its rate up.
const TIMER_TICK_SECONDS: f64 = 0.001;

/// A token short by less than this is there: sums of floating-point numbers are not exact.
const EPSILON_TOKENS: f64 = 1e-6;

impl Rate {
    const fn is_unlimited(self) -> bool {
        self.per_second <= 0.0
    }

    /// Tokens that only the transactional lane may take. A burst of one cannot be divided; there its lane goes first.
    pub fn reserve(self) -> u32 {
        if self.burst < 2 { 0 } else { (self.burst / RESERVED_ONE_IN).max(1) }
    }

    /// Tokens in a full bucket.
    fn depth(self) -> f64 {
        f64::from(self.burst.max(1)) + self.per_second * TIMER_TICK_SECONDS
    }

    /// As [`Self::interval`], 0 where there is no rate.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate is above 0, and at least one message a day"
    )]
    pub fn interval_or_none(self) -> Nanos {
        if self.is_unlimited() { 0 } else { self.interval() as Nanos }
    }

    /// Nanoseconds for one token.
    fn interval(self) -> f64 {
        SECOND as f64 / self.per_second
    }
}

impl Bucket {
    /// Tokens there now, besides `kept` ones.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most burst, and not negative")]
    pub fn available(self, now: Nanos, rate: Rate, kept: u32) -> u32 {
        if rate.is_unlimited() {
            return u32::MAX;
        }
        let missing = (self.full_at - now as f64).max(0.0) / rate.interval();
        (rate.depth() - f64::from(kept) - missing + EPSILON_TOKENS).max(0.0) as u32
    }

    pub fn take(&mut self, now: Nanos, rate: Rate, tokens: u32) {
        if !rate.is_unlimited() {
            self.full_at = self.full_at.max(now as f64) + f64::from(tokens) * rate.interval();
        }
    }

    /// Undoes [`take`](Self::take). A bucket that has filled since does not become more than full.
    pub fn give_back(&mut self, rate: Rate, tokens: u32) {
        if !rate.is_unlimited() {
            self.full_at -= f64::from(tokens) * rate.interval();
        }
    }

    /// When there is a token besides `kept` ones.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an instant after now")]
    pub fn next_at(self, now: Nanos, rate: Rate, kept: u32) -> Nanos {
        if rate.is_unlimited() {
            return now;
        }
        let at = self.full_at - (rate.depth() - f64::from(kept) - 1.0) * rate.interval();
        now.max(at.max(0.0).ceil() as Nanos)
    }

    /// Keeps what is owed, counted in tokens, when the rate changes.
    pub fn rescale(&mut self, now: Nanos, old: Rate, new: Rate) {
        if !old.is_unlimited() && !new.is_unlimited() {
            let owed = (self.full_at - now as f64).max(0.0) / old.interval();
            self.full_at = now as f64 + owed.min(new.depth()) * new.interval();
        }
    }
}

use super::clock::{Nanos, SECOND};

/// The time over which claims are smoothed.
const WINDOW_SECONDS: f64 = 10.0;
/// A meter younger than this is read as if it were so old: the first claims are no rate yet.
const MIN_AGE_SECONDS: f64 = 1.0;

/// Claims a second, lately: a sum whose parts fade.
#[derive(Debug, Clone, Copy)]
pub struct Meter {
    sum: f64,
    at: Nanos,
    started: Nanos,
}

impl Meter {
    pub const fn new(now: Nanos) -> Self {
        Self { sum: 0.0, at: now, started: now }
    }

    /// Counts claims; refunds are negative.
    pub fn add(&mut self, now: Nanos, count: f64) {
        if self.sum < 0.5 {
            self.started = now;
        }
        self.sum = (self.faded(now) + count).max(0.0);
        self.at = now;
    }

    pub fn per_second(&self, now: Nanos) -> f64 {
        // What has run for a second only has not had time to fill ten.
        let age = seconds(self.started, now).max(MIN_AGE_SECONDS);
        self.faded(now) / (WINDOW_SECONDS * (1.0 - (-age / WINDOW_SECONDS).exp()))
    }

    fn faded(&self, now: Nanos) -> f64 {
        self.sum * (-seconds(self.at, now) / WINDOW_SECONDS).exp()
    }
}

fn seconds(from: Nanos, to: Nanos) -> f64 {
    to.saturating_sub(from) as f64 / SECOND as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_rate_is_read_as_it_is_from_the_second_second_on() {
        let mut meter = Meter::new(0);
        for tick in 0..400 {
            meter.add(tick * SECOND / 10, 5.0);
            if tick > 20 {
                let read = meter.per_second(tick * SECOND / 10);
                assert!((45.0..62.0).contains(&read), "{tick}: {read}");
            }
        }
        assert!(meter.per_second(100 * SECOND) < 0.2, "it fades");
    }
}

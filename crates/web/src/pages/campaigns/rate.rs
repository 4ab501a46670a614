//! How fast it goes, from successive looks at the sums.

use std::collections::VecDeque;
use std::time::Duration;

use tidings_domain::UnixMs;

/// The span of the rate "now".
const NOW: Duration = Duration::from_secs(5);
/// The span of the rate that estimates are made from.
const MINUTE: Duration = Duration::from_secs(60);
/// The shortest span from which a rate may be told.
const LEAST: Duration = Duration::from_millis(800);

/// Looks of the last minute: when, and how many deliveries had settled.
#[derive(Debug, Default)]
pub struct RateMeter {
    looks: VecDeque<(UnixMs, i64)>,
    /// Any numbers whose change is a sign of life.
    signs: Option<(i64, i64, i64)>,
    moved_at: Option<UnixMs>,
}

/// Messages a second; `None` where too little was seen to tell.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Rate {
    pub now: Option<f64>,
    pub minute: Option<f64>,
}

impl RateMeter {
    /// `count`: any number that grows while work is done.
    pub fn look(&mut self, at: UnixMs, count: i64) {
        if self.looks.back().is_none_or(|(_, last)| *last != count) {
            self.moved_at = Some(at);
        }
        self.looks.push_back((at, count));
        while self.looks.get(1).is_some_and(|(t, _)| at.since(*t) >= MINUTE) {
            self.looks.pop_front();
        }
    }

    /// Notes numbers whose change shows that something moves.
    pub fn saw(&mut self, at: UnixMs, signs: (i64, i64, i64)) {
        if self.signs.replace(signs) != Some(signs) {
            self.moved_at = Some(at);
        }
    }

    /// When a number last changed; the first look counts as a change.
    pub fn moved_at(&self) -> Option<UnixMs> {
        self.moved_at
    }

    pub fn rate(&self) -> Rate {
        Rate { now: self.over(NOW), minute: self.over(MINUTE) }
    }

    fn over(&self, span: Duration) -> Option<f64> {
        let (end, last) = *self.looks.back()?;
        let (start, first) = *self.looks.iter().find(|(t, _)| end.since(*t) <= span)?;
        let seen = end.since(start);
        #[allow(clippy::cast_precision_loss)] // differences within a minute
        (seen >= LEAST).then(|| (last - first).max(0) as f64 / seen.as_secs_f64())
    }
}

/// Rounded so that it does not flicker: `8 s`, `about 4 min`, `about 2 h 10 min`.
pub fn about(left: Duration) -> String {
    let s = left.as_secs();
    match s {
        0..=1 => "a moment".to_owned(),
        2..=9 => format!("{s} s"),
        10..=59 => format!("about {} s", s.div_ceil(5) * 5),
        60..=3_599 => format!("about {} min", (s + 30) / 60),
        3_600..=86_399 => format!("about {} h {} min", s / 3_600, (s % 3_600) / 600 * 10),
        _ => format!("about {} d {} h", s / 86_400, (s % 86_400) / 3_600),
    }
}

/// `1,204/s`, `3.2/s`; slower than one in ten seconds by the minute.
pub fn per_second(rate: f64) -> String {
    #[allow(clippy::cast_possible_truncation)] // shown rounded
    if rate >= 10.0 {
        format!("{}/s", crate::text::number(rate.round() as i64))
    } else if rate >= 0.1 || rate == 0.0 {
        format!("{}/s", (rate * 10.0).round() / 10.0)
    } else {
        format!("{}/min", (rate * 600.0).round() / 10.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_follows_the_last_seconds_and_the_last_minute() {
        let mut meter = RateMeter::default();
        assert_eq!(meter.rate(), Rate::default());
        for s in 0..=120_i64 {
            // 10/s, then 100/s in the last ten seconds.
            let count = if s <= 110 { s * 10 } else { 1_100 + (s - 110) * 100 };
            meter.look(UnixMs(s * 1_000), count);
        }
        let rate = meter.rate();
        assert_eq!(rate.now, Some(100.0));
        assert_eq!(rate.minute, Some(25.0));
        assert!(meter.looks.len() <= 62, "a minute, no more");
    }

    #[test]
    fn standing_still_is_seen() {
        let mut meter = RateMeter::default();
        for s in 0..10_i64 {
            meter.look(UnixMs(s * 1_000), s.min(3));
        }
        assert_eq!(meter.moved_at(), Some(UnixMs(3_000)));
        assert_eq!(meter.rate().now, Some(0.0));
    }

    #[test]
    fn spans_are_rounded() {
        let check = |s, expected: &str| assert_eq!(about(Duration::from_secs(s)), expected);
        check(1, "a moment");
        check(8, "8 s");
        check(42, "about 45 s");
        check(70, "about 1 min");
        check(7_900, "about 2 h 10 min");
        check(200_000, "about 2 d 7 h");
        assert_eq!(per_second(1_204.4), "1,204/s");
        assert_eq!(per_second(3.25), "3.3/s");
        assert_eq!(per_second(0.02), "1.2/min");
        assert_eq!(per_second(0.0), "0/s");
    }
}

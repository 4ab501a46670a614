//! The stacked bar: every recipient in exactly one segment, so that the sum is always the audience.

use std::collections::BTreeMap;

use tidings_domain::DeliveryState;

use super::wording;

pub type Counts = BTreeMap<DeliveryState, i64>;

/// The bar's width in the units of its view box.
pub const BAR_UNITS: f64 = 1_000.0;
/// The narrowest segment that an eye still finds, in the same units.
const LEAST_UNITS: f64 = 3.0;

/// From what is finished, over what went wrong, to what is still to come.
const ORDER: [DeliveryState; 12] = [
    DeliveryState::Accepted,
    DeliveryState::Complained,
    DeliveryState::HardBounced,
    DeliveryState::SoftBounced,
    DeliveryState::Failed,
    DeliveryState::InDoubt,
    DeliveryState::Skipped,
    DeliveryState::Cancelled,
    DeliveryState::Deferred,
    DeliveryState::Sending,
    DeliveryState::Queued,
    DeliveryState::Pending,
];

/// One state's share of the bar and its line in the legend.
#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    pub state: DeliveryState,
    pub label: &'static str,
    /// The state's word, for a class name and for the filter of the people page.
    pub key: &'static str,
    pub n: i64,
    pub percent: String,
    pub x: f64,
    pub width: f64,
}

/// The sums of one campaign, as the overview speaks of them.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    counts: Counts,
}

impl Tally {
    pub fn new(counts: Counts) -> Self {
        Self { counts }
    }

    pub fn of(&self, state: DeliveryState) -> i64 {
        self.counts.get(&state).copied().unwrap_or(0)
    }

    pub fn total(&self) -> i64 {
        self.counts.values().sum()
    }

    /// Rows that wait for their first or next turn without being deferred, or are on the wire.
    pub fn ahead(&self) -> i64 {
        self.of(DeliveryState::Pending) + self.of(DeliveryState::Queued) + self.of(DeliveryState::Sending)
    }

    /// Rows that can still move by themselves.
    pub fn open(&self) -> i64 {
        self.ahead() + self.of(DeliveryState::Deferred)
    }

    pub fn bounced(&self) -> i64 {
        self.of(DeliveryState::HardBounced) + self.of(DeliveryState::SoftBounced) + self.of(DeliveryState::Failed)
    }

    /// The receiver took the message, whatever came after.
    pub fn accepted(&self) -> i64 {
        self.of(DeliveryState::Accepted) + self.of(DeliveryState::Complained)
    }

    /// Rows whose attempts have come to an end: what the rate counts.
    pub fn settled(&self) -> i64 {
        self.accepted() + self.bounced() + self.of(DeliveryState::InDoubt)
    }

    /// Everybody but the skipped and the cancelled: who was or will be attempted.
    pub fn to_send(&self) -> i64 {
        self.total() - self.of(DeliveryState::Skipped) - self.of(DeliveryState::Cancelled)
    }

    /// The non-empty states in the order of the bar. Widths sum to the bar's: what small segments get to be visible is
    /// taken from the widest one.
    pub fn segments(&self) -> Vec<Segment> {
        let total = self.total();
        let mut segments: Vec<Segment> =
            ORDER.into_iter().filter(|s| self.of(*s) > 0).map(|s| segment(s, self.of(s), total)).collect();
        let widths: f64 = segments.iter().map(|s| s.width).sum();
        if let Some(widest) = segments.iter_mut().max_by(|a, b| a.width.total_cmp(&b.width)) {
            widest.width -= widths - BAR_UNITS;
        }
        let mut x = 0.0;
        for segment in &mut segments {
            segment.x = x;
            x += segment.width;
        }
        segments
    }
}

fn segment(state: DeliveryState, n: i64, total: i64) -> Segment {
    use tidings_domain::Word;
    #[allow(clippy::cast_precision_loss)] // a bar is drawn, not counted
    let share = n as f64 / total.max(1) as f64;
    let width = (share * BAR_UNITS).max(LEAST_UNITS);
    Segment { state, label: wording::state(state), key: state.as_str(), n, percent: percent(n, total), x: 0.0, width }
}

/// `99.2 %`; never `100.0 %` or `0.0 %` unless it is exactly all or nothing.
pub fn percent(n: i64, total: i64) -> String {
    if total <= 0 || n <= 0 {
        return "0 %".to_owned();
    }
    if n >= total {
        return "100 %".to_owned();
    }
    #[allow(clippy::cast_precision_loss)] // shown with one decimal
    let percent = 100.0 * n as f64 / total as f64;
    if percent < 0.1 { "< 0.1 %".to_owned() } else { format!("{:.1} %", percent.min(99.9)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(counts: &[(DeliveryState, i64)]) -> Tally {
        Tally::new(counts.iter().copied().collect())
    }

    #[test]
    fn the_bar_is_full_whatever_the_shares() {
        use DeliveryState as S;
        for counts in [
            vec![(S::Accepted, 1_000_000), (S::HardBounced, 1), (S::Failed, 1), (S::Skipped, 3)],
            vec![(S::Pending, 7)],
            vec![(S::Queued, 1), (S::Sending, 1), (S::Deferred, 1)],
        ] {
            let segments = tally(&counts).segments();
            assert_eq!(segments.iter().map(|s| s.n).sum::<i64>(), counts.iter().map(|(_, n)| n).sum::<i64>());
            let end = segments.last().map_or(0.0, |s| s.x + s.width);
            assert!((end - BAR_UNITS).abs() < 1e-6, "{segments:?}");
            assert!(segments.iter().all(|s| s.width >= LEAST_UNITS));
        }
        assert!(tally(&[]).segments().is_empty());
    }

    #[test]
    fn nearly_all_is_not_all() {
        assert_eq!(percent(9_999, 10_000), "99.9 %");
        assert_eq!(percent(10_000, 10_000), "100 %");
        assert_eq!(percent(1, 1_000_000), "< 0.1 %");
        assert_eq!(percent(0, 0), "0 %");
    }
}

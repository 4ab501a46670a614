//! When a campaign is stopped because a provider refuses what it says: judged by the last attempts there, so that one refusal by one
//! server stops nothing, and a filter that has made up its mind does.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A window at one provider: about the last so many messages with an end.
pub const CONTENT_WINDOW_MESSAGES: i64 = 50;
/// One or two filters may have a bad day.
pub const FEWEST_CONTENT_REFUSALS: i64 = 3;
/// More than this share of a window, in percent, stops the campaign.
pub const CONTENT_REFUSALS_PERCENT: i64 = 20;

/// A campaign's sums at one provider at one instant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentSums {
    /// Accepted or refused, for whatever reason.
    pub ended: i64,
    /// Refused for what the message says.
    pub refused: i64,
}

/// Where the last windows began: at each provider that has refused any, two of them, older first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentWindows {
    begun: BTreeMap<String, [ContentSums; 2]>,
}

/// A provider refuses the campaign for its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentAlarm {
    pub provider: String,
    pub refused: i64,
    pub of: i64,
}

impl ContentWindows {
    /// Begins anew at these sums: after a person looked and let the campaign go on.
    #[must_use]
    pub fn from<'a>(sums: impl Iterator<Item = (&'a str, ContentSums)>) -> Self {
        let known = sums.filter(|(_, sums)| sums.refused > 0);
        Self { begun: known.map(|(provider, sums)| (provider.to_owned(), [sums, sums])).collect() }
    }

    /// Judges one provider by the window before the newest and what the newest has so far: that is between one and two windows, and
    /// less only at the start.
    #[must_use]
    pub fn judge(&self, provider: &str, now: ContentSums) -> Option<ContentAlarm> {
        let since = self.begun.get(provider).map_or_else(|| first_window(now), |[older, _]| *older);
        let (refused, of) = (now.refused - since.refused, (now.ended - since.ended).max(1));
        let too_many = refused >= FEWEST_CONTENT_REFUSALS && refused * 100 > CONTENT_REFUSALS_PERCENT * of;
        too_many.then(|| ContentAlarm { provider: provider.to_owned(), refused, of })
    }

    /// The newest window is full, or the first refusal was seen: the next one begins. Returns whether anything changed.
    pub fn roll(&mut self, provider: &str, now: ContentSums) -> bool {
        match self.begun.get_mut(provider) {
            None if now.refused == 0 => false,
            None => {
                let first = first_window(now);
                self.begun.insert(provider.to_owned(), [first, first]);
                true
            }
            Some([_, newest]) if now.ended - newest.ended < CONTENT_WINDOW_MESSAGES => false,
            Some(windows) => {
                *windows = [windows[1], now];
                true
            }
        }
    }
}

/// What was long before the first refusal does not count.
fn first_window(now: ContentSums) -> ContentSums {
    ContentSums { ended: (now.ended - CONTENT_WINDOW_MESSAGES).max(0), refused: 0 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sums(ended: i64, refused: i64) -> ContentSums {
        ContentSums { ended, refused }
    }

    #[test]
    fn one_or_two_refusals_stop_nothing_and_three_of_few_do() {
        let windows = ContentWindows::default();
        assert_eq!(windows.judge("google", sums(1, 1)), None);
        assert_eq!(windows.judge("google", sums(2, 2)), None);
        let alarm = windows.judge("google", sums(3, 3)).expect("three of three");
        assert_eq!((alarm.refused, alarm.of), (3, 3));
    }

    #[test]
    fn a_fifth_of_the_last_fifty_is_not_yet_too_many() {
        assert_eq!(ContentWindows::default().judge("google", sums(50, 10)), None);
        assert!(ContentWindows::default().judge("google", sums(50, 11)).is_some());
    }

    #[test]
    fn a_good_start_does_not_hide_a_filter_that_made_up_its_mind() {
        let mut windows = ContentWindows::default();
        assert!(!windows.roll("google", sums(10_000, 0)), "no refusal, nothing to keep");
        assert!(windows.roll("google", sums(10_001, 1)));
        assert_eq!(windows.judge("google", sums(10_010, 10)), None, "10 of 59");
        assert!(windows.judge("google", sums(10_015, 15)).is_some(), "15 of 64");
    }

    #[test]
    fn what_was_long_ago_is_forgotten() {
        let mut windows = ContentWindows::default();
        windows.roll("google", sums(10, 10));
        windows.roll("google", sums(60, 10));
        windows.roll("google", sums(110, 10));
        assert_eq!(windows.judge("google", sums(113, 12)), None, "2 of 53");
        assert!(windows.judge("google", sums(125, 24)).is_some());
        assert_eq!(ContentWindows::from([("google", sums(125, 24))].into_iter()).judge("google", sums(127, 26)), None);
    }

    proptest! {
        /// However the sums grow, fewer refusals than the fewest since a window began stop nothing.
        #[test]
        fn few_refusals_never_stop_a_campaign(steps in prop::collection::vec((0_i64..40, any::<bool>()), 1..60)) {
            let (mut windows, mut now, mut refusals) = (ContentWindows::default(), sums(0, 0), 0);
            for (ended, refused) in steps {
                let refused = i64::from(refused && refusals < FEWEST_CONTENT_REFUSALS - 1);
                refusals += refused;
                now = sums(now.ended + ended + refused, now.refused + refused);
                prop_assert_eq!(windows.judge("p", now), None);
                windows.roll("p", now);
            }
        }
    }
}

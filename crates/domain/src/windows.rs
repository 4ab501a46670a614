//! When a campaign is stopped because too much of it bounces or is called spam: judged by windows, so that a good start does not hide
//! a bad part, and a bad part that was dealt with does not stop the rest for ever.

use serde::{Deserialize, Serialize};

use crate::{BounceLimits, ContentAlarm, ContentWindows, provider_label};

/// Messages with an end that make one window.
pub const WINDOW_MESSAGES: i64 = 1_000;
/// Complaints are rarer: so many windows together are judged.
const COMPLAINT_WINDOWS: usize = 10;
/// One or two angry people are no share of anything.
const FEWEST_HARD_BOUNCES: i64 = 10;
const FEWEST_COMPLAINTS: i64 = 3;
const PARTS: i64 = 10_000;

/// A campaign's sums at one instant. Each only grows but for `accepted`, from which late bounces and complaints move.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums {
    /// Ended by the receiver's word, whichever it was.
    pub ended: i64,
    pub hard_bounced: i64,
    pub complained: i64,
}

/// The sums at which the last windows began, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Windows {
    begun: Vec<Sums>,
    /// Of refusals for what the message says.
    #[serde(default)]
    pub content: ContentWindows,
}

/// What the windows say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Alarm {
    HardBounces {
        bounced: i64,
        of: i64,
    },
    Complaints {
        complaints: i64,
        of: i64,
    },
    /// Not yet too many.
    ComplaintsRise {
        complaints: i64,
        of: i64,
    },
    /// A provider refuses what the message says.
    Content(ContentAlarm),
}

impl Windows {
    /// Begins anew at these sums: after a person looked and let the campaign go on.
    #[must_use]
    pub fn from(sums: Sums, content: ContentWindows) -> Self {
        Self { begun: vec![sums], content }
    }

    /// Judges the newest window of hard bounces and the last ones of complaints. Too many bounces are told before the window is full,
    /// as soon as a full one could not have so many. A campaign to fewer people, `audience`, has a smaller window.
    #[must_use]
    pub fn judge(&self, now: Sums, audience: i64, limits: &BounceLimits) -> Option<Alarm> {
        let window = WINDOW_MESSAGES.min(audience);
        let newest = self.begun.last().copied().unwrap_or_default();
        let of = (now.ended - newest.ended).max(1);
        let bounced = now.hard_bounced - newest.hard_bounced;
        let at_least = |n: i64, of: i64, limit: u16| limit > 0 && n * PARTS > i64::from(limit) * of;
        if bounced >= FEWEST_HARD_BOUNCES && at_least(bounced, of.max(window), limits.pause_hard_bounces) {
            return Some(Alarm::HardBounces { bounced, of });
        }
        let oldest = self.begun.first().copied().unwrap_or_default();
        let (complaints, of) = (now.complained - oldest.complained, now.ended - oldest.ended);
        let judged = of.max(window);
        if complaints < FEWEST_COMPLAINTS {
            return None;
        }
        if at_least(complaints, judged, limits.pause_complaints) {
            return Some(Alarm::Complaints { complaints, of });
        }
        at_least(complaints, judged, limits.warn_complaints).then_some(Alarm::ComplaintsRise { complaints, of })
    }

    /// The newest window is full: the next one begins. Returns whether anything changed.
    pub fn roll(&mut self, now: Sums) -> bool {
        let newest = self.begun.last().copied().unwrap_or_default();
        if now.ended - newest.ended < WINDOW_MESSAGES {
            return false;
        }
        if self.begun.is_empty() {
            self.begun.push(Sums::default());
        }
        self.begun.push(now);
        if self.begun.len() > COMPLAINT_WINDOWS {
            self.begun.remove(0);
        }
        true
    }
}

impl Alarm {
    /// The campaign is paused for it; otherwise it only asks for attention.
    #[must_use]
    pub const fn pauses(&self) -> bool {
        !matches!(self, Self::ComplaintsRise { .. })
    }
}

impl std::fmt::Display for Alarm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let percent = |n: i64, of: i64| {
            let tenths = n * 1_000 / of.max(1);
            format!("{}.{} %", tenths / 10, tenths % 10)
        };
        match self {
            Self::HardBounces { bounced, of } => write!(
                f,
                "{bounced} of the last {of} messages bounced hard ({}): such a list harms your standing with every provider. Check where its addresses come from before you resume",
                percent(*bounced, *of)
            ),
            Self::Complaints { complaints, of } => write!(
                f,
                "{complaints} of the last {of} recipients called it spam ({}): providers block senders from 0.3 % on. Check who is on the list, and that they asked for this mail, before you resume",
                percent(*complaints, *of)
            ),
            Self::Content(ContentAlarm { provider, refused, of }) => write!(
                f,
                "{} refused {refused} of the last {of} messages for what they say ({}). Look at its words below \"What was refused\", change the content in a copy of this campaign, and send yourself a test before you resume",
                provider_label(provider),
                percent(*refused, *of)
            ),
            Self::ComplaintsRise { complaints, of } => write!(
                f,
                "{complaints} of the last {of} recipients called it spam ({}). Providers expect less than 0.1 %",
                percent(*complaints, *of)
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANY: i64 = 1_000_000;
    const LIMITS: fn() -> BounceLimits = BounceLimits::default;

    fn sums(ended: i64, hard_bounced: i64, complained: i64) -> Sums {
        Sums { ended, hard_bounced, complained }
    }

    #[test]
    fn more_than_five_percent_of_the_first_thousand_stop_it_as_soon_as_that_is_sure() {
        let windows = Windows::default();
        assert_eq!(windows.judge(sums(60, 50, 0), MANY, &LIMITS()), None);
        assert_eq!(windows.judge(sums(60, 51, 0), MANY, &LIMITS()), Some(Alarm::HardBounces { bounced: 51, of: 60 }));
        assert_eq!(windows.judge(sums(1_000, 50, 0), MANY, &LIMITS()), None);
        assert_eq!(windows.judge(sums(2_000, 100, 0), MANY, &LIMITS()), None, "read late, the window is longer");
    }

    #[test]
    fn a_small_audience_has_a_small_window() {
        assert_eq!(Windows::default().judge(sums(100, 11, 0), MANY, &LIMITS()), None);
        assert!(Windows::default().judge(sums(100, 11, 0), 200, &LIMITS()).is_some());
        assert_eq!(Windows::default().judge(sums(20, 9, 2), 20, &LIMITS()), None, "too few to tell");
    }

    #[test]
    fn a_good_start_does_not_hide_a_bad_part() {
        let mut windows = Windows::default();
        for n in 1..=20 {
            assert!(windows.roll(sums(n * 1_000, 0, 0)));
        }
        assert!(matches!(
            windows.judge(sums(20_400, 60, 0), MANY, &LIMITS()),
            Some(Alarm::HardBounces { bounced: 60, of: 400 })
        ));
    }

    #[test]
    fn who_looked_and_resumed_is_not_stopped_for_the_same_bounces() {
        let windows = Windows::from(sums(300, 80, 4), ContentWindows::default());
        assert_eq!(windows.judge(sums(301, 81, 4), MANY, &LIMITS()), None);
    }

    #[test]
    fn complaints_warn_and_then_stop() {
        let windows = Windows::default();
        assert_eq!(windows.judge(sums(500, 0, 2), MANY, &LIMITS()), None, "two people");
        let warned = windows.judge(sums(2_000, 0, 3), MANY, &LIMITS()).expect("above 0.1 %");
        assert!(!warned.pauses());
        let stopped = windows.judge(sums(2_000, 0, 7), MANY, &LIMITS()).expect("above 0.3 %");
        assert!(stopped.pauses());
        assert!(stopped.to_string().starts_with("7 of the last 2000 recipients called it spam (0.3 %)"), "{stopped}");
    }

    #[test]
    fn a_limit_of_nothing_is_never_reached() {
        let never = BounceLimits { pause_hard_bounces: 0, pause_complaints: 0, warn_complaints: 0, ..LIMITS() };
        assert_eq!(Windows::default().judge(sums(1_000, 900, 90), MANY, &never), None);
    }
}

//! Warm-up: an address that nobody knows begins with little mail to each provider and grows from day to day, as long as it is taken well.

use std::fmt;

use crate::UnixMs;

/// A day advances when at least this share of its cap was used: a day that proved nothing is no step.
pub const ADVANCE_USED_PERCENT: u64 = 70;
/// … and fewer than this share were put off,
pub const ADVANCE_DEFERRED_PERCENT: u64 = 10;
/// … fewer than this share of what was taken were complained of, in a thousand,
pub const ADVANCE_COMPLAINED_PER_MILLE: u64 = 1;
/// … and fewer than this share went to people whom the provider does not know.
pub const ADVANCE_UNKNOWN_PERCENT: u64 = 2;

/// Bounds of a plan.
pub const MOST_A_DAY: u32 = 100_000_000;
pub const GROWTH_PERCENT: std::ops::RangeInclusive<u32> = 110..=300;

/// How many messages a route may send to one provider on each day of its warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WarmUpPlan {
    /// On the first day.
    pub start: u32,
    /// A day's cap in percent of the cap of the day before.
    pub growth_percent: u32,
    /// The cap that is none any more: from here on the route is warm.
    pub full: u32,
}

/// Published plans begin with 50 to 200 a day and double; half as fast again each day is the careful side of it, and full after 17 days.
impl Default for WarmUpPlan {
    fn default() -> Self {
        Self { start: 200, growth_percent: 150, full: 100_000 }
    }
}

impl WarmUpPlan {
    /// The cap of a day, counted from 1; `None`: warm, nothing is limited.
    #[must_use]
    pub fn cap(&self, day: u32) -> Option<u32> {
        let mut cap = u64::from(self.start.max(1));
        for _ in 1..day {
            if cap >= u64::from(self.full) {
                return None;
            }
            cap = (cap * u64::from(self.growth_percent) / 100).max(cap + 1);
        }
        u32::try_from(cap).ok().filter(|cap| *cap < self.full)
    }

    /// The first day without a cap.
    #[must_use]
    pub fn warm_on_day(&self) -> u32 {
        let mut day = 1;
        while self.cap(day).is_some() {
            day += 1;
        }
        day
    }
}

/// What became of one day's messages to one provider.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DayFigures {
    pub accepted: u64,
    pub deferred: u64,
    pub unknown_users: u64,
    /// Refused for anything else.
    pub refused: u64,
    pub complained: u64,
}

impl DayFigures {
    /// What was handed to the provider.
    #[must_use]
    pub const fn used(&self) -> u64 {
        self.accepted + self.deferred + self.unknown_users + self.refused
    }
}

/// Why a plan stays where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StaysOnDay {
    LittleUsed { used: u64, cap: u32 },
    Deferred { n: u64, of: u64 },
    Complained { n: u64, of: u64 },
    UnknownUsers { n: u64, of: u64 },
}

impl fmt::Display for StaysOnDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LittleUsed { used, cap } => {
                write!(f, "only {used} of {cap} were used; it takes {ADVANCE_USED_PERCENT} %")
            }
            Self::Deferred { n, of } => {
                write!(f, "{n} of {of} were put off; it must be fewer than {ADVANCE_DEFERRED_PERCENT} %")
            }
            Self::Complained { n, of } => write!(f, "{n} of {of} complained; it must be fewer than 0.1 %"),
            Self::UnknownUsers { n, of } => {
                write!(f, "{n} of {of} were unknown there; it must be fewer than {ADVANCE_UNKNOWN_PERCENT} %")
            }
        }
    }
}

/// Where a route stands with one provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WarmUpDay {
    /// The plan's day, from 1.
    pub day: u32,
    /// The date that it stands for: whole days since the Unix epoch, UTC.
    pub date: i64,
    /// Why it did not advance, when it did not.
    pub stays: Option<StaysOnDay>,
}

impl WarmUpDay {
    #[must_use]
    pub const fn first(date: i64) -> Self {
        Self { day: 1, date, stays: None }
    }

    /// On a later date. `figures` are those of the date that it stood for; days without mail in between are no steps.
    #[must_use]
    pub fn on(&self, date: i64, plan: &WarmUpPlan, figures: &DayFigures) -> Self {
        if date <= self.date {
            return self.clone();
        }
        let stays = plan.cap(self.day).and_then(|cap| stays(cap, figures));
        let day = if stays.is_some() { self.day } else { self.day.saturating_add(1).min(plan.warm_on_day()) };
        Self { day, date, stays }
    }
}

/// The first thing in the way. In whole numbers: no share is rounded into the good.
fn stays(cap: u32, figures: &DayFigures) -> Option<StaysOnDay> {
    let (used, accepted) = (figures.used(), figures.accepted);
    if used * 100 < u64::from(cap) * ADVANCE_USED_PERCENT {
        return Some(StaysOnDay::LittleUsed { used, cap });
    }
    if figures.complained > 0 && figures.complained * 1000 >= accepted * ADVANCE_COMPLAINED_PER_MILLE {
        return Some(StaysOnDay::Complained { n: figures.complained, of: accepted });
    }
    if figures.unknown_users > 0 && figures.unknown_users * 100 >= used * ADVANCE_UNKNOWN_PERCENT {
        return Some(StaysOnDay::UnknownUsers { n: figures.unknown_users, of: used });
    }
    if figures.deferred > 0 && figures.deferred * 100 >= used * ADVANCE_DEFERRED_PERCENT {
        return Some(StaysOnDay::Deferred { n: figures.deferred, of: used });
    }
    None
}

impl UnixMs {
    /// Whole days since the Unix epoch, UTC.
    #[must_use]
    pub const fn utc_date(self) -> i64 {
        self.0.div_euclid(Self::DAY)
    }

    /// The first instant of a date.
    #[must_use]
    pub const fn of_utc_date(date: i64) -> Self {
        Self(date.saturating_mul(Self::DAY))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLAN: WarmUpPlan = WarmUpPlan { start: 200, growth_percent: 200, full: 1_000 };

    fn good(cap: u64) -> DayFigures {
        DayFigures { accepted: cap, ..DayFigures::default() }
    }

    #[test]
    fn caps_grow_until_it_is_warm() {
        assert_eq!([1, 2, 3, 4, 90].map(|day| PLAN.cap(day)), [Some(200), Some(400), Some(800), None, None]);
        assert_eq!(PLAN.warm_on_day(), 4);
        assert_eq!(WarmUpPlan::default().warm_on_day(), 17);
    }

    #[test]
    fn a_day_advances_only_when_it_was_used_and_taken_well() {
        let first = WarmUpDay::first(10);
        let next = |figures: DayFigures| first.on(11, &PLAN, &figures);
        assert_eq!(next(good(140)), WarmUpDay { day: 2, date: 11, stays: None });
        assert_eq!(next(good(139)).stays, Some(StaysOnDay::LittleUsed { used: 139, cap: 200 }));
        let deferred = |n| next(DayFigures { accepted: 200 - n, deferred: n, ..DayFigures::default() });
        assert_eq!((deferred(19).day, deferred(20).day), (2, 1), "10 % is too much");
        let unknown = |n| next(DayFigures { accepted: 200 - n, unknown_users: n, ..DayFigures::default() });
        assert_eq!((unknown(3).day, unknown(4).day), (2, 1), "2 % is too much");
        let complained = |accepted| next(DayFigures { accepted, complained: 1, ..DayFigures::default() });
        assert_eq!((complained(1_001).day, complained(1_000).day), (2, 1), "0.1 % is too much");
        assert_eq!(first.on(10, &PLAN, &good(200)), first, "the day is not over");
    }

    #[test]
    fn days_without_mail_are_no_steps() {
        let later = WarmUpDay::first(10).on(40, &PLAN, &good(200));
        assert_eq!((later.day, later.date), (2, 40));
    }

    #[test]
    fn dates_are_utc_days() {
        assert_eq!(UnixMs(-1).utc_date(), -1);
        assert_eq!(UnixMs(UnixMs::DAY).utc_date(), 1);
        assert_eq!(UnixMs::of_utc_date(3).utc_date(), 3);
    }

    prop_compose! {
        fn plans()(start in 1..5_000_u32, growth_percent in GROWTH_PERCENT, full in 1..MOST_A_DAY) -> WarmUpPlan {
            WarmUpPlan { start, growth_percent, full }
        }
    }

    prop_compose! {
        fn figures()(accepted in 0..5_000_u64, deferred in 0..500_u64, unknown_users in 0..200_u64, refused in 0..200_u64, complained in 0..20_u64) -> DayFigures {
            DayFigures { accepted, deferred, unknown_users, refused, complained }
        }
    }

    proptest! {
        #[test]
        fn a_plan_grows_every_day_and_ends(plan in plans()) {
            let warm = plan.warm_on_day();
            prop_assert!(warm < 400);
            let caps: Vec<u32> = (1..warm).filter_map(|day| plan.cap(day)).collect();
            prop_assert_eq!(caps.len() + 1, warm as usize);
            prop_assert!(caps.is_sorted_by(|a, b| a < b));
            prop_assert!(caps.iter().all(|cap| *cap < plan.full));
            prop_assert_eq!(plan.cap(warm + 1), None);
        }

        #[test]
        fn a_day_is_one_step_or_none_and_never_backwards(plan in plans(), days in prop::collection::vec((1..5_i64, figures()), 1..40)) {
            let mut standing = WarmUpDay::first(100);
            for (gap, figures) in days {
                let next = standing.on(standing.date + gap, &plan, &figures);
                prop_assert!(next.day == standing.day || next.day == standing.day + 1);
                prop_assert!(next.day <= plan.warm_on_day());
                prop_assert!(next.stays.is_none() || next.day == standing.day);
                standing = next;
            }
        }

        #[test]
        fn worse_figures_never_help(plan in plans(), figures in figures(), more in 1..100_u64) {
            let standing = WarmUpDay::first(1);
            let advances = |figures: &DayFigures| standing.on(2, &plan, figures).stays.is_none();
            let worse = DayFigures { complained: figures.complained + more, ..figures };
            prop_assert!(advances(&figures) || !advances(&worse));
        }
    }
}

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::clock::{Nanos, SECOND, between, nanos};
use crate::{Limits, RESERVED_ONE_IN, Sent, Window, WindowStatus};

const MINUTE: Nanos = 60 * SECOND;

/// Minutes since 1970, UTC.
pub type Minute = u64;

/// What the clock of the queue shows in UTC. Read once at the start: the queue's own clock goes on evenly from there.
#[derive(Debug, Clone, Copy)]
pub struct Calendar {
    /// UTC when the queue's clock showed zero.
    zero: Nanos,
}

impl Calendar {
    /// `elapsed` is what the queue's clock shows now.
    pub fn start(elapsed: Nanos) -> Self {
        let utc = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self { zero: nanos(utc).saturating_sub(elapsed) }
    }

    pub const fn minute(self, now: Nanos) -> Minute {
        self.zero.saturating_add(now) / MINUTE
    }

    /// When the window that `now` lies in ends, on the queue's clock.
    pub const fn end(self, window: Window, now: Nanos) -> Nanos {
        let length = window.minutes() * MINUTE;
        let utc = self.zero.saturating_add(now);
        now.saturating_add(length - utc % length)
    }
}

/// Messages charged in the present minute, hour and day.
#[derive(Debug, Clone, Copy)]
pub struct Windows {
    calendar: Calendar,
    /// When the counts were last moved.
    minute: Minute,
    counts: [u32; Window::ALL.len()],
}

impl Windows {
    pub const fn new(calendar: Calendar) -> Self {
        Self { calendar, minute: 0, counts: [0; Window::ALL.len()] }
    }

    pub const fn minute(&self, now: Nanos) -> Minute {
        self.calendar.minute(now)
    }

    pub fn charge(&mut self, now: Nanos, messages: u32) {
        self.turn_to(self.minute(now));
        for count in &mut self.counts {
            *count = count.saturating_add(messages);
        }
    }

    /// The windows that hold that minute have seen so many at the least; those that are over since need not know.
    pub fn at_least(&mut self, now: Nanos, sent: Sent) {
        let minute = self.minute(now);
        self.turn_to(minute);
        for (count, window) in self.counts.iter_mut().zip(Window::ALL) {
            if sent.minute / window.minutes() == minute / window.minutes() {
                *count = (*count).max(sent.in_window(window));
            }
        }
    }

    /// For a message charged in that minute: the windows that are over have lost it already.
    pub fn give_back(&mut self, now: Nanos, charged: Minute) {
        let minute = self.minute(now);
        self.turn_to(minute);
        for (count, window) in self.counts.iter_mut().zip(Window::ALL) {
            if charged / window.minutes() == minute / window.minutes() {
                *count = count.saturating_sub(1);
            }
        }
    }

    fn turn_to(&mut self, minute: Minute) {
        for (count, window) in self.counts.iter_mut().zip(Window::ALL) {
            if self.minute / window.minutes() != minute / window.minutes() {
                *count = 0;
            }
        }
        self.minute = minute;
    }

    /// Messages that still fit into all windows.
    pub fn room(&self, now: Nanos, limits: &Limits, keeps_reserve: bool) -> u32 {
        let rooms = self.limited(now, limits).map(|(_, used, limit)| usable(limit, keeps_reserve).saturating_sub(used));
        rooms.min().unwrap_or(u32::MAX)
    }

    /// The full window that ends last.
    pub fn full(&self, now: Nanos, limits: &Limits, keeps_reserve: bool) -> Option<(Window, Nanos)> {
        let full = self.limited(now, limits).filter(|(_, used, limit)| *used >= usable(*limit, keeps_reserve));
        full.map(|(window, ..)| (window, self.calendar.end(window, now))).max_by_key(|(_, end)| *end)
    }

    pub fn statuses(&self, now: Nanos, limits: &Limits) -> Vec<WindowStatus> {
        let status = |(window, used, limit)| WindowStatus {
            window,
            began: self.minute(now) / window.minutes() * window.minutes(),
            used,
            limit,
            reserved: reserved(limit),
            ends_in: between(now, self.calendar.end(window, now)),
        };
        self.limited(now, limits).map(status).collect()
    }

    /// Each window with a limit: what is used of it, and the limit.
    fn limited(&self, now: Nanos, limits: &Limits) -> impl Iterator<Item = (Window, u32, u32)> {
        let (minute, last) = (self.minute(now), self.minute);
        Window::ALL.into_iter().zip(self.counts).filter_map(move |(window, count)| {
            let goes_on = last / window.minutes() == minute / window.minutes();
            let limit = limits.in_window(window);
            (limit > 0).then_some((window, if goes_on { count } else { 0 }, limit))
        })
    }
}

const fn reserved(limit: u32) -> u32 {
    limit / RESERVED_ONE_IN
}

const fn usable(limit: u32, keeps_reserve: bool) -> u32 {
    if keeps_reserve { limit - reserved(limit) } else { limit }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The queue began at 00:58:30 of some day.
    const BEGAN: Calendar = Calendar { zero: (20_000 * 1_440 + 58) * MINUTE + 30 * SECOND };
    const LIMITS: Limits = Limits { per_minute: 3, per_hour: 5, per_day: 6, ..Limits::UNLIMITED };

    #[test]
    fn windows_are_those_of_the_calendar() {
        assert_eq!(BEGAN.end(Window::Minute, 0), 30 * SECOND);
        assert_eq!(BEGAN.end(Window::Hour, 0), 90 * SECOND);
        assert_eq!(BEGAN.end(Window::Day, 0), 23 * 60 * MINUTE + 90 * SECOND);
        assert_eq!(BEGAN.end(Window::Minute, 30 * SECOND), 90 * SECOND, "a window's end is the next one's beginning");
    }

    #[test]
    fn each_window_counts_what_was_charged_in_it() {
        let mut windows = Windows::new(BEGAN);
        windows.charge(0, 3);
        assert_eq!(windows.room(0, &LIMITS, false), 0);
        assert_eq!(windows.full(0, &LIMITS, false), Some((Window::Minute, 30 * SECOND)));
        let next_minute = 30 * SECOND;
        assert_eq!(windows.room(next_minute, &LIMITS, false), 2, "the hour has two left");
        windows.charge(next_minute, 2);
        assert_eq!(windows.full(next_minute, &LIMITS, false), Some((Window::Hour, 90 * SECOND)));
        assert_eq!(windows.room(90 * SECOND, &LIMITS, false), 1, "and the day one");
    }

    #[test]
    fn what_comes_back_late_makes_no_room_in_a_later_window() {
        let mut windows = Windows::new(BEGAN);
        let charged = windows.minute(0);
        windows.charge(0, 3);
        let next_minute = 30 * SECOND;
        windows.charge(next_minute, 1);
        windows.give_back(next_minute, charged);
        let used: Vec<u32> = windows.statuses(next_minute, &LIMITS).iter().map(|w| w.used).collect();
        assert_eq!(used, [1, 3, 3]);
    }

    #[test]
    fn a_part_is_kept_for_the_transactional_lane() {
        let limits = Limits { per_day: 29, ..Limits::UNLIMITED };
        let mut windows = Windows::new(BEGAN);
        windows.charge(0, 20);
        assert_eq!((windows.room(0, &limits, true), windows.room(0, &limits, false)), (7, 9));
    }
}

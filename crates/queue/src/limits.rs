use std::fmt;
use std::time::Duration;

/// The part of each budget that the transactional lane alone may use, whether it has jobs or not: one in so many.
///
/// It is kept from the burst (at least one message, when the burst is 2 or more), from the messages a minute, hour and
/// day (rounded down), and one connection is kept when two or more are allowed. So a transactional message finds a
/// token beside any campaign; the rate over time is not lowered, because lanes that may not use the last tokens take
/// each one that comes after.
pub const RESERVED_ONE_IN: u32 = 10;

/// What a destination, or a whole route, takes from us. In each field, 0 means no limit.
///
/// Rate, connections and messages for each connection are the ceilings of three knobs. A [signal](crate::Signal)
/// turns a knob down, as a rule to half, and never below one message a minute, one connection, one message for each
/// connection. A knob without a ceiling starts from what was measured lately. After each clean interval with enough
/// settled jobs it rises by a sixteenth of its ceiling until it is back; a knob without a ceiling is then free again.
/// The interval is one of real sending: it begins with the first job done after the signal and after any hold.
///
/// Messages a minute, an hour and a day are counted by calendar windows in UTC: a minute from second 0, an hour from
/// minute 0, a day from 00:00. A message counts in the windows in which it was claimed; released, it leaves them. All
/// workers count in one place, so no window ever holds more than its limit. Calendar windows, because everybody can
/// say when the next one begins and what a limit for a date means, and because one number each is enough. The price:
/// around a border, twice the limit may fall into a time as long as one window. A peer that counts over any 24 hours
/// is to be given half, or a rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Messages a second.
    pub per_second: f64,
    /// Messages that may go at once after a rest: in any window, at most `per_second × window + burst`,
    /// and what falls into one millisecond more. At least 1.
    pub burst: u32,
    /// Messages in one minute of the calendar.
    pub per_minute: u32,
    /// Messages in one hour of the calendar.
    pub per_hour: u32,
    /// Messages in one day of the calendar, UTC.
    pub per_day: u32,
    pub connections: u32,
    pub messages_per_connection: u32,
}

impl Limits {
    pub const UNLIMITED: Self = Self {
        per_second: 0.0,
        burst: 1,
        per_minute: 0,
        per_hour: 0,
        per_day: 0,
        connections: 0,
        messages_per_connection: 0,
    };

    /// 0 is none.
    #[must_use]
    pub const fn in_window(&self, window: Window) -> u32 {
        match window {
            Window::Minute => self.per_minute,
            Window::Hour => self.per_hour,
            Window::Day => self.per_day,
        }
    }
}

/// A calendar window, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Window {
    Minute,
    Hour,
    Day,
}

impl Window {
    pub const ALL: [Self; 3] = [Self::Minute, Self::Hour, Self::Day];

    #[must_use]
    pub const fn minutes(self) -> u64 {
        match self {
            Self::Minute => 1,
            Self::Hour => 60,
            Self::Day => 1_440,
        }
    }
}

/// Messages that went out in the windows that hold one minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// Minutes since 1970, UTC.
    pub minute: u64,
    pub in_minute: u32,
    pub in_hour: u32,
    pub in_day: u32,
}

impl Sent {
    #[must_use]
    pub const fn in_window(&self, window: Window) -> u32 {
        match window {
            Window::Minute => self.in_minute,
            Window::Hour => self.in_hour,
            Window::Day => self.in_day,
        }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
        })
    }
}

/// For a destination of which nothing is known: what a small mail server bears without complaint.
impl Default for Limits {
    fn default() -> Self {
        Self { per_second: 10.0, burst: 20, connections: 4, messages_per_connection: 100, ..Self::UNLIMITED }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct QueueOptions {
    /// For shards whose limits were never [set](crate::Queue::set_limits).
    pub default_limits: Limits,
    /// A grant whose holder neither claims, settles nor extends for so long is expired. Longer than the longest SMTP
    /// wait (10 minutes for the reply to the final dot, RFC 5321 §4.5.3.2.6).
    pub lease: Duration,
    /// A turned knob rises one step after so long of sending without a signal for it.
    pub recovery_interval: Duration,
    /// … and after so many jobs done since it last moved.
    pub recovery_jobs: u32,
    /// Signals for one knob within so long of its last turn are one signal: they come from connections that were
    /// open together. For as long no connection is opened after one that was too many for the peer.
    pub reaction_time: Duration,
    /// After so many messages a connection gives way when other shards of its lane wait and nobody is free.
    pub turn_messages: u32,
    /// A destination with nothing to do, no hold, no turned knob and no limits of its own is forgotten after so long.
    pub forget_after: Duration,
}

impl Default for QueueOptions {
    fn default() -> Self {
        Self {
            default_limits: Limits::default(),
            lease: Duration::from_secs(15 * 60),
            recovery_interval: Duration::from_secs(60),
            recovery_jobs: 10,
            reaction_time: Duration::from_secs(2),
            turn_messages: 100,
            forget_after: Duration::from_secs(10 * 60),
        }
    }
}

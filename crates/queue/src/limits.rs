use std::time::Duration;

/// What a destination takes from us: the ceilings of its three knobs. In each, 0 means no limit.
///
/// A [signal](crate::Signal) halves a knob, down to one message a minute, one connection, one message for each
/// connection. A knob without a ceiling starts from what was measured lately. After each clean interval with enough
/// settled jobs it rises by a sixteenth of its ceiling until it is back; a knob without a ceiling is then free again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Messages a second.
    pub per_second: f64,
    /// Messages that may go at once after a rest: in any window, at most `per_second × window + burst`,
    /// and what falls into one millisecond more. At least 1.
    pub burst: u32,
    pub connections: u32,
    pub messages_per_connection: u32,
}

impl Limits {
    pub const UNLIMITED: Self = Self { per_second: 0.0, burst: 1, connections: 0, messages_per_connection: 0 };
}

/// For a destination of which nothing is known: what a small mail server bears without complaint.
impl Default for Limits {
    fn default() -> Self {
        Self { per_second: 10.0, burst: 20, connections: 4, messages_per_connection: 100 }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct QueueOptions {
    /// For shards whose limits were never [set](crate::Queue::set_limits).
    pub default_limits: Limits,
    /// A grant whose holder neither claims, settles nor extends for so long is expired. Longer than the longest SMTP
    /// wait (10 minutes for the reply to the final dot, RFC 5321 §4.5.3.2.6).
    pub lease: Duration,
    /// A turned knob rises one step after so long without a signal for it.
    pub recovery_interval: Duration,
    /// … and after so many jobs done since it last moved.
    pub recovery_jobs: u32,
    /// Signals for one knob within so long of its last turn are one signal: they come from connections that were
    /// open together.
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

use std::fmt;
use std::time::Duration;

/// One of the three things that a destination limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Knob {
    Rate,
    Connections,
    MessagesPerConnection,
}

impl fmt::Display for Knob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rate => "messages a second",
            Self::Connections => "connections",
            Self::MessagesPerConnection => "messages for each connection",
        })
    }
}

/// A knob that moved, down by a signal or up by clean work.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Turn {
    pub knob: Knob,
    pub from: f64,
    pub to: f64,
}

/// How far a signal turns a knob down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cut {
    /// To one so-manieth of where it stands; below 2 it is half.
    Part(u32),
    /// To so much: messages a minute, connections, messages for each connection. What stands there already, or lower, is halved.
    AtMost(u32),
}

impl Cut {
    pub const HALF: Self = Self::Part(2);
}

/// Whom a reply concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Everyone who speaks to the destination.
    Destination,
    /// The stream of the shard only. A stream has a rate and holds, but no connections of its own: the other knobs are
    /// the destination's.
    Stream,
}

/// What a reply means for everyone whom it concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signal {
    pub scope: Scope,
    /// Turn this knob down …
    pub knob: Option<Knob>,
    /// … so far …
    pub cut: Cut,
    /// … and let no clean interval begin before so long.
    pub stay: Duration,
    /// Leave the destination, or the stream, alone for so long. A hold never shortens one that lasts longer.
    pub hold: Option<Duration>,
    /// The reply, verbatim: it is shown as the reason.
    pub why: String,
}

impl Signal {
    /// Leave it alone for so long.
    #[must_use]
    pub fn hold(scope: Scope, hold: Duration, why: impl Into<String>) -> Self {
        Self { scope, knob: None, cut: Cut::HALF, stay: Duration::ZERO, hold: Some(hold), why: why.into() }
    }

    /// Turn a knob down to half.
    #[must_use]
    pub fn halve(scope: Scope, knob: Knob, why: impl Into<String>) -> Self {
        Self { scope, knob: Some(knob), cut: Cut::HALF, stay: Duration::ZERO, hold: None, why: why.into() }
    }
}

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
    /// Halve this knob.
    pub knob: Option<Knob>,
    /// Leave the destination, or the stream, alone for so long. A hold never shortens one that lasts longer.
    pub hold: Option<Duration>,
    /// The reply, verbatim: it is shown as the reason.
    pub why: String,
}

//! What can happen in a round, and how often each kind of it met what it is for.

use std::collections::BTreeMap;

/// A server that a proxy stands before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    Postgres,
    Redis,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// SIGKILL of a process with this role.
    Kill(&'static str),
    RedisDies,
    RedisFailsOver,
    PostgresCrashes,
    Freeze(&'static str),
    RedisWiped,
    /// A transaction is committed and nobody is told.
    CommitCut,
    /// A function of the queue is done and nobody is told.
    ReplyLost,
    Slow(Server),
    Silent(Server),
    Cut(Server),
    HalfClosed(Server),
    DiskFull,
    /// A second process on the same data.
    Double,
    Launch(usize),
    Pause,
    Resume,
    Cancel,
    DeleteList,
    Unsubscribe,
    Suppress,
    DeleteSubscriber,
    SendAgain,
}

impl Event {
    /// Something is ended in the middle of what it does.
    #[must_use]
    pub const fn is_kill(self) -> bool {
        matches!(self, Self::Kill(_) | Self::RedisDies | Self::RedisFailsOver | Self::PostgresCrashes)
    }

    /// Something that people do, and not something that breaks.
    #[must_use]
    pub const fn is_act(self) -> bool {
        matches!(
            self,
            Self::Launch(_)
                | Self::Pause
                | Self::Resume
                | Self::Cancel
                | Self::DeleteList
                | Self::Unsubscribe
                | Self::Suppress
                | Self::DeleteSubscriber
                | Self::SendAgain
        )
    }

    /// As it is counted.
    #[must_use]
    pub fn kind(self) -> String {
        match self {
            Self::Kill(role) => format!("{role} killed"),
            Self::Freeze(role) => format!("{role} frozen"),
            Self::Launch(_) => "launched twice at once".to_owned(),
            other => format!("{other:?}"),
        }
    }
}

/// What came of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    pub words: String,
    /// It found what it is for: mail that is being sent, a person whose message is still to come.
    pub met: bool,
}

/// How often.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Count {
    times: u32,
    met: u32,
}

/// Each kind of event, how often it came, and how often it met what it is for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally(BTreeMap<String, Count>);

impl Tally {
    pub fn add(&mut self, event: Event, met: bool) {
        let count = self.0.entry(event.kind()).or_default();
        count.times += 1;
        count.met += u32::from(met);
    }

    pub fn extend(&mut self, other: &Self) {
        for (kind, theirs) in &other.0 {
            let count = self.0.entry(kind.clone()).or_default();
            count.times += theirs.times;
            count.met += theirs.met;
        }
    }

    /// Kinds that came and never met anything: they proved nothing.
    #[must_use]
    pub fn never_met(&self) -> Vec<&str> {
        self.0.iter().filter(|(_, count)| count.met == 0).map(|(kind, _)| kind.as_str()).collect()
    }

    /// One line for each kind.
    #[must_use]
    pub fn words(&self) -> String {
        let line = |(kind, count): (&String, &Count)| format!("  {kind:<24} {:>4} of {:>4}", count.met, count.times);
        self.0.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_met_anything_is_named() {
        let (mut all, mut round) = (Tally::default(), Tally::default());
        round.add(Event::Kill("web"), false);
        round.add(Event::Launch(0), true);
        round.add(Event::Launch(1), false);
        all.extend(&round);
        assert_eq!(all.never_met(), ["web killed"]);
        round.add(Event::Kill("web"), true);
        all.extend(&round);
        assert_eq!(all.never_met(), [""; 0]);
        assert!(all.words().contains("launched twice at once      2 of    4"), "{}", all.words());
    }
}

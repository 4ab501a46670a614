use std::time::Duration;

use serde::Serialize;
use tidings_domain::UnixMs;

use super::cause::{Cause, Process, WarmUpDay};
use super::facts::Facts;
use super::lanes::command_for;
use super::sentences::{Said, words};

/// A cause in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// For programs: a word that does not change.
    pub cause: &'static str,
    /// A tone of the badge: `bad`, `warn`, `info`, `ok`, `neutral`.
    #[serde(skip)]
    pub tone: &'static str,
    /// A few words.
    pub title: String,
    /// The whole of it in one sentence.
    pub sentence: String,
    /// What follows, and what helps; may be empty.
    pub more: String,
    /// The receiver's own words; may be empty.
    pub reply: String,
    /// What to type; may be empty.
    pub command: &'static str,
    #[serde(rename = "since_ms", serialize_with = "instant")]
    pub since: Option<UnixMs>,
    #[serde(rename = "until_ms", serialize_with = "instant")]
    pub until: Option<UnixMs>,
    /// Nothing goes until somebody does something, or a time is over.
    pub stops: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde asks for a reference
fn instant<S: serde::Serializer>(at: &Option<UnixMs>, out: S) -> Result<S::Ok, S::Error> {
    at.map(|at| at.0).serialize(out)
}

pub fn reason(cause: &Cause, facts: &Facts, clock: &dyn Fn(UnixMs) -> String) -> Reason {
    let Said { tone, title, sentence, more } = words(cause, facts, clock);
    let (since, until) = span(cause, facts.now);
    Reason {
        cause: cause.name(),
        tone,
        title: title.to_owned(),
        sentence,
        more,
        reply: reply(cause),
        command: command(cause),
        since,
        until,
        stops: cause.stops(),
    }
}

/// The receiver's own words.
fn reply(cause: &Cause) -> String {
    match cause {
        Cause::Held { reply, .. }
        | Cause::Connections { reply, .. }
        | Cause::Rate { reply, .. }
        | Cause::PutOff { reply, .. } => reply.clone(),
        Cause::DnsTrouble { said, .. } => said.clone(),
        _ => String::new(),
    }
}

const fn command(cause: &Cause) -> &'static str {
    match cause {
        Cause::SendingLocked { .. } => "tidings unlock-sending",
        Cause::NoProcess { is_one: true, .. } | Cause::LaneUnserved { is_one: true, .. } => "tidings serve",
        Cause::NoProcess { process: Process::Worker, .. } => "tidings worker",
        Cause::NoProcess { process: Process::Dispatcher, .. } => "tidings dispatcher",
        Cause::LaneUnserved { lane, .. } => command_for(*lane),
        Cause::HeldByHand => "tidings queue release",
        _ => "",
    }
}

fn span(cause: &Cause, now: UnixMs) -> (Option<UnixMs>, Option<UnixMs>) {
    let ago = |span: &Duration| now.0.checked_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)).map(UnixMs);
    match cause {
        Cause::QueueAway { since, .. } => (ago(since), None),
        Cause::Ended { at, .. } => (*at, None),
        Cause::Paused { at, .. } | Cause::DeadlinePassed { at } => (Some(*at), None),
        Cause::NoProcess { since, .. } | Cause::Standstill { since, .. } => (Some(*since), None),
        Cause::Held { since, left, .. } => (ago(since), Some(now.plus(*left))),
        Cause::Rate { next, .. } | Cause::Window { next, .. } | Cause::WarmUp(WarmUpDay { next, .. })
            if !next.is_zero() =>
        {
            (None, Some(now.plus(*next)))
        }
        Cause::DnsTrouble { next, .. } => (None, *next),
        Cause::PutOff { first, .. } => (None, *first),
        Cause::Deadline { at } => (None, Some(*at)),
        _ => (None, None),
    }
}

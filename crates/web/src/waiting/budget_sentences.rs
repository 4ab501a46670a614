//! What a limit that is reached says.

use std::time::Duration;

use tidings_queue::Window;

use super::cause::{Full, WarmUpDay};
use super::facts::counted;
use super::sentences::{Said, said};
use crate::pages::campaigns::rate::about;

/// Why no connection more is opened, as a part of a sentence.
pub fn full(full: Full) -> String {
    match full {
        Full::InUse { limit: 1, .. } => "the one connection that it allows is in use".to_owned(),
        Full::InUse { now, limit } if now < limit => {
            format!("all {limit} connections are in use or kept for tests and transactional mail")
        }
        Full::InUse { limit, .. } => format!("all {limit} connections are in use"),
        Full::RouteInUse => "all connections that the route allows are in use".to_owned(),
        Full::Refused { next } => format!("one connection more was refused, so the next is tried in {}", about(next)),
    }
}

pub(super) fn connections(who: &str, why: Full, waiting: i64) -> Said {
    let decides = if why.lasts_until_one_closes() { ", so its own speed decides" } else { "" };
    let (why, waiting) = (full(why), counted(waiting));
    said("info", "At its connections", format!("Limited by {who}: {why}{decides} ({waiting} left there)."), "")
}

pub(super) fn rate(who: &str, limit: &str, next: Duration, waiting: i64, takes: Option<Duration>) -> Said {
    let takes = takes.map_or_else(String::new, |span| format!(", {}", about(span)));
    let next = match next.as_secs() {
        0 | 1 => String::new(),
        _ => format!("The next one may go in {}.", about(next)),
    };
    let waiting = counted(waiting);
    said("info", "At its rate", format!("Limited by {who}: at most {limit} ({waiting} left there{takes})."), next)
}

pub(super) fn used_up(who: &str, window: Window, limit: u32, next: Duration, until: &str, waiting: i64) -> Said {
    let (next, waiting) = (about(next), counted(waiting));
    let more = match limit {
        0 => format!("The next one may go at {until}."),
        n => format!("It is {} a {window}. The next one may go at {until}.", counted(n.into())),
    };
    said(
        "info",
        "Its messages are used up",
        format!("Limited by {who}: the messages of this {window} are used up, more in {next} ({waiting} left there)."),
        more,
    )
}

pub(super) fn warming_up(day: &WarmUpDay, until: &str) -> Said {
    let WarmUpDay { who, route, day, cap, used, kept, next_cap, stays, next, waiting } = day;
    let [cap, used, left] = [(*cap).into(), (*used).into(), *waiting].map(counted);
    let kept = match kept {
        0 => String::new(),
        n => format!(", and {} are kept for tests and transactional mail", counted((*n).into())),
    };
    let again = if stays.is_empty() { String::new() } else { format!("It is this day again, because {stays}. ") };
    let more = match next_cap {
        Some(n) => format!("{again}If the day goes well, the next allows {}.", counted((*n).into())),
        None => format!("{again}If the day goes well, nothing is limited after it."),
    };
    let sentence = format!(
        "The route “{route}” is being warmed up at {who}: {used} of the {cap} messages of day {day} are sent{kept}. \
         The next day begins at {until}, in {} ({left} left there).",
        about(*next)
    );
    said("info", "Its day of warm-up is used up", sentence, more)
}

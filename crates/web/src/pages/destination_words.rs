//! How a destination of the queue stands, in words: what it does now, and which knobs, windows and sending domains limit it.

use std::time::Duration;

use tidings_queue::{
    BudgetKind, Knob, Limit, ReducedKnob, ShardStatus, Standing, StoppedBy, StreamStatus, WindowStatus,
};

use super::campaigns::rate;
use super::campaigns::wording::capitalised;
use crate::page::Page;
use crate::text::number;
use crate::waiting::{Full, full, is_stopped_by_warm_up, window_end};

/// What the destination does, or why it does nothing: a tone, a word, a sentence.
pub fn standing(shard: &ShardStatus, page: &Page) -> (&'static str, &'static str, String) {
    match shard.standing {
        Standing::Held if shard.hold.is_none() => {
            ("warn", "Held", "The sending domains of all that waits here are held; mail of others would go.".to_owned())
        }
        Standing::Held => ("warn", "Held", held_words(shard, page)),
        Standing::RateLimited if is_stopped_by_warm_up(shard) => ("info", "Warming up", warm_up_words(shard, page)),
        Standing::RateLimited => ("info", "At its rate", rate_words(shard.stopped_by, page)),
        Standing::ConnectionLimited => ("info", "At its connections", connection_words(shard)),
        Standing::Paused => ("neutral", "Paused", "All that waits here belongs to paused campaigns.".to_owned()),
        Standing::WaitsForRetry => {
            let due =
                shard.next_due_in.map_or_else(String::new, |due| format!(" The first is due in {}.", rate::about(due)));
            ("warn", "Trying again", format!("Only retries wait here.{due}"))
        }
        Standing::Idle if shard.hold.is_some() => {
            ("warn", "Held", format!("Nothing waits now. {}", held_words(shard, page)))
        }
        Standing::Idle => ("ok", "Idle", "Nothing waits.".to_owned()),
        Standing::Free => ("ok", "Free", "No limit is reached: our own workers decide the speed.".to_owned()),
    }
}

fn connection_words(shard: &ShardStatus) -> String {
    let why = Full::of(shard);
    let decides = if why.lasts_until_one_closes() { ": how fast the receiver answers decides the speed" } else { "" };
    capitalised(&format!("{}{decides}.", full(why)))
}

fn held_words(shard: &ShardStatus, page: &Page) -> String {
    let hold = shard.hold.as_ref();
    let (since, left) = hold.map_or((Duration::ZERO, Duration::ZERO), |hold| (hold.since, hold.remaining));
    let until = page.clock(page.now.plus(left));
    let (left, since) = (rate::about(left), rate::about(since));
    format!("Not spoken to until {until} (for {left} more), since {since}. It said:")
}

/// The page "Why is it waiting?" knows the day of the plan, too.
fn warm_up_words(shard: &ShardStatus, page: &Page) -> String {
    let left = shard.stopped_by.and_then(|stop| stop.frees_in).unwrap_or_default();
    let next = page.clock(page.now.plus(window_end(left)));
    format!("What the route’s warm-up allows today is used up: more from {next} on.")
}

fn rate_words(stop: Option<StoppedBy>, page: &Page) -> String {
    let Some(stop) = stop else { return "The messages a second that it is allowed decide the speed.".to_owned() };
    let whose = match stop.budget {
        BudgetKind::Destination => "that it is",
        BudgetKind::Route => "that the route is",
        BudgetKind::Stream => "that their sending domain is",
    };
    match (stop.limit, stop.frees_in) {
        (Limit::Window(window), Some(left)) => {
            let next = page.clock(page.now.plus(window_end(left)));
            format!("The messages {whose} allowed this {window} are used up: more from {next} on.")
        }
        _ => format!("The messages a second {whose} allowed decide the speed."),
    }
}

pub fn window(window: &WindowStatus) -> String {
    let (used, limit) = (number(window.used.into()), number(window.limit.into()));
    let kept = match window.reserved {
        0 => String::new(),
        n => format!("; {} of them are kept for tests and transactional mail", number(n.into())),
    };
    format!("{used} of {limit} messages this {}, a new one in {}{kept}.", window.window, rate::about(window.ends_in))
}

pub fn stream_note(stream: &StreamStatus, page: &Page) -> String {
    if let Some(hold) = &stream.hold {
        let until = page.clock(page.now.plus(hold.remaining));
        return format!("Mail from {} is held until {until}. It said: {}", stream.stream, hold.why);
    }
    let why = stream.reduced.first().map_or("", |knob| knob.why.as_str());
    let limit = rate::per_second(stream.rate.limit);
    format!("Mail from {} is slowed to {limit}. It said: {why}", stream.stream)
}

/// `told`: what the page says already that it said.
pub fn reduced(knob: &ReducedKnob, told: &str) -> String {
    let (what, value): (&str, fn(f64) -> String) = match knob.knob {
        Knob::Rate => ("The rate", rate::per_second),
        Knob::Connections => ("The number of connections", whole),
        Knob::MessagesPerConnection => ("Messages on one connection", whole),
    };
    let said = if knob.why == told { String::new() } else { format!(" It said: {}", knob.why) };
    format!(
        "{what} is down to {} of {} for {}; it rises again in {} if all goes well.{said}",
        value(knob.now),
        value(knob.ceiling),
        rate::about(knob.since),
        rate::about(knob.next_raise_in)
    )
}

fn whole(value: f64) -> String {
    number(value.round() as i64)
}

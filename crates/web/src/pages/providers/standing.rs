//! How a provider stands now, on each route, and who blocks us.

use std::collections::BTreeSet;

use tidings_bounce::link_in;
use tidings_domain::Destination;
use tidings_queue::{ShardStatus, Snapshot, StreamStatus};
use tidings_store::PaceEvent;

use crate::page::Page;
use crate::pages::campaigns::rate;
use crate::pages::destination_words;
use crate::pages::route_names::{RouteNames, page_of};

/// A provider on one route.
pub(super) struct Standing {
    /// The route's name.
    pub way: String,
    /// The route's number; `None`: by no route of its own.
    pub route: Option<i64>,
    /// A sending domain that is held or slowed by itself; empty: all mail.
    pub stream: String,
    pub tone: &'static str,
    pub state: &'static str,
    pub why: String,
    /// The receiver's own words, and the web address in them.
    pub reply: String,
    pub link: Option<String>,
    pub rate: String,
    pub connections: String,
    pub reduced: Vec<String>,
    pub is_held: bool,
    pub is_slowed: bool,
}

/// The provider's destinations that have something to say. All lanes share one budget, so each is told once.
pub(super) fn standings(provider: &str, seen: &Snapshot, names: &RouteNames, page: &Page) -> Vec<Standing> {
    let mut told = BTreeSet::new();
    let ours = seen.shards.iter().filter(|shard| Destination::owner_of(&shard.shard.name) == provider);
    let ours = ours.filter(|shard| told.insert(shard.shard.name.to_string()));
    let with_streams = |shard: &ShardStatus| {
        let whole = || standing(shard, names, page);
        let streams = shard.streams.iter().map(|stream| of_stream(whole(), stream, page));
        std::iter::once(whole()).chain(streams).collect::<Vec<_>>()
    };
    ours.flat_map(with_streams).collect()
}

fn standing(shard: &ShardStatus, names: &RouteNames, page: &Page) -> Standing {
    let (tone, state, why) = destination_words::standing(shard, page);
    let route = Destination::of(&shard.shard.name).route();
    let reply = shard.hold.as_ref().map(|hold| hold.why.clone()).unwrap_or_default();
    let of = |now: String, limit: Option<String>| match limit {
        Some(limit) => format!("{now} of {limit}"),
        None => now,
    };
    let (speed, open) = (shard.rate, shard.connections);
    Standing {
        way: route.map_or_else(|| "By no route of its own".to_owned(), |route| names.of(route)),
        route,
        stream: String::new(),
        tone,
        state,
        why,
        link: link_in(&reply).map(str::to_owned),
        reduced: shard.reduced.iter().map(|knob| destination_words::reduced(knob, &reply)).collect(),
        reply,
        rate: of(rate::per_second(speed.now), (speed.limit > 0.0).then(|| rate::per_second(speed.limit))),
        connections: of(open.now.to_string(), (open.limit > 0).then(|| open.limit.to_string())),
        is_held: shard.hold.is_some(),
        is_slowed: !shard.reduced.is_empty(),
    }
}

/// A sending domain within it.
fn of_stream(whole: Standing, stream: &StreamStatus, page: &Page) -> Standing {
    let reply = stream.hold.as_ref().map(|hold| hold.why.clone()).unwrap_or_default();
    let (state, why) = match &stream.hold {
        Some(hold) => {
            let until = page.clock(page.now.plus(hold.remaining));
            ("Held", format!("Its mail waits until {until}; all other mail goes on. It said:"))
        }
        None => ("Slowed down", "Its mail goes slower than all other mail.".to_owned()),
    };
    Standing {
        stream: stream.stream.clone(),
        tone: "warn",
        state,
        why,
        link: link_in(&reply).map(str::to_owned),
        reduced: stream.reduced.iter().map(|knob| destination_words::reduced(knob, &reply)).collect(),
        reply,
        rate: rate::per_second(stream.rate.now),
        connections: "–".to_owned(),
        is_held: stream.hold.is_some(),
        is_slowed: !stream.reduced.is_empty(),
        ..whole
    }
}

/// A provider that takes nothing from us, for Home.
pub(crate) struct Alert {
    /// The page with its limits and holds.
    pub href: String,
    pub title: String,
    /// Where a person can ask to be let in again.
    pub link: Option<String>,
    pub reply: String,
    pub since_ms: i64,
    pub until: String,
}

/// Blocks that stand, in words.
pub(crate) fn alerts(blocks: Vec<PaceEvent>, names: &RouteNames, page: &Page) -> Vec<Alert> {
    let alert = |block: PaceEvent| Alert {
        title: format!("{} blocks our mail{}", names.owner(&block.of.provider), names.part(&block.of)),
        link: link_in(&block.why).map(str::to_owned),
        since_ms: block.at_ms,
        until: page.clock(tidings_domain::UnixMs(block.until_ms.unwrap_or(block.at_ms))),
        href: page_of(&block.of.provider),
        reply: block.why,
    };
    blocks.into_iter().map(alert).collect()
}

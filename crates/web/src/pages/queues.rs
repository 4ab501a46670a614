//! `/queues`: what waits, for which destination, how fast it goes, and what limits it now, in words.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use actix_web::{HttpResponse, web};
use askama::Template;
use tidings_domain::{DeliveryState, Destination, Lane, Word};
use tidings_queue::{
    BudgetKind, Gauge, Health, Knob, Limit, ReducedKnob, ShardStatus, Standing, StoppedBy, StreamStatus, WindowStatus,
};
use tidings_store::{Gauges, RouteId};

use super::campaigns::{encoded, rate, wording};
use super::providers::{Alert, EventRow, alerts, event_rows};
use crate::WebState;
use crate::filters;
use crate::inventory::{Access, Entry};
use crate::page::{Nav, Page, Show, shows};
use crate::problem::WebResult;
use crate::text::{When, count_of, number};
use crate::waiting::provider_of;

pub(crate) const ROUTES: &[Entry] = &[Entry::page("/queues", || web::to(show)).with_access(Access::Admin)];

/// Destinations on the page: those with most to do.
const ROWS: usize = 100;
/// Turns of limits that the page tells.
const EVENTS_SHOWN: i64 = 10;

shows!(QueuesPage);

#[derive(Template)]
#[template(path = "operations/queues.html")]
struct QueuesPage {
    page: Page,
    /// Why the queue cannot be used now.
    trouble: Option<Trouble>,
    lanes: Vec<LaneRow>,
    rows: Vec<Row>,
    /// Destinations beyond those shown.
    more: usize,
    alerts: Vec<Alert>,
    /// What slowed or freed destinations lately.
    events: Vec<EventRow>,
    deferred: i64,
    in_doubt: i64,
    idle_leases: usize,
}

struct Trouble {
    title: String,
    detail: String,
}

struct LaneRow {
    name: String,
    ready: i64,
    delayed: i64,
    in_flight: i64,
    /// Since when its first delivery waits.
    oldest: Option<When>,
}

struct Row {
    name: String,
    /// For the address of what explains it.
    key: String,
    lane: String,
    waiting: i64,
    in_flight: i64,
    rate: String,
    connections: String,
    per_connection: String,
    tone: &'static str,
    state: &'static str,
    /// Who limits what, in a sentence.
    why: String,
    /// The receiver's own words.
    reply: String,
    /// Knobs turned down, windows, slowed sending domains: each with its sentence.
    notes: Vec<String>,
}

async fn show(page: Page, state: web::Data<WebState>) -> WebResult<HttpResponse> {
    let seen = state.queue.snapshot().await;
    let gauges = state.store.gauges(page.now).await?;
    let relays = named(&state, &seen.shards).await?;
    let mut shards = seen.shards;
    shards.sort_by_key(|s| (Reverse(s.ready + s.delayed + s.leased), s.shard.clone()));
    let more = shards.len().saturating_sub(ROWS);
    let lanes = Lane::ALL.iter().map(|lane| lane_row(*lane, &shards, &gauges, &page)).collect();
    let rows = shards.iter().take(ROWS).map(|shard| row(shard, &relays, &page)).collect();
    let events = state.store.pace_events(None, EVENTS_SHOWN).await?;
    let of = |state| gauges.deliveries.get(&state).copied().unwrap_or(0);
    QueuesPage {
        trouble: trouble(state.queue.health()),
        lanes,
        rows,
        more,
        alerts: alerts(state.store.standing_blocks(page.now).await?, &page),
        events: event_rows(&events, &page),
        deferred: of(DeliveryState::Deferred),
        in_doubt: of(DeliveryState::InDoubt),
        idle_leases: seen.waiting_workers,
        page: page.titled("Queues", Nav::Queues),
    }
    .show()
}

fn trouble(health: Health) -> Option<Trouble> {
    let Health::Down { since, trouble, why } = health else { return None };
    let detail = format!("{} The numbers below are the last ones known. It said: {why}", wording::queue_is_away(since));
    Some(Trouble { title: trouble.to_string(), detail })
}

/// The names of destinations that belong to a route.
async fn named(state: &WebState, shards: &[ShardStatus]) -> WebResult<BTreeMap<String, String>> {
    let mut names = BTreeMap::new();
    for shard in shards {
        let destination = Destination::of(&shard.shard.name);
        let Some(id) = destination.route().filter(|_| !names.contains_key(shard.shard.name.as_ref())) else { continue };
        let route = state.store.route_by_id(RouteId(id)).await?;
        let name = route.map_or_else(|| format!("route {id} (deleted)"), |route| route.name);
        let name = match destination.provider() {
            Some(provider) => format!("{} by {name}", wording::provider(provider)),
            None => format!("Relay {name}"),
        };
        names.insert(shard.shard.name.to_string(), name);
    }
    Ok(names)
}

fn lane_row(lane: Lane, shards: &[ShardStatus], gauges: &Gauges, page: &Page) -> LaneRow {
    let of = |value: fn(&ShardStatus) -> usize| {
        let ours = shards.iter().filter(|shard| i16::from(shard.shard.lane) == lane.code());
        i64::try_from(ours.map(value).sum::<usize>()).unwrap_or(i64::MAX)
    };
    LaneRow {
        name: lane_name(lane).to_owned(),
        ready: of(|s| s.ready),
        delayed: of(|s| s.delayed),
        in_flight: of(|s| s.leased),
        oldest: gauges.oldest_queued.get(&lane).map(|at| page.when(&at.0)),
    }
}

const fn lane_name(lane: Lane) -> &'static str {
    match lane {
        Lane::Transactional => "Tests and transactional",
        Lane::Automation => "Automation",
        Lane::Bulk => "Campaigns",
    }
}

fn row(shard: &ShardStatus, relays: &BTreeMap<String, String>, page: &Page) -> Row {
    let name = shard.shard.name.as_ref();
    let key = encoded(provider_of(name));
    let name = relays.get(name).cloned().unwrap_or_else(|| wording::provider(name));
    let lane = Lane::from_code(shard.shard.lane.into()).unwrap_or(Lane::Bulk);
    let (tone, state, why) = standing(shard, page);
    let mut notes: Vec<String> = shard.reduced.iter().map(reduced).collect();
    notes.extend(shard.windows.iter().map(window));
    notes.extend(shard.streams.iter().map(|stream| stream_note(stream, page)));
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    Row {
        name,
        key,
        lane: lane_name(lane).to_owned(),
        waiting: count(shard.ready + shard.delayed),
        in_flight: count(shard.leased),
        rate: of_limit(
            &rate::per_second(shard.rate.now),
            (shard.rate.limit > 0.0).then(|| rate::per_second(shard.rate.limit)),
        ),
        connections: connections(shard.connections),
        per_connection: match shard.messages_per_connection {
            0 => "no limit".to_owned(),
            n => number(n.into()),
        },
        tone,
        state,
        why,
        reply: shard.hold.as_ref().map(|hold| hold.why.clone()).unwrap_or_default(),
        notes,
    }
}

fn connections(gauge: Gauge<u32>) -> String {
    of_limit(&number(gauge.now.into()), (gauge.limit > 0).then(|| number(gauge.limit.into())))
}

fn of_limit(now: &str, limit: Option<String>) -> String {
    match limit {
        Some(limit) => format!("{now} of {limit}"),
        None => format!("{now}, no limit"),
    }
}

/// What the destination does, or why it does nothing: a tone, a word, a sentence.
pub(super) fn standing(shard: &ShardStatus, page: &Page) -> (&'static str, &'static str, String) {
    match shard.standing {
        Standing::Held if shard.hold.is_none() => {
            ("warn", "Held", "The sending domains of all that waits here are held; mail of others would go.".to_owned())
        }
        Standing::Held => {
            let hold = shard.hold.as_ref();
            let (since, left) = hold.map_or((Duration::ZERO, Duration::ZERO), |h| (h.since, h.remaining));
            let until = page.clock(page.now.plus(left));
            let began = rate::about(since);
            (
                "warn",
                "Held",
                format!("Not spoken to until {until} (for {} more), since {began}. It said:", rate::about(left)),
            )
        }
        Standing::RateLimited => ("info", "At its rate", rate_words(shard.stopped_by, page)),
        Standing::ConnectionLimited => {
            let open = count_of(shard.connections.limit.into(), "connection is", "connections are");
            (
                "info",
                "At its connections",
                format!("All {open} in use: how fast the receiver answers decides the speed."),
            )
        }
        Standing::Paused => ("neutral", "Paused", "All that waits here belongs to paused campaigns.".to_owned()),
        Standing::WaitsForRetry => {
            let due =
                shard.next_due_in.map_or_else(String::new, |due| format!(" The first is due in {}.", rate::about(due)));
            ("warn", "Trying again", format!("Only retries wait here.{due}"))
        }
        Standing::Idle => ("ok", "Idle", "Nothing waits.".to_owned()),
        Standing::Free => ("ok", "Free", "No limit is reached: our own workers decide the speed.".to_owned()),
    }
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
            let next = page.clock(page.now.plus(left));
            format!("The messages {whose} allowed this {window} are used up: more from {next} on.")
        }
        _ => format!("The messages a second {whose} allowed decide the speed."),
    }
}

fn window(window: &WindowStatus) -> String {
    let (used, limit) = (number(window.used.into()), number(window.limit.into()));
    let kept = match window.reserved {
        0 => String::new(),
        n => format!("; {} of them are kept for tests and transactional mail", number(n.into())),
    };
    format!("{used} of {limit} messages this {}, a new one in {}{kept}.", window.window, rate::about(window.ends_in))
}

fn stream_note(stream: &StreamStatus, page: &Page) -> String {
    if let Some(hold) = &stream.hold {
        let until = page.clock(page.now.plus(hold.remaining));
        return format!("Mail from {} is held until {until}. It said: {}", stream.stream, hold.why);
    }
    let why = stream.reduced.first().map_or("", |knob| knob.why.as_str());
    let limit = rate::per_second(stream.rate.limit);
    format!("Mail from {} is slowed to {limit}. It said: {why}", stream.stream)
}

pub(super) fn reduced(knob: &ReducedKnob) -> String {
    let (what, value): (&str, fn(f64) -> String) = match knob.knob {
        Knob::Rate => ("The rate", rate::per_second),
        Knob::Connections => ("The number of connections", whole),
        Knob::MessagesPerConnection => ("Messages on one connection", whole),
    };
    format!(
        "{what} is down to {} of {} for {}; it rises again in {} if all goes well. It said: {}",
        value(knob.now),
        value(knob.ceiling),
        rate::about(knob.since),
        rate::about(knob.next_raise_in),
        knob.why
    )
}

fn whole(value: f64) -> String {
    number(value.round() as i64)
}

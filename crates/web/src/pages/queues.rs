//! `/queues`: what waits, for which destination, how fast it goes, and what limits it now, in words.

use std::cmp::Reverse;

use actix_web::{HttpResponse, web};
use askama::Template;
use tidings_domain::{DeliveryState, Destination, Lane, Word};
use tidings_queue::{Gauge, Health, ShardStatus};
use tidings_store::Gauges;

use super::campaigns::{encoded, rate, wording};
use super::destination_words::{reduced, standing, stream_note, window};
use super::providers::{Alert, EventRow, alerts, event_rows};
use super::route_names::RouteNames;
use crate::WebState;
use crate::filters;
use crate::inventory::{Access, Entry};
use crate::page::{Nav, Page, Show, shows};
use crate::problem::WebResult;
use crate::text::{When, number};
use crate::waiting::{self, Reason, reasons_of_workers, unserved};

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
    /// Something waits for a worker that is not there.
    unserved: Vec<Reason>,
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
    /// A worker lives that sends from it.
    is_served: bool,
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
    let (facts, seen) = waiting::here(&state).await?;
    let gauges = state.store.gauges(page.now).await?;
    let names = RouteNames::read(&state.store).await?;
    let mut shards = seen.shards;
    shards.sort_by_key(|s| (Reverse(s.ready + s.delayed + s.leased), s.shard.clone()));
    let more = shards.len().saturating_sub(ROWS);
    let idle_lanes = unserved(&facts.workers, page.now);
    let lane = |lane: &Lane| lane_row(*lane, &shards, &gauges, !idle_lanes.contains(lane), &page);
    let lanes = Lane::ALL.iter().map(lane).collect();
    let rows = shards.iter().take(ROWS).map(|shard| row(shard, &names, &page)).collect();
    let events = state.store.pace_events(None, EVENTS_SHOWN).await?;
    let of = |state| gauges.deliveries.get(&state).copied().unwrap_or(0);
    QueuesPage {
        trouble: trouble(state.queue.health()),
        unserved: reasons_of_workers(facts, &shards),
        lanes,
        rows,
        more,
        alerts: alerts(state.store.standing_blocks(page.now).await?, &names, &page),
        events: event_rows(&events, &names, &page),
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

fn lane_row(lane: Lane, shards: &[ShardStatus], gauges: &Gauges, is_served: bool, page: &Page) -> LaneRow {
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
        is_served,
    }
}

const fn lane_name(lane: Lane) -> &'static str {
    match lane {
        Lane::Transactional => "Tests and transactional",
        Lane::Automation => "Automation",
        Lane::Bulk => "Campaigns",
    }
}

fn row(shard: &ShardStatus, names: &RouteNames, page: &Page) -> Row {
    let name = shard.shard.name.as_ref();
    let key = encoded(Destination::owner_of(name));
    let name = names.destination(name);
    let lane = Lane::from_code(shard.shard.lane.into()).unwrap_or(Lane::Bulk);
    let (tone, state, why) = standing(shard, page);
    let reply = shard.hold.as_ref().map(|hold| hold.why.clone()).unwrap_or_default();
    let mut notes: Vec<String> = shard.reduced.iter().map(|knob| reduced(knob, &reply)).collect();
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
        reply,
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

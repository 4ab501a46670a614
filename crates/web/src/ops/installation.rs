//! How the whole installation stands, read at each scrape: the ledger's sums and the queue's snapshot. Every process that serves pages
//! tells the same; take the maximum over them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tidings_domain::{DeliveryState, Destination, Lane, ProcessRole, UnixMs, Word};
use tidings_queue::{Health, ShardStatus, Snapshot, Standing};
use tidings_store::{Gauges, Heartbeat, StoreResult};

use super::Ops;
use crate::clock::now;

/// Destinations with a label of their own: those with most work. All others are `other`.
const PROVIDERS: usize = 40;
const OTHER: &str = "other";
/// The provider of what goes through a relay: it delivers to all of them.
const RELAY: &str = "relay";
/// A process that has been silent for longer counts as gone.
const SILENT_MS: i64 = UnixMs::MINUTE;
const READ_WITHIN: Duration = Duration::from_secs(5);

type Labels = Vec<(&'static str, String)>;

/// `all`: with the ledger and the queue; else only whether they can be reached.
pub(super) async fn register(ops: &Ops, all: bool, registry: &mut Registry) {
    let up = matches!(ops.queue.health(), Health::Up);
    one(registry, "tidings_queue_up", "1 while the queue answers and takes jobs", f64::from(u8::from(up)));
    let pool = ops.store.pool();
    let state = |name: &str, n: u32| (vec![("state", name.to_owned())], f64::from(n));
    let pooled = [state("busy", pool.connections - pool.idle.min(pool.connections)), state("idle", pool.idle)];
    many(registry, "tidings_database_connections", "Connections of this process to the database", pooled);
    one(registry, "tidings_database_connections_limit", "Connections that this process may open", pool.limit.into());
    if !all {
        let answers = tokio::time::timeout(READ_WITHIN, ops.store.ping()).await.is_ok_and(|read| read.is_ok());
        return database_up(registry, answers);
    }
    let read = tokio::time::timeout(READ_WITHIN, read(ops)).await;
    database_up(registry, matches!(read, Ok(Ok(_))));
    match read {
        Ok(Ok((gauges, workers))) => {
            ledger(registry, &gauges);
            processes(registry, &workers);
        }
        Ok(Err(error)) => tracing::warn!(%error, "the database cannot be read for the metrics"),
        Err(_) => tracing::warn!("the database is too slow for the metrics"),
    }
    if ops.shares_queue {
        let leads = ops.dispatcher_lease().await.is_some_and(|(_, runs)| runs);
        one(registry, "tidings_dispatcher_up", "1 while a dispatcher leads", f64::from(u8::from(leads)));
    }
    queue(registry, &ops.queue.snapshot().await);
}

async fn read(ops: &Ops) -> StoreResult<(Gauges, Vec<Heartbeat>)> {
    Ok((ops.store.gauges(now()).await?, ops.store.workers().await?))
}

fn database_up(registry: &mut Registry, up: bool) {
    one(registry, "tidings_database_up", "1 while the database can be read", f64::from(u8::from(up)));
}

fn ledger(registry: &mut Registry, gauges: &Gauges) {
    let states = gauges.campaigns.iter().map(|(state, n)| (vec![("state", state.to_string())], *n as f64));
    many(registry, "tidings_campaigns", "Campaigns under way, by state", states);
    one(registry, "tidings_campaigns_paused", "Campaigns under way that are paused", gauges.paused as f64);
    one(registry, "tidings_campaigns_attention", "Campaigns that wait for a person", gauges.attention as f64);
    one(registry, "tidings_providers_blocking", "Destinations that block this sender now", gauges.blocked as f64);
    let rows = DeliveryState::ALL.iter().map(|state| {
        let n = gauges.deliveries.get(state).copied().unwrap_or(0);
        (vec![("state", state.to_string())], n as f64)
    });
    let help = "Ledger rows by state, of campaigns under way and of those that ended within 7 days";
    many(registry, "tidings_deliveries", help, rows);
    let at = now();
    let ages = Lane::ALL.iter().map(|lane| {
        let age = gauges.oldest_queued.get(lane).map_or(0.0, |since| at.since(*since).as_secs_f64());
        (vec![("lane", lane.to_string())], age)
    });
    let help = "How long the first queued delivery has waited, paused campaigns aside";
    many(registry, "tidings_queue_oldest_seconds", help, ages);
    let imports = gauges.imports.iter().map(|(state, n)| (vec![("state", state.to_string())], *n as f64));
    many(registry, "tidings_imports", "Open imports by state", imports);
    one(registry, "tidings_import_done_bytes", "Read of the files of open imports", gauges.import_bytes_done as f64);
    one(registry, "tidings_import_total_bytes", "Size of the files of open imports", gauges.import_bytes_total as f64);
}

fn processes(registry: &mut Registry, beats: &[Heartbeat]) {
    let at = now();
    let mut alive: BTreeMap<(String, String), i64> = BTreeMap::new();
    let mut last: BTreeMap<String, i64> = BTreeMap::new();
    for beat in beats {
        let newest = last.entry(beat.role.clone()).or_insert(beat.heartbeat_at_ms);
        *newest = (*newest).max(beat.heartbeat_at_ms);
        if at.0 - beat.heartbeat_at_ms < SILENT_MS {
            *alive.entry((beat.role.clone(), beat.version.clone())).or_default() += 1;
        }
    }
    let counts = alive.into_iter().map(|((role, version), n)| (vec![("role", role), ("version", version)], n as f64));
    many(registry, "tidings_processes", "Processes that showed life within a minute", counts);
    let ages = last.into_iter().map(|(role, beat)| (vec![("role", role)], at.since(UnixMs(beat)).as_secs_f64()));
    many(registry, "tidings_heartbeat_age_seconds", "Since the last sign of life of any process of a role", ages);
    let sends = |beat: &&Heartbeat| {
        ProcessRole::parse(&beat.role).is_ok_and(ProcessRole::sends) && at.0 - beat.heartbeat_at_ms < SILENT_MS
    };
    let serving = Lane::ALL.iter().map(|lane| {
        let n = beats.iter().filter(sends).filter(|beat| lane.is_among(&beat.lanes)).count();
        (vec![("lane", lane.to_string())], n as f64)
    });
    many(registry, "tidings_lane_workers", "Workers that are alive and send from the lane", serving);
    let open: i64 = beats.iter().filter(sends).map(|beat| beat.connections).sum();
    one(registry, "tidings_workers_connections", "Open SMTP connection slots of all workers", open as f64);
}

fn queue(registry: &mut Registry, seen: &Snapshot) {
    let named = largest(&seen.shards);
    let mut jobs: BTreeMap<Labels, f64> = BTreeMap::new();
    let mut starved: BTreeMap<Labels, f64> = BTreeMap::new();
    for shard in &seen.shards {
        let lane = lane(shard.shard.lane);
        for (state, n) in [("ready", shard.ready), ("delayed", shard.delayed), ("leased", shard.leased)] {
            let mut labels = vec![("lane", lane.clone())];
            labels.extend(destination(&shard.shard.name, &named));
            labels.push(("state", state.to_owned()));
            *jobs.entry(labels).or_default() += n as f64;
        }
        let waits = if shard.standing == Standing::Free { shard.ready } else { 0 };
        *starved.entry(vec![("lane", lane)]).or_default() += waits as f64;
    }
    many(registry, "tidings_queue_jobs", "Jobs in the queue", jobs);
    let help = "Ready jobs that no limit of their provider keeps back: more workers would send them sooner";
    many(registry, "tidings_queue_waiting_for_workers", help, starved);
    one(registry, "tidings_queue_idle_leases", "Calls of workers that wait for a job", seen.waiting_workers as f64);
    budgets(registry, &seen.shards, &named);
}

/// A budget belongs to the provider on its route: all lanes show the same.
fn budgets(registry: &mut Registry, shards: &[ShardStatus], named: &BTreeSet<&str>) {
    let shown: BTreeMap<&str, &ShardStatus> = shards
        .iter()
        .map(|shard| (shard.shard.name.as_ref(), shard))
        .filter(|(name, _)| named.contains(name))
        .collect();
    let of = |value: fn(&ShardStatus) -> f64| {
        shown.iter().map(|(name, shard)| (destination(name, named), value(shard))).collect::<Vec<_>>()
    };
    let gauges = [
        ("tidings_provider_connections", "Connection slots in use", of(|s| s.connections.now.into())),
        (
            "tidings_provider_connections_limit",
            "Connections allowed now; 0: no limit",
            of(|s| s.connections.limit.into()),
        ),
        ("tidings_provider_rate", "Messages a second claimed lately", of(|s| s.rate.now)),
        ("tidings_provider_rate_limit", "Messages a second allowed now; 0: no limit", of(|s| s.rate.limit)),
        ("tidings_provider_rate_ceiling", "Messages a second as set; 0: no limit", of(|s| s.limits.per_second)),
        (
            "tidings_provider_hold_seconds",
            "How long the provider is not spoken to; 0: it is not held",
            of(|s| s.hold.as_ref().map_or(0.0, |hold| hold.remaining.as_secs_f64())),
        ),
    ];
    for (name, help, values) in gauges {
        many(registry, name, help, values);
    }
}

/// Provider and route as labels of their own, so that one may be summed over the other. Without a route the label is empty, which is none.
fn destination(name: &str, named: &BTreeSet<&str>) -> Labels {
    let (provider, route) = match Destination::of(name) {
        _ if !named.contains(name) => (OTHER, None),
        Destination::Relay { route } => (RELAY, Some(route)),
        Destination::Direct { provider, route } => (provider, route),
    };
    let route = route.map_or_else(String::new, |route| route.to_string());
    vec![("provider", provider.to_owned()), ("route", route)]
}

/// The destinations with most work, and so a bounded set of labels.
fn largest(shards: &[ShardStatus]) -> BTreeSet<&str> {
    let mut work: HashMap<&str, usize> = HashMap::new();
    for shard in shards {
        *work.entry(shard.shard.name.as_ref()).or_default() += shard.ready + shard.delayed + shard.leased;
    }
    let mut names: Vec<(&str, usize)> = work.into_iter().collect();
    names.sort_by_key(|(name, work)| (std::cmp::Reverse(*work), *name));
    names.into_iter().take(PROVIDERS).map(|(name, _)| name).collect()
}

fn lane(code: u8) -> String {
    Lane::from_code(code.into()).unwrap_or(Lane::Bulk).to_string()
}

fn one(registry: &mut Registry, name: &str, help: &str, value: f64) {
    let gauge = Gauge::<f64, AtomicU64>::default();
    gauge.set(value);
    registry.register(name, help, gauge);
}

fn many(registry: &mut Registry, name: &str, help: &str, values: impl IntoIterator<Item = (Labels, f64)>) {
    let family = Family::<Labels, Gauge<f64, AtomicU64>>::default();
    for (labels, value) in values {
        family.get_or_create(&labels).set(value);
    }
    registry.register(name, help, family);
}

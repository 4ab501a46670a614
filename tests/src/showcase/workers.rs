//! Processes that show life as long as somebody looks: workers for campaigns alone, and one that lacks an address.

use std::time::Duration;

use tidings_domain::UnixMs;
use tidings_store::{Heartbeat, RouteId, Store};
use tidings_worker::now;
use tokio_util::sync::CancellationToken;

/// More often than a page calls a process late.
const BEAT_EVERY: Duration = Duration::from_secs(4);
const LEASE_MS: i64 = 60_000;
const PROCESSES: [(&str, &str); 4] =
    [("web", "page-1"), ("dispatcher", "mail-1"), ("worker", "mail-1"), ("worker", "mail-2")];

/// Until `stop`.
pub(super) async fn live(store: Store, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(BEAT_EVERY);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        beat(&store).await.expect("the database takes a sign of life");
    }
}

pub(super) async fn beat(store: &Store) -> anyhow::Result<()> {
    for (role, host) in PROCESSES {
        store.beat(process(role, host)).await?;
    }
    let lacks = "192.0.2.11 is no address of this machine";
    store
        .report_route_workers(&id("worker", "mail-1"), vec![(RouteId(1), String::new()), (RouteId(2), lacks.into())])
        .await?;
    store.hold_lease("dispatcher", "mail-1", LEASE_MS, now()).await?;
    Ok(())
}

pub(super) fn id(role: &str, host: &str) -> String {
    format!("{host}-{role}-0c4e")
}

fn process(role: &str, host: &str) -> Heartbeat {
    let sends = role == "worker";
    Heartbeat {
        id: id(role, host),
        role: role.into(),
        host: host.into(),
        version: "0.1.0".into(),
        started_at_ms: now().0 - 3 * UnixMs::DAY,
        heartbeat_at_ms: now().0,
        connections: if sends { 41 } else { 0 },
        attempts: 9,
        max_connections: if sends { 200 } else { 0 },
        attempts_per_minute: if sends { 1_234 } else { 0 },
        lanes: if sends { "bulk".into() } else { String::new() },
    }
}

//! From ledger rows to the queue's shards: which budget a job stands under.

use std::collections::HashMap;
use std::sync::Arc;

use tidings_bounce::ProviderBook;
use tidings_domain::{Destination, ProviderTable, RouteKind, Shared};
use tidings_queue::{Job, Limits, Queue, Sent, Shard};
use tidings_store::{CampaignId, HandedOver, QueuedJob, Route, RouteId, Store, WorkspaceId};

use super::routing::Routing;
use crate::now;

/// A relay's limits where its route names none.
const RELAY_CONNECTIONS: u32 = 10;
const RELAY_MESSAGES_PER_CONNECTION: u32 = 1_000;
/// Messages that may go at once besides what falls into this part of a second: enough to use the rate up although a connection comes
/// for its token some milliseconds late, and far less than the second's worth by which receivers count. One of them is kept for the
/// transactional lane.
const BURST_MESSAGES: f64 = 3.0;
const BURST_SECONDS: f64 = 0.125;
/// Campaigns whose sending domain is kept at one time; beyond it all are read again as needed.
const KEPT_STREAMS: usize = 1_000;

pub struct Shards {
    store: Store,
    queue: Queue,
    book: Shared<ProviderBook>,
    /// The one that the queue's limits are of.
    table: Arc<ProviderTable>,
    /// What the queue was last told of each destination, and of each direct route as a whole.
    told: HashMap<Arc<str>, Limits>,
    told_of_routes: HashMap<RouteId, Limits>,
    /// Of the routes, that are told.
    looks: u64,
    /// Those that were told them for the first time since they were asked for.
    met: Vec<Shard>,
    streams: HashMap<CampaignId, Arc<str>>,
}

impl Shards {
    pub fn new(store: Store, queue: Queue, book: Shared<ProviderBook>) -> Self {
        let table = Arc::clone(&book.current().table);
        let (told, told_of_routes, streams) = (HashMap::new(), HashMap::new(), HashMap::new());
        Self { store, queue, book, table, told, told_of_routes, looks: 0, met: Vec::new(), streams }
    }

    /// Tells the queue all limits anew.
    pub fn forget(&mut self) {
        self.told.clear();
        self.told_of_routes.clear();
    }

    /// Tells the queue the limits anew when the provider table is another one than before.
    ///
    /// # Errors
    /// The database cannot be used.
    pub async fn keep_up(&mut self, routing: &Routing) -> anyhow::Result<()> {
        let table = Arc::clone(&self.book.current().table);
        if Arc::ptr_eq(&table, &self.table) {
            return Ok(());
        }
        let old = std::mem::replace(&mut self.table, table);
        self.forget();
        let told = self.limit_all(routing).await;
        if told.is_err() {
            // The next look tells them all.
            self.table = old;
        }
        told
    }

    async fn limit_all(&mut self, routing: &Routing) -> anyhow::Result<()> {
        for status in self.queue.snapshot().await.shards {
            self.limit(&status.shard, routing).await?;
        }
        Ok(())
    }

    /// Destinations that were told their limits since the last call.
    pub fn take_met(&mut self) -> Vec<Shard> {
        std::mem::take(&mut self.met)
    }

    pub async fn push(&mut self, routing: &Routing, jobs: &[QueuedJob]) -> anyhow::Result<()> {
        let mut by_shard: HashMap<(Shard, WorkspaceId), Vec<Job>> = HashMap::new();
        for queued in jobs {
            let shard = shard_of(queued, routing).with_stream(self.stream(queued.campaign).await?);
            by_shard.entry((shard, queued.workspace)).or_default().push(Job {
                delivery: queued.delivery.0,
                campaign: queued.campaign.0,
                attempt: queued.attempt,
            });
        }
        for ((shard, workspace), jobs) in by_shard {
            self.limit(&shard, routing).await?;
            self.queue.push(&shard, workspace.0, &jobs).await;
        }
        Ok(())
    }

    /// The sending domain of a campaign's jobs: frozen at its launch.
    async fn stream(&mut self, campaign: CampaignId) -> anyhow::Result<Arc<str>> {
        if let Some(known) = self.streams.get(&campaign) {
            return Ok(Arc::clone(known));
        }
        let stream: Arc<str> = self.store.sending_domain(campaign).await?.into();
        if self.streams.len() >= KEPT_STREAMS {
            self.streams.clear();
        }
        self.streams.insert(campaign, Arc::clone(&stream));
        Ok(stream)
    }

    /// Tells the queue what has changed: limits of a route, or its day of warm-up.
    ///
    /// # Errors
    /// The database cannot be used.
    pub async fn refresh(&mut self, routing: &Routing) -> anyhow::Result<()> {
        if self.looks == routing.looks() {
            return Ok(());
        }
        let names: Vec<Arc<str>> = self.told.keys().cloned().collect();
        for name in names {
            self.limit(&Shard::new(0, name), routing).await?;
        }
        self.looks = routing.looks();
        Ok(())
    }

    async fn limit(&mut self, shard: &Shard, routing: &Routing) -> anyhow::Result<()> {
        let limits = match Destination::of(&shard.name) {
            Destination::Relay { route } => relay_limits(routing.route(RouteId(route))),
            Destination::Direct { provider, route } => {
                if let Some(route) = route.and_then(|id| routing.route(RouteId(id))) {
                    self.limit_route(route).await?;
                }
                let cap = route.and_then(|id| routing.warm_up_cap(RouteId(id), provider));
                Limits { per_day: cap.unwrap_or(0), ..self.provider_limits(provider) }
            }
        };
        if self.told.get(&shard.name) != Some(&limits) {
            self.queue.set_limits(shard, limits).await;
            self.tell_sent(shard, limits).await?;
            if self.told.insert(Arc::clone(&shard.name), limits).is_none() {
                self.met.push(Shard::new(shard.lane, Arc::clone(&shard.name)));
            }
        }
        Ok(())
    }

    /// A queue that begins anew knows nothing of what went out in the present minute, hour and day.
    async fn tell_sent(&self, shard: &Shard, limits: Limits) -> anyhow::Result<()> {
        let of = match Destination::of(&shard.name) {
            Destination::Relay { route } => Some((route, None)),
            Destination::Direct { provider, route } => route.map(|route| (route, Some(provider.to_owned()))),
        };
        if let Some((route, provider)) = of.filter(|_| has_window(limits)) {
            let sent = self.store.handed_over(RouteId(route), provider, now()).await?;
            self.queue.sent(shard, in_windows(sent)).await;
        }
        Ok(())
    }

    /// A direct route's own limits hold over all its destinations.
    async fn limit_route(&mut self, route: &Route) -> anyhow::Result<()> {
        let limits = route_limits(route);
        if self.told_of_routes.get(&route.id) != Some(&limits) {
            let name = route.id.to_string();
            self.queue.set_route_limits(&name, limits).await;
            if has_window(limits) {
                let sent = self.store.handed_over(route.id, None, now()).await?;
                self.queue.sent_by_route(&name, in_windows(sent)).await;
            }
            self.told_of_routes.insert(route.id, limits);
        }
        Ok(())
    }

    fn provider_limits(&self, provider: &str) -> Limits {
        let limits = self.table.limits(provider);
        Limits {
            per_second: limits.per_second,
            burst: burst(limits.per_second),
            connections: limits.connections,
            messages_per_connection: limits.messages_per_connection,
            ..Limits::UNLIMITED
        }
    }
}

const fn has_window(limits: Limits) -> bool {
    limits.per_minute > 0 || limits.per_hour > 0 || limits.per_day > 0
}

fn in_windows(sent: HandedOver) -> Sent {
    let messages = |n: i64| u32::try_from(n).unwrap_or(u32::MAX);
    Sent {
        minute: u64::try_from(sent.minute).unwrap_or(0),
        in_minute: messages(sent.in_minute),
        in_hour: messages(sent.in_hour),
        in_day: messages(sent.in_day),
    }
}

fn relay_limits(route: Option<&Route>) -> Limits {
    let limits = route.map_or(Limits::UNLIMITED, route_limits);
    let connections = if limits.connections == 0 { RELAY_CONNECTIONS } else { limits.connections };
    Limits { connections, messages_per_connection: RELAY_MESSAGES_PER_CONNECTION, ..limits }
}

fn route_limits(route: &Route) -> Limits {
    let number = |n: i32| u32::try_from(n).unwrap_or(0);
    Limits {
        per_second: f64::from(route.max_per_second),
        burst: burst(f64::from(route.max_per_second)),
        per_minute: number(route.max_per_minute),
        per_hour: number(route.max_per_hour),
        per_day: number(route.max_per_day),
        connections: number(route.max_connections),
        messages_per_connection: 0,
    }
}

/// Of a rate. One that is below two a second gets along with one.
fn burst(per_second: f64) -> u32 {
    let most = per_second.floor().max(1.0);
    (BURST_MESSAGES + per_second * BURST_SECONDS).min(most) as u32
}

fn shard_of(job: &QueuedJob, routing: &Routing) -> Shard {
    let kind = job.route.and_then(|id| routing.route(id)).map(|route| route.kind);
    let destination = match (kind, job.route) {
        (Some(RouteKind::Relay), Some(route)) => Destination::Relay { route: route.0 },
        (_, route) => Destination::Direct { provider: &job.provider, route: route.map(|id| id.0) },
    };
    Shard::new(u8::try_from(job.lane.code()).unwrap_or(0), destination.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever a connection was late by, a receiver that counts by the second sees no two seconds' worth in one.
    #[test]
    fn a_burst_is_a_small_part_of_a_second() {
        let bursts = [0.0, 0.5, 1.9, 2.0, 4.0, 14.0, 100.0, 323.0].map(|rate| (rate, burst(rate)));
        assert_eq!(bursts, [(0.0, 1), (0.5, 1), (1.9, 1), (2.0, 2), (4.0, 3), (14.0, 4), (100.0, 15), (323.0, 43)]);
    }
}

//! From ledger rows to the queue's shards: which budget a job stands under.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tidings_bounce::ProviderBook;
use tidings_domain::{ProviderTable, RouteKind, Shared};
use tidings_queue::{Job, Limits, Queue, Shard};
use tidings_store::{CampaignId, QueuedJob, RouteId, Store, WorkspaceId};

/// A relay's limits where its route names none.
const RELAY_CONNECTIONS: u32 = 10;
const RELAY_MESSAGES_PER_CONNECTION: u32 = 1_000;
/// Campaigns whose sending domain is kept at one time; beyond it all are read again as needed.
const KEPT_STREAMS: usize = 1_000;

pub struct Shards {
    store: Store,
    queue: Queue,
    book: Shared<ProviderBook>,
    /// The one that the queue's limits are of.
    table: Arc<ProviderTable>,
    /// Destinations whose limits the queue knows.
    limited: HashSet<Arc<str>>,
    /// Those that were told them since they were asked for.
    met: Vec<Shard>,
    streams: HashMap<CampaignId, Arc<str>>,
}

impl Shards {
    pub fn new(store: Store, queue: Queue, book: Shared<ProviderBook>) -> Self {
        let table = Arc::clone(&book.current().table);
        Self { store, queue, book, table, limited: HashSet::new(), met: Vec::new(), streams: HashMap::new() }
    }

    /// Tells the queue all limits anew.
    pub fn forget(&mut self) {
        self.limited.clear();
    }

    /// Tells the queue the limits anew when the provider table is another one than before.
    pub async fn keep_up(&mut self) -> anyhow::Result<()> {
        let table = Arc::clone(&self.book.current().table);
        if Arc::ptr_eq(&table, &self.table) {
            return Ok(());
        }
        self.table = table;
        self.forget();
        for status in self.queue.snapshot().await.shards {
            self.limit(&status.shard).await?;
        }
        Ok(())
    }

    /// Destinations that were told their limits since the last call.
    pub fn take_met(&mut self) -> Vec<Shard> {
        std::mem::take(&mut self.met)
    }

    pub async fn push(&mut self, jobs: &[QueuedJob]) -> anyhow::Result<()> {
        let mut by_shard: HashMap<(Shard, WorkspaceId), Vec<Job>> = HashMap::new();
        let mut kinds: HashMap<Option<RouteId>, RouteKind> = HashMap::new();
        for queued in jobs {
            let kind = match kinds.get(&queued.route) {
                Some(kind) => *kind,
                None => {
                    let kind = self.kind(queued.route).await?;
                    kinds.insert(queued.route, kind);
                    kind
                }
            };
            let shard = shard_of(queued, kind).with_stream(self.stream(queued.campaign).await?);
            by_shard.entry((shard, queued.workspace)).or_default().push(Job {
                delivery: queued.delivery.0,
                campaign: queued.campaign.0,
                attempt: queued.attempt,
            });
        }
        for ((shard, workspace), jobs) in by_shard {
            self.limit(&shard).await?;
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

    async fn kind(&self, route: Option<RouteId>) -> anyhow::Result<RouteKind> {
        match route {
            None => Ok(RouteKind::Direct),
            Some(id) => Ok(self.store.route_by_id(id).await?.map_or(RouteKind::Direct, |r| r.kind)),
        }
    }

    async fn limit(&mut self, shard: &Shard) -> anyhow::Result<()> {
        if self.limited.contains(&shard.name) {
            return Ok(());
        }
        let limits = match shard.name.strip_prefix("relay:") {
            Some(id) => self.relay_limits(id).await?,
            None => self.provider_limits(provider_of(&shard.name)),
        };
        self.queue.set_limits(shard, limits).await;
        self.limited.insert(Arc::clone(&shard.name));
        self.met.push(Shard::new(shard.lane, Arc::clone(&shard.name)));
        Ok(())
    }

    async fn relay_limits(&self, id: &str) -> anyhow::Result<Limits> {
        let route = match id.parse() {
            Ok(id) => self.store.route_by_id(RouteId(id)).await?,
            Err(_) => None,
        };
        let (connections, per_second) = route.map_or((0, 0), |r| (r.max_connections, r.max_per_second));
        Ok(Limits {
            per_second: f64::from(per_second),
            burst: u32::try_from(per_second).unwrap_or(0).div_ceil(10).max(1),
            connections: u32::try_from(connections).ok().filter(|n| *n > 0).unwrap_or(RELAY_CONNECTIONS),
            messages_per_connection: RELAY_MESSAGES_PER_CONNECTION,
            ..Limits::UNLIMITED
        })
    }

    fn provider_limits(&self, provider: &str) -> Limits {
        let limits = self.table.limits(provider);
        Limits {
            per_second: limits.per_second,
            // One second's worth may go at once.
            burst: limits.per_second.ceil().max(1.0) as u32,
            connections: limits.connections,
            messages_per_connection: limits.messages_per_connection,
            ..Limits::UNLIMITED
        }
    }
}

/// Without the route: every route to a provider has the provider's limits.
fn provider_of(name: &str) -> &str {
    name.rsplit_once('@').map_or(name, |(provider, _)| provider)
}

fn shard_of(job: &QueuedJob, kind: RouteKind) -> Shard {
    let name = match (kind, job.route) {
        (RouteKind::Relay, Some(route)) => Arc::from(format!("relay:{route}")),
        _ => Arc::clone(&job.provider),
    };
    Shard::new(u8::try_from(job.lane.code()).unwrap_or(0), name)
}

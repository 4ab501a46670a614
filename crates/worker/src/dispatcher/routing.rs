//! Which route each job takes: by its pool's weights, among the routes that get through; and another one while its own does not.
//!
//! A row keeps its route over its retries as long as that route is fit, because a receiver that greylists knows the address that it saw
//! first. What is chosen is written to the ledger before its job is pushed; the job that an unfit route still has does nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidings_domain::{PoolShare, UnixMs, pick_route, provider_label};
use tidings_queue::Queue;
use tidings_store::{ActiveCampaign, CampaignId, DeliveryId, PoolId, QueuedJob, Route, RouteId, Store, WorkspaceId};

use super::fitness::{Fitness, held_for_long, unfit};
use super::warmth::Warmth;
use crate::now;

/// A change in the settings, and a breaker that opens, act within this.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// When a job names a route that nobody has heard of: it is new, or gone.
const LOOK_FOR_NEWS_EVERY: Duration = Duration::from_millis(50);
/// What costs more is looked at less often: the whole queue, and the days of warm-up.
const LOOK_AT_ALL_EVERY: Duration = Duration::from_secs(5);
/// Rows that take another route in one step.
const MOVE_ROWS: i64 = 5_000;
/// A worker that was silent for longer has no addresses any more.
const WORKER_SILENT_MS: i64 = UnixMs::MINUTE;

pub struct Routing {
    store: Store,
    queue: Queue,
    looked: Option<Instant>,
    looked_at_all: Option<Instant>,
    routes: HashMap<RouteId, Fitness>,
    pools: HashMap<PoolId, Vec<PoolShare>>,
    /// Whom a route is not to be used for, for long, and why.
    held: BTreeMap<(RouteId, String), String>,
    warmth: Warmth,
    /// Routes that were given more than their day holds, since rows were last looked for that have to move.
    crowded: BTreeSet<RouteId>,
    /// What stood in the way when rows were last looked for that have to move.
    noted: Trouble,
    /// Counts the looks, for who follows them.
    looks: u64,
    /// Campaigns whose rows on a route are still to be gone through, and where it goes on.
    to_move: BTreeMap<(CampaignId, RouteId), DeliveryId>,
}

/// Routes that are not to be used, and whom others are not to be used for.
#[derive(Default, PartialEq, Eq)]
struct Trouble {
    unfit: BTreeSet<RouteId>,
    held: BTreeSet<(RouteId, String)>,
}

impl Trouble {
    fn routes(&self) -> impl Iterator<Item = RouteId> + '_ {
        self.unfit.iter().copied().chain(self.held.iter().map(|(route, _)| *route))
    }
}

impl Routing {
    pub fn new(store: Store, queue: Queue) -> Self {
        Self {
            warmth: Warmth::new(store.clone()),
            store,
            queue,
            looked: None,
            looked_at_all: None,
            routes: HashMap::new(),
            pools: HashMap::new(),
            held: BTreeMap::new(),
            crowded: BTreeSet::new(),
            noted: Trouble::default(),
            looks: 0,
            to_move: BTreeMap::new(),
        }
    }

    /// Another number than before: the routes were read anew.
    pub fn looks(&self) -> u64 {
        self.looks
    }

    /// A new leader knows nothing of what was.
    pub fn forget(&mut self) {
        self.looked = None;
        self.looked_at_all = None;
        self.noted = Trouble::default();
        self.to_move.clear();
    }

    pub fn route(&self, id: RouteId) -> Option<&Route> {
        self.routes.get(&id).map(|fitness| &fitness.route)
    }

    /// What the route may send to this provider today; `None`: as much as it likes.
    pub fn warm_up_cap(&self, id: RouteId, provider: &str) -> Option<u32> {
        self.warmth.cap(self.route(id)?, provider)
    }

    /// Reads how the routes stand, and notes whose rows have to move.
    ///
    /// # Errors
    /// The database cannot be used.
    pub async fn look(&mut self, campaigns: &[ActiveCampaign]) -> anyhow::Result<()> {
        // What was read to place jobs, a moment before, is news here too.
        if self.looked.is_none_or(|at| at.elapsed() >= LOOK_EVERY) {
            self.read().await?;
        }
        self.look_at_all().await?;
        let crowded = std::mem::take(&mut self.crowded);
        let trouble = Trouble { unfit: self.unfit_routes().collect(), held: self.held.keys().cloned().collect() };
        if trouble != self.noted || !crowded.is_empty() {
            self.note_moves(trouble.routes().chain(crowded).collect(), campaigns);
            self.noted = trouble;
        }
        self.to_move.retain(|(id, _), _| campaigns.iter().any(|campaign| campaign.id == *id));
        Ok(())
    }

    async fn read(&mut self) -> anyhow::Result<()> {
        let routes = self.store.all_routes().await?;
        let breakers = self.store.breakers().await?;
        let workers = self.store.route_workers(UnixMs(now().0 - WORKER_SILENT_MS)).await?;
        self.routes = routes
            .into_iter()
            .map(|route| (route.id, Fitness { unfit: unfit(&route, &breakers, &workers), route }))
            .collect();
        let share =
            |(route, weight): (RouteId, i32)| PoolShare { route: route.0, weight: u32::try_from(weight).unwrap_or(0) };
        let pools = self.store.pool_shares().await?;
        self.pools = pools.into_iter().map(|(pool, shares)| (pool, shares.into_iter().map(share).collect())).collect();
        self.looked = Some(Instant::now());
        self.looks += 1;
        Ok(())
    }

    /// The holds of the queue and the days of warm-up.
    async fn look_at_all(&mut self) -> anyhow::Result<()> {
        if self.looked_at_all.is_some_and(|at| at.elapsed() < LOOK_AT_ALL_EVERY) {
            return Ok(());
        }
        let seen = self.queue.snapshot().await;
        self.held = held_for_long(&seen);
        self.warmth.look(self.routes.values().map(|fitness| &fitness.route), &seen).await?;
        self.looked_at_all = Some(Instant::now());
        self.crowded = self.warmth.crowded();
        Ok(())
    }

    fn unfit_routes(&self) -> impl Iterator<Item = RouteId> + '_ {
        self.routes.values().filter(|fitness| fitness.unfit.is_some()).map(|fitness| fitness.route.id)
    }

    fn note_moves(&mut self, routes: BTreeSet<RouteId>, campaigns: &[ActiveCampaign]) {
        let owners: HashMap<RouteId, WorkspaceId> =
            routes.into_iter().filter_map(|id| Some((id, self.route(id)?.workspace_id))).collect();
        for campaign in campaigns.iter().filter(|campaign| campaign.pool.is_some()) {
            for (id, _) in owners.iter().filter(|(_, owner)| **owner == campaign.workspace) {
                self.to_move.insert((campaign.id, *id), DeliveryId(0));
            }
        }
    }

    /// Gives jobs of pools their routes, in the ledger first. Returns those to be pushed.
    ///
    /// # Errors
    /// The transaction could not be committed; the rows are queued, and found again.
    pub async fn place(&mut self, jobs: Vec<QueuedJob>) -> anyhow::Result<Vec<QueuedJob>> {
        let is_news = |job: &QueuedJob| job.route.is_some_and(|id| !self.routes.contains_key(&id));
        let fresh = if jobs.iter().any(is_news) { LOOK_FOR_NEWS_EVERY } else { LOOK_EVERY };
        if self.looked.is_none_or(|at| at.elapsed() >= fresh) {
            self.read().await?;
            self.look_at_all().await?;
        }
        let jobs = self.choose_all(jobs, false).await?;
        self.warmth.begin(&jobs, &self.routes).await?;
        Ok(jobs)
    }

    /// `leaving`: their routes are to be others, if there are any.
    async fn choose_all(&mut self, mut jobs: Vec<QueuedJob>, leaving: bool) -> anyhow::Result<Vec<QueuedJob>> {
        let mut given = Vec::new();
        for job in jobs.iter_mut().filter(|job| job.pool.is_some()) {
            let chosen = self.choose(job, leaving);
            if let Some(route) = chosen.filter(|_| chosen != job.route) {
                job.route = Some(route);
                given.push((job.delivery, route));
            }
        }
        // A pool without routes cannot be made; should there be one, its rows wait rather than leave from anywhere.
        jobs.retain(|job| job.pool.is_none() || job.route.is_some());
        if given.is_empty() {
            return Ok(jobs);
        }
        let asked: BTreeSet<DeliveryId> = given.iter().map(|(delivery, _)| *delivery).collect();
        let took: BTreeSet<DeliveryId> = self.store.assign_routes(given).await?.into_iter().collect();
        jobs.retain(|job| took.contains(&job.delivery) || !asked.contains(&job.delivery));
        Ok(jobs)
    }

    /// Its own route while that is fit, unless it has to leave; else the first choice among those that are fit and have room today.
    fn choose(&mut self, job: &QueuedJob, leaving: bool) -> Option<RouteId> {
        if !leaving && job.route.is_some_and(|id| self.fits(id, &job.provider)) {
            return job.route;
        }
        let shares = self.pools.get(&job.pool?)?.clone();
        for fitness in shares.iter().filter_map(|share| self.routes.get(&RouteId(share.route))) {
            self.warmth.expect(&fitness.route, &job.provider);
        }
        let pick = |wanted: &dyn Fn(RouteId) -> bool| {
            let shares: Vec<PoolShare> = shares.iter().copied().filter(|share| wanted(RouteId(share.route))).collect();
            pick_route(job.delivery.0, &shares).map(RouteId)
        };
        let fits = |id| self.fits(id, &job.provider) && !(leaving && job.route == Some(id));
        let has_room = |id: RouteId| fits(id) && self.warmth.has_room(id, &job.provider);
        let chosen = pick(&has_room).or_else(|| pick(&fits)).or(job.route).or_else(|| pick(&|_| true));
        if let Some(id) = chosen.filter(|_| chosen != job.route) {
            self.warmth.take(id, &job.provider);
        }
        chosen
    }

    fn fits(&self, id: RouteId, provider: &str) -> bool {
        self.routes.get(&id).is_some_and(|fitness| fitness.unfit.is_none())
            && !self.held.contains_key(&(id, provider.to_owned()))
    }

    /// One page of rows that have not been sent and whose route is not fit: those for which another is take it. Returns the jobs
    /// to be pushed.
    ///
    /// # Errors
    /// The database cannot be used.
    pub async fn move_on(&mut self) -> anyhow::Result<Vec<QueuedJob>> {
        let Some((&(campaign, id), &after)) = self.to_move.first_key_value() else { return Ok(Vec::new()) };
        let page = self.store.queued_on_route(campaign, id, after, MOVE_ROWS).await?;
        match page.last() {
            Some(last) => self.to_move.insert((campaign, id), last.delivery),
            None => self.to_move.remove(&(campaign, id)),
        };
        let reason = page.first().and_then(|job| self.reason(id, &job.provider));
        let leaving: Vec<QueuedJob> = page.into_iter().filter(|job| self.must_leave(id, job)).collect();
        let moved: Vec<QueuedJob> =
            self.choose_all(leaving, true).await?.into_iter().filter(|job| job.route != Some(id)).collect();
        if let Some(reason) = reason.filter(|_| !moved.is_empty()) {
            tracing::warn!(%campaign, route = id.0, rows = moved.len(), reason, "deliveries take another route");
            self.store.note_rerouted(campaign, &reason, now()).await?;
        }
        Ok(moved)
    }

    fn must_leave(&mut self, id: RouteId, job: &QueuedJob) -> bool {
        !self.fits(id, &job.provider) || self.warmth.gives_back(id, &job.provider)
    }

    /// In the words of the campaign's history.
    fn reason(&self, id: RouteId, provider: &Arc<str>) -> Option<String> {
        let fitness = self.routes.get(&id)?;
        let held = self.held.get(&(id, provider.to_string()));
        let cause = match (&fitness.unfit, held) {
            (Some(why), _) => why.clone(),
            (None, Some(why)) => format!("{} holds it: {why}", provider_label(provider)),
            (None, None) => "its warm-up is used up for today".to_owned(),
        };
        Some(format!("what has not been sent leaves by other routes than “{}”: {cause}", fitness.route.name))
    }
}

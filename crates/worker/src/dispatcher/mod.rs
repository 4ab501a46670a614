//! Moves campaigns along: fan-out, providers, jobs, the retries that are due, Done.
//!
//! Every step reads its task from the ledger and commits what it did there, so that a kill at any line costs at most one chunk of
//! repeated, idempotent work. The queue is told afterwards: losing it loses nothing.

mod chores;
mod fan_out;
mod fitness;
mod orders;
mod pace;
mod providers;
mod pushing;
mod routing;
mod shards;
mod strays;
mod takeover;
mod warmth;

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use anyhow::Context;
use tidings_bounce::ProviderBook;
use tidings_delivery::Resolver;
use tidings_domain::{Shared, UnixMs};
use tidings_queue::Queue;
use tidings_store::{ActiveCampaign, CampaignId, QueuedJob, Store, StoreError};
use tokio_util::sync::CancellationToken;

use crate::leadership::Leadership;
use crate::{DispatcherMetrics, Looping, Step, now, run_until_stopped};
use chores::Chores;
use orders::Orders;
use pace::PaceKeeper;
use providers::Providers;
use routing::Routing;
use shards::Shards;
use strays::Strays;
pub use takeover::QUEUE_FACT;

/// Rest between two looks when there is nothing to do: a pause reaches the queue within this.
const IDLE_REST: Duration = Duration::from_millis(400);

#[derive(Debug, Clone)]
pub struct DispatcherOptions {
    pub idle_rest: Duration,
    /// With a shared queue: the name under which this process leads, or stands by while another does. `None`: it is the only one.
    pub stands_as: Option<String>,
    pub metrics: DispatcherMetrics,
    /// Months for which the ledger keeps rows after that of their launch; 0: always.
    pub keep_months: u32,
}

impl Default for DispatcherOptions {
    fn default() -> Self {
        Self { idle_rest: IDLE_REST, stands_as: None, metrics: DispatcherMetrics::default(), keep_months: 0 }
    }
}

/// How often campaigns are judged by what comes back: a pause is a barrier, but it must be told first.
const WATCH_EVERY: Duration = Duration::from_secs(1);

pub struct Dispatcher {
    store: Store,
    queue: Queue,
    providers: Providers,
    routing: Routing,
    shards: Shards,
    pace: PaceKeeper,
    orders: Orders,
    options: DispatcherOptions,
    /// What the queue was last told of each campaign.
    paused: HashMap<CampaignId, bool>,
    /// Campaigns past their deadline whose jobs the queue was told to forget.
    over: HashSet<CampaignId>,
    leadership: Option<Leadership>,
    strays: Strays,
    chores: Chores,
    /// Of the shared queue that this process has told everything.
    epoch: Option<u64>,
    watched: Option<Instant>,
    /// The queue inside this process has got what the ledger has.
    filled: bool,
    /// What the last leader committed and may not have pushed is still to be looked for.
    takes_over: bool,
    /// Jobs of rows that are queued, and which the queue has still to be told.
    unsent: Vec<QueuedJob>,
}

impl Dispatcher {
    #[must_use]
    pub fn new(
        store: Store,
        queue: Queue,
        resolver: Resolver,
        book: Shared<ProviderBook>,
        options: DispatcherOptions,
    ) -> Self {
        let providers = Providers::new(store.clone(), resolver, book.clone());
        let routing = Routing::new(store.clone(), queue.clone());
        let shards = Shards::new(store.clone(), queue.clone(), book);
        let leadership = options.stands_as.clone().map(|name| Leadership::of("dispatcher", store.clone(), name));
        let pace = PaceKeeper::new(store.clone(), queue.clone());
        let orders = Orders::new(store.clone(), queue.clone());
        let strays = Strays::new(store.clone(), queue.clone());
        let chores = Chores::new(store.clone(), options.keep_months);
        Self {
            store,
            queue,
            providers,
            routing,
            shards,
            pace,
            orders,
            options,
            paused: HashMap::new(),
            over: HashSet::new(),
            leadership,
            strays,
            chores,
            epoch: None,
            watched: None,
            filled: false,
            takes_over: false,
            unsent: Vec::new(),
        }
    }

    pub async fn run(mut self, stop: CancellationToken) {
        let rest = self.options.idle_rest;
        run_until_stopped(&mut self, &stop, rest).await;
        if let Some(leadership) = &mut self.leadership {
            leadership.resign().await;
        }
    }

    /// Tells the queue of pauses and of campaigns that have ended: O(1) each.
    async fn tell_pauses(&mut self, campaigns: &[ActiveCampaign]) {
        for campaign in campaigns {
            if self.paused.insert(campaign.id, campaign.paused) != Some(campaign.paused) {
                if campaign.paused {
                    self.queue.pause_campaign(campaign.id.0).await;
                } else {
                    self.queue.resume_campaign(campaign.id.0).await;
                }
            }
        }
        let active: HashSet<CampaignId> = campaigns.iter().map(|c| c.id).collect();
        self.paused.retain(|id, _| active.contains(id));
        self.over.retain(|id| active.contains(id));
    }

    /// Stops what bounces or is complained of too much.
    async fn watch(&mut self) -> anyhow::Result<()> {
        if self.watched.is_some_and(|at| at.elapsed() < WATCH_EVERY) {
            return Ok(());
        }
        for (campaign, alarm) in self.store.watch_campaigns(now()).await.context("judging the campaigns")? {
            tracing::warn!(%campaign, %alarm, paused = alarm.pauses(), "a campaign does harm");
        }
        self.watched = Some(Instant::now());
        Ok(())
    }
}

impl Dispatcher {
    /// One round over everything that can move.
    async fn round(&mut self) -> anyhow::Result<Step> {
        let leads = self.leads().await;
        self.options.metrics.leads(matches!(leads, Ok(true)));
        if !leads? {
            return Ok(Step::Idle);
        }
        // A restored backup: nothing reaches the queue until a person has looked.
        if self.store.sending_lock().await?.is_some() {
            return Ok(Step::Idle);
        }
        if self.leadership.is_some() {
            self.tell_anew().await?;
            if self.takes_over {
                self.push_unpushed().await?;
                self.takes_over = false;
            }
        } else if !self.filled {
            let waiting = self.refill().await?;
            self.filled = true;
            if waiting > 0 {
                tracing::info!(deliveries = waiting, "taken up where the last run ended");
            }
        }
        self.send_unsent().await?;
        self.shards.keep_up(&self.routing).await.context("telling the limits")?;
        self.orders.keep_up().await?;
        let campaigns = self.store.active_campaigns().await.context("reading the active campaigns")?;
        self.tell_pauses(&campaigns).await;
        if self.leadership.is_some() {
            let strays = self.strays.find(&campaigns).await?;
            self.route_and_push(strays).await?;
        }
        let mut busy = self.tend_routes(&campaigns).await?;
        busy |= self.queue_tests().await?;
        busy |= self.queue_due().await?;
        busy |= self.store.step_orders(now()).await.context("working off an order")?;
        for campaign in &campaigns {
            busy |= self.end_at_deadline(campaign).await.with_context(|| format!("campaign {}", campaign.id))?;
            busy |= self.move_along(campaign).await.with_context(|| format!("campaign {}", campaign.id))?;
        }
        busy |= self.end_cancelled().await?;
        // They only make room: what stands in their way is no reason to stop.
        match self.chores.step().await {
            Ok(more) => busy |= more,
            Err(error) => tracing::warn!(%error, "the ledger's chores wait"),
        }
        self.watch().await?;
        self.orders.meet(&self.shards.take_met()).await?;
        self.pace.keep_up().await?;
        Ok(if busy { Step::DidWork } else { Step::Idle })
    }
}

impl Looping for Dispatcher {
    const NAME: &'static str = "dispatcher";

    async fn step(&mut self) -> anyhow::Result<Step> {
        let done = self.round().await;
        if done.as_ref().err().is_some_and(is_unanswered) {
            // Rows may have become queued whose jobs we were not told.
            self.takes_over = true;
            self.filled = false;
        }
        done
    }
}

fn is_unanswered(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| matches!(cause.downcast_ref(), Some(StoreError::Unanswered(_))))
}

/// How long an answer of DNS is used for grouping when it names no time of its own.
pub(crate) const PROVIDER_FRESH: Duration = Duration::from_secs(24 * 3600);
/// How long a failed look-up is not repeated.
pub(crate) const PROVIDER_FAILED: Duration = Duration::from_secs(10 * 60);

pub(crate) fn expiry(now: UnixMs, known: bool) -> UnixMs {
    now.plus(if known { PROVIDER_FRESH } else { PROVIDER_FAILED })
}

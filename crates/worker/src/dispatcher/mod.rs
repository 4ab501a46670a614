//! Moves campaigns along: fan-out, providers, jobs, the retries that are due, Done.
//!
//! Every step reads its task from the ledger and commits what it did there, so that a kill at any line costs at most one chunk of
//! repeated, idempotent work. The queue is told afterwards: losing it loses nothing.

mod chores;
mod fitness;
mod orders;
mod pace;
mod providers;
mod routing;
mod shards;
mod strays;
mod warmth;

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use anyhow::Context;
use tidings_bounce::ProviderBook;
use tidings_delivery::Resolver;
use tidings_domain::{CampaignState, CampaignTransition, Shared, UnixMs};
use tidings_queue::Queue;
use tidings_store::{ActiveCampaign, CampaignId, DeliveryId, FanOut, QueuedJob, Store, StoreError};
use tokio_util::sync::CancellationToken;

use crate::leadership::{Leadership, Standing};
use crate::{DispatcherMetrics, Looping, Step, now, run_until_stopped};
use chores::Chores;
use orders::Orders;
use pace::PaceKeeper;
use providers::Providers;
use routing::Routing;
use shards::Shards;
use strays::Strays;

/// Subscribers of one fan-out transaction. SQLite's one writer is not kept from others for longer than a tenth of a second or so.
const FANOUT_CHUNK_ROWS: i64 = 25_000;
const FANOUT_CHUNK_ROWS_EMBEDDED: i64 = 10_000;
/// One campaign's fan-out goes on for so long before the others have their turn.
const FANOUT_TURN: Duration = Duration::from_secs(1);
/// Ledger rows that become jobs in one transaction.
const QUEUE_CHUNK_ROWS: i64 = 10_000;
/// Rows of a cancelled campaign ended in one transaction.
const CANCEL_CHUNK_ROWS: i64 = 10_000;
/// Rows of a campaign whose deadline has passed ended in one transaction.
const DEADLINE_CHUNK_ROWS: i64 = 10_000;
/// Cancelled campaigns whose rows are ended in one step.
const CANCELLED_CAMPAIGNS: i64 = 20;
/// Deferred rows taken in one transaction.
const DUE_CHUNK_ROWS: i64 = 5_000;
/// Test messages taken in one step.
const TEST_CHUNK_ROWS: i64 = 100;
/// Rows read in one page when the queue is filled again.
const REFILL_PAGE_ROWS: i64 = 20_000;
/// The installation's fact that names the queue which the ledger filled last.
pub const QUEUE_FACT: &str = "queue_epoch";
/// Its value during a refill: a kill in the middle makes the next leader fill again.
const FILLING: &str = "filling";
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

    /// Whether this process is the one to act. A new leader knows nothing of what the last one told the queue.
    async fn leads(&mut self) -> anyhow::Result<bool> {
        let Some(leadership) = &mut self.leadership else { return Ok(true) };
        match leadership.check().await? {
            Standing::StandsBy => Ok(false),
            Standing::Leads => Ok(true),
            Standing::TookOver => {
                self.epoch = None;
                self.takes_over = true;
                Ok(true)
            }
        }
    }

    /// A queue that is not the one the ledger last filled has lost every job, limit and pause.
    async fn tell_anew(&mut self) -> anyhow::Result<()> {
        let epoch = self.queue.epoch();
        if self.epoch == Some(epoch) {
            return Ok(());
        }
        self.paused.clear();
        self.shards.forget();
        self.routing.forget();
        self.strays.forget();
        // Before the refill: a second loss in its middle is seen as one more change.
        self.epoch = Some(epoch);
        let known = self.store.replace_fact(QUEUE_FACT, FILLING.to_owned()).await?;
        if known.as_deref() != Some(&epoch.to_string()) {
            let jobs = self.refill().await?;
            tracing::info!(jobs, "the queue was new or had been emptied; filled it from the ledger");
        }
        self.store.replace_fact(QUEUE_FACT, epoch.to_string()).await?;
        Ok(())
    }

    /// What the last leader committed and may not have pushed.
    async fn push_unpushed(&mut self) -> anyhow::Result<()> {
        while let Some((batch, jobs)) = self.store.unpushed().await? {
            self.route_and_push(jobs).await?;
            self.store.forget_unpushed(batch).await?;
        }
        Ok(())
    }

    /// Fills an empty queue from the ledger: after a start, or when the queue was lost. Deferred rows need no job: they are taken when due.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn refill(&mut self) -> anyhow::Result<u64> {
        let campaigns = self.store.active_campaigns().await?;
        self.tell_pauses(&campaigns).await;
        let (mut after, mut total) = (DeliveryId(0), 0);
        loop {
            let page = self.store.open_jobs(after, REFILL_PAGE_ROWS).await?;
            let Some(last) = page.last() else { return Ok(total) };
            after = last.job.delivery;
            let ready: Vec<QueuedJob> =
                page.into_iter().filter(|open| open.due.is_none()).map(|open| open.job).collect();
            total += ready.len() as u64;
            self.push(ready).await?;
        }
    }

    /// Returns whether there may be more to do at once.
    async fn move_along(&mut self, campaign: &ActiveCampaign) -> anyhow::Result<bool> {
        match campaign.state {
            CampaignState::Queuing => self.fan_out(campaign).await,
            CampaignState::Queued | CampaignState::Sending => {
                // Rows in doubt that a person sends again are pending once more.
                let queued = self.queue_pending(campaign).await?;
                self.store.finish_if_drained(campaign.id, now()).await?;
                Ok(queued)
            }
            _ => Ok(false),
        }
    }

    /// What was not sent by the deadline ends. The queue forgets its jobs first: they would only use up what others may send.
    async fn end_at_deadline(&mut self, campaign: &ActiveCampaign) -> anyhow::Result<bool> {
        if campaign.deadline.is_none_or(|at| at > now()) {
            return Ok(false);
        }
        if self.over.insert(campaign.id) {
            self.queue.drop_campaign(campaign.id.0).await;
            // It forgets a pause with the jobs.
            self.paused.remove(&campaign.id);
        }
        Ok(self.store.end_at_deadline(campaign.id, DEADLINE_CHUNK_ROWS, now()).await? > 0)
    }

    /// Some chunks of ledger rows, and jobs: at once for those whose provider is known, for the others as soon as it is.
    async fn fan_out(&mut self, campaign: &ActiveCampaign) -> anyhow::Result<bool> {
        let began = Instant::now();
        let mut written = self.write_chunk(campaign.id).await?;
        while matches!(written, FanOut::Chunk { .. }) && began.elapsed() < FANOUT_TURN {
            written = self.write_chunk(campaign.id).await?;
        }
        self.send_unsent().await?;
        let queued = self.queue_pending(campaign).await?;
        match written {
            FanOut::Chunk { .. } => Ok(true),
            FanOut::NotQueuing => Ok(false),
            FanOut::Finished { .. } if queued => Ok(true),
            FanOut::Finished { .. } => {
                // All jobs exist. `LostRace` means that somebody cancelled meanwhile: nothing to do.
                self.store.apply(campaign.id, CampaignTransition::FinishQueuing, now()).await?;
                Ok(true)
            }
        }
    }

    /// The jobs of the chunk before travel to the queue while this one is written.
    async fn write_chunk(&mut self, campaign: CampaignId) -> anyhow::Result<FanOut> {
        let rows = if self.store.is_embedded() { FANOUT_CHUNK_ROWS_EMBEDDED } else { FANOUT_CHUNK_ROWS };
        let store = self.store.clone();
        let (written, sent) = tokio::join!(store.fan_out(campaign, rows, now()), self.send_unsent());
        let (written, jobs) = written?;
        self.unsent.extend(jobs);
        sent?;
        Ok(written)
    }

    /// What could not be sent stays for the next round.
    async fn send_unsent(&mut self) -> anyhow::Result<()> {
        let placed = self.routing.place(self.unsent.clone()).await?;
        self.shards.push(&self.routing, &placed).await?;
        self.options.metrics.queued(self.unsent.len());
        let sent = std::mem::take(&mut self.unsent);
        Ok(self.store.pushed(&sent).await?)
    }

    async fn queue_pending(&mut self, campaign: &ActiveCampaign) -> anyhow::Result<bool> {
        self.providers.resolve_for(campaign.id).await?;
        let jobs = self.store.queue_pending(campaign.id, QUEUE_CHUNK_ROWS, now()).await?;
        let any = !jobs.is_empty();
        self.push(jobs).await?;
        Ok(any)
    }

    async fn queue_tests(&mut self) -> anyhow::Result<bool> {
        self.providers.resolve_for_tests().await?;
        let jobs = self.store.queue_tests(TEST_CHUNK_ROWS, now()).await?;
        let any = !jobs.is_empty();
        self.push(jobs).await?;
        Ok(any)
    }

    async fn queue_due(&mut self) -> anyhow::Result<bool> {
        let jobs = self.store.take_due(now(), DUE_CHUNK_ROWS).await?;
        let any = !jobs.is_empty();
        self.push(jobs).await?;
        Ok(any)
    }

    async fn push(&mut self, jobs: Vec<QueuedJob>) -> anyhow::Result<()> {
        self.options.metrics.queued(jobs.len());
        let batch = jobs.clone();
        self.route_and_push(jobs).await?;
        self.store.pushed(&batch).await?;
        Ok(())
    }

    async fn route_and_push(&mut self, jobs: Vec<QueuedJob>) -> anyhow::Result<()> {
        let jobs = self.routing.place(jobs).await?;
        self.shards.push(&self.routing, &jobs).await
    }

    /// Routes that fail, recover or have a new day: limits follow, and rows that can leave by another way do.
    async fn tend_routes(&mut self, campaigns: &[ActiveCampaign]) -> anyhow::Result<bool> {
        self.routing.look(campaigns).await.context("looking at the routes")?;
        self.shards.refresh(&self.routing).await;
        let moved = self.routing.move_on().await.context("moving deliveries to another route")?;
        self.shards.push(&self.routing, &moved).await?;
        Ok(!moved.is_empty())
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

    async fn end_cancelled(&mut self) -> anyhow::Result<bool> {
        let mut any = false;
        for campaign in self.store.cancelled_with_rows(CANCELLED_CAMPAIGNS).await? {
            self.queue.drop_campaign(campaign.0).await;
            any |= self.store.cancel_rows(campaign, CANCEL_CHUNK_ROWS, now()).await? > 0;
        }
        Ok(any)
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
        self.shards.keep_up(&self.routing).await;
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

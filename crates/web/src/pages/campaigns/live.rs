//! One updater for each campaign that somebody watches: it reads the sums once a second, however many watch.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::web;
use tidings_domain::UnixMs;
use tidings_queue::Snapshot;
use tidings_store::{CampaignId, Overview, PaceEvent, StoreError, StoreResult, Workspace};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::rate::{Rate, RateMeter};
use super::tally::Tally;
use crate::pages::route_names::RouteNames;
use crate::pages::sending::standing::{RouteTrouble, troubles_of};
use crate::waiting::{WarmUp, warm_ups};
use crate::{WebState, disk};

/// How often the numbers are read while somebody watches.
const EVERY: Duration = Duration::from_secs(1);
/// Turns of its destinations' limits that the page tells.
const TURNS_SHOWN: i64 = 6;
/// An updater outlives its last watcher by so long, so that a page without script keeps its rate between two reloads.
const LINGER: Duration = Duration::from_secs(30);

/// How a campaign stood at one moment.
#[derive(Debug, Clone)]
pub struct Look {
    pub overview: Overview,
    pub queue: Snapshot,
    /// What slowed or freed its destinations, the latest first.
    pub turns: Vec<PaceEvent>,
    pub route_names: RouteNames,
    pub rate: Rate,
    /// When one of its numbers last changed, as far as this process saw.
    pub moved_at: Option<UnixMs>,
    /// Bytes left where the ledger lies, when they are too few to record anything.
    pub disk: Option<u64>,
    /// Why the whole installation sends nothing.
    pub lock: Option<String>,
    /// Routes that it should leave by and does not get through.
    pub troubles: Vec<RouteTrouble>,
    /// Warm-ups that keep something back now.
    pub warm_ups: Vec<WarmUp>,
    pub at: UnixMs,
}

impl Look {
    /// Nothing of it can move by itself any more.
    pub fn is_final(&self) -> bool {
        !self.overview.head.state.is_active() && Tally::new(self.overview.counts.clone()).open() == 0
    }
}

type Topic = watch::Sender<Option<Arc<Look>>>;
pub type Watched = watch::Receiver<Option<Arc<Look>>>;

/// The watched campaigns of this process.
#[derive(Default)]
pub(crate) struct LiveCampaigns {
    topics: Arc<Mutex<HashMap<CampaignId, Topic>>>,
}

impl LiveCampaigns {
    /// Watches a campaign that the caller was allowed to read; starts its updater if it is the first.
    pub fn watch(&self, state: &web::Data<WebState>, data: Workspace, id: CampaignId) -> Watched {
        let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(topic) = topics.get(&id) {
            return topic.subscribe();
        }
        let (topic, watched) = watch::channel(None);
        topics.insert(id, topic.clone());
        let updater = Updater { state: state.clone(), data, id, topic, topics: Arc::clone(&self.topics) };
        actix_web::rt::spawn(updater.run());
        watched
    }

    /// The rate that an updater has seen, for a page that is loaded whole.
    pub fn last_look(&self, id: CampaignId) -> Option<Arc<Look>> {
        let topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        topics.get(&id).and_then(|topic| topic.borrow().clone())
    }
}

struct Updater {
    state: web::Data<WebState>,
    data: Workspace,
    id: CampaignId,
    topic: Topic,
    topics: Arc<Mutex<HashMap<CampaignId, Topic>>>,
}

impl Updater {
    async fn run(self) {
        let mut meter = RateMeter::default();
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut unwatched = Duration::ZERO;
        loop {
            ticks.tick().await;
            match look(&self.state, &self.data, self.id, &mut meter).await {
                Ok(look) => {
                    let is_final = look.is_final();
                    self.topic.send_replace(Some(Arc::new(look)));
                    if is_final {
                        break;
                    }
                }
                Err(StoreError::NotFound) => break,
                // The page keeps the last numbers; the next tick tries again.
                Err(error) => tracing::warn!(campaign = %self.id, %error, "the live numbers could not be read"),
            }
            unwatched = if self.topic.receiver_count() == 0 { unwatched + EVERY } else { Duration::ZERO };
            if unwatched >= LINGER && self.close_if_unwatched() {
                return;
            }
        }
        self.topics.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }

    /// Under the lock, so that nobody begins to watch a topic that ends.
    fn close_if_unwatched(&self) -> bool {
        let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        let unwatched = self.topic.receiver_count() == 0;
        if unwatched {
            topics.remove(&self.id);
        }
        unwatched
    }
}

async fn look(state: &WebState, data: &Workspace, id: CampaignId, meter: &mut RateMeter) -> StoreResult<Look> {
    let overview = data.overview(id).await?;
    let at = state.now();
    let tally = Tally::new(overview.counts.clone());
    // Deferrals and a growing audience are progress, too, though no part of the rate.
    meter.look(at, tally.settled());
    meter.saw(at, (tally.total(), tally.open(), tally.ahead()));
    let queue = state.queue.snapshot().await;
    let troubles = troubles_of(&overview.head, &queue, data, at).await?;
    let turns = state.store.pace_events_of(id, TURNS_SHOWN).await?;
    let lock = state.store.sending_lock().await?;
    let warm_ups = warm_ups(&state.store, &queue.shards).await?;
    let route_names = RouteNames::read(&state.store).await?;
    let (rate, moved_at, disk) = (meter.rate(), meter.moved_at(), full_disk(state));
    Ok(Look { overview, turns, route_names, queue, rate, moved_at, disk, lock, troubles, warm_ups, at })
}

/// A fresh look for a page that is loaded whole, with the rate that an updater has seen, if one runs.
///
/// # Errors
/// The database's own.
pub async fn fresh(state: &WebState, data: &Workspace, id: CampaignId) -> StoreResult<Look> {
    let seen = state.live.last_look(id);
    let overview = data.overview(id).await?;
    let queue = state.queue.snapshot().await;
    Ok(Look {
        troubles: troubles_of(&overview.head, &queue, data, state.now()).await?,
        overview,
        turns: state.store.pace_events_of(id, TURNS_SHOWN).await?,
        route_names: RouteNames::read(&state.store).await?,
        warm_ups: warm_ups(&state.store, &queue.shards).await?,
        queue,
        rate: seen.as_ref().map(|look| look.rate).unwrap_or_default(),
        moved_at: seen.and_then(|look| look.moved_at),
        disk: full_disk(state),
        lock: state.store.sending_lock().await?,
        at: state.now(),
    })
}

/// Only a ledger in a file of ours shares its disk with the uploads.
fn full_disk(state: &WebState) -> Option<u64> {
    state.store.is_embedded().then(|| disk::low(&state.config.spool_dir)).flatten()
}

//! How a route stands, in words: one source for its page, the list, Home and a campaign.

use std::collections::HashMap;

use tidings_domain::{BreakerState, Destination, RouteKind, UnixMs};
use tidings_queue::{ShardStatus, Snapshot};
use tidings_store::{
    CampaignHead, Route, RouteBreaker, RouteId, RouteWorker, StoreResult, WarmUpStanding, Way, Workspace,
};

use crate::WebState;
use crate::pages::campaigns::{rate, wording};

/// A worker that was silent for longer has no addresses any more.
const WORKER_SILENT_MS: i64 = UnixMs::MINUTE;

/// What is known of all routes of a workspace.
pub struct RouteFacts {
    pub routes: Vec<Route>,
    pub breakers: HashMap<RouteId, RouteBreaker>,
    pub workers: Vec<RouteWorker>,
    pub queue: Snapshot,
}

/// A route through which nothing gets, though it is switched on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteTrouble {
    pub id: RouteId,
    pub name: String,
    pub standing: Standing,
}

/// A tone, a word and a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub tone: &'static str,
    pub word: &'static str,
    pub sentence: String,
    /// The peer's own words.
    pub reply: String,
}

impl Standing {
    fn of(tone: &'static str, word: &'static str, sentence: impl Into<String>) -> Self {
        Self { tone, word, sentence: sentence.into(), reply: String::new() }
    }
}

impl RouteFacts {
    /// # Errors
    /// The database's own.
    pub async fn read(state: &WebState, data: &Workspace, now: UnixMs) -> StoreResult<Self> {
        Self::with(state.queue.snapshot().await, data, now).await
    }

    /// With what was seen of the queue already.
    ///
    /// # Errors
    /// The database's own.
    pub async fn with(queue: Snapshot, data: &Workspace, now: UnixMs) -> StoreResult<Self> {
        let silent = UnixMs(now.0 - WORKER_SILENT_MS);
        Ok(Self {
            routes: data.routes().await?,
            breakers: data.breakers().await?,
            workers: data.route_workers(silent).await?,
            queue,
        })
    }

    pub fn standing(&self, route: &Route, now: UnixMs) -> Standing {
        if !route.enabled {
            return Standing::of("neutral", "Off", "Switched off: nothing leaves by it.");
        }
        if let Some(known) = self.breakers.get(&route.id)
            && let Some(broken) = broken(known, now)
        {
            return broken;
        }
        if route.has_source() && !self.workers.iter().any(|w| w.route == route.id && w.problem.is_empty()) {
            return self.nobody(route);
        }
        self.held(route).unwrap_or_else(|| match route.warm_up() {
            Some(_) => Standing::of("info", "Warming up", "It sends, a little more to each provider every day."),
            None => Standing::of("ok", "Healthy", "It takes mail."),
        })
    }

    fn nobody(&self, route: &Route) -> Standing {
        let told = self.workers.iter().find(|w| w.route == route.id);
        let sentence = match told {
            Some(worker) => format!("No worker can send from its address: on {}, {}.", worker.host, worker.problem),
            None => "No worker that has its address is running.".to_owned(),
        };
        Standing::of("bad", "No worker", sentence)
    }

    /// Destinations of the route that are held, the longest first.
    pub fn holds(&self, id: RouteId) -> Vec<&ShardStatus> {
        let ours =
            |shard: &&ShardStatus| Destination::of(&shard.shard.name).route() == Some(id.0) && shard.hold.is_some();
        let mut holds: Vec<&ShardStatus> = self.queue.shards.iter().filter(ours).collect();
        holds.sort_by_key(|shard| std::cmp::Reverse(shard.hold.as_ref().map(|hold| hold.remaining)));
        holds.dedup_by(|a, b| a.shard.name == b.shard.name);
        holds
    }

    fn held(&self, route: &Route) -> Option<Standing> {
        let holds = self.holds(route.id);
        let first = holds.first()?;
        let hold = first.hold.as_ref()?;
        let left = rate::about(hold.remaining);
        let sentence = match (route.kind, holds.len()) {
            (RouteKind::Relay, _) => format!("The relay asked us to wait: {left} more."),
            (_, 1) => format!("{} asked it to wait: {left} more.", holder(first)),
            (_, n) => format!("{} and {} more asked it to wait, the longest for {left} more.", holder(first), n - 1),
        };
        Some(Standing { reply: hold.why.clone(), ..Standing::of("warn", "Held", sentence) })
    }

    /// Routes through which nothing gets, each with why.
    pub fn troubles(&self, now: UnixMs) -> Vec<RouteTrouble> {
        let each = self.routes.iter().map(|route| RouteTrouble {
            id: route.id,
            name: route.name.clone(),
            standing: self.standing(route, now),
        });
        each.filter(|trouble| trouble.standing.tone == "bad").collect()
    }
}

/// Those of a campaign's way.
///
/// # Errors
/// The database's own.
pub async fn troubles_of(
    head: &CampaignHead,
    queue: &Snapshot,
    data: &Workspace,
    now: UnixMs,
) -> StoreResult<Vec<RouteTrouble>> {
    let shares = match (head.state.is_active(), Way::of(head.route_id, head.pool_id)) {
        (false, _) | (_, None) => return Ok(Vec::new()),
        (true, Some(Way::Route(id))) => vec![id],
        (true, Some(Way::Pool(id))) => data.pool(id).await?.shares.into_iter().map(|(route, _)| route).collect(),
    };
    let mut troubles = RouteFacts::with(queue.clone(), data, now).await?.troubles(now);
    troubles.retain(|trouble| shares.contains(&trouble.id));
    Ok(troubles)
}

fn holder(shard: &ShardStatus) -> String {
    Destination::of(&shard.shard.name).provider().map(wording::provider).unwrap_or_default()
}

/// `None`: the breaker is closed.
fn broken(known: &RouteBreaker, now: UnixMs) -> Option<Standing> {
    let since = rate::about(now.since(known.breaker.opened_at?));
    let next = match known.breaker.state(now) {
        BreakerState::Open { until } => format!("the next try is in {}", rate::about(until.since(now))),
        BreakerState::Probing => "a worker is trying it now".to_owned(),
        BreakerState::HalfOpen | BreakerState::Closed => "the next try is due".to_owned(),
    };
    let sentence =
        format!("It has not got through for {since}; {next}. Nothing is lost, and nobody’s attempt is used up.");
    Some(Standing { reply: known.why.clone(), ..Standing::of("bad", "Broken", sentence) })
}

/// `200 of 200 today, next at 00:00 UTC`.
pub fn today(route: &Route, standing: &WarmUpStanding) -> String {
    let used = crate::text::number(i64::try_from(standing.figures.used()).unwrap_or(i64::MAX));
    match route.warm_up().and_then(|plan| plan.cap(standing.day)) {
        None => format!("{used} today, no limit any more"),
        Some(cap) if standing.figures.used() >= u64::from(cap) => {
            format!("{used} of {} today, next at 00:00 UTC", crate::text::number(cap.into()))
        }
        Some(cap) => format!("{used} of {} today", crate::text::number(cap.into())),
    }
}

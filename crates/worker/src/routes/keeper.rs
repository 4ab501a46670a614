//! Looks after the routes: reads them, tries the source addresses, tries again what failed, and does the checks that people ask for.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidings_delivery::Resolver;
use tidings_domain::{BreakerState, RouteFault, RouteKind, UnixMs};
use tidings_store::{Route, RouteBreaker, RouteId, Store};
use tokio_util::sync::CancellationToken;

use super::check::{Checked, check, words_of};
use super::watch::{SharedWatch, Watched};
use super::why_not_here;
use crate::sender::Targets;
use crate::{Looping, Step, now, run_until_stopped};

/// A change in the settings acts within this.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// An address can come and go while the process runs.
const TRY_SOURCES_EVERY: Duration = Duration::from_secs(30);
/// What a worker found is said again after so long, because another process may have cleared it away.
const REPORT_EVERY: Duration = Duration::from_secs(60);
/// A check whose worker said nothing for so long is another's.
const CHECK_TIME_MS: i64 = 2 * UnixMs::MINUTE;

pub struct RouteKeeper {
    pub store: Store,
    pub targets: Arc<Targets>,
    pub resolver: Resolver,
    pub watch: SharedWatch,
    /// This process's name.
    pub worker: String,
    sources: HashMap<RouteId, Tried>,
    reported: Option<(Instant, Vec<(RouteId, String)>)>,
}

/// When the addresses of a route were last tried, and what came of it.
struct Tried {
    at: Instant,
    sources: [String; 2],
    problem: String,
}

impl RouteKeeper {
    pub fn new(store: Store, targets: Arc<Targets>, resolver: Resolver, watch: SharedWatch, worker: String) -> Self {
        Self { store, targets, resolver, watch, worker, sources: HashMap::new(), reported: None }
    }

    pub async fn run(mut self, stop: CancellationToken) {
        run_until_stopped(&mut self, &stop, LOOK_EVERY).await;
    }

    /// Reads the routes once, before the first job is taken.
    pub async fn look(&mut self) -> anyhow::Result<HashMap<RouteId, RouteBreaker>> {
        let routes = self.store.all_routes().await?;
        let breakers = self.store.breakers().await?;
        self.sources.retain(|id, _| routes.iter().any(|route| route.id == *id));
        let mut watched = Vec::with_capacity(routes.len());
        for route in routes {
            let problem = self.try_sources(&route);
            watched.push(Watched { breaker: breakers.get(&route.id).cloned(), problem, route });
        }
        self.watch.replace(watched);
        Ok(breakers)
    }

    fn try_sources(&mut self, route: &Route) -> String {
        if !route.has_source() {
            self.sources.remove(&route.id);
            return String::new();
        }
        let sources = [route.source_v4.clone(), route.source_v6.clone()];
        match self.sources.get(&route.id) {
            Some(tried) if tried.sources == sources && tried.at.elapsed() < TRY_SOURCES_EVERY => tried.problem.clone(),
            _ => {
                let problem = why_not_here(route);
                self.sources.insert(route.id, Tried { at: Instant::now(), sources, problem: problem.clone() });
                problem
            }
        }
    }

    async fn report(&mut self) -> anyhow::Result<()> {
        let mut found: Vec<_> = self.sources.iter().map(|(id, tried)| (*id, tried.problem.clone())).collect();
        found.sort_unstable();
        let is_known = |(at, said): &(Instant, Vec<_>)| at.elapsed() < REPORT_EVERY && *said == found;
        if self.reported.as_ref().is_some_and(is_known) {
            return Ok(());
        }
        self.store.report_route_workers(&self.worker, found.clone()).await?;
        self.reported = Some((Instant::now(), found));
        Ok(())
    }

    /// Of routes whose time has come one worker finds out whether they get through again. No message is risked for it.
    async fn probe(&self, breakers: &HashMap<RouteId, RouteBreaker>) -> anyhow::Result<()> {
        for (id, known) in breakers {
            let Some(route) = self.watch.route(*id).filter(|route| route.enabled) else { continue };
            let is_time = known.breaker.state(now()) == BreakerState::HalfOpen;
            if is_time && why_not_here(&route).is_empty() && self.store.probe_route(*id, now()).await? {
                let domain = known.breaker.providers.values().next().cloned();
                tokio::spawn(probe(
                    self.store.clone(),
                    Arc::clone(&self.targets),
                    self.resolver.clone(),
                    route,
                    domain,
                ));
            }
        }
        Ok(())
    }

    async fn do_checks(&self) -> anyhow::Result<()> {
        if !self.store.route_checks_wait().await? {
            return Ok(());
        }
        let cannot: Vec<RouteId> =
            self.sources.iter().filter(|(_, tried)| !tried.problem.is_empty()).map(|(id, _)| *id).collect();
        let stale = UnixMs(now().0 - CHECK_TIME_MS);
        let Some(id) = self.store.take_route_check(&self.worker, &cannot, stale, now()).await? else { return Ok(()) };
        let Some(route) = self.watch.route(id) else { return Ok(()) };
        let (store, worker) = (self.store.clone(), self.worker.clone());
        let (targets, resolver) = (Arc::clone(&self.targets), self.resolver.clone());
        tokio::spawn(async move {
            let domain = own_domain(&store, &route).await;
            let Checked { good, words } = check(&targets, &resolver, &route, domain.as_deref()).await;
            if let Err(error) = store.finish_route_check(id, &worker, (good, words), now()).await {
                tracing::warn!(%error, route = id.0, "what a check found could not be written");
            }
        });
        Ok(())
    }
}

impl Looping for RouteKeeper {
    const NAME: &'static str = "route keeper";

    async fn step(&mut self) -> anyhow::Result<Step> {
        let breakers = self.look().await?;
        self.report().await?;
        self.probe(&breakers).await?;
        self.do_checks().await?;
        Ok(Step::Idle)
    }
}

/// The mail server of the workspace's own domain is one that a direct route may speak to without a message.
async fn own_domain(store: &Store, route: &Route) -> Option<String> {
    let details = store.workspace(route.workspace_id).details().await.ok()?;
    details.from_email.rsplit_once('@').map(|(_, domain)| domain.to_owned())
}

async fn probe(store: Store, targets: Arc<Targets>, resolver: Resolver, route: Route, domain: Option<String>) {
    let outcome = match route.kind {
        RouteKind::Relay => targets.greet_relay(&route).await,
        RouteKind::Direct => match domain.as_deref() {
            Some(domain) => targets.greet_mail_host(&route, domain).await,
            None => Ok(String::new()),
        },
    };
    let done = match outcome {
        Ok(_) => store.route_works(route.id).await.map(drop),
        Err(outcome) => {
            let fault = match (route.kind, domain) {
                (RouteKind::Direct, Some(domain)) => RouteFault::Provider { name: domain.clone(), domain },
                _ => RouteFault::Relay,
            };
            let why = words_of(&outcome);
            store.route_failed(route.id, fault, &why, now()).await.map(drop)
        }
    };
    match done {
        Ok(()) => tracing::info!(route = route.id.0, name = route.name, "a route that failed was tried again"),
        Err(error) => tracing::warn!(%error, route = route.id.0, "what became of a try could not be written"),
    }
    drop(resolver);
}

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tidings_bounce::ProviderBook;
use tidings_compose::Keys;
use tidings_delivery::Resolver;
use tidings_domain::{RouteFault, Shared};
use tidings_queue::Queue;
use tidings_store::{Route, RouteBreaker, RouteId, Store};

use super::SenderOptions;
use super::content::{Contents, SiteOptions};
use super::recorder::Recorder;
use super::targets::{TargetOptions, Targets};
use crate::routes::{RouteKeeper, SharedWatch};
use crate::{SenderMetrics, now};

/// What a sender is made of.
pub struct Parts {
    pub store: Store,
    pub queue: Queue,
    pub resolver: Resolver,
    pub keys: Arc<Keys>,
    /// What replies mean; it may change while everything runs.
    pub book: Shared<ProviderBook>,
    pub site: SiteOptions,
    pub targets: TargetOptions,
    pub options: SenderOptions,
}

/// What every connection of a process shares.
pub struct SenderContext {
    pub(super) store: Store,
    pub(super) queue: Queue,
    pub(super) book: Shared<ProviderBook>,
    pub(super) recorder: Recorder,
    pub(super) content: Contents,
    pub(super) targets: Arc<Targets>,
    pub(super) watch: SharedWatch,
    pub(super) options: SenderOptions,
    pub(super) stats: Arc<SenderStats>,
}

/// For the heartbeat and the metrics.
#[derive(Debug, Default)]
pub struct SenderStats {
    /// Open connection slots.
    pub connections: AtomicU64,
    /// Attempts since the start.
    pub attempts: AtomicU64,
    pub metrics: SenderMetrics,
}

impl SenderContext {
    /// With what looks after the routes, and tells of them what it sees.
    pub(super) fn new(parts: Parts, recorder: Recorder, stats: Arc<SenderStats>) -> (Self, RouteKeeper) {
        let content = Contents::new(parts.store.clone(), Arc::clone(&parts.keys), parts.site);
        let targets = Arc::new(Targets::new(
            parts.store.clone(),
            parts.resolver.clone(),
            parts.keys,
            parts.book.clone(),
            parts.targets,
        ));
        let (watch, worker) = (SharedWatch::default(), parts.options.worker_id.clone());
        let keeper =
            RouteKeeper::new(parts.store.clone(), Arc::clone(&targets), parts.resolver, Arc::clone(&watch), worker);
        let Parts { store, queue, book, options, .. } = parts;
        (Self { store, queue, book, recorder, content, targets, watch, options, stats }, keeper)
    }
}

impl SenderContext {
    /// Counts a failure of a route for all workers, and holds it here at once when that opened its breaker.
    pub(super) async fn route_failed(&self, route: &Route, fault: RouteFault, why: &str) {
        match self.store.route_failed(route.id, fault, why, now()).await {
            Ok((breaker, opened)) => {
                if opened {
                    tracing::warn!(
                        route = route.id.0,
                        name = route.name,
                        why,
                        "a route does not get through and rests"
                    );
                }
                self.watch.learn(route.id, Some(RouteBreaker { breaker, why: why.to_owned() }));
            }
            Err(error) => tracing::error!(%error, route = route.id.0, "a route's failure could not be counted"),
        }
    }

    /// A connection came about: earlier failures are forgotten.
    pub(super) async fn route_works(&self, route: Option<RouteId>) {
        let Some(id) = route.filter(|id| self.watch.has_failed(*id)) else { return };
        match self.store.route_works(id).await {
            Ok(_) => self.watch.learn(id, None),
            Err(error) => tracing::error!(%error, route = id.0, "a route's recovery could not be written"),
        }
    }
}

//! What operators and their machines ask of a process: whether it lives, whether it can work, and what it measures.

mod health;
mod http;
mod installation;
mod metrics;
mod probes;
mod process;

use actix_web::web;
use prometheus_client::registry::Registry;
use tidings_domain::ProcessRole;
use tidings_queue::Queue;
use tidings_store::Store;
use tokio_util::sync::CancellationToken;

use crate::inventory::Entry;
pub use health::{Check, Grade, Report};
pub(crate) use http::HttpMetrics;
pub use probes::run_probes;

pub(crate) const ROUTES: &[Entry] = &[
    Entry::public("/health/live", || web::to(health::live)),
    Entry::public("/health/ready", || web::to(health::ready)),
    Entry::public("/metrics", || web::to(metrics::metrics)),
];

/// What the probes of a process look at.
pub struct Ops {
    pub(crate) store: Store,
    pub(crate) queue: Queue,
    role: ProcessRole,
    /// Other processes share the queue, so another one may lead the dispatching.
    shares_queue: bool,
    /// Who scrapes has to show it; `None`: only this machine may scrape.
    token: Option<String>,
    /// What the loops of this process count.
    registry: Registry,
    pub(crate) http: HttpMetrics,
    stop: CancellationToken,
}

impl Ops {
    #[must_use]
    pub fn new(store: Store, queue: Queue, role: ProcessRole) -> Self {
        let mut registry = Registry::default();
        let http = HttpMetrics::default();
        if role.serves_pages() {
            http.register(&mut registry);
        }
        Self { store, queue, role, shares_queue: false, token: None, registry, http, stop: CancellationToken::new() }
    }

    #[must_use]
    pub fn sharing_queue(mut self, shares: bool) -> Self {
        self.shares_queue = shares;
        self
    }

    #[must_use]
    pub fn with_token(mut self, token: Option<String>) -> Self {
        self.token = token;
        self
    }

    /// From the stop on the process is not ready.
    #[must_use]
    pub fn stopped_by(mut self, stop: CancellationToken) -> Self {
        self.stop = stop;
        self
    }

    /// Other processes share the queue with this one.
    #[must_use]
    pub fn shares_queue(&self) -> bool {
        self.shares_queue
    }

    /// Lets a loop's own counters show among the metrics.
    #[must_use]
    pub fn counting(mut self, register: impl FnOnce(&mut Registry)) -> Self {
        register(&mut self.registry);
        self
    }
}

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tidings_bounce::ProviderBook;
use tidings_compose::Keys;
use tidings_delivery::Resolver;
use tidings_domain::Shared;
use tidings_queue::Queue;
use tidings_store::Store;

use super::SenderOptions;
use super::content::{Contents, SiteOptions};
use super::recorder::Recorder;
use super::targets::{TargetOptions, Targets};
use crate::SenderMetrics;

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
    pub(super) targets: Targets,
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
    pub(super) fn new(parts: Parts, recorder: Recorder, stats: Arc<SenderStats>) -> Self {
        let content = Contents::new(parts.store.clone(), Arc::clone(&parts.keys), parts.site);
        let targets = Targets::new(parts.store.clone(), parts.resolver, parts.keys, parts.book.clone(), parts.targets);
        Self {
            store: parts.store,
            queue: parts.queue,
            book: parts.book,
            recorder,
            content,
            targets,
            options: parts.options,
            stats,
        }
    }
}

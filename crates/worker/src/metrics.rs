//! What the loops of a process count since its start, for whoever watches it.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use tidings_store::Settled;

/// Providers with a label of their own: the first that this process speaks to. All others are `other`.
const PROVIDERS: usize = 40;
const OTHER: &str = "other";
/// A commit with fsync takes some milliseconds; the retries of a database that is away take seconds.
const COMMIT_SECONDS: [f64; 11] = [0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.125, 0.5, 2.0, 10.0];
const COMMIT_ENTRIES: [f64; 8] = [1.0, 4.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];
/// RFC 5321 §4.5.3.2 lets a peer take ten minutes for its last reply.
const ATTEMPT_SECONDS: [f64; 10] = [0.01, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0, 30.0, 120.0, 600.0];

/// Of a sender.
#[derive(Debug)]
pub struct SenderMetrics {
    attempts: Family<AttemptLabels, Counter>,
    attempt_seconds: Histogram,
    commit_seconds: Histogram,
    commit_entries: Histogram,
    commit_failures: Counter,
    interrupted: Counter,
    connections: Gauge,
    named: RwLock<HashSet<Arc<str>>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AttemptLabels {
    outcome: &'static str,
    provider: Label,
}

/// A provider's name, shared and not copied.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Label(Arc<str>);

impl prometheus_client::encoding::EncodeLabelValue for Label {
    fn encode(&self, encoder: &mut prometheus_client::encoding::LabelValueEncoder) -> Result<(), std::fmt::Error> {
        prometheus_client::encoding::EncodeLabelValue::encode(&self.0.as_ref(), encoder)
    }
}

impl Default for SenderMetrics {
    fn default() -> Self {
        Self {
            attempts: Family::default(),
            attempt_seconds: Histogram::new(ATTEMPT_SECONDS),
            commit_seconds: Histogram::new(COMMIT_SECONDS),
            commit_entries: Histogram::new(COMMIT_ENTRIES),
            commit_failures: Counter::default(),
            interrupted: Counter::default(),
            connections: Gauge::default(),
            named: RwLock::default(),
        }
    }
}

impl SenderMetrics {
    pub fn register(&self, registry: &mut Registry) {
        registry.register("tidings_attempts", "Attempts that ended, by what became of them", self.attempts.clone());
        registry.register_with_unit(
            "tidings_attempt_duration",
            "From the first command of an attempt to its outcome",
            Unit::Seconds,
            self.attempt_seconds.clone(),
        );
        registry.register_with_unit(
            "tidings_ledger_commit_duration",
            "One commit of intents and outcomes, retries included: while it lasts no final dot leaves",
            Unit::Seconds,
            self.commit_seconds.clone(),
        );
        registry.register(
            "tidings_ledger_commit_entries",
            "Intents and outcomes that shared a commit",
            self.commit_entries.clone(),
        );
        registry.register(
            "tidings_ledger_commit_failures",
            "Commits that the database refused and that were tried again",
            self.commit_failures.clone(),
        );
        registry.register(
            "tidings_interrupted_attempts",
            "Attempts of vanished processes that this one called in doubt",
            self.interrupted.clone(),
        );
        registry.register(
            "tidings_connections",
            "Open SMTP connection slots of this process",
            self.connections.clone(),
        );
    }

    pub(crate) fn attempted(&self, provider: &Arc<str>, settled: Settled, took: Duration) {
        let outcome = match settled {
            Settled::Accepted => "accepted",
            Settled::Deferred { costs_attempt: true, .. } => "deferred",
            Settled::Deferred { costs_attempt: false, .. } => "throttled",
            Settled::HardBounced => "hard_bounced",
            Settled::SoftBounced => "soft_bounced",
            Settled::Failed => "failed",
            Settled::InDoubt => "in_doubt",
        };
        self.attempts.get_or_create(&AttemptLabels { outcome, provider: self.label(provider) }).inc();
        self.attempt_seconds.observe(took.as_secs_f64());
    }

    pub(crate) fn committed(&self, entries: usize, took: Duration) {
        self.commit_seconds.observe(took.as_secs_f64());
        self.commit_entries.observe(entries as f64);
    }

    pub(crate) fn commit_failed(&self) {
        self.commit_failures.inc();
    }

    pub(crate) fn interrupted(&self, attempts: u64) {
        self.interrupted.inc_by(attempts);
    }

    pub(crate) fn opened(&self) {
        self.connections.inc();
    }

    pub(crate) fn closed(&self) {
        self.connections.dec();
    }

    fn label(&self, provider: &Arc<str>) -> Label {
        let is_named = |named: &HashSet<Arc<str>>| named.contains(provider);
        if is_named(&self.named.read().unwrap_or_else(PoisonError::into_inner)) {
            return Label(Arc::clone(provider));
        }
        let mut named = self.named.write().unwrap_or_else(PoisonError::into_inner);
        if named.len() < PROVIDERS || is_named(&named) {
            named.insert(Arc::clone(provider));
            return Label(Arc::clone(provider));
        }
        Label(Arc::from(OTHER))
    }
}

/// Of a dispatcher; clones share it.
#[derive(Debug, Clone, Default)]
pub struct DispatcherMetrics {
    leads: Gauge,
    jobs: Counter,
}

impl DispatcherMetrics {
    pub fn register(&self, registry: &mut Registry) {
        registry.register("tidings_dispatcher_leads", "1 while this process leads the dispatching", self.leads.clone());
        registry.register("tidings_jobs_queued", "Jobs that this process gave to the queue", self.jobs.clone());
    }

    pub(crate) fn leads(&self, leads: bool) {
        self.leads.set(i64::from(leads));
    }

    pub(crate) fn queued(&self, jobs: usize) {
        self.jobs.inc_by(jobs as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_label_set_is_bounded() {
        let metrics = SenderMetrics::default();
        for n in 0..500 {
            metrics.attempted(&Arc::from(format!("mx:{n}.example")), Settled::Accepted, Duration::from_millis(20));
        }
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).expect("encodes");
        let lines: Vec<_> = text.lines().filter(|line| line.starts_with("tidings_attempts_total{")).collect();
        assert_eq!(lines.len(), PROVIDERS + 1);
        assert!(text.contains("tidings_attempts_total{outcome=\"accepted\",provider=\"other\"} 460"), "{text}");
    }
}

//! Reads what came back and was kept: bounces, complaints, wishes to be left alone, and the posts of e-mail services.

mod mailroom;
mod reading;

use std::time::Duration;

use tidings_compose::Keys;
use tidings_store::{Finding, Store, UnreadReport};
use tokio_util::sync::CancellationToken;

use crate::leadership::{Leadership, Standing};
use crate::{Looping, Step, now, run_until_stopped};

pub use mailroom::StoredMail;

/// Reports of one transaction.
const BATCH_REPORTS: i64 = 100;
const IDLE: Duration = Duration::from_millis(500);
/// Octets of reports are kept so long.
const KEPT_MS: i64 = 90 * tidings_domain::UnixMs::DAY;
const FORGET_EVERY: Duration = Duration::from_secs(600);
const FORGET_REPORTS: i64 = 1_000;

/// The loop that reads reports. One process of an installation does it, the others stand by.
pub struct Postmaster {
    store: Store,
    keys: std::sync::Arc<Keys>,
    /// `None`: there is no other process.
    leadership: Option<Leadership>,
    /// Read, and not yet settled, because the database could not be written: reading them again would count against them.
    in_hand: Vec<Finding>,
    forgot: Option<std::time::Instant>,
}

impl Postmaster {
    /// `stands_as`: this process's name, when there may be others.
    #[must_use]
    pub fn new(store: Store, keys: std::sync::Arc<Keys>, stands_as: Option<String>) -> Self {
        let leadership = stands_as.map(|name| Leadership::of("postmaster", store.clone(), name));
        Self { store, keys, leadership, in_hand: Vec::new(), forgot: None }
    }

    pub async fn run(mut self, stop: CancellationToken) {
        run_until_stopped(&mut self, &stop, IDLE).await;
        if let Some(leadership) = &mut self.leadership {
            leadership.resign().await;
        }
    }

    async fn read_some(&self) -> anyhow::Result<Vec<Finding>> {
        let unread = self.store.begin_reading(BATCH_REPORTS, now()).await?;
        if unread.is_empty() {
            return Ok(Vec::new());
        }
        let (keys, ids) = (std::sync::Arc::clone(&self.keys), unread.iter().map(|r| r.id).collect::<Vec<_>>());
        let read = tokio::task::spawn_blocking(move || read_all(&keys, &unread)).await;
        match read {
            Ok(findings) => Ok(findings),
            // Which of them it was shows when they come again, alone. The log has the panic's own words.
            Err(error) => anyhow::bail!("reading {} reports from {:?} on failed: {error}", ids.len(), ids.first()),
        }
    }

    async fn settle(&mut self) -> anyhow::Result<()> {
        match self.store.settle_reports(self.in_hand.clone(), now()).await {
            Err(error) if error.is_about_content() => {
                tracing::error!(%error, "reports were refused; ending them one by one");
                self.store.settle_one_by_one(self.in_hand.clone(), now()).await?;
            }
            ended => drop(ended?),
        }
        self.in_hand.clear();
        Ok(())
    }

    async fn forget_old(&mut self) -> anyhow::Result<()> {
        if self.forgot.is_some_and(|at| at.elapsed() < FORGET_EVERY) {
            return Ok(());
        }
        let before = tidings_domain::UnixMs(now().0 - KEPT_MS);
        let forgotten = self.store.forget_reports(before, FORGET_REPORTS).await?;
        if i64::try_from(forgotten).unwrap_or(i64::MAX) < FORGET_REPORTS {
            self.forgot = Some(std::time::Instant::now());
        }
        Ok(())
    }
}

fn read_all(keys: &Keys, unread: &[UnreadReport]) -> Vec<Finding> {
    unread.iter().map(|report| reading::read_report(keys, report)).collect()
}

impl Looping for Postmaster {
    const NAME: &'static str = "postmaster";

    async fn step(&mut self) -> anyhow::Result<Step> {
        if let Some(leadership) = &mut self.leadership
            && leadership.check().await? == Standing::StandsBy
        {
            self.in_hand.clear();
            return Ok(Step::Idle);
        }
        if self.in_hand.is_empty() {
            self.in_hand = self.read_some().await?;
        }
        if self.in_hand.is_empty() {
            self.forget_old().await?;
            return Ok(Step::Idle);
        }
        self.settle().await?;
        Ok(Step::DidWork)
    }
}

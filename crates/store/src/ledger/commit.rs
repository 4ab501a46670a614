use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tidings_domain::{CampaignState, CampaignTransition, Protection, Reply, SkipReason, UnixMs};

use super::campaign::{self, Standing};
use super::sums::Sums;
use super::{SYSTEM_ACTOR, intents, locks, outcomes};
use crate::{AnyConn, CampaignId, DeliveryId, RouteId, Store, StoreResult, SuppressionKey};

/// What many connections want to write at once. Bounded by its maker: a few hundred entries.
#[derive(Debug, Clone, Default)]
pub struct LedgerBatch {
    pub intents: Vec<Intent>,
    pub outcomes: Vec<OutcomeRecord>,
}

/// "I am about to write the final dot." `attempt` is the job's: the row's number before this attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intent {
    pub delivery: DeliveryId,
    pub campaign: CampaignId,
    pub attempt: i16,
}

/// The ledger's word on one intent. Only after `Go` may the final dot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntentAnswer {
    Go,
    /// The campaign is paused; the row stays queued. Or its deadline has passed, and the dispatcher ends the row.
    Paused,
    /// The row has ended: suppressed, unsubscribed or deleted since.
    Skipped(SkipReason),
    /// The campaign is cancelled, and with it this row.
    Cancelled,
    /// The row is not queued at this attempt: somebody else has it.
    Lost,
}

/// How an attempt ended for its delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    Accepted,
    /// `costs_attempt` is false when the peer only slowed us down before the final dot.
    Deferred {
        until: UnixMs,
        costs_attempt: bool,
    },
    HardBounced,
    SoftBounced,
    Failed,
    InDoubt,
}

/// What one attempt came to. `attempt` is the job's, as in its [`Intent`].
#[derive(Debug, Clone)]
pub struct OutcomeRecord {
    pub delivery: DeliveryId,
    pub campaign: CampaignId,
    pub attempt: i16,
    pub settled: Settled,
    /// A bounce class or words of ours; `None` for an acceptance.
    pub reason: Option<String>,
    /// The class of the reply where it is another than `reason`: what was said before the time was over.
    pub meaning: Option<String>,
    /// The peer's words, or ours where it said nothing.
    pub reply: Option<ReplyRecord>,
    pub route: Option<RouteId>,
    /// How the connection was protected; `None` when none came about.
    pub protection: Option<Protection>,
    /// Written to the history. `None` when no connection was tried, and for a message accepted at its first try: of those the
    /// row itself tells enough.
    pub facts: Option<AttemptFacts>,
}

#[derive(Debug, Clone)]
pub struct ReplyRecord {
    /// `None`: no SMTP reply, the text is our own words.
    pub code: Option<u16>,
    pub enhanced: Option<String>,
    /// Verbatim, lines separated by `\n`.
    pub text: String,
    /// The text normalised for grouping; needed only for what is not a 2yz.
    pub key: String,
}

impl ReplyRecord {
    /// A peer's reply, with its normalised text.
    #[must_use]
    pub fn of(reply: &Reply, key: String) -> Self {
        Self {
            code: Some(reply.code),
            enhanced: reply.enhanced.map(|code| code.to_string()),
            text: reply.to_string(),
            key,
        }
    }

    pub(crate) fn small_code(&self) -> Option<i16> {
        self.code.and_then(|code| i16::try_from(code).ok())
    }
}

/// Whom an attempt spoke to and how far it came.
#[derive(Debug, Clone)]
pub struct AttemptFacts {
    pub at: UnixMs,
    pub duration: Duration,
    pub host: String,
    pub ip: String,
    /// `TlsUse::label`.
    pub tls: String,
    /// `Phase` as a word.
    pub phase: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutcomeAnswer {
    Recorded,
    /// The row no longer waits for this attempt; nothing was written.
    Lost,
}

/// The answers, in the order of the batch.
#[derive(Debug, Default)]
pub struct CommitReport {
    pub intents: Vec<IntentAnswer>,
    pub outcomes: Vec<OutcomeAnswer>,
    /// Campaigns whose first attempt this was.
    pub started: Vec<CampaignId>,
}

impl Store {
    /// The group commit (C3 and C4): answers the intents and records the outcomes of many connections in one transaction,
    /// with counters, history, replies, subscriber marks and suppressions.
    ///
    /// Outcomes come first, so that a hard bounce recorded here already stops an intent to the same address.
    ///
    /// # Errors
    /// The transaction could not be committed: nothing of the batch holds, and no final dot may be written.
    pub async fn commit(&self, batch: LedgerBatch, now: UnixMs) -> StoreResult<CommitReport> {
        let key = self.suppression_key();
        self.write_again(move |conn| commit(conn, &batch, key, now)).await
    }
}

fn commit(conn: &mut AnyConn, batch: &LedgerBatch, key: SuppressionKey, now: UnixMs) -> StoreResult<CommitReport> {
    let campaigns = lock_campaigns(conn, batch)?;
    let mut sums = Sums::default();
    let outcomes = outcomes::record(conn, &batch.outcomes, &campaigns, &mut sums, now)?;
    let (intents, gone) = intents::answer(conn, &batch.intents, &campaigns, &mut sums, key, now)?;
    sums.write(conn, now)?;
    let started = start_sending(conn, gone, &campaigns, now)?;
    Ok(CommitReport { intents, outcomes, started })
}

/// The pause barrier: on PostgreSQL a pause waits for this commit and then holds.
fn lock_campaigns(conn: &mut AnyConn, batch: &LedgerBatch) -> StoreResult<BTreeMap<CampaignId, Standing>> {
    let mut ids: BTreeSet<CampaignId> = batch.intents.iter().map(|i| i.campaign).collect();
    ids.extend(batch.outcomes.iter().map(|o| o.campaign));
    locks::share(conn, &ids)?;
    campaign::standings(conn, &ids)
}

/// The first attempt of a campaign moves it to Sending. `gone`: whose rows were told `Go`.
fn start_sending(
    conn: &mut AnyConn,
    gone: BTreeSet<CampaignId>,
    campaigns: &BTreeMap<CampaignId, Standing>,
    now: UnixMs,
) -> StoreResult<Vec<CampaignId>> {
    let waiting = |id: &CampaignId| campaigns.get(id).is_some_and(|c| c.state == CampaignState::Queued);
    let first: Vec<CampaignId> = gone.into_iter().filter(waiting).collect();
    for id in &first {
        campaign::transit(conn, *id, CampaignTransition::StartSending, SYSTEM_ACTOR, now)?;
    }
    Ok(first)
}

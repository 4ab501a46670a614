use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, SmallInt, Text};
use tidings_domain::{BounceClass, CampaignState, DeliveryKind, DeliveryState, UnixMs, Word};

use super::campaign::Standing;
use super::commit::{OutcomeAnswer, OutcomeRecord, Settled};
use super::counts::{Deltas, Owner};
use super::last_words::LastWords;
use super::late::FactsById;
use super::route_counts::RouteCounts;
use super::step::Step;
use super::sums::Sums;
use super::{attempts, locks, marks, months, outcome_rows as rows};
use crate::connection::on;
use crate::fixed::{Fixed, fixed_sql};
use crate::words::Code;
use crate::{
    AnyConn, CampaignId, DeliveryId, ProviderId, ReplyGroupId, RouteId, StoreResult, SubscriberId, WorkspaceId,
    bounce_rules,
};

/// Records how attempts ended (C4): the rows, the history, the replies, and what follows for the subscribers.
pub(crate) fn record(
    conn: &mut AnyConn,
    outcomes: &[OutcomeRecord],
    campaigns: &BTreeMap<CampaignId, Standing>,
    sums: &mut Sums,
    now: UnixMs,
) -> StoreResult<Vec<OutcomeAnswer>> {
    if outcomes.is_empty() {
        return Ok(Vec::new());
    }
    let mut facts = load_facts(conn, outcomes)?;
    let outcomes = &*with_labels(conn, outcomes, &facts)?;
    let mut answers = Vec::with_capacity(outcomes.len());
    let mut endings = Vec::with_capacity(outcomes.len());
    for outcome in outcomes {
        // Taken out, so that a second outcome of the same attempt finds nothing; a stale one leaves it for its owner's.
        let fits = facts.get(&outcome.delivery).is_some_and(|fact| fact.waits_for(outcome));
        let fact = fits.then(|| facts.remove(&outcome.delivery)).flatten();
        let ending = fact.and_then(|fact| Ending::of(outcome, fact, now));
        answers.push(if ending.is_some() { OutcomeAnswer::Recorded } else { OutcomeAnswer::Lost });
        endings.extend(ending);
    }
    // In id order, so that two groups never wait for each other's rows.
    endings.sort_by_key(|ending| ending.fact.id);
    locks::refusals(conn, &with_refusals(&endings))?;
    attempts::join_groups(conn, &mut endings, now)?;
    rows::end(conn, &endings, now)?;
    for ending in endings.iter().filter(|e| e.fact.is_counted()) {
        sums.deltas.end(ending.owner(), ending.step, None, ending.reason());
    }
    attempts::record(conn, &endings)?;
    marks::apply(conn, &endings, now)?;
    cancel_late(conn, &endings, campaigns, &mut sums.deltas, now)?;
    sums.routes = RouteCounts::of(&endings);
    sums.minutes.add_refused(&endings);
    sums.words = LastWords::of(&endings);
    Ok(answers)
}

/// Campaigns of which more is written than rows that arrived: a group of replies gains or loses a member, a subscriber is marked.
fn with_refusals(endings: &[Ending]) -> BTreeSet<CampaignId> {
    let is_more = |ending: &&Ending| ending.step.to() != DeliveryState::Accepted || ending.fact.group.is_some();
    endings.iter().filter(is_more).map(|ending| ending.fact.campaign).collect()
}

/// Refusals that no rule knows, but a person does.
fn with_labels<'a>(
    conn: &mut AnyConn,
    outcomes: &'a [OutcomeRecord],
    facts: &HashMap<DeliveryId, Facts>,
) -> StoreResult<Cow<'a, [OutcomeRecord]>> {
    let unknown = BounceClass::Undetermined.as_str();
    let ended = |o: &OutcomeRecord| o.settled == Settled::SoftBounced && o.reason.as_deref() == Some(unknown);
    if !outcomes.iter().any(ended) {
        return Ok(Cow::Borrowed(outcomes));
    }
    let mut outcomes = outcomes.to_vec();
    for outcome in outcomes.iter_mut().filter(|o| ended(o)) {
        let (Some(fact), Some(reply)) = (facts.get(&outcome.delivery), &outcome.reply) else { continue };
        let Some(class) = bounce_rules::label(conn, fact.workspace, &reply.key)? else { continue };
        outcome.reason = Some(class.to_string());
        outcome.settled = match class.end() {
            DeliveryState::HardBounced => Settled::HardBounced,
            DeliveryState::Failed => Settled::Failed,
            _ => Settled::SoftBounced,
        };
    }
    Ok(Cow::Owned(outcomes))
}

/// The row as it stands before its outcome.
#[derive(Queryable)]
pub(crate) struct Facts {
    pub id: DeliveryId,
    pub workspace: WorkspaceId,
    pub campaign: CampaignId,
    pub provider: ProviderId,
    pub kind: Code<DeliveryKind>,
    pub state: Code<DeliveryState>,
    pub attempt: i16,
    pub first_attempt: Option<i64>,
    pub subscriber: Option<SubscriberId>,
    pub recipient: String,
    /// Since it stands so.
    pub updated_at: i64,
    /// Of its last refusal.
    pub group: Option<ReplyGroupId>,
    /// That it left by.
    pub route: Option<RouteId>,
}

impl Facts {
    /// A test message is no part of the campaign's sums, and its fate says nothing of a subscriber.
    pub(crate) fn is_counted(&self) -> bool {
        self.kind.0 == DeliveryKind::Campaign
    }

    pub(crate) fn owner(&self) -> Owner {
        Owner { workspace: self.workspace, campaign: self.campaign, provider: self.provider, group: self.group }
    }

    /// The row waits for this attempt: queued with the job's number, or its intent is committed, which raised the number.
    /// A row that recovery called in doubt may still learn what became of it.
    fn waits_for(&self, outcome: &OutcomeRecord) -> bool {
        let number = match self.state.0 {
            DeliveryState::Queued => outcome.attempt,
            DeliveryState::Sending | DeliveryState::InDoubt => outcome.attempt.saturating_add(1),
            _ => return false,
        };
        self.campaign == outcome.campaign && self.attempt == number
    }
}

/// An outcome that its row takes: the legal step with everything that goes with it.
pub(crate) struct Ending<'a> {
    pub fact: Facts,
    pub step: Step,
    /// The row's attempt number from now on.
    pub attempt: i16,
    pub next_at: Option<i64>,
    pub outcome: &'a OutcomeRecord,
    /// Of this refusal; `None` for an acceptance and a test message.
    pub group: Option<ReplyGroupId>,
}

impl<'a> Ending<'a> {
    /// `None`: the state machine has no such step from where the row stands.
    fn of(outcome: &'a OutcomeRecord, fact: Facts, now: UnixMs) -> Option<Self> {
        let (to, next_at, costs_attempt) = match outcome.settled {
            Settled::Accepted => (DeliveryState::Accepted, None, true),
            Settled::Deferred { until, costs_attempt } => (DeliveryState::Deferred, Some(until.0), costs_attempt),
            Settled::HardBounced => (DeliveryState::HardBounced, None, true),
            Settled::SoftBounced => (DeliveryState::SoftBounced, None, true),
            Settled::Failed => (DeliveryState::Failed, None, true),
            Settled::InDoubt => (DeliveryState::InDoubt, None, true),
        };
        let step = Step::new(fact.state.0, to)?;
        let raise = i16::from(fact.state.0 == DeliveryState::Queued && costs_attempt);
        let first_attempt = fact.first_attempt.or(Some(now.0));
        let attempt = fact.attempt.saturating_add(raise);
        Some(Self { fact: Facts { first_attempt, ..fact }, step, attempt, next_at, outcome, group: None })
    }

    pub(crate) fn owner(&self) -> Owner {
        Owner { group: self.group, ..self.fact.owner() }
    }

    /// The number of this attempt in the row's history.
    pub(crate) fn number(&self) -> i16 {
        self.outcome.attempt.saturating_add(1)
    }

    /// What the refusal says, also where the row ended because its time was over.
    pub(crate) fn meaning(&self) -> &str {
        self.outcome.meaning.as_deref().or(self.reason()).unwrap_or_default()
    }

    /// Why; never empty where the schema asks for a reason.
    pub(crate) fn reason(&self) -> Option<&str> {
        let words = self.outcome.reason.as_deref();
        if self.step.to() == DeliveryState::Accepted { words } else { words.or(Some("undetermined")) }
    }
}

macro_rules! facts_text {
    ($ids:literal, $id:literal, $lock:literal) => {
        concat!(
            "SELECT d.id, d.workspace_id, d.campaign_id, d.provider_id, d.kind, d.state, d.attempt, d.first_attempt_at_ms, \
             d.subscriber_id, d.recipient, d.updated_at_ms, d.reply_group_id, d.route_id FROM deliveries d WHERE d.id ", $ids, " AND ", $id, " BETWEEN ? AND ?", $lock
        )
    };
}

fixed_sql!(OutcomeFacts -> (BigInt, BigInt, BigInt, BigInt, SmallInt, SmallInt, SmallInt, Nullable<BigInt>, Nullable<BigInt>, Text, BigInt,
    Nullable<BigInt>, Nullable<BigInt>),
    lite: facts_text!("IN (SELECT value FROM json_each(?))", "+d.id", ""),
    pg: facts_text!("= ANY(?)", "d.id", " ORDER BY d.id FOR UPDATE OF d"));

fn load_facts(conn: &mut AnyConn, outcomes: &[OutcomeRecord]) -> StoreResult<HashMap<DeliveryId, Facts>> {
    let binds = months::rows(outcomes.iter().map(|o| o.delivery.0).collect());
    let rows: Vec<Facts> = on!(conn, |c| Fixed::<OutcomeFacts>::new(binds).load(c))?;
    Ok(rows.into_iter().map(|fact| (fact.id, fact)).collect())
}

/// The rows as they stand, locked for this transaction in id order.
pub(super) fn facts_of_all(conn: &mut AnyConn, ids: &BTreeSet<DeliveryId>) -> StoreResult<FactsById> {
    if ids.is_empty() {
        return Ok(FactsById::new());
    }
    let binds = months::rows(ids.iter().map(|id| id.0).collect());
    let rows: Vec<Facts> = on!(conn, |c| Fixed::<OutcomeFacts>::new(binds).load(c))?;
    Ok(rows.into_iter().map(|fact| (fact.id, fact)).collect())
}

/// A refusal that comes back after its campaign was cancelled must not leave a row that waits for a next attempt.
fn cancel_late(
    conn: &mut AnyConn,
    endings: &[Ending],
    campaigns: &BTreeMap<CampaignId, Standing>,
    deltas: &mut Deltas,
    now: UnixMs,
) -> StoreResult<()> {
    let cancelled = |id| campaigns.get(&id).is_some_and(|c| c.state == CampaignState::Cancelled);
    let late = endings.iter().filter(|e| e.next_at.is_some() && e.fact.is_counted() && cancelled(e.fact.campaign));
    for ending in late {
        rows::cancel_deferred(conn, ending.fact.id, now)?;
        deltas.step(ending.owner(), Step::CANCEL_DEFERRED, 1);
    }
    Ok(())
}

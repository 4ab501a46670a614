use std::collections::{BTreeMap, BTreeSet, HashMap};

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, SmallInt, Text};
use tidings_domain::{
    CampaignState, DeliveryKind, DeliveryState, SkipReason, SubscriberStatus, SuppressionReason, UnixMs,
};

use super::campaign::Standing;
use super::commit::{Intent, IntentAnswer};
use super::counts::{Deltas, Owner};
use super::step::Step;
use super::sums::Sums;
use super::{months, special};
use crate::connection::on;
use crate::fixed::{Bind, Fixed, fixed_sql};
use crate::schema::deliveries;
use crate::words::{Code, Db};
use crate::{
    AnyConn, CampaignId, DeliveryId, ProviderId, RouteId, StoreResult, SuppressionKey, WorkspaceId, sending_lock,
};

/// Answers every intent and moves the rows that may go, or that must not (C3). Also says which campaigns had a row go.
pub(crate) fn answer(
    conn: &mut AnyConn,
    intents: &[Intent],
    campaigns: &BTreeMap<CampaignId, Standing>,
    sums: &mut Sums,
    key: SuppressionKey,
    now: UnixMs,
) -> StoreResult<(Vec<IntentAnswer>, BTreeSet<CampaignId>)> {
    if intents.is_empty() {
        return Ok(Default::default());
    }
    if sending_lock::locked(conn)?.is_some() {
        return Ok((vec![IntentAnswer::Paused; intents.len()], BTreeSet::new()));
    }
    let mut facts = load_facts(conn, intents, now)?;
    let stopped = stopped_by_special(conn, &facts, key, now)?;
    let mut answers = Vec::with_capacity(intents.len());
    let (mut go, mut cancel, mut skip) = (Vec::new(), Vec::new(), Vec::new());
    let mut gone = BTreeSet::new();
    for intent in intents {
        // Taken out, so that a second intent for the same row finds nothing; a stale one leaves it for its owner's.
        let fits = facts.get(&intent.delivery).is_some_and(|fact| fact.is_for(intent));
        let fact = fits.then(|| facts.remove(&intent.delivery)).flatten();
        let answer = fact.as_ref().map_or(IntentAnswer::Lost, |fact| {
            judge(fact, campaigns.get(&intent.campaign), stopped.get(&fact.id).copied(), now)
        });
        answers.push(answer);
        let Some(fact) = fact else { continue };
        match answer {
            IntentAnswer::Go => {
                go.push(intent.delivery.0);
                fact.count(&mut sums.deltas, |deltas, owner| deltas.step(owner, Step::START, 1));
                sums.minutes.add(fact.route, fact.provider, fact.workspace);
                gone.extend(fact.is_counted().then_some(intent.campaign));
            }
            IntentAnswer::Cancelled => {
                cancel.push(intent.delivery.0);
                fact.count(&mut sums.deltas, |deltas, owner| deltas.step(owner, Step::CANCEL_QUEUED, 1));
            }
            IntentAnswer::Skipped(reason) => {
                skip.push((intent.delivery, reason));
                fact.count(&mut sums.deltas, |deltas, owner| deltas.skip(owner, Step::SKIP.from(), reason));
            }
            IntentAnswer::Paused | IntentAnswer::Lost => {}
        }
    }
    start(conn, go, now)?;
    cancel_queued(conn, cancel, now)?;
    for (delivery, reason) in skip {
        skip_queued(conn, delivery, reason, now)?;
    }
    Ok((answers, gone))
}

/// All that decides over an intent, read inside its transaction.
#[derive(Queryable)]
struct Facts {
    id: DeliveryId,
    workspace: WorkspaceId,
    campaign: CampaignId,
    provider: ProviderId,
    kind: Code<DeliveryKind>,
    state: Code<DeliveryState>,
    attempt: i16,
    /// That it leaves by.
    route: Option<RouteId>,
    suppression: Option<Db<SuppressionReason>>,
    /// `None`: the subscriber was deleted.
    subscriber: Option<Db<SubscriberStatus>>,
    subscribed: bool,
    /// Some list has entries that this statement does not look up.
    is_special: bool,
}

impl Facts {
    fn is_for(&self, intent: &Intent) -> bool {
        self.campaign == intent.campaign && self.state.0 == Step::START.from() && self.attempt == intent.attempt
    }

    fn is_counted(&self) -> bool {
        self.kind.0 == DeliveryKind::Campaign
    }

    fn count(&self, deltas: &mut Deltas, change: impl FnOnce(&mut Deltas, Owner)) {
        if self.is_counted() {
            let owner =
                Owner { workspace: self.workspace, campaign: self.campaign, provider: self.provider, group: None };
            change(deltas, owner);
        }
    }
}

/// The rows that entries of other kinds and scopes stop, of those against which nothing stood so far. Costs nothing while there
/// are none.
fn stopped_by_special(
    conn: &mut AnyConn,
    facts: &HashMap<DeliveryId, Facts>,
    key: SuppressionKey,
    now: UnixMs,
) -> StoreResult<HashMap<DeliveryId, SkipReason>> {
    let asked = |fact: &&Facts| {
        let may_go = !fact.is_counted() || unwilling(fact).is_none();
        fact.is_special && fact.suppression.is_none() && may_go
    };
    let ids: BTreeSet<DeliveryId> = facts.values().filter(asked).map(|fact| fact.id).collect();
    let mut stopped = HashMap::new();
    if !ids.is_empty() {
        for (workspace, rows) in special::candidates(conn, &ids)? {
            stopped.extend(special::stopped(conn, workspace, key, &rows, now)?);
        }
    }
    Ok(stopped)
}

/// A test message is its sender's own wish: neither a pause nor a subscription has a say. A suppression has.
fn judge(fact: &Facts, campaign: Option<&Standing>, stopped: Option<SkipReason>, now: UnixMs) -> IntentAnswer {
    let suppressed = fact.suppression.map(|reason| reason.0.skip_reason()).or(stopped);
    if fact.kind.0 == DeliveryKind::Test {
        return suppressed.map_or(IntentAnswer::Go, IntentAnswer::Skipped);
    }
    match campaign {
        None => IntentAnswer::Lost,
        Some(c) if c.state == CampaignState::Cancelled => IntentAnswer::Cancelled,
        Some(c) if !c.state.is_active() => IntentAnswer::Lost,
        Some(c) if c.paused || c.is_over(now) => IntentAnswer::Paused,
        Some(_) => suppressed.or_else(|| unwilling(fact)).map_or(IntentAnswer::Go, IntentAnswer::Skipped),
    }
}

/// Deleted, marked as undeliverable, or no longer subscribed to any included list that still exists.
fn unwilling(fact: &Facts) -> Option<SkipReason> {
    let Some(status) = fact.subscriber else { return Some(SkipReason::Deleted) };
    match status.0 {
        SubscriberStatus::Bounced => Some(SkipReason::HardBounce),
        SubscriberStatus::Complained => Some(SkipReason::Complaint),
        SubscriberStatus::OnHold => Some(SkipReason::OnHold),
        SubscriberStatus::Active => (!fact.subscribed).then_some(SkipReason::Unsubscribed),
    }
}

/// One statement for both backends but for the set of ids, the domain, and PostgreSQL's row locks.
macro_rules! facts_text {
    ($domain:literal, $ids:literal, $id:literal, $lock:literal) => {
        concat!(
            "SELECT d.id, d.workspace_id, d.campaign_id, d.provider_id, d.kind, d.state, d.attempt, d.route_id, \
             COALESCE((SELECT x.reason FROM suppressions x WHERE x.workspace_id = d.workspace_id AND x.kind = 'address' \
                       AND x.value = d.recipient AND x.list_id = 0 AND x.lane = -1 AND (x.expires_at_ms IS NULL OR x.expires_at_ms > ?)), \
                      (SELECT x.reason FROM suppressions x WHERE x.workspace_id = d.workspace_id AND x.kind = 'domain' \
                       AND x.value = ", $domain, " AND x.list_id = 0 AND x.lane = -1 AND (x.expires_at_ms IS NULL OR x.expires_at_ms > ?))), \
             s.status, \
             EXISTS (SELECT 1 FROM campaign_lists cl JOIN subscriptions u ON u.list_id = cl.list_id \
                     WHERE cl.campaign_id = d.campaign_id AND cl.role = 'include' \
                     AND u.subscriber_id = d.subscriber_id AND u.status = 'subscribed'), \
             EXISTS (SELECT 1 FROM suppression_specials) \
             FROM deliveries d LEFT JOIN subscribers s ON s.id = d.subscriber_id WHERE d.id ", $ids, " AND ", $id, " BETWEEN ? AND ?", $lock
        )
    };
}

fixed_sql!(IntentFacts -> (BigInt, BigInt, BigInt, BigInt, SmallInt, SmallInt, SmallInt, Nullable<BigInt>, Nullable<Text>, Nullable<Text>, Bool, Bool),
    lite: facts_text!("substr(d.recipient, instr(d.recipient, '@') + 1)", "IN (SELECT value FROM json_each(?))", "+d.id", ""),
    pg: facts_text!("split_part(d.recipient, '@', 2)", "= ANY(?)", "d.id", " ORDER BY d.id FOR UPDATE OF d"));

fn load_facts(conn: &mut AnyConn, intents: &[Intent], now: UnixMs) -> StoreResult<HashMap<DeliveryId, Facts>> {
    let [ids, first, last] = months::rows(intents.iter().map(|i| i.delivery.0).collect());
    let binds = [Bind::Int(now.0), Bind::Int(now.0), ids, first, last];
    let rows: Vec<Facts> = on!(conn, |c| Fixed::<IntentFacts>::new(binds).load(c))?;
    Ok(rows.into_iter().map(|fact| (fact.id, fact)).collect())
}

fixed_sql!(StartRows -> (),
    lite: "UPDATE deliveries SET state = ?, attempt = attempt + 1, first_attempt_at_ms = COALESCE(first_attempt_at_ms, ?), \
           updated_at_ms = ? WHERE +state = ? AND id IN (SELECT value FROM json_each(?)) AND +id BETWEEN ? AND ?",
    pg: "UPDATE deliveries SET state = ?, attempt = attempt + 1, first_attempt_at_ms = COALESCE(first_attempt_at_ms, ?), \
         updated_at_ms = ? WHERE +state = ? AND id = ANY(?) AND id BETWEEN ? AND ?");

/// The intent itself. The rows were read (on PostgreSQL: and locked) in this transaction, so the guard cannot miss.
fn start(conn: &mut AnyConn, rows: Vec<i64>, now: UnixMs) -> StoreResult<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let (from, to) = (Step::START.from().code(), Step::START.to().code());
    let expected = rows.len();
    let [ids, first, last] = months::rows(rows);
    let binds =
        [Bind::Int(i64::from(to)), Bind::Int(now.0), Bind::Int(now.0), Bind::Int(i64::from(from)), ids, first, last];
    let moved = on!(conn, |c| Fixed::<StartRows>::new(binds).execute(c))?;
    debug_assert_eq!(moved, expected);
    Ok(())
}

fn cancel_queued(conn: &mut AnyConn, rows: Vec<i64>, now: UnixMs) -> StoreResult<()> {
    for id in rows {
        diesel::update(deliveries::table.find(id).filter(deliveries::state.eq(Step::CANCEL_QUEUED.from().code())))
            .set((deliveries::state.eq(Step::CANCEL_QUEUED.to().code()), deliveries::updated_at_ms.eq(now.0)))
            .execute(conn)?;
    }
    Ok(())
}

fn skip_queued(conn: &mut AnyConn, id: DeliveryId, reason: SkipReason, now: UnixMs) -> StoreResult<()> {
    diesel::update(deliveries::table.find(id).filter(deliveries::state.eq(Step::SKIP.from().code())))
        .set((
            deliveries::state.eq(Step::SKIP.to().code()),
            deliveries::reason.eq(Db(reason)),
            deliveries::updated_at_ms.eq(now.0),
        ))
        .execute(conn)?;
    Ok(())
}

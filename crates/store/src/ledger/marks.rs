//! What the end of a delivery says of its subscriber, by the workspace's rules. Nothing that is our own fault says anything, and nothing
//! from test messages.

use std::collections::BTreeMap;

use diesel::prelude::*;
use diesel::sql_types::BigInt;
use tidings_domain::{
    BounceAction, BounceClass, BounceRules, DeliveryState, ReportEffect, SubscriberStatus, UnixMs, Word,
};

use super::months;
use super::outcomes::{Ending, Facts};
use crate::connection::on;
use crate::fixed::{Bind, Fixed, fixed_sql};
use crate::schema::{subscribers, suppressions};
use crate::text::storable;
use crate::words::Db;
use crate::{AnyConn, StoreResult, SubscriberId, WorkspaceId, bounce_rules};

/// Workspaces' rules, read once for each transaction that needs them.
#[derive(Default)]
pub(crate) struct RuleBook {
    rules: BTreeMap<WorkspaceId, BounceRules>,
}

impl RuleBook {
    pub(crate) fn of(&mut self, conn: &mut AnyConn, ws: WorkspaceId) -> StoreResult<&BounceRules> {
        if let std::collections::btree_map::Entry::Vacant(place) = self.rules.entry(ws) {
            place.insert(bounce_rules::rules(conn, ws)?);
        }
        Ok(&self.rules[&ws])
    }
}

/// What outcomes of attempts say of their subscribers.
pub(crate) fn apply(conn: &mut AnyConn, endings: &[Ending], now: UnixMs) -> StoreResult<()> {
    let mut book = RuleBook::default();
    let bounced = |e: &&Ending| matches!(e.step.to(), DeliveryState::HardBounced | DeliveryState::SoftBounced);
    for ending in endings.iter().filter(|e| e.fact.is_counted()).filter(bounced) {
        let class = ending.reason().and_then(|reason| BounceClass::parse(reason).ok());
        let rules = book.of(conn, ending.fact.workspace)?;
        let action = rules.action_at_end(ending.step.to(), class.unwrap_or(BounceClass::Undetermined));
        let evidence = ending.outcome.reply.as_ref().map_or("", |reply| &reply.text);
        let why = Evidence { source: "smtp reply", text: evidence };
        follow(conn, &ending.fact, action, rules, &why, now)?;
    }
    Ok(())
}

/// What shows that an address deserves what it gets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Evidence<'a> {
    /// How it came.
    pub source: &'a str,
    /// The words, verbatim.
    pub text: &'a str,
}

/// Does to the subscriber of a bounced delivery what the rules say.
pub(crate) fn follow(
    conn: &mut AnyConn,
    fact: &Facts,
    action: BounceAction,
    rules: &BounceRules,
    why: &Evidence<'_>,
    now: UnixMs,
) -> StoreResult<ReportEffect> {
    match (action, fact.subscriber) {
        (BounceAction::Suppress, _) => bounce(conn, fact, why, now),
        (BounceAction::SecondTime, Some(id)) => doubt(conn, fact, id, rules, why, now),
        (BounceAction::Count, Some(id)) => count(conn, fact, id, rules, why, now),
        _ => Ok(ReportEffect::Recorded),
    }
}

fn bounce(conn: &mut AnyConn, fact: &Facts, why: &Evidence<'_>, now: UnixMs) -> StoreResult<ReportEffect> {
    if let Some(id) = fact.subscriber {
        mark(conn, id, SubscriberStatus::Bounced, now)?;
    }
    suppress(conn, fact, "hard_bounce", why, now)?;
    Ok(ReportEffect::Suppressed)
}

/// The counters of a subscriber: soft bounces in a row, when the row began, when the last one came; when the address was doubted.
type Standing = (i32, Option<i64>, Option<i64>, Option<i64>);

fn doubt(
    conn: &mut AnyConn,
    fact: &Facts,
    id: SubscriberId,
    rules: &BounceRules,
    why: &Evidence<'_>,
    now: UnixMs,
) -> StoreResult<ReportEffect> {
    let Some((.., doubted)) = standing(conn, id)? else { return Ok(ReportEffect::Recorded) };
    let within = i64::from(rules.limits.second_within_days) * UnixMs::DAY;
    let earlier = doubted.filter(|at| now.0 - at <= within);
    let stands = match earlier {
        Some(at) => !delivered_since(conn, fact, id, at)?,
        None => false,
    };
    if stands {
        return bounce(conn, fact, why, now);
    }
    diesel::update(subscribers::table.find(id)).set(subscribers::doubted_at_ms.eq(now.0)).execute(conn)?;
    Ok(ReportEffect::Doubted)
}

/// Counts in a row: a message that was delivered since, or a click, begins a new one. An acceptance alone resets nothing when it comes,
/// because a relay accepts everything first; it counts when the next bounce comes and it still stands.
fn count(
    conn: &mut AnyConn,
    fact: &Facts,
    id: SubscriberId,
    rules: &BounceRules,
    why: &Evidence<'_>,
    now: UnixMs,
) -> StoreResult<ReportEffect> {
    let Some((n, since, last, _)) = standing(conn, id)? else { return Ok(ReportEffect::Recorded) };
    let goes_on = match last {
        Some(at) => !delivered_since(conn, fact, id, at)?,
        None => n > 0,
    };
    let (n, since) = if goes_on { (n + 1, since.unwrap_or(now.0)) } else { (1, now.0) };
    diesel::update(subscribers::table.find(id))
        .set((
            subscribers::soft_bounces.eq(n),
            subscribers::soft_since_ms.eq(since),
            subscribers::soft_last_ms.eq(now.0),
        ))
        .execute(conn)?;
    let limits = &rules.limits;
    let is_enough =
        n >= i32::from(limits.hold_after) && now.0 - since >= i64::from(limits.hold_over_days) * UnixMs::DAY;
    if limits.hold_after == 0 || !is_enough {
        return Ok(ReportEffect::Counted);
    }
    mark(conn, id, SubscriberStatus::OnHold, now)?;
    suppress(conn, fact, "on_hold", why, now)?;
    Ok(ReportEffect::OnHold)
}

fn standing(conn: &mut AnyConn, id: SubscriberId) -> StoreResult<Option<Standing>> {
    let columns =
        (subscribers::soft_bounces, subscribers::soft_since_ms, subscribers::soft_last_ms, subscribers::doubted_at_ms);
    let query = subscribers::table.find(id).select(columns);
    Ok(match conn {
        AnyConn::Pg(c) => query.for_no_key_update().first(c).optional()?,
        AnyConn::Lite(c) => query.first(c).optional()?,
    })
}

/// Another message was accepted for him since, and that still holds.
fn delivered_since(conn: &mut AnyConn, fact: &Facts, id: SubscriberId, since: i64) -> StoreResult<bool> {
    let binds =
        [Bind::Int(id.0), Bind::Int(fact.workspace.0), Bind::Int(since), Bind::Int(since), Bind::Int(fact.id.0)];
    let found: Vec<i64> = on!(conn, |c| Fixed::<DeliveredSince>::new(binds).load(c))?;
    Ok(!found.is_empty())
}

// From the campaigns that were alive since then to this one person's rows: no index over all deliveries by subscriber is needed.
macro_rules! delivered_text {
    ($months:literal, $month:literal) => {
        concat!(
            "SELECT d.id FROM campaigns c ",
            $months,
            " JOIN deliveries d ON d.campaign_id = c.id AND d.subscriber_id = ? AND d.kind = 0",
            $month,
            " WHERE c.workspace_id = ? AND (c.done_at_ms IS NULL OR c.done_at_ms >= ?) AND d.state = 10 \
             AND d.updated_at_ms > ? AND d.id <> ? LIMIT 1"
        )
    };
}

fixed_sql!(DeliveredSince -> BigInt,
    lite: delivered_text!("", ""),
    pg: delivered_text!("LEFT JOIN fanouts f ON f.campaign_id = c.id",
        " AND d.id >= COALESCE(f.ledger_month, 0) << 40 AND d.id < (COALESCE(f.ledger_month, 0) + 1) << 40"));

/// A stronger mark stays: nothing takes a complaint back, and a bounce only what is weaker.
pub(crate) fn mark(conn: &mut AnyConn, id: SubscriberId, status: SubscriberStatus, now: UnixMs) -> StoreResult<()> {
    use SubscriberStatus as S;
    let weaker: &[S] = match status {
        S::Complained => &[S::Active, S::OnHold, S::Bounced],
        S::OnHold => &[S::Active],
        _ => &[S::Active, S::OnHold],
    };
    let weaker: Vec<&str> = weaker.iter().map(|status| status.as_str()).collect();
    diesel::update(subscribers::table.find(id).filter(subscribers::status.eq_any(weaker)))
        .set((subscribers::status.eq(Db(status)), subscribers::updated_at_ms.eq(now.0)))
        .execute(conn)?;
    Ok(())
}

/// Suppresses the address. An entry that is as strong and still counts keeps its evidence.
pub(crate) fn suppress(
    conn: &mut AnyConn,
    fact: &Facts,
    reason: &str,
    why: &Evidence<'_>,
    now: UnixMs,
) -> StoreResult<()> {
    let binds = [
        Bind::Int(fact.workspace.0),
        Bind::Text(fact.recipient.clone()),
        Bind::Text(reason.to_owned()),
        Bind::Text(why.source.to_owned()),
        Bind::Text(storable(why.text).into_owned()),
        Bind::Int(fact.campaign.0),
        Bind::Int(fact.id.0),
        Bind::Int(now.0),
        Bind::Int(now.0),
    ];
    on!(conn, |c| Fixed::<Suppress>::new(binds).execute(c))?;
    Ok(())
}

// Stronger than a hard bounce are blocklist and complaint: tidings_domain::SuppressionReason has the order.
fixed_sql!(Suppress -> (),
    "INSERT INTO suppressions (workspace_id, kind, value, reason, source, evidence, campaign_id, delivery_id, created_at_ms) \
     VALUES (?, 'address', ?, ?, ?, ?, ?, ?, ?) \
     ON CONFLICT (workspace_id, kind, value, list_id, lane) DO UPDATE SET reason = excluded.reason, source = excluded.source, \
     evidence = excluded.evidence, campaign_id = excluded.campaign_id, delivery_id = excluded.delivery_id, \
     created_at_ms = excluded.created_at_ms, expires_at_ms = NULL \
     WHERE suppressions.expires_at_ms <= ? OR suppressions.reason = 'on_hold' AND excluded.reason <> 'on_hold' \
     OR suppressions.reason = 'unsubscribe' AND excluded.reason IN ('hard_bounce', 'complaint') \
     OR (excluded.reason = 'complaint' AND suppressions.reason IN ('hard_bounce', 'blocklist'))");

/// Takes back what a bounce of this delivery did: for a report that is read again.
pub(crate) fn take_back(conn: &mut AnyConn, fact: &Facts, effect: ReportEffect, now: UnixMs) -> StoreResult<()> {
    match (effect, fact.subscriber) {
        (ReportEffect::Suppressed | ReportEffect::OnHold, subscriber) => {
            let removed = diesel::delete(
                suppressions::table
                    .filter(suppressions::workspace_id.eq(fact.workspace.0))
                    .filter(suppressions::kind.eq("address"))
                    .filter(suppressions::value.eq(&fact.recipient))
                    .filter(suppressions::delivery_id.eq(fact.id))
                    .filter(suppressions::reason.eq_any(["hard_bounce", "on_hold"])),
            )
            .execute(conn)?;
            if let (Some(id), true) = (subscriber, removed > 0) {
                revive(conn, id, now)?;
            }
        }
        (ReportEffect::Counted, Some(id)) => {
            diesel::update(subscribers::table.find(id).filter(subscribers::soft_bounces.gt(0)))
                .set(subscribers::soft_bounces.eq(subscribers::soft_bounces - 1))
                .execute(conn)?;
        }
        (ReportEffect::Doubted, Some(id)) => {
            diesel::update(subscribers::table.find(id))
                .set(subscribers::doubted_at_ms.eq(None::<i64>))
                .execute(conn)?;
        }
        _ => {}
    }
    Ok(())
}

fn revive(conn: &mut AnyConn, id: SubscriberId, now: UnixMs) -> StoreResult<()> {
    let marked = [SubscriberStatus::Bounced.as_str(), SubscriberStatus::OnHold.as_str()];
    diesel::update(subscribers::table.find(id).filter(subscribers::status.eq_any(marked)))
        .set((subscribers::status.eq(Db(SubscriberStatus::Active)), subscribers::updated_at_ms.eq(now.0)))
        .execute(conn)?;
    Ok(())
}

/// He clicked: the mailbox works, and somebody reads it. Nearly always there is nothing to forget, and nothing is written.
pub(crate) fn forget_doubts(conn: &mut AnyConn, clicked: &[i64], at_least_after_ms: i64) -> StoreResult<()> {
    if clicked.is_empty() {
        return Ok(());
    }
    let [ids, first, last] = months::rows(clicked.to_vec());
    let binds = [ids, first, last, Bind::Int(at_least_after_ms)];
    on!(conn, |c| Fixed::<ForgetDoubts>::new(binds).execute(c))?;
    Ok(())
}

fixed_sql!(ForgetDoubts -> (),
    lite: "UPDATE subscribers SET soft_bounces = 0, soft_since_ms = NULL, soft_last_ms = NULL, doubted_at_ms = NULL \
           WHERE id IN (SELECT subscriber_id FROM deliveries WHERE id IN (SELECT value FROM json_each(?)) \
                        AND +id BETWEEN ? AND ? AND updated_at_ms < ?) \
           AND (soft_bounces > 0 OR doubted_at_ms IS NOT NULL)",
    pg: "UPDATE subscribers SET soft_bounces = 0, soft_since_ms = NULL, soft_last_ms = NULL, doubted_at_ms = NULL \
         WHERE id IN (SELECT subscriber_id FROM deliveries WHERE id = ANY(?) AND id BETWEEN ? AND ? AND updated_at_ms < ?) \
         AND (soft_bounces > 0 OR doubted_at_ms IS NOT NULL)");

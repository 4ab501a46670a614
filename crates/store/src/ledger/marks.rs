use diesel::prelude::*;
use tidings_domain::{DeliveryState, SubscriberStatus, UnixMs, Word};

use super::outcomes::{Ending, Facts};
use crate::connection::on;
use crate::fixed::{Bind, Fixed, fixed_sql};
use crate::schema::subscribers;
use crate::text::storable;
use crate::words::Db;
use crate::{AnyConn, StoreResult, SubscriberId};

/// What outcomes say of their subscribers: nothing that is our own fault, and nothing from test messages.
pub(crate) fn apply(conn: &mut AnyConn, endings: &[Ending], now: UnixMs) -> StoreResult<()> {
    for ending in endings.iter().filter(|e| e.fact.is_counted()) {
        match (ending.step.to(), ending.fact.subscriber) {
            (DeliveryState::HardBounced, subscriber) => {
                if let Some(id) = subscriber {
                    mark(conn, id, SubscriberStatus::Bounced, now)?;
                }
                let evidence = ending.outcome.reply.as_ref().map_or("", |reply| &reply.text);
                let why = Suppressed { reason: "hard_bounce", source: "smtp reply", evidence };
                suppress(conn, &ending.fact, &why, now)?;
            }
            (DeliveryState::SoftBounced, Some(id)) => {
                diesel::update(subscribers::table.find(id))
                    .set(subscribers::soft_bounces.eq(subscribers::soft_bounces + 1))
                    .execute(conn)?;
            }
            // Nearly always there is nothing to forget, and nothing is written.
            (DeliveryState::Accepted, Some(id)) if ending.fact.has_soft_bounces => {
                diesel::update(subscribers::table.find(id)).set(subscribers::soft_bounces.eq(0)).execute(conn)?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// A stronger mark stays: nothing takes a complaint back, and a bounce only what is weaker.
pub(super) fn mark(conn: &mut AnyConn, id: SubscriberId, status: SubscriberStatus, now: UnixMs) -> StoreResult<()> {
    let weaker: &[SubscriberStatus] = match status {
        SubscriberStatus::Complained => {
            &[SubscriberStatus::Active, SubscriberStatus::OnHold, SubscriberStatus::Bounced]
        }
        _ => &[SubscriberStatus::Active, SubscriberStatus::OnHold],
    };
    let weaker: Vec<&str> = weaker.iter().map(|status| status.as_str()).collect();
    diesel::update(subscribers::table.find(id).filter(subscribers::status.eq_any(weaker)))
        .set((subscribers::status.eq(Db(status)), subscribers::updated_at_ms.eq(now.0)))
        .execute(conn)?;
    Ok(())
}

/// Why an address is suppressed, and what shows it.
pub(super) struct Suppressed<'a> {
    /// `hard_bounce` or `complaint`.
    pub reason: &'static str,
    pub source: &'static str,
    pub evidence: &'a str,
}

/// Suppresses the address. An entry that is as strong and still counts keeps its evidence.
pub(super) fn suppress(conn: &mut AnyConn, fact: &Facts, why: &Suppressed<'_>, now: UnixMs) -> StoreResult<()> {
    let binds = [
        Bind::Int(fact.workspace.0),
        Bind::Text(fact.recipient.clone()),
        Bind::Text(why.reason.to_owned()),
        Bind::Text(why.source.to_owned()),
        Bind::Text(storable(why.evidence).into_owned()),
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
     ON CONFLICT (workspace_id, kind, value) DO UPDATE SET reason = excluded.reason, source = excluded.source, \
     evidence = excluded.evidence, campaign_id = excluded.campaign_id, delivery_id = excluded.delivery_id, \
     created_at_ms = excluded.created_at_ms, expires_at_ms = NULL \
     WHERE suppressions.reason IN ('on_hold', 'unsubscribe') OR suppressions.expires_at_ms <= ? \
     OR (excluded.reason = 'complaint' AND suppressions.reason = 'hard_bounce')");

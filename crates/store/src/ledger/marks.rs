use diesel::prelude::*;
use tidings_domain::{DeliveryState, SubscriberStatus, UnixMs, Word};

use super::outcomes::Ending;
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
                    mark_bounced(conn, id, now)?;
                }
                suppress(conn, ending, now)?;
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

/// A complaint is stronger than a bounce and stays.
fn mark_bounced(conn: &mut AnyConn, id: SubscriberId, now: UnixMs) -> StoreResult<()> {
    let weaker = [SubscriberStatus::Active, SubscriberStatus::OnHold].map(Word::as_str);
    diesel::update(subscribers::table.find(id).filter(subscribers::status.eq_any(weaker)))
        .set((subscribers::status.eq(Db(SubscriberStatus::Bounced)), subscribers::updated_at_ms.eq(now.0)))
        .execute(conn)?;
    Ok(())
}

/// Suppresses the address with the reply as evidence. An entry that is as strong and still counts keeps its evidence.
fn suppress(conn: &mut AnyConn, ending: &Ending, now: UnixMs) -> StoreResult<()> {
    let evidence = ending.outcome.reply.as_ref().map(|r| storable(&r.text).into_owned()).unwrap_or_default();
    let binds = [
        Bind::Int(ending.fact.workspace.0),
        Bind::Text(ending.fact.recipient.clone()),
        Bind::Text(evidence),
        Bind::Int(ending.fact.campaign.0),
        Bind::Int(ending.fact.id.0),
        Bind::Int(now.0),
        Bind::Int(now.0),
    ];
    on!(conn, |c| Fixed::<SuppressBounced>::new(binds).execute(c))?;
    Ok(())
}

// Stronger than a hard bounce are blocklist and complaint: tidings_domain::SuppressionReason has the order.
fixed_sql!(SuppressBounced -> (),
    "INSERT INTO suppressions (workspace_id, kind, value, reason, source, evidence, campaign_id, delivery_id, created_at_ms) \
     VALUES (?, 'address', ?, 'hard_bounce', 'smtp reply', ?, ?, ?, ?) \
     ON CONFLICT (workspace_id, kind, value) DO UPDATE SET reason = excluded.reason, source = excluded.source, \
     evidence = excluded.evidence, campaign_id = excluded.campaign_id, delivery_id = excluded.delivery_id, \
     created_at_ms = excluded.created_at_ms, expires_at_ms = NULL \
     WHERE suppressions.reason IN ('on_hold', 'unsubscribe') OR suppressions.expires_at_ms <= ?");

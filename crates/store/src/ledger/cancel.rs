use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable};
use tidings_domain::{CampaignState, CampaignTransition, UnixMs};

use super::campaign::{self, Applied};
use super::counts::{self, Deltas, Owner};
use super::months::Span;
use super::step::Step;
use crate::connection::on;
use crate::fixed::{Bind, Fixed, fixed_sql};
use crate::schema::campaigns;
use crate::{AnyConn, CampaignId, ProviderId, ReplyGroupId, Store, StoreResult, Workspace};

impl Workspace {
    /// Cancels a launched campaign: from now on every intent of it answers `Cancelled`. The rows follow in bounded steps
    /// ([`Store::cancel_rows`]).
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn cancel(&self, id: CampaignId, by: &str, now: UnixMs) -> StoreResult<Applied> {
        let by = by.to_owned();
        self.write(move |conn, workspace| {
            let standing = campaign::lock(conn, id)?.filter(|c| c.workspace == workspace);
            let Some(transition) = standing.and_then(|c| CampaignTransition::cancel_from(c.state)) else {
                return Ok(Applied::LostRace);
            };
            let applied = campaign::transit(conn, id, transition, &by, now)?;
            // Cancelled in the middle of fan-out: the audience is what there is of it.
            let total = counts::total(conn, id, |_| true)?;
            let unknown = campaigns::table.find(id).filter(campaigns::audience_total.is_null());
            diesel::update(unknown).set(campaigns::audience_total.eq(total)).execute(conn)?;
            Ok(applied)
        })
        .await
    }
}

impl Store {
    /// Cancelled campaigns that still have rows to cancel, at most `limit`: where the dispatcher goes on after a kill.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn cancelled_with_rows(&self, limit: i64) -> StoreResult<Vec<CampaignId>> {
        self.read(move |conn| {
            let found: Vec<i64> = on!(conn, |c| Fixed::<CancelledWithRows>::new([Bind::Int(limit)]).load(c))?;
            Ok(found.into_iter().map(CampaignId).collect())
        })
        .await
    }

    /// Cancelled campaigns that still have attempts in flight, at most `limit`.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn cancelled_in_flight(&self, limit: i64) -> StoreResult<Vec<CampaignId>> {
        self.read(move |conn| {
            let found: Vec<i64> = on!(conn, |c| Fixed::<CancelledInFlight>::new([Bind::Int(limit)]).load(c))?;
            Ok(found.into_iter().map(CampaignId).collect())
        })
        .await
    }

    /// Cancels up to `limit` pending, queued and deferred rows of a cancelled campaign and says how many; 0: none is left.
    /// Rows in flight finish by themselves.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn cancel_rows(&self, id: CampaignId, limit: i64, now: UnixMs) -> StoreResult<i64> {
        self.write(move |conn| {
            let Some(standing) = campaign::lock(conn, id)?.filter(|c| c.state == CampaignState::Cancelled) else {
                return Ok(0);
            };
            let mut deltas = Deltas::default();
            let mut cancelled = 0;
            for step in Step::CANCEL {
                for (provider, group) in cancel_step(conn, id, step, limit - cancelled, now)? {
                    let owner = Owner { workspace: standing.workspace, campaign: id, provider, group };
                    deltas.step(owner, step, 1);
                    cancelled += 1;
                }
            }
            deltas.write(conn)?;
            Ok(cancelled)
        })
        .await
    }
}

macro_rules! cancelled_text {
    ($states:literal, $months:literal, $month:literal) => {
        concat!(
            "SELECT c.id FROM campaigns c ",
            $months,
            " WHERE c.state = 'cancelled' AND EXISTS (SELECT 1 FROM deliveries d \
             WHERE d.campaign_id = c.id AND d.state IN ",
            $states,
            " AND d.state < 10 AND d.kind = 0",
            $month,
            ") ORDER BY c.id LIMIT ?"
        )
    };
}

fixed_sql!(CancelledWithRows -> BigInt,
    lite: cancelled_text!("(0, 1, 3)", "", ""),
    pg: cancelled_text!("(0, 1, 3)", "LEFT JOIN fanouts f ON f.campaign_id = c.id",
        " AND d.id >= COALESCE(f.ledger_month, 0) << 40 AND d.id < (COALESCE(f.ledger_month, 0) + 1) << 40"));

fixed_sql!(CancelledInFlight -> BigInt,
    lite: cancelled_text!("(2)", "", ""),
    pg: cancelled_text!("(2)", "LEFT JOIN fanouts f ON f.campaign_id = c.id",
        " AND d.id >= COALESCE(f.ledger_month, 0) << 40 AND d.id < (COALESCE(f.ledger_month, 0) + 1) << 40"));

fixed_sql!(CancelRows -> (BigInt, Nullable<BigInt>),
    "UPDATE deliveries SET state = ?, next_at_ms = NULL, updated_at_ms = ? WHERE +state = ? AND id IN \
     (SELECT id FROM deliveries WHERE campaign_id = ? AND id BETWEEN ? AND ? AND state = ? AND state < 10 AND kind = 0 ORDER BY id LIMIT ?) \
     RETURNING provider_id, reply_group_id");

/// The provider of each row that took the step, and the group of its last refusal.
fn cancel_step(
    conn: &mut AnyConn,
    id: CampaignId,
    step: Step,
    limit: i64,
    now: UnixMs,
) -> StoreResult<Vec<(ProviderId, Option<ReplyGroupId>)>> {
    let from = i64::from(step.from().code());
    let [first, last] = Span::of(conn, id)?.binds();
    let binds = [
        Bind::Int(i64::from(step.to().code())),
        Bind::Int(now.0),
        Bind::Int(from),
        Bind::Int(id.0),
        first,
        last,
        Bind::Int(from),
        Bind::Int(limit),
    ];
    Ok(on!(conn, |c| Fixed::<CancelRows>::new(binds).load(c))?)
}

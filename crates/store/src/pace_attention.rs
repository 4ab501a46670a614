//! What a block asks of the owners of campaigns, and until when.

use std::collections::HashSet;

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use tidings_domain::{BounceClass, DeliveryState, Destination, UnixMs, Word};

use crate::pace_events::{ENDED_ROWS, Row};
use crate::schema::{campaigns, delivery_counts, pace_events::dsl, pool_routes, providers};
use crate::text::storable;
use crate::{AnyConn, CampaignId, NewPaceEvent, PaceEvent, PoolId, RouteId, Store, StoreResult};

impl Store {
    /// Blocks that stand now: what somebody should look at. The latest of each destination, newest first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn standing_blocks(&self, now: UnixMs) -> StoreResult<Vec<PaceEvent>> {
        self.read(move |conn| blocks(conn, now)).await
    }
}

/// The routes that a campaign leaves by: its own, or those of its pool. None: it was launched before there were routes.
pub(crate) fn routes_of(conn: &mut AnyConn, campaign: CampaignId) -> StoreResult<Vec<RouteId>> {
    let way: (Option<i64>, Option<PoolId>) =
        campaigns::table.find(campaign).select((campaigns::route_id, campaigns::pool_id)).first(conn)?;
    Ok(match way {
        (Some(route), _) => vec![RouteId(route)],
        (None, Some(pool)) => {
            pool_routes::table.filter(pool_routes::pool_id.eq(pool)).select(pool_routes::route_id).load(conn)?
        }
        (None, None) => Vec::new(),
    })
}

/// Tells the campaigns under way that leave by this route and have mail for this provider. A relay has mail of all of them.
pub(crate) fn ask(conn: &mut AnyConn, event: &NewPaceEvent) -> StoreResult<()> {
    let mut concerned = under_way().select(campaigns::id).into_boxed();
    if Destination::of(&event.of.provider).provider().is_some() {
        let open: Vec<i16> = DeliveryState::ALL.iter().filter(|state| !state.is_terminal()).map(|s| s.code()).collect();
        let with_mail = delivery_counts::table
            .inner_join(providers::table.on(providers::id.eq(delivery_counts::provider_id)))
            .filter(providers::name.eq(&event.of.provider))
            .filter(delivery_counts::state.eq_any(open))
            .filter(delivery_counts::n.gt(0))
            .select(delivery_counts::campaign_id);
        concerned = concerned.filter(campaigns::id.eq_any(with_mail));
    }
    let mut ids: Vec<CampaignId> = concerned.load(conn)?;
    if let Some(route) = event.of.route {
        let mut by_it = Vec::with_capacity(ids.len());
        for id in ids {
            let routes = routes_of(conn, id)?;
            if routes.is_empty() || routes.contains(&route) {
                by_it.push(id);
            }
        }
        ids = by_it;
    }
    let quiet = campaigns::table.filter(campaigns::id.eq_any(ids)).filter(campaigns::attention.eq(""));
    diesel::update(quiet).set(campaigns::attention.eq(storable(&event.attention))).execute(conn)?;
    Ok(())
}

#[diesel::dsl::auto_type]
fn under_way() -> _ {
    // Literals: the partial index serves only a condition that it can read.
    let active: diesel::expression::SqlLiteral<Bool> =
        sql::<Bool>("campaigns.state IN ('queuing', 'queued', 'sending')");
    campaigns::table.filter(active)
}

#[diesel::dsl::auto_type]
pub(crate) fn held() -> _ {
    dsl::pace_events.filter(dsl::until_ms.is_not_null()).filter(dsl::ended_at_ms.is_null())
}

fn blocks(conn: &mut AnyConn, now: UnixMs) -> StoreResult<Vec<PaceEvent>> {
    let words: Vec<&str> =
        BounceClass::ALL.iter().filter(|class| class.is_block()).map(|class| class.as_str()).collect();
    let rows: Vec<Row> = held()
        .filter(dsl::until_ms.gt(now.0))
        .filter(dsl::class.eq_any(words))
        .order(dsl::id.desc())
        .limit(ENDED_ROWS)
        .select(Row::as_select())
        .load(conn)?;
    let mut seen = HashSet::new();
    let all = rows.into_iter().map(PaceEvent::from);
    Ok(all.filter(|event| seen.insert((event.of.provider.clone(), event.of.route, event.of.stream.clone()))).collect())
}

/// How many destinations block us now.
pub(crate) fn count_blocks(conn: &mut AnyConn, now: UnixMs) -> StoreResult<i64> {
    Ok(i64::try_from(blocks(conn, now)?.len()).unwrap_or(i64::MAX))
}

/// What they asked for is taken back, unless another that stands asks for the same.
pub(crate) fn end(conn: &mut AnyConn, ids: &[i64], now: UnixMs) -> StoreResult<()> {
    let ending = || dsl::pace_events.filter(dsl::id.eq_any(ids));
    let asked: Vec<String> = ending().filter(dsl::attention.ne("")).select(dsl::attention).distinct().load(conn)?;
    diesel::update(ending()).set(dsl::ended_at_ms.eq(now.0)).execute(conn)?;
    for words in asked {
        let stands: i64 = held().filter(dsl::attention.eq(&words)).count().get_result(conn)?;
        if stands == 0 {
            let told = campaigns::table.filter(campaigns::attention.eq(&words));
            diesel::update(told).set(campaigns::attention.eq("")).execute(conn)?;
        }
    }
    Ok(())
}

use diesel::prelude::*;
use diesel::sql_types::BigInt;
use tidings_domain::{DeliveryKind, DeliveryState, EmailAddress, Lane, UnixMs};

use super::months::Month;
use super::revision::{self, FrozenContent};
use crate::fixed::{Bind, Fixed, fixed_sql};
use crate::schema::{campaigns, deliveries, pool_routes};
use crate::ways::default_way;
use crate::words::Code;
use crate::{
    AnyConn, CampaignId, DeliveryId, PoolId, RouteId, StoreError, StoreResult, SubscriberId, Way, Workspace,
    WorkspaceId,
};

/// Addresses of one test.
const MAX_TEST_RECIPIENTS: usize = 20;

/// A message that shows its sender how the campaign will arrive.
#[derive(Debug, Clone)]
pub struct TestMessage {
    pub content: FrozenContent,
    pub to: Vec<EmailAddress>,
    /// Whose data fill the merge tags.
    pub as_subscriber: Option<SubscriberId>,
    /// `None`: the way that the draft chose, else the workspace's.
    pub route: Option<RouteId>,
}

/// How a test message stands, for the page that waits for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestStanding {
    pub delivery: DeliveryId,
    pub recipient: String,
    pub state: DeliveryState,
    pub reason: Option<String>,
    /// The peer's exact words.
    pub reply: Option<String>,
    pub updated_at: UnixMs,
    pub next_at: Option<UnixMs>,
}

impl Workspace {
    /// Writes one pending row for each address, in the first lane, with a revision of its own. Never counted. The
    /// dispatcher notices them.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]: no such campaign here. Else the transaction could not be committed.
    pub async fn send_test(&self, id: CampaignId, test: TestMessage, now: UnixMs) -> StoreResult<Vec<DeliveryId>> {
        self.write(move |conn, workspace| {
            let own = campaigns::table.filter(campaigns::id.eq(id)).filter(campaigns::workspace_id.eq(workspace));
            let found: Option<CampaignId> = own.select(campaigns::id).first(conn).optional()?;
            let id = found.ok_or(StoreError::NotFound)?;
            let route = route_of(conn, workspace, id, test.route)?;
            let revision = revision::insert(conn, (workspace, id), &test.content, now)?;
            let base = test_month(conn, now)?;
            let mut ids = Vec::new();
            for address in test.to.iter().take(MAX_TEST_RECIPIENTS) {
                let row = (
                    deliveries::workspace_id.eq(workspace),
                    deliveries::campaign_id.eq(id),
                    deliveries::revision_id.eq(revision),
                    deliveries::subscriber_id.eq(test.as_subscriber),
                    deliveries::recipient.eq(address.as_str()),
                    deliveries::kind.eq(DeliveryKind::Test.code()),
                    deliveries::lane.eq(Lane::Transactional.code()),
                    deliveries::state.eq(DeliveryState::Pending.code()),
                    deliveries::route_id.eq(route),
                    deliveries::updated_at_ms.eq(now.0),
                );
                ids.push(match conn {
                    AnyConn::Lite(c) => {
                        diesel::insert_into(deliveries::table).values(row).returning(deliveries::id).get_result(c)?
                    }
                    AnyConn::Pg(c) => {
                        let number: i64 = Fixed::<NextNumber>::new([Bind::Int(base)]).get_result(c)?;
                        let row = (deliveries::id.eq(number), row);
                        diesel::insert_into(deliveries::table).values(row).returning(deliveries::id).get_result(c)?
                    }
                });
            }
            Ok(ids)
        })
        .await
    }

    /// How the test messages with these ids stand, in the order of their ids; at most 20.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn test_standings(&self, ids: Vec<DeliveryId>) -> StoreResult<Vec<TestStanding>> {
        self.read(move |conn, workspace| {
            let ids: Vec<DeliveryId> = ids.into_iter().take(MAX_TEST_RECIPIENTS).collect();
            let rows: Vec<StandingRow> = deliveries::table
                .filter(deliveries::id.eq_any(ids))
                .filter(deliveries::workspace_id.eq(workspace))
                .filter(deliveries::kind.eq(DeliveryKind::Test.code()))
                .order(deliveries::id)
                .select((
                    deliveries::id,
                    deliveries::recipient,
                    deliveries::state,
                    deliveries::reason,
                    deliveries::reply,
                    deliveries::updated_at_ms,
                    deliveries::next_at_ms,
                ))
                .load(conn)?;
            Ok(rows.into_iter().map(standing).collect())
        })
        .await
    }
}

/// `None` where the draft has a pool: the dispatcher takes one of its routes. Of the workspace's pool it is the heaviest route.
fn route_of(
    conn: &mut AnyConn,
    workspace: WorkspaceId,
    id: CampaignId,
    asked: Option<RouteId>,
) -> StoreResult<Option<RouteId>> {
    let chosen: (Option<RouteId>, Option<PoolId>) =
        campaigns::table.find(id).select((campaigns::route_id, campaigns::pool_id)).first(conn)?;
    if asked.is_some() || Way::of(chosen.0, chosen.1).is_some() {
        return Ok(asked.or(chosen.0));
    }
    match default_way(conn, workspace)? {
        Some(Way::Pool(pool)) => {
            let shares = pool_routes::table.filter(pool_routes::pool_id.eq(pool));
            let heaviest = shares.order((pool_routes::weight.desc(), pool_routes::route_id));
            Ok(heaviest.select(pool_routes::route_id).first(conn).optional()?)
        }
        way => Ok(way.and_then(Way::route)),
    }
}

type StandingRow = (DeliveryId, String, Code<DeliveryState>, Option<String>, Option<String>, i64, Option<i64>);

fn standing((delivery, recipient, state, reason, reply, updated_at, next_at): StandingRow) -> TestStanding {
    TestStanding {
        delivery,
        recipient,
        state: state.0,
        reason,
        reply,
        updated_at: UnixMs(updated_at),
        next_at: next_at.map(UnixMs),
    }
}

/// Test messages lie in the month in which they are sent. What is added to their numbers.
fn test_month(conn: &mut AnyConn, now: UnixMs) -> StoreResult<i64> {
    let AnyConn::Pg(pg) = conn else { return Ok(0) };
    let month = Month::of(now);
    month.ensure(pg)?;
    Ok(month.base())
}

fixed_sql!(NextNumber -> BigInt, lite: "SELECT ?", pg: "SELECT CAST(? AS BIGINT) + nextval('deliveries_number')");

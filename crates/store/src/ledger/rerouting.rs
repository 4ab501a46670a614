//! Which route a queued row leaves by: given when it is queued by a pool, and changed while it has not been sent when its route fails.
//! A row keeps its route over its retries, because a receiver that greylists knows the address that it saw first.

use std::collections::BTreeMap;

use diesel::prelude::*;
use diesel::sql_types::BigInt;
use tidings_domain::{DeliveryState, UnixMs};

use super::months::Span;
use super::queueing::{JobRow, JobRowType, QueuedJob, job_columns, jobs};
use super::{SYSTEM_ACTOR, campaign, events, months};
use crate::connection::on;
use crate::fixed::{Bind, Fixed, fixed_sql};
use crate::schema::campaign_events;
use crate::{AnyConn, CampaignId, DeliveryId, RouteId, Store, StoreResult, WorkspaceId};

/// The same words are not written again into a campaign's history within this time.
const SAID_LATELY_MS: i64 = 6 * UnixMs::HOUR;

impl Store {
    /// Gives queued rows their routes. A row that is queued no more is left alone. Returns the rows that took theirs, by id.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn assign_routes(&self, given: Vec<(DeliveryId, RouteId)>) -> StoreResult<Vec<DeliveryId>> {
        let mut by_route = BTreeMap::<RouteId, Vec<DeliveryId>>::new();
        given.into_iter().for_each(|(delivery, route)| by_route.entry(route).or_default().push(delivery));
        self.write_again(move |conn| {
            let mut took = Vec::new();
            for (route, deliveries) in &by_route {
                took.extend(assign(conn, *route, deliveries)?);
            }
            took.sort_unstable();
            Ok(took)
        })
        .await
    }

    /// Queued rows of a campaign that leave by a route, in id order, as the jobs that they have; of one provider when it is named.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn queued_on_route(
        &self,
        campaign: CampaignId,
        route: RouteId,
        after: DeliveryId,
        limit: i64,
    ) -> StoreResult<Vec<QueuedJob>> {
        self.read(move |conn| {
            let [first, last] = Span::of(conn, campaign)?.binds();
            let binds = [Bind::Int(campaign.0), first, last, Bind::Int(after.0), Bind::Int(route.0), Bind::Int(limit)];
            let rows: Vec<JobRow> = on!(conn, |c| Fixed::<OnRoute>::new(binds).load(c))?;
            jobs(conn, rows)
        })
        .await
    }

    /// Says once in a campaign's history that its deliveries take another way, however many they are.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn note_rerouted(&self, id: CampaignId, what: &str, now: UnixMs) -> StoreResult<()> {
        let what = what.to_owned();
        self.write(move |conn| {
            let Some(standing) = campaign::lock(conn, id)? else { return Ok(()) };
            if was_said(conn, (standing.workspace, id), &what, now)? {
                return Ok(());
            }
            events::record(conn, (standing.workspace, id), SYSTEM_ACTOR, &what, now)
        })
        .await
    }
}

fn was_said(
    conn: &mut AnyConn,
    (workspace, id): (WorkspaceId, CampaignId),
    what: &str,
    now: UnixMs,
) -> StoreResult<bool> {
    let said: Option<i64> = campaign_events::table
        .filter(campaign_events::campaign_id.eq(id))
        .filter(campaign_events::workspace_id.eq(workspace))
        .filter(campaign_events::what.eq(what))
        .filter(campaign_events::at_ms.ge(now.0 - SAID_LATELY_MS))
        .select(campaign_events::id)
        .first(conn)
        .optional()?;
    Ok(said.is_some())
}

fn assign(conn: &mut AnyConn, route: RouteId, deliveries: &[DeliveryId]) -> StoreResult<Vec<DeliveryId>> {
    let mut binds = vec![Bind::Int(route.0)];
    binds.extend(months::rows(deliveries.iter().map(|id| id.0).collect()));
    binds.push(Bind::Int(i64::from(DeliveryState::Queued.code())));
    Ok(on!(conn, |c| Fixed::<Assign>::new(binds).load(c))?)
}

fixed_sql!(Assign -> BigInt,
    lite: "UPDATE deliveries SET route_id = ? WHERE id IN (SELECT value FROM json_each(?)) AND +id BETWEEN ? AND ? AND +state = ? \
           RETURNING id",
    pg: "UPDATE deliveries SET route_id = ? WHERE id = ANY(?) AND id BETWEEN ? AND ? AND +state = ? RETURNING id");

fixed_sql!(
    /// `state = 1` stands in figures, because the partial index serves only a condition that it can read.
    OnRoute -> JobRowType,
    concat!("SELECT ", job_columns!(), " FROM deliveries WHERE campaign_id = ? AND id BETWEEN ? AND ? \
             AND state = 1 AND state < 10 AND id > ? AND kind = 0 AND route_id = ? ORDER BY id LIMIT ?"));

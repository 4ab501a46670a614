//! How many messages each route with a limit for a minute, an hour or a day, or with a warm-up plan, handed over in each minute, by provider.
//!
//! Such limits are counted by the queue, but a queue that begins anew knows nothing. So the same transaction that lets a message go counts it
//! here: no receiver can have got more than these rows say, whoever was killed. Messages in doubt are among them.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;
use diesel::sql_types::BigInt;
use tidings_domain::{DeliveryState, UnixMs};

use super::outcomes::Ending;
use crate::connection::on;
use crate::fixed::{Bind, Fixed, fixed_sql, write_rows};
use crate::schema::route_minutes;
use crate::{AnyConn, ProviderId, RouteId, Store, StoreResult, WorkspaceId};

const MINUTE_MS: i64 = 60_000;
const HOUR_MINUTES: i64 = 60;
const DAY_MINUTES: i64 = 24 * HOUR_MINUTES;
/// Rows of windows that are over, deleted in one step.
const FORGET_ROWS: i64 = 5_000;

/// In the order in which every transaction takes these rows.
#[derive(Default)]
pub(super) struct RouteMinutes(BTreeMap<(RouteId, ProviderId), (WorkspaceId, i64)>);

impl RouteMinutes {
    /// A message that may go now.
    pub(super) fn add(&mut self, route: Option<RouteId>, provider: ProviderId, workspace: WorkspaceId) {
        if let Some(route) = route {
            self.0.entry((route, provider)).or_insert((workspace, 0)).1 += 1;
        }
    }

    /// Messages that a peer refused before they were allowed to go: those were not counted yet.
    pub(super) fn add_refused(&mut self, endings: &[Ending]) {
        let refused = |ending: &&Ending| {
            let answered = ending.outcome.reply.as_ref().is_some_and(|reply| reply.code.is_some());
            answered && ending.step.from() == DeliveryState::Queued
        };
        for ending in endings.iter().filter(refused) {
            self.add(ending.outcome.route, ending.fact.provider, ending.fact.workspace);
        }
    }

    pub(super) fn routes(&self) -> impl Iterator<Item = RouteId> {
        self.0.keys().map(|(route, _)| *route)
    }

    pub(super) fn write(self, conn: &mut AnyConn, limited: &BTreeSet<RouteId>, now: UnixMs) -> StoreResult<()> {
        let row = |((route, provider), (workspace, n)): ((RouteId, ProviderId), (WorkspaceId, i64))| {
            [Bind::Int(route.0), Bind::Int(provider.0), Bind::Int(workspace.0), Bind::Int(n)]
        };
        let rows = self.0.into_iter().filter(|((route, _), _)| limited.contains(route)).map(row).collect();
        Ok(write_rows::<AddToMinutes, _>(conn, &[Bind::Int(minute(now))], rows)?)
    }
}

fn minute(at: UnixMs) -> i64 {
    at.0.div_euclid(MINUTE_MS)
}

macro_rules! add_text {
    ($rows:literal) => {
        concat!(
            "INSERT INTO route_minutes (minute, route_id, provider_id, workspace_id, n) ",
            $rows,
            " ON CONFLICT (route_id, provider_id, minute) DO UPDATE SET n = route_minutes.n + excluded.n"
        )
    };
}

fixed_sql!(AddToMinutes -> (),
    lite: add_text!("VALUES (?, ?, ?, ?, ?)"),
    pg: add_text!("SELECT ?, x.* FROM unnest(?, ?, ?, ?) AS x (route, provider, workspace, n) ORDER BY route, provider"));

/// Messages in the windows of the calendar, UTC, that hold one minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HandedOver {
    /// Minutes since 1970.
    pub minute: i64,
    pub in_minute: i64,
    pub in_hour: i64,
    pub in_day: i64,
}

impl Store {
    /// What a route has handed over, to all providers or to one. Known only of routes with a limit for a window or a warm-up plan.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn handed_over(&self, route: RouteId, to: Option<String>, now: UnixMs) -> StoreResult<HandedOver> {
        let minute = minute(now);
        let (hour, day) = (minute - minute.rem_euclid(HOUR_MINUTES), minute - minute.rem_euclid(DAY_MINUTES));
        let [minute_, hour, day] = [minute, hour, day].map(Bind::Int);
        let (in_minute, in_hour, in_day) = self
            .read(move |conn| {
                let mut binds = vec![minute_, hour, Bind::Int(route.0), day];
                Ok(match to {
                    None => on!(conn, |c| Fixed::<ByRoute>::new(binds).get_result(c))?,
                    Some(provider) => {
                        binds.push(Bind::Text(provider));
                        on!(conn, |c| Fixed::<ByRouteAndProvider>::new(binds).get_result(c))?
                    }
                })
            })
            .await?;
        Ok(HandedOver { minute, in_minute, in_hour, in_day })
    }

    /// Forgets minutes of days that are over, some thousand rows at a time. Returns how many.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn forget_route_minutes(&self, now: UnixMs) -> StoreResult<usize> {
        let today = minute(now) - minute(now).rem_euclid(DAY_MINUTES);
        self.write(move |conn| {
            let over = route_minutes::table.filter(route_minutes::minute.lt(today)).order(route_minutes::minute);
            let last: Option<i64> = over.limit(FORGET_ROWS).select(route_minutes::minute).load(conn)?.pop();
            let Some(last) = last else { return Ok(0) };
            Ok(diesel::delete(route_minutes::table.filter(route_minutes::minute.le(last))).execute(conn)?)
        })
        .await
    }
}

macro_rules! sums_text {
    ($of:literal) => {
        concat!(
            "SELECT CAST(COALESCE(SUM(CASE WHEN minute = ? THEN n ELSE 0 END), 0) AS BIGINT), \
             CAST(COALESCE(SUM(CASE WHEN minute >= ? THEN n ELSE 0 END), 0) AS BIGINT), CAST(COALESCE(SUM(n), 0) AS BIGINT) \
             FROM route_minutes WHERE route_id = ? AND minute >= ?",
            $of
        )
    };
}

fixed_sql!(ByRoute -> (BigInt, BigInt, BigInt), sums_text!(""));
fixed_sql!(ByRouteAndProvider -> (BigInt, BigInt, BigInt),
    sums_text!(" AND provider_id = (SELECT id FROM providers WHERE name = ?)"));

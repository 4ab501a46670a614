//! The circuit breakers of routes: one for all workers, which find out together and try again one at a time.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::upsert::excluded;
use tidings_domain::{Breaker, RouteFault, UnixMs};

use crate::connection::on;
use crate::schema::{breakers, routes};
use crate::text::storable;
use crate::{AnyConn, RouteId, Store, StoreError, StoreResult, Workspace, WorkspaceId};

/// A breaker, and what the last failure said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RouteBreaker {
    pub breaker: Breaker,
    pub why: String,
}

impl Store {
    /// Of all routes that failed lately.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn breakers(&self) -> StoreResult<HashMap<RouteId, RouteBreaker>> {
        self.read(|conn| {
            let rows: Vec<Row> = breakers::table.select(Row::as_select()).load(conn)?;
            Ok(rows.into_iter().map(|row| (row.route_id, row.into())).collect())
        })
        .await
    }

    /// Counts one failure of a route; `why` is what was said, for people. Returns the breaker as it stands now, and whether this failure
    /// opened it.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn route_failed(
        &self,
        id: RouteId,
        fault: RouteFault,
        why: &str,
        now: UnixMs,
    ) -> StoreResult<(Breaker, bool)> {
        let why = storable(why).into_owned();
        self.write_again(move |conn| {
            let Some(workspace) = owner(conn, id)? else { return Err(StoreError::NotFound) };
            let before = load(conn, id)?.unwrap_or_default().breaker;
            let after = before.clone().failed(&fault, now);
            // What comes late says nothing new of a route that rests.
            let why = (before.opened_at.is_none() || after.probe_at != before.probe_at).then_some(why.as_str());
            save(conn, (workspace, id), &after, why)?;
            let opened = before.opened_at.is_none() && after.opened_at.is_some();
            Ok((after, opened))
        })
        .await
    }

    /// The route got through: its failures are forgotten. Returns whether its breaker was open.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn route_works(&self, id: RouteId) -> StoreResult<bool> {
        self.write(move |conn| {
            let was = load(conn, id)?;
            diesel::delete(breakers::table.find(id)).execute(conn)?;
            Ok(was.is_some_and(|was| was.breaker.opened_at.is_some()))
        })
        .await
    }

    /// Takes the turn to try a route whose breaker is open. `false`: it is not the time, or another tries already.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn probe_route(&self, id: RouteId, now: UnixMs) -> StoreResult<bool> {
        self.write(move |conn| {
            let Some(workspace) = owner(conn, id)? else { return Ok(false) };
            let Some(probed) = load(conn, id)?.and_then(|was| was.breaker.probed(now)) else { return Ok(false) };
            save(conn, (workspace, id), &probed, None)?;
            Ok(true)
        })
        .await
    }
}

impl Workspace {
    /// Of the workspace's routes that failed lately.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn breakers(&self) -> StoreResult<HashMap<RouteId, RouteBreaker>> {
        self.read(|conn, ws| {
            let own = breakers::table.filter(breakers::workspace_id.eq(ws));
            let rows: Vec<Row> = own.select(Row::as_select()).load(conn)?;
            Ok(rows.into_iter().map(|row| (row.route_id, row.into())).collect())
        })
        .await
    }

    /// A person says that it works again.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn reset_breaker(&self, id: RouteId) -> StoreResult<()> {
        self.write(move |conn, ws| {
            let own = breakers::table.filter(breakers::route_id.eq(id)).filter(breakers::workspace_id.eq(ws));
            diesel::delete(own).execute(conn)?;
            Ok(())
        })
        .await
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = breakers)]
struct Row {
    route_id: RouteId,
    failures: i32,
    failed_at_ms: Option<i64>,
    providers: String,
    opened_at_ms: Option<i64>,
    probe_at_ms: Option<i64>,
    probing_until_ms: Option<i64>,
    probes: i32,
    why: String,
}

impl From<Row> for RouteBreaker {
    fn from(row: Row) -> Self {
        let pair = |text: &str| text.split_once(' ').map(|(name, domain)| (name.to_owned(), domain.to_owned()));
        let providers = row.providers.split(',').filter_map(pair).collect();
        let breaker = Breaker {
            failures: u32::try_from(row.failures).unwrap_or(0),
            providers,
            failed_at: row.failed_at_ms.map(UnixMs),
            opened_at: row.opened_at_ms.map(UnixMs),
            probe_at: row.probe_at_ms.map(UnixMs),
            probing_until: row.probing_until_ms.map(UnixMs),
            probes: u32::try_from(row.probes).unwrap_or(0),
        };
        Self { breaker, why: row.why }
    }
}

/// The route's workspace. The route stays locked on PostgreSQL, so that two failures at once are two.
fn owner(conn: &mut AnyConn, id: RouteId) -> StoreResult<Option<WorkspaceId>> {
    let route = routes::table.find(id).select(routes::workspace_id);
    Ok(match conn {
        AnyConn::Pg(c) => route.for_no_key_update().first(c).optional()?,
        AnyConn::Lite(c) => route.first(c).optional()?,
    })
}

fn load(conn: &mut AnyConn, id: RouteId) -> StoreResult<Option<RouteBreaker>> {
    let row: Option<Row> = breakers::table.find(id).select(Row::as_select()).first(conn).optional()?;
    Ok(row.map(RouteBreaker::from))
}

/// Without words those that stand there stay.
fn save(
    conn: &mut AnyConn,
    (workspace, id): (WorkspaceId, RouteId),
    breaker: &Breaker,
    why: Option<&str>,
) -> StoreResult<()> {
    let providers: Vec<String> = breaker.providers.iter().map(|(name, domain)| format!("{name} {domain}")).collect();
    let number = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
    let row = (
        breakers::route_id.eq(id),
        breakers::workspace_id.eq(workspace),
        breakers::failures.eq(number(breaker.failures)),
        breakers::failed_at_ms.eq(breaker.failed_at.map(|at| at.0)),
        breakers::providers.eq(providers.join(",")),
        breakers::opened_at_ms.eq(breaker.opened_at.map(|at| at.0)),
        breakers::probe_at_ms.eq(breaker.probe_at.map(|at| at.0)),
        breakers::probing_until_ms.eq(breaker.probing_until.map(|at| at.0)),
        breakers::probes.eq(number(breaker.probes)),
        breakers::why.eq(why.unwrap_or_default()),
    );
    on!(conn, |c| diesel::insert_into(breakers::table)
        .values(row)
        .on_conflict(breakers::route_id)
        .do_update()
        .set((
            breakers::failures.eq(excluded(breakers::failures)),
            breakers::failed_at_ms.eq(excluded(breakers::failed_at_ms)),
            breakers::providers.eq(excluded(breakers::providers)),
            breakers::opened_at_ms.eq(excluded(breakers::opened_at_ms)),
            breakers::probe_at_ms.eq(excluded(breakers::probe_at_ms)),
            breakers::probing_until_ms.eq(excluded(breakers::probing_until_ms)),
            breakers::probes.eq(excluded(breakers::probes)),
        ))
        .execute(c))?;
    if let Some(why) = why {
        diesel::update(breakers::table.find(id)).set(breakers::why.eq(why)).execute(conn)?;
    }
    Ok(())
}

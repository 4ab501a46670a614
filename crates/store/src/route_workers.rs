//! Which worker has the source addresses of which route: each tries to take them, and says what came of it.

use diesel::prelude::*;
use tidings_domain::UnixMs;

use crate::connection::on;
use crate::schema::{route_workers, routes, workers};
use crate::text::storable;
use crate::{AnyConn, RouteId, Store, StoreResult, Workspace};

/// What a living worker found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteWorker {
    pub route: RouteId,
    pub worker: String,
    pub host: String,
    /// Empty: it can send by it.
    pub problem: String,
}

impl Store {
    /// What a worker found for each route that has source addresses, in place of what it said before.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn report_route_workers(&self, worker: &str, found: Vec<(RouteId, String)>) -> StoreResult<()> {
        let worker = worker.to_owned();
        self.write(move |conn| {
            diesel::delete(route_workers::table.filter(route_workers::worker_id.eq(&worker))).execute(conn)?;
            let rows: Vec<_> = found
                .iter()
                .map(|(route, problem)| {
                    (
                        route_workers::worker_id.eq(&worker),
                        route_workers::route_id.eq(*route),
                        route_workers::problem.eq(storable(problem)),
                    )
                })
                .collect();
            if !rows.is_empty() {
                on!(conn, |c| diesel::insert_into(route_workers::table).values(&rows).execute(c))?;
            }
            Ok(())
        })
        .await
    }

    /// What the workers that showed life since `since` found.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn route_workers(&self, since: UnixMs) -> StoreResult<Vec<RouteWorker>> {
        self.read(move |conn| load(conn, since)).await
    }
}

impl Workspace {
    /// As [`Store::route_workers`], for the workspace's own routes.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn route_workers(&self, since: UnixMs) -> StoreResult<Vec<RouteWorker>> {
        self.read(move |conn, ws| {
            let own: Vec<RouteId> = routes::table.filter(routes::workspace_id.eq(ws)).select(routes::id).load(conn)?;
            Ok(load(conn, since)?.into_iter().filter(|found| own.contains(&found.route)).collect())
        })
        .await
    }
}

fn load(conn: &mut AnyConn, since: UnixMs) -> StoreResult<Vec<RouteWorker>> {
    let rows: Vec<(RouteId, String, String, String)> = route_workers::table
        .inner_join(workers::table.on(workers::id.eq(route_workers::worker_id)))
        .filter(workers::heartbeat_at_ms.ge(since.0))
        .order((route_workers::route_id, route_workers::worker_id))
        .select((route_workers::route_id, workers::id, workers::host, route_workers::problem))
        .load(conn)?;
    let found = |(route, worker, host, problem)| RouteWorker { route, worker, host, problem };
    Ok(rows.into_iter().map(found).collect())
}

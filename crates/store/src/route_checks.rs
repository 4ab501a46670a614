//! Checks of routes that people ask for. The web speaks to no mail server: a worker takes the check, does it, and says what it found.

use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel::upsert::excluded;
use tidings_domain::UnixMs;

use crate::connection::on;
use crate::fixed::{Bind, Fixed, fixed_sql};
use crate::schema::{route_checks, routes};
use crate::text::storable;
use crate::{RouteId, Store, StoreError, StoreResult, Workspace};

/// The last check of a route.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = route_checks)]
pub struct RouteCheck {
    pub asked_at_ms: i64,
    /// `None`: no worker has taken it yet.
    pub taken_at_ms: Option<i64>,
    pub done_at_ms: Option<i64>,
    pub good: bool,
    /// What was found, a line for each thing.
    pub words: String,
}

impl Workspace {
    /// Asks for a check of a route; one that is under way is forgotten.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when it is not this workspace's.
    pub async fn ask_route_check(&self, id: RouteId, now: UnixMs) -> StoreResult<()> {
        self.write(move |conn, ws| {
            let own = routes::table.filter(routes::workspace_id.eq(ws)).filter(routes::id.eq(id));
            let found: Option<RouteId> = own.select(routes::id).first(conn).optional()?;
            found.ok_or(StoreError::NotFound)?;
            let row =
                (route_checks::route_id.eq(id), route_checks::workspace_id.eq(ws), route_checks::asked_at_ms.eq(now.0));
            on!(conn, |c| diesel::insert_into(route_checks::table)
                .values(row)
                .on_conflict(route_checks::route_id)
                .do_update()
                .set((
                    route_checks::asked_at_ms.eq(excluded(route_checks::asked_at_ms)),
                    route_checks::taken_by.eq(""),
                    route_checks::taken_at_ms.eq(None::<i64>),
                    route_checks::done_at_ms.eq(None::<i64>),
                    route_checks::good.eq(false),
                    route_checks::words.eq(""),
                ))
                .execute(c))?;
            Ok(())
        })
        .await
    }

    /// # Errors
    /// The database cannot be read.
    pub async fn route_check(&self, id: RouteId) -> StoreResult<Option<RouteCheck>> {
        self.read(move |conn, ws| {
            let own = route_checks::table.filter(route_checks::workspace_id.eq(ws)).find(id);
            Ok(own.select(RouteCheck::as_select()).first(conn).optional()?)
        })
        .await
    }
}

impl Store {
    /// Takes one check that waits, of those that this worker can do. One taken before `stale` and not done has lost its worker.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn take_route_check(
        &self,
        worker: &str,
        cannot: &[RouteId],
        stale: UnixMs,
        now: UnixMs,
    ) -> StoreResult<Option<RouteId>> {
        let binds = [
            Bind::Text(worker.to_owned()),
            Bind::Int(now.0),
            Bind::Int(stale.0),
            Bind::ids(cannot.iter().map(|id| id.0)),
            Bind::Int(stale.0),
        ];
        self.write(move |conn| {
            let taken: Vec<RouteId> = on!(conn, |c| Fixed::<Take>::new(binds).load(c))?;
            Ok(taken.into_iter().next())
        })
        .await
    }

    /// Whether a check waits. Read before [`Store::take_route_check`], which writes.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn route_checks_wait(&self) -> StoreResult<bool> {
        self.read(|conn| {
            let waiting = route_checks::table.filter(route_checks::done_at_ms.is_null());
            let first: Option<RouteId> = waiting.select(route_checks::route_id).first(conn).optional()?;
            Ok(first.is_some())
        })
        .await
    }

    /// Says what a check found, unless it was asked for anew meanwhile.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn finish_route_check(
        &self,
        id: RouteId,
        worker: &str,
        (good, words): (bool, String),
        now: UnixMs,
    ) -> StoreResult<()> {
        let worker = worker.to_owned();
        self.write(move |conn| {
            diesel::update(route_checks::table.find(id).filter(route_checks::taken_by.eq(worker)))
                .set((
                    route_checks::done_at_ms.eq(now.0),
                    route_checks::good.eq(good),
                    route_checks::words.eq(storable(&words)),
                ))
                .execute(conn)?;
            Ok(())
        })
        .await
    }
}

macro_rules! take_text {
    ($not_in:literal) => {
        concat!(
            "UPDATE route_checks SET taken_by = ?, taken_at_ms = ? WHERE done_at_ms IS NULL \
             AND (taken_at_ms IS NULL OR taken_at_ms < ?) AND route_id = (SELECT route_id FROM route_checks \
             WHERE done_at_ms IS NULL AND NOT (route_id ",
            $not_in,
            ") AND (taken_at_ms IS NULL OR taken_at_ms < ?) \
             ORDER BY asked_at_ms LIMIT 1) RETURNING route_id"
        )
    };
}

fixed_sql!(Take -> BigInt,
    lite: take_text!("IN (SELECT value FROM json_each(?))"),
    pg: take_text!("= ANY(?)"));

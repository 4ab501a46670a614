//! Where each route stands in its warm-up with each provider, and what it did there day by day.

use std::collections::{BTreeMap, HashMap};

use diesel::prelude::*;
use tidings_domain::{DayFigures, UnixMs, WarmUpDay, WarmUpPlan};

use crate::connection::on;
use crate::ledger::RouteOutcome;
use crate::schema::{providers, route_counts, routes, warm_ups};
use crate::words::Db;
use crate::{AnyConn, ProviderId, RouteId, Store, StoreResult, Workspace, WorkspaceId};

/// Days that the counts of routes are kept.
pub const ROUTE_COUNTS_KEPT_DAYS: i64 = 90;
/// Providers of one route on its page: those with most mail.
const MAX_PROVIDERS_SHOWN: i64 = 200;
/// Rows of old counts deleted in one step.
const FORGET_ROWS: i64 = 5_000;

/// A route's standing with one provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WarmUpStanding {
    pub route: RouteId,
    pub provider: String,
    pub day: u32,
    /// Whole days since the Unix epoch, UTC.
    pub date: i64,
    /// Why the day did not advance; empty when it did.
    pub stays: String,
    /// On that date.
    pub figures: DayFigures,
}

impl Store {
    /// Where the routes stand that are being warmed up.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn warm_ups(&self) -> StoreResult<Vec<WarmUpStanding>> {
        self.read(|conn| {
            let warm = routes::table.filter(routes::warm_up_start.gt(0)).select(routes::id).load(conn)?;
            standings(conn, warm)
        })
        .await
    }

    /// Day 1 for providers that a route has not spoken to before.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn begin_warm_ups(&self, route: RouteId, names: Vec<String>, now: UnixMs) -> StoreResult<()> {
        self.write(move |conn| {
            let workspace: WorkspaceId = routes::table.find(route).select(routes::workspace_id).first(conn)?;
            let ids: Vec<ProviderId> =
                providers::table.filter(providers::name.eq_any(names)).select(providers::id).load(conn)?;
            let first = WarmUpDay::first(now.utc_date());
            let rows: Vec<_> = ids
                .into_iter()
                .map(|id| {
                    (
                        warm_ups::route_id.eq(route),
                        warm_ups::provider_id.eq(id),
                        warm_ups::workspace_id.eq(workspace),
                        warm_ups::day.eq(whole(first.day)),
                        warm_ups::date.eq(first.date),
                    )
                })
                .collect();
            on!(conn, |c| diesel::insert_into(warm_ups::table).values(&rows).on_conflict_do_nothing().execute(c))?;
            Ok(())
        })
        .await
    }

    /// Brings every warm-up whose date is over to today, by its plan and its figures. Returns how many stood on another date.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn advance_warm_ups(&self, now: UnixMs) -> StoreResult<usize> {
        let today = now.utc_date();
        self.write(move |conn| {
            let plans: HashMap<RouteId, WarmUpPlan> = routes::table
                .filter(routes::warm_up_start.gt(0))
                .select(crate::Route::as_select())
                .load(conn)?
                .into_iter()
                .filter_map(|route| Some((route.id, route.warm_up()?)))
                .collect();
            let over = warm_ups::table.filter(warm_ups::date.lt(today)).select(Standing::as_select());
            let over: Vec<Standing> = over.load(conn)?;
            for standing in &over {
                if let Some(plan) = plans.get(&standing.route_id) {
                    advance(conn, standing, plan, today)?;
                }
            }
            Ok(over.len())
        })
        .await
    }

    /// Forgets counts that nobody looks at any more, some thousand rows at a time. Returns how many.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn forget_route_counts(&self, now: UnixMs) -> StoreResult<usize> {
        let oldest = now.utc_date() - ROUTE_COUNTS_KEPT_DAYS;
        self.write(move |conn| {
            let dates = route_counts::table.filter(route_counts::date.lt(oldest)).order(route_counts::date);
            let last: Option<i64> = dates.limit(FORGET_ROWS).select(route_counts::date).first(conn).optional()?;
            let Some(date) = last else { return Ok(0) };
            Ok(diesel::delete(route_counts::table.filter(route_counts::date.le(date))).execute(conn)?)
        })
        .await
    }
}

impl Workspace {
    /// Where a route stands with each provider that it has spoken to, by the provider's name. The first 200.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn warm_up_of(&self, route: RouteId) -> StoreResult<Vec<WarmUpStanding>> {
        self.read(move |conn, ws| {
            let own = routes::table.filter(routes::workspace_id.eq(ws)).filter(routes::id.eq(route));
            let own: Vec<RouteId> = own.select(routes::id).load(conn)?;
            let mut standings = standings(conn, own)?;
            standings.sort_by_key(|s| std::cmp::Reverse(s.figures.used()));
            standings.truncate(usize::try_from(MAX_PROVIDERS_SHOWN).unwrap_or(usize::MAX));
            Ok(standings)
        })
        .await
    }

    /// Begins a route's warm-up anew with every provider.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn restart_warm_up(&self, route: RouteId) -> StoreResult<()> {
        self.write(move |conn, ws| {
            let own = warm_ups::table.filter(warm_ups::route_id.eq(route)).filter(warm_ups::workspace_id.eq(ws));
            diesel::delete(own).execute(conn)?;
            Ok(())
        })
        .await
    }

    /// What a route did on each of the days from `since` on, all providers together, by date.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn route_days(&self, route: RouteId, since: i64) -> StoreResult<BTreeMap<i64, DayFigures>> {
        self.read(move |conn, ws| {
            let rows: Vec<(i64, Db<RouteOutcome>, i64)> = route_counts::table
                .filter(route_counts::route_id.eq(route))
                .filter(route_counts::workspace_id.eq(ws))
                .filter(route_counts::date.ge(since))
                .select((route_counts::date, route_counts::outcome, route_counts::n))
                .load(conn)?;
            let mut days = BTreeMap::<i64, DayFigures>::new();
            rows.into_iter().for_each(|(date, outcome, n)| outcome.0.add(days.entry(date).or_default(), n));
            Ok(days)
        })
        .await
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = warm_ups)]
struct Standing {
    route_id: RouteId,
    provider_id: ProviderId,
    day: i32,
    date: i64,
    stays: String,
}

fn standings(conn: &mut AnyConn, of: Vec<RouteId>) -> StoreResult<Vec<WarmUpStanding>> {
    let rows: Vec<(Standing, String)> = warm_ups::table
        .inner_join(providers::table.on(providers::id.eq(warm_ups::provider_id)))
        .filter(warm_ups::route_id.eq_any(&of))
        .order((warm_ups::route_id, providers::name))
        .select((Standing::as_select(), providers::name))
        .load(conn)?;
    let oldest = rows.iter().map(|(standing, _)| standing.date).min().unwrap_or(0);
    let mut figures = HashMap::<(RouteId, ProviderId, i64), DayFigures>::new();
    let counted: Vec<(RouteId, ProviderId, i64, Db<RouteOutcome>, i64)> = route_counts::table
        .filter(route_counts::route_id.eq_any(of))
        .filter(route_counts::date.ge(oldest))
        .select((
            route_counts::route_id,
            route_counts::provider_id,
            route_counts::date,
            route_counts::outcome,
            route_counts::n,
        ))
        .load(conn)?;
    for (route, provider, date, outcome, n) in counted {
        outcome.0.add(figures.entry((route, provider, date)).or_default(), n);
    }
    let standing = |(s, provider): (Standing, String)| WarmUpStanding {
        route: s.route_id,
        provider,
        day: u32::try_from(s.day).unwrap_or(1),
        date: s.date,
        stays: s.stays,
        figures: figures.get(&(s.route_id, s.provider_id, s.date)).copied().unwrap_or_default(),
    };
    Ok(rows.into_iter().map(standing).collect())
}

fn advance(conn: &mut AnyConn, standing: &Standing, plan: &WarmUpPlan, today: i64) -> StoreResult<()> {
    let figures = figures_of(conn, standing)?;
    let before = WarmUpDay { day: u32::try_from(standing.day).unwrap_or(1), date: standing.date, stays: None };
    let after = before.on(today, plan, &figures);
    let row = warm_ups::table.find((standing.route_id, standing.provider_id)).filter(warm_ups::date.eq(standing.date));
    diesel::update(row)
        .set((
            warm_ups::day.eq(whole(after.day)),
            warm_ups::date.eq(after.date),
            warm_ups::stays.eq(after.stays.map_or_else(String::new, |why| why.to_string())),
        ))
        .execute(conn)?;
    Ok(())
}

fn figures_of(conn: &mut AnyConn, standing: &Standing) -> StoreResult<DayFigures> {
    let rows: Vec<(Db<RouteOutcome>, i64)> = route_counts::table
        .filter(route_counts::route_id.eq(standing.route_id))
        .filter(route_counts::provider_id.eq(standing.provider_id))
        .filter(route_counts::date.eq(standing.date))
        .select((route_counts::outcome, route_counts::n))
        .load(conn)?;
    let mut figures = DayFigures::default();
    rows.into_iter().for_each(|(outcome, n)| outcome.0.add(&mut figures, n));
    Ok(figures)
}

fn whole(n: u32) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

//! Routes: how mail leaves.

use diesel::prelude::*;
use tidings_domain::{CampaignState, RouteKind, RouteTls, UnixMs, WarmUpPlan};

use crate::schema::routes::dsl;
use crate::schema::{breakers, campaigns, pool_routes, pools, routes, workspaces};
use crate::words::Db;
use crate::{AnyConn, PoolId, RouteId, Store, StoreError, StoreResult, Workspace, WorkspaceId};

/// Of one workspace.
pub const MAX_ROUTES: i64 = 200;
/// Names of campaigns that are told when a route cannot go.
const NAMES_TOLD: i64 = 5;

#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = routes)]
pub struct Route {
    pub id: RouteId,
    pub workspace_id: WorkspaceId,
    pub name: String,
    #[diesel(deserialize_as = Db<RouteKind>)]
    pub kind: RouteKind,
    pub host: String,
    pub port: i32,
    #[diesel(deserialize_as = Db<RouteTls>)]
    pub tls: RouteTls,
    pub username: String,
    /// Sealed with the instance's key; empty when there is none.
    pub password_sealed: String,
    pub ehlo_name: String,
    /// 0 is the default.
    pub max_connections: i32,
    /// Messages a second; 0 is the default.
    pub max_per_second: i32,
    pub updated_at_ms: i64,
    /// Switched off, nothing leaves by it.
    pub enabled: bool,
    /// The IPv4 address that a direct route sends from; empty: whichever the machine takes.
    pub source_v4: String,
    pub source_v6: String,
    /// In EHLO when it sends from `source_v6`; empty: as `ehlo_name`.
    pub ehlo_name_v6: String,
    /// Messages in each window; 0: no limit.
    pub max_per_minute: i32,
    pub max_per_hour: i32,
    pub max_per_day: i32,
    warm_up_start: i32,
    warm_up_growth: i32,
    warm_up_full: i32,
}

/// A route as the form gives it.
#[derive(Debug, Clone)]
pub struct NewRoute {
    pub kind: RouteKind,
    pub host: String,
    pub port: u16,
    pub tls: RouteTls,
    pub username: String,
    /// `None` keeps the password that is stored.
    pub password_sealed: Option<String>,
    pub ehlo_name: String,
    pub max_connections: i32,
    pub max_per_second: i32,
    pub source_v4: String,
    pub source_v6: String,
    pub ehlo_name_v6: String,
    pub max_per_minute: i32,
    pub max_per_hour: i32,
    pub max_per_day: i32,
    /// For a direct route only.
    pub warm_up: Option<WarmUpPlan>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SavedRoute {
    Yes(RouteId),
    NameTaken,
    /// There are [`MAX_ROUTES`] already.
    TooMany,
}

/// What still needs a route.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RouteUse {
    /// Names of the pools that it is in.
    pub pools: Vec<String>,
    /// Names of drafts that chose it and of campaigns that are being sent by it: the first few.
    pub campaigns: Vec<String>,
    /// What says nothing else leaves by it.
    pub is_default: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeletedRoute {
    Yes,
    InUse(RouteUse),
}

/// The name of the route that the set-up makes.
const MAIN_ROUTE: &str = "Main";

impl Workspace {
    /// All of them, oldest first; there are never more than [`MAX_ROUTES`].
    ///
    /// # Errors
    /// The database's own.
    pub async fn routes(&self) -> StoreResult<Vec<Route>> {
        self.read(|conn, ws| {
            let own = dsl::routes.filter(dsl::workspace_id.eq(ws)).order(dsl::id);
            Ok(own.limit(MAX_ROUTES).select(Route::as_select()).load(conn)?)
        })
        .await
    }

    /// # Errors
    /// [`StoreError::NotFound`] when it is not this workspace's.
    pub async fn route_of(&self, id: RouteId) -> StoreResult<Route> {
        self.read(move |conn, ws| {
            let own = dsl::routes.filter(dsl::workspace_id.eq(ws)).filter(dsl::id.eq(id));
            Ok(own.select(Route::as_select()).first(conn)?)
        })
        .await
    }

    /// The workspace's first route: the one that the set-up makes.
    ///
    /// # Errors
    /// The database's own.
    pub async fn route(&self) -> StoreResult<Option<Route>> {
        self.read(|conn, ws| {
            let found = dsl::routes.filter(dsl::workspace_id.eq(ws)).order(dsl::id).select(Route::as_select());
            Ok(found.first(conn).optional()?)
        })
        .await
    }

    /// Makes the workspace's first route, or changes it.
    ///
    /// # Errors
    /// The database's own.
    pub async fn save_route(&self, route: NewRoute, now: UnixMs) -> StoreResult<RouteId> {
        self.write(move |conn, ws| {
            let known: Option<RouteId> =
                dsl::routes.filter(dsl::workspace_id.eq(ws)).order(dsl::id).select(dsl::id).first(conn).optional()?;
            match known {
                Some(id) => change(conn, id, route, now).map(|()| id),
                None => insert(conn, ws, MAIN_ROUTE, route, now),
            }
        })
        .await
    }

    /// # Errors
    /// The transaction could not be committed.
    pub async fn add_route(&self, name: String, route: NewRoute, now: UnixMs) -> StoreResult<SavedRoute> {
        let added = self
            .write(move |conn, ws| {
                let there: i64 = dsl::routes.filter(dsl::workspace_id.eq(ws)).count().get_result(conn)?;
                if there >= MAX_ROUTES {
                    return Ok(SavedRoute::TooMany);
                }
                insert(conn, ws, &name, route, now).map(SavedRoute::Yes)
            })
            .await;
        taken(added)
    }

    /// Changes a route, and closes its breaker: what was wrong may be mended by it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when it is not this workspace's.
    pub async fn change_route(
        &self,
        id: RouteId,
        name: String,
        route: NewRoute,
        now: UnixMs,
    ) -> StoreResult<SavedRoute> {
        let changed = self
            .write(move |conn, ws| {
                let own = dsl::routes.filter(dsl::workspace_id.eq(ws)).filter(dsl::id.eq(id));
                if diesel::update(own).set(dsl::name.eq(name)).execute(conn)? == 0 {
                    return Err(StoreError::NotFound);
                }
                change(conn, id, route, now)?;
                Ok(SavedRoute::Yes(id))
            })
            .await;
        taken(changed)
    }

    /// Switches a route on or off. Off, nothing new leaves by it; what is in flight finishes.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when it is not this workspace's.
    pub async fn enable_route(&self, id: RouteId, enabled: bool, now: UnixMs) -> StoreResult<()> {
        self.write(move |conn, ws| {
            let own = dsl::routes.filter(dsl::workspace_id.eq(ws)).filter(dsl::id.eq(id));
            let set = (dsl::enabled.eq(enabled), dsl::updated_at_ms.eq(now.0));
            if diesel::update(own).set(set).execute(conn)? == 0 {
                return Err(StoreError::NotFound);
            }
            diesel::delete(breakers::table.find(id)).execute(conn)?;
            Ok(())
        })
        .await
    }

    /// Deletes a route that nothing refers to any more.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when it is not this workspace's.
    pub async fn delete_route(&self, id: RouteId) -> StoreResult<DeletedRoute> {
        self.write(move |conn, ws| {
            let used = used_by(conn, ws, id)?;
            if used != RouteUse::default() {
                return Ok(DeletedRoute::InUse(used));
            }
            let own = dsl::routes.filter(dsl::workspace_id.eq(ws)).filter(dsl::id.eq(id));
            match diesel::delete(own).execute(conn)? {
                0 => Err(StoreError::NotFound),
                _ => Ok(DeletedRoute::Yes),
            }
        })
        .await
    }
}

impl Store {
    /// Of all workspaces, by id.
    ///
    /// # Errors
    /// The database's own.
    pub async fn all_routes(&self) -> StoreResult<Vec<Route>> {
        self.read(|conn| Ok(dsl::routes.order(dsl::id).select(Route::as_select()).load(conn)?)).await
    }

    /// # Errors
    /// The database's own.
    pub async fn route_by_id(&self, route: RouteId) -> StoreResult<Option<Route>> {
        self.read(move |conn| Ok(dsl::routes.find(route).select(Route::as_select()).first(conn).optional()?)).await
    }
}

impl Route {
    /// The place that the password is sealed for (`Keys::seal_secret`): who seals and who opens say the same.
    #[must_use]
    pub fn password_context(workspace: WorkspaceId) -> String {
        format!("workspace {workspace} route password")
    }

    /// `None`: it is warm, or a relay.
    #[must_use]
    pub fn warm_up(&self) -> Option<WarmUpPlan> {
        let number = |n: i32| u32::try_from(n).unwrap_or(0);
        let plan = WarmUpPlan {
            start: number(self.warm_up_start),
            growth_percent: number(self.warm_up_growth),
            full: number(self.warm_up_full),
        };
        (self.kind == RouteKind::Direct && plan.start > 0).then_some(plan)
    }

    /// Addresses that a worker must have to send by it.
    #[must_use]
    pub fn has_source(&self) -> bool {
        self.kind == RouteKind::Direct && !(self.source_v4.is_empty() && self.source_v6.is_empty())
    }
}

impl NewRoute {
    /// Straight to the receivers' MX, with every limit at its default.
    #[must_use]
    pub const fn direct() -> Self {
        Self {
            kind: RouteKind::Direct,
            host: String::new(),
            port: 25,
            tls: RouteTls::Opportunistic,
            username: String::new(),
            password_sealed: None,
            ehlo_name: String::new(),
            max_connections: 0,
            max_per_second: 0,
            source_v4: String::new(),
            source_v6: String::new(),
            ehlo_name_v6: String::new(),
            max_per_minute: 0,
            max_per_hour: 0,
            max_per_day: 0,
            warm_up: None,
        }
    }
}

fn insert(conn: &mut AnyConn, ws: WorkspaceId, name: &str, route: NewRoute, now: UnixMs) -> StoreResult<RouteId> {
    let made = (
        dsl::workspace_id.eq(ws),
        dsl::name.eq(name),
        dsl::kind.eq(Db(route.kind)),
        dsl::tls.eq(Db(route.tls)),
        dsl::created_at_ms.eq(now.0),
        dsl::updated_at_ms.eq(now.0),
    );
    let id = diesel::insert_into(dsl::routes).values(made).returning(dsl::id).get_result(conn)?;
    change(conn, id, route, now)?;
    Ok(id)
}

fn change(conn: &mut AnyConn, id: RouteId, route: NewRoute, now: UnixMs) -> StoreResult<()> {
    let plan = route.warm_up.unwrap_or(WarmUpPlan { start: 0, growth_percent: 0, full: 0 });
    let number = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
    let way = (
        dsl::kind.eq(Db(route.kind)),
        dsl::host.eq(route.host),
        dsl::port.eq(i32::from(route.port)),
        dsl::tls.eq(Db(route.tls)),
        dsl::username.eq(route.username),
        dsl::ehlo_name.eq(route.ehlo_name),
        dsl::source_v4.eq(route.source_v4),
        dsl::source_v6.eq(route.source_v6),
        dsl::ehlo_name_v6.eq(route.ehlo_name_v6),
    );
    let limits = (
        dsl::max_connections.eq(route.max_connections),
        dsl::max_per_second.eq(route.max_per_second),
        dsl::max_per_minute.eq(route.max_per_minute),
        dsl::max_per_hour.eq(route.max_per_hour),
        dsl::max_per_day.eq(route.max_per_day),
        dsl::warm_up_start.eq(number(plan.start)),
        dsl::warm_up_growth.eq(number(plan.growth_percent)),
        dsl::warm_up_full.eq(number(plan.full)),
    );
    diesel::update(dsl::routes.find(id)).set((way, limits, dsl::updated_at_ms.eq(now.0))).execute(conn)?;
    if let Some(sealed) = route.password_sealed {
        diesel::update(dsl::routes.find(id)).set(dsl::password_sealed.eq(sealed)).execute(conn)?;
    }
    diesel::delete(breakers::table.find(id)).execute(conn)?;
    Ok(())
}

fn taken(saved: StoreResult<SavedRoute>) -> StoreResult<SavedRoute> {
    match saved {
        Err(StoreError::Exists(_)) => Ok(SavedRoute::NameTaken),
        other => other,
    }
}

fn used_by(conn: &mut AnyConn, ws: WorkspaceId, id: RouteId) -> StoreResult<RouteUse> {
    let of_pools: Vec<PoolId> =
        pool_routes::table.filter(pool_routes::route_id.eq(id)).select(pool_routes::pool_id).load(conn)?;
    let pools = pools::table.filter(pools::id.eq_any(of_pools)).order(pools::name).select(pools::name).load(conn)?;
    let over = [CampaignState::Done, CampaignState::Cancelled].map(Db);
    let campaigns = campaigns::table
        .filter(campaigns::workspace_id.eq(ws))
        .filter(campaigns::route_id.eq(id))
        .filter(campaigns::state.ne_all(over))
        .order(campaigns::id)
        .limit(NAMES_TOLD)
        .select(campaigns::name)
        .load(conn)?;
    let default: Option<RouteId> = workspaces::table.find(ws).select(workspaces::route_id).first(conn)?;
    Ok(RouteUse { pools, campaigns, is_default: default == Some(id) })
}

//! Routes: how mail leaves.

use diesel::prelude::*;
use tidings_domain::{RouteKind, RouteTls, UnixMs};

use crate::schema::routes;
use crate::schema::routes::dsl;
use crate::words::Db;
use crate::{RouteId, Store, StoreResult, Workspace, WorkspaceId};

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
}

/// For now a workspace has one route, with this name.
const MAIN_ROUTE: &str = "Main";

impl Workspace {
    /// The route that campaigns leave by.
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

    /// Makes the route, or changes it.
    ///
    /// # Errors
    /// The database's own.
    pub async fn save_route(&self, route: NewRoute, now: UnixMs) -> StoreResult<RouteId> {
        self.write(move |conn, ws| {
            let known: Option<RouteId> =
                dsl::routes.filter(dsl::workspace_id.eq(ws)).order(dsl::id).select(dsl::id).first(conn).optional()?;
            let facts = (
                dsl::kind.eq(Db(route.kind)),
                dsl::host.eq(route.host),
                dsl::port.eq(i32::from(route.port)),
                dsl::tls.eq(Db(route.tls)),
                dsl::username.eq(route.username),
                dsl::ehlo_name.eq(route.ehlo_name),
                dsl::max_connections.eq(route.max_connections),
                dsl::max_per_second.eq(route.max_per_second),
                dsl::updated_at_ms.eq(now.0),
            );
            let id = match known {
                Some(id) => diesel::update(dsl::routes.find(id)).set(facts).returning(dsl::id).get_result(conn)?,
                None => {
                    let made =
                        (dsl::workspace_id.eq(ws), dsl::name.eq(MAIN_ROUTE), dsl::created_at_ms.eq(now.0), facts);
                    diesel::insert_into(dsl::routes).values(made).returning(dsl::id).get_result(conn)?
                }
            };
            if let Some(sealed) = route.password_sealed {
                diesel::update(dsl::routes.find(id)).set(dsl::password_sealed.eq(sealed)).execute(conn)?;
            }
            Ok(id)
        })
        .await
    }
}

impl Store {
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
}

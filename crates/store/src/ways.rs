//! The way that mail leaves by: a pool or one route; chosen for a campaign, or by the workspace for all that say nothing else.

use diesel::prelude::*;

use crate::schema::{pools, routes, workspaces};
use crate::{AnyConn, PoolId, RouteId, StoreResult, Workspace, WorkspaceId};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Way {
    Route(RouteId),
    Pool(PoolId),
}

impl Way {
    /// From the two columns that say it.
    #[must_use]
    pub fn of(route: Option<RouteId>, pool: Option<PoolId>) -> Option<Self> {
        pool.map(Self::Pool).or(route.map(Self::Route))
    }

    #[must_use]
    pub const fn route(self) -> Option<RouteId> {
        match self {
            Self::Route(id) => Some(id),
            Self::Pool(_) => None,
        }
    }

    #[must_use]
    pub const fn pool(self) -> Option<PoolId> {
        match self {
            Self::Route(_) => None,
            Self::Pool(id) => Some(id),
        }
    }
}

impl Workspace {
    /// The way of what says nothing else. `None`: the workspace has no route yet.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn default_way(&self) -> StoreResult<Option<Way>> {
        self.read(default_way).await
    }

    /// Chooses the way of what says nothing else. One that is not this workspace's changes nothing, and is `false`.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn choose_default_way(&self, way: Way) -> StoreResult<bool> {
        self.write(move |conn, ws| {
            if !is_ours(conn, ws, way)? {
                return Ok(false);
            }
            diesel::update(workspaces::table.find(ws))
                .set((workspaces::route_id.eq(way.route()), workspaces::pool_id.eq(way.pool())))
                .execute(conn)?;
            Ok(true)
        })
        .await
    }
}

pub(crate) fn default_way(conn: &mut AnyConn, ws: WorkspaceId) -> StoreResult<Option<Way>> {
    let chosen = workspaces::table.find(ws).select((workspaces::route_id, workspaces::pool_id));
    let chosen: Option<(Option<RouteId>, Option<PoolId>)> = chosen.first(conn).optional()?;
    if let Some(way) = chosen.and_then(|(route, pool)| Way::of(route, pool)) {
        return Ok(Some(way));
    }
    let first = routes::table.filter(routes::workspace_id.eq(ws)).order(routes::id).select(routes::id);
    Ok(first.first(conn).optional()?.map(Way::Route))
}

pub(crate) fn is_ours(conn: &mut AnyConn, ws: WorkspaceId, way: Way) -> StoreResult<bool> {
    let owner: Option<WorkspaceId> = match way {
        Way::Route(id) => routes::table.find(id).select(routes::workspace_id).first(conn).optional()?,
        Way::Pool(id) => pools::table.find(id).select(pools::workspace_id).first(conn).optional()?,
    };
    Ok(owner == Some(ws))
}

//! Pools: routes that share work by weight.

use std::collections::{BTreeMap, HashMap};

use diesel::prelude::*;
use tidings_domain::{CampaignState, UnixMs};

use crate::connection::on;
use crate::schema::{campaigns, pool_routes, pools, routes, workspaces};
use crate::words::Db;
use crate::{AnyConn, PoolId, RouteId, Store, StoreError, StoreResult, Workspace, WorkspaceId};

/// Of one workspace.
pub const MAX_POOLS: i64 = 50;
/// The heaviest that a route can be in a pool.
pub const MAX_WEIGHT: i32 = 1_000;
/// Names of campaigns that are told when a pool cannot go.
const NAMES_TOLD: i64 = 5;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    pub id: PoolId,
    pub name: String,
    /// Route and weight, by route.
    pub shares: Vec<(RouteId, i32)>,
}

/// A pool as the form gives it. A route that is not the workspace's is left out.
#[derive(Debug, Clone)]
pub struct NewPool {
    pub name: String,
    pub shares: Vec<(RouteId, i32)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SavedPool {
    Yes(PoolId),
    NameTaken,
    /// A pool without routes would lead nowhere.
    NoRoutes,
    /// There are [`MAX_POOLS`] already.
    TooMany,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeletedPool {
    Yes,
    /// Drafts that chose it and campaigns that are being sent by it: the first few names.
    InUse(Vec<String>),
    /// What says nothing else leaves by it.
    IsDefault,
}

impl Workspace {
    /// All of them, oldest first; there are never more than [`MAX_POOLS`].
    ///
    /// # Errors
    /// The database's own.
    pub async fn pools(&self) -> StoreResult<Vec<Pool>> {
        self.read(|conn, ws| {
            let own = pools::table.filter(pools::workspace_id.eq(ws)).order(pools::id).limit(MAX_POOLS);
            let named: Vec<(PoolId, String)> = own.select((pools::id, pools::name)).load(conn)?;
            let mut shares = shares(conn, named.iter().map(|(id, _)| *id).collect())?;
            let pool = |(id, name)| Pool { id, name, shares: shares.remove(&id).unwrap_or_default() };
            Ok(named.into_iter().map(pool).collect())
        })
        .await
    }

    /// # Errors
    /// [`StoreError::NotFound`] when it is not this workspace's.
    pub async fn pool(&self, id: PoolId) -> StoreResult<Pool> {
        self.read(move |conn, ws| {
            let name = own(ws, id).select(pools::name).first(conn)?;
            let shares = shares(conn, vec![id])?.remove(&id).unwrap_or_default();
            Ok(Pool { id, name, shares })
        })
        .await
    }

    /// Makes a pool, or changes the one with this id. Deliveries that have their route keep it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when it is not this workspace's.
    pub async fn save_pool(&self, id: Option<PoolId>, pool: NewPool, now: UnixMs) -> StoreResult<SavedPool> {
        let saved = self
            .write(move |conn, ws| {
                let shares = ours(conn, ws, pool.shares)?;
                if shares.is_empty() {
                    return Ok(SavedPool::NoRoutes);
                }
                let id = match id {
                    Some(id) => rename(conn, ws, id, &pool.name, now)?,
                    None => match insert(conn, ws, &pool.name, now)? {
                        Some(id) => id,
                        None => return Ok(SavedPool::TooMany),
                    },
                };
                replace_shares(conn, ws, id, &shares)?;
                Ok(SavedPool::Yes(id))
            })
            .await;
        match saved {
            Err(StoreError::Exists(_)) => Ok(SavedPool::NameTaken),
            other => other,
        }
    }

    /// Deletes a pool that nothing refers to any more. Its routes stay.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when it is not this workspace's.
    pub async fn delete_pool(&self, id: PoolId) -> StoreResult<DeletedPool> {
        self.write(move |conn, ws| {
            let default: Option<PoolId> = workspaces::table.find(ws).select(workspaces::pool_id).first(conn)?;
            if default == Some(id) {
                return Ok(DeletedPool::IsDefault);
            }
            let over = [CampaignState::Done, CampaignState::Cancelled].map(Db);
            let users = campaigns::table.filter(campaigns::workspace_id.eq(ws)).filter(campaigns::pool_id.eq(id));
            let open = users.filter(campaigns::state.ne_all(over)).order(campaigns::id).limit(NAMES_TOLD);
            let names: Vec<String> = open.select(campaigns::name).load(conn)?;
            if !names.is_empty() {
                return Ok(DeletedPool::InUse(names));
            }
            match diesel::delete(own(ws, id)).execute(conn)? {
                0 => Err(StoreError::NotFound),
                _ => Ok(DeletedPool::Yes),
            }
        })
        .await
    }
}

impl Store {
    /// The routes of all pools, of all workspaces, with their weights.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn pool_shares(&self) -> StoreResult<HashMap<PoolId, Vec<(RouteId, i32)>>> {
        self.read(|conn| {
            let all = pool_routes::table.order((pool_routes::pool_id, pool_routes::route_id));
            let rows: Vec<(PoolId, RouteId, i32)> =
                all.select((pool_routes::pool_id, pool_routes::route_id, pool_routes::weight)).load(conn)?;
            let mut shares = HashMap::<PoolId, Vec<_>>::new();
            rows.into_iter().for_each(|(pool, route, weight)| shares.entry(pool).or_default().push((route, weight)));
            Ok(shares)
        })
        .await
    }
}

#[diesel::dsl::auto_type(no_type_alias)]
fn own(ws: WorkspaceId, id: PoolId) -> _ {
    pools::table.filter(pools::workspace_id.eq(ws)).filter(pools::id.eq(id))
}

fn shares(conn: &mut AnyConn, of: Vec<PoolId>) -> StoreResult<BTreeMap<PoolId, Vec<(RouteId, i32)>>> {
    let rows: Vec<(PoolId, RouteId, i32)> = pool_routes::table
        .filter(pool_routes::pool_id.eq_any(of))
        .order((pool_routes::pool_id, pool_routes::route_id))
        .select((pool_routes::pool_id, pool_routes::route_id, pool_routes::weight))
        .load(conn)?;
    let mut shares = BTreeMap::<PoolId, Vec<_>>::new();
    rows.into_iter().for_each(|(pool, route, weight)| shares.entry(pool).or_default().push((route, weight)));
    Ok(shares)
}

/// Each route of the workspace once, with a weight that is one.
fn ours(conn: &mut AnyConn, ws: WorkspaceId, given: Vec<(RouteId, i32)>) -> StoreResult<Vec<(RouteId, i32)>> {
    let ids: Vec<RouteId> = given.iter().map(|(id, _)| *id).collect();
    let known: Vec<RouteId> = routes::table
        .filter(routes::workspace_id.eq(ws))
        .filter(routes::id.eq_any(ids))
        .select(routes::id)
        .load(conn)?;
    let weights: BTreeMap<RouteId, i32> = given.into_iter().filter(|(_, weight)| *weight > 0).collect();
    Ok(weights.into_iter().filter(|(id, _)| known.contains(id)).map(|(id, n)| (id, n.min(MAX_WEIGHT))).collect())
}

/// `None`: there are as many as there can be.
fn insert(conn: &mut AnyConn, ws: WorkspaceId, name: &str, now: UnixMs) -> StoreResult<Option<PoolId>> {
    let there: i64 = pools::table.filter(pools::workspace_id.eq(ws)).count().get_result(conn)?;
    if there >= MAX_POOLS {
        return Ok(None);
    }
    let made = (
        pools::workspace_id.eq(ws),
        pools::name.eq(name),
        pools::created_at_ms.eq(now.0),
        pools::updated_at_ms.eq(now.0),
    );
    Ok(Some(diesel::insert_into(pools::table).values(made).returning(pools::id).get_result(conn)?))
}

fn rename(conn: &mut AnyConn, ws: WorkspaceId, id: PoolId, name: &str, now: UnixMs) -> StoreResult<PoolId> {
    let set = (pools::name.eq(name), pools::updated_at_ms.eq(now.0));
    match diesel::update(own(ws, id)).set(set).execute(conn)? {
        0 => Err(StoreError::NotFound),
        _ => Ok(id),
    }
}

fn replace_shares(conn: &mut AnyConn, ws: WorkspaceId, id: PoolId, shares: &[(RouteId, i32)]) -> StoreResult<()> {
    diesel::delete(pool_routes::table.filter(pool_routes::pool_id.eq(id))).execute(conn)?;
    let rows: Vec<_> = shares
        .iter()
        .map(|(route, weight)| {
            (
                pool_routes::pool_id.eq(id),
                pool_routes::route_id.eq(*route),
                pool_routes::workspace_id.eq(ws),
                pool_routes::weight.eq(*weight),
            )
        })
        .collect();
    on!(conn, |c| diesel::insert_into(pool_routes::table).values(&rows).execute(c))?;
    Ok(())
}

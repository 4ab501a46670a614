use diesel::prelude::*;
use tidings_domain::{CampaignState, CampaignTransition, Deadline, UnixMs};

use super::campaign::{self, Applied};
use super::months::Month;
use super::revision::{self, FrozenContent};
use crate::schema::{campaign_responses, campaigns, fanouts, subscribers};
use crate::ways::default_way;
use crate::words::Db;
use crate::{AnyConn, CampaignId, PoolId, RevisionId, RouteId, StoreResult, Way, Workspace, WorkspaceId};

/// All that a launch freezes.
#[derive(Debug, Clone)]
pub struct Launch {
    pub content: FrozenContent,
    /// `None`: the way that the draft chose, else the workspace's.
    pub route: Option<RouteId>,
    /// The version of the draft that the person saw.
    pub expected_version: i64,
    pub by: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Launched {
    Yes {
        revision: RevisionId,
    },
    /// It is no draft any more: somebody else launched it first, or it is not in this workspace.
    LostRace,
    /// The draft was edited since.
    Stale,
}

impl Workspace {
    /// Draft → Queuing: freezes content, route, deadline and the highest subscriber id, and leaves the rest to the dispatcher. Of two
    /// launches at once exactly one wins.
    ///
    /// # Errors
    /// The transaction could not be committed; the campaign is still a draft.
    pub async fn launch(&self, campaign: CampaignId, launch: Launch, now: UnixMs) -> StoreResult<Launched> {
        self.write(move |conn, workspace| self::launch(conn, (workspace, campaign), &launch, now)).await
    }
}

fn launch(
    conn: &mut AnyConn,
    (workspace, id): (WorkspaceId, CampaignId),
    launch: &Launch,
    now: UnixMs,
) -> StoreResult<Launched> {
    match campaign::lock(conn, id)? {
        Some(c) if c.workspace == workspace && c.state == CampaignState::Draft => {}
        _ => return Ok(Launched::LostRace),
    }
    let draft = campaigns::table
        .filter(campaigns::id.eq(id))
        .filter(campaigns::version.eq(launch.expected_version))
        .filter(campaigns::state.eq(Db(CampaignState::Draft)));
    let revision = revision::insert(conn, (workspace, id), &launch.content, now)?;
    let frozen = diesel::update(draft).set(campaigns::revision_id.eq(revision)).execute(conn)?;
    if frozen == 0 {
        diesel::delete(crate::schema::revisions::table.find(revision)).execute(conn)?;
        return Ok(Launched::Stale);
    }
    freeze_deadline(conn, id, now)?;
    freeze_way(conn, (workspace, id), launch.route)?;
    if campaign::transit(conn, id, CampaignTransition::Launch, &launch.by, now)? == Applied::LostRace {
        return Err(crate::StoreError::Corrupt(format!("campaign {id} changed while it was locked")));
    }
    let month = open_month(conn, now)?;
    open_books(conn, (workspace, id), month)?;
    Ok(Launched::Yes { revision })
}

/// The part of the ledger in which the campaign's rows will lie.
fn open_month(conn: &mut AnyConn, now: UnixMs) -> StoreResult<Month> {
    let AnyConn::Pg(pg) = conn else { return Ok(Month(0)) };
    let month = Month::of(now);
    month.ensure(pg)?;
    Ok(month)
}

/// Hours from the launch become an instant.
fn freeze_deadline(conn: &mut AnyConn, id: CampaignId, now: UnixMs) -> StoreResult<()> {
    let hours: Option<i32> = campaigns::table.find(id).select(campaigns::deadline_hours).first(conn)?;
    if let Some(hours) = hours {
        let at = Deadline::Hours(hours.unsigned_abs()).instant(now).map(|at| at.0);
        diesel::update(campaigns::table.find(id)).set(campaigns::deadline_at_ms.eq(at)).execute(conn)?;
    }
    Ok(())
}

/// The way is chosen once: what the workspace chooses later is for later campaigns.
fn freeze_way(
    conn: &mut AnyConn,
    (workspace, id): (WorkspaceId, CampaignId),
    route: Option<RouteId>,
) -> StoreResult<()> {
    let chosen = campaigns::table.find(id).select((campaigns::route_id, campaigns::pool_id)).first(conn)?;
    let (drafts_route, pool): (Option<RouteId>, Option<PoolId>) = chosen;
    let way = match route.map(Way::Route).or(Way::of(drafts_route, pool)) {
        None => default_way(conn, workspace)?,
        chosen => chosen,
    };
    let Some(way) = way else { return Ok(()) };
    diesel::update(campaigns::table.find(id))
        .set((campaigns::route_id.eq(way.route()), campaigns::pool_id.eq(way.pool())))
        .execute(conn)?;
    Ok(())
}

/// The rows that fan-out and the public endpoints count in.
fn open_books(conn: &mut AnyConn, (workspace, id): (WorkspaceId, CampaignId), month: Month) -> StoreResult<()> {
    let last: Option<i64> = subscribers::table
        .filter(subscribers::workspace_id.eq(workspace))
        .select(diesel::dsl::max(subscribers::id))
        .first(conn)?;
    diesel::insert_into(fanouts::table)
        .values((
            fanouts::campaign_id.eq(id),
            fanouts::workspace_id.eq(workspace),
            fanouts::last_subscriber_id.eq(last.unwrap_or(0)),
            fanouts::ledger_month.eq(month.0),
        ))
        .execute(conn)?;
    diesel::insert_into(campaign_responses::table)
        .values((campaign_responses::campaign_id.eq(id), campaign_responses::workspace_id.eq(workspace)))
        .execute(conn)?;
    Ok(())
}

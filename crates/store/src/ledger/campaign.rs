use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;
use tidings_domain::{CampaignState, CampaignTransition, DeliveryState, UnixMs};

use super::months::Span;
use super::{SYSTEM_ACTOR, counts, events, locks};
use crate::fixed::{Bind, Fixed, fixed_sql};
use crate::schema::{campaigns, fanouts};
use crate::words::Db;
use crate::{AnyConn, CampaignId, PoolId, RevisionId, RouteId, Store, StoreResult, WorkspaceId};

/// Whether a guarded change took place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    Yes,
    /// The campaign was not in the state that the change starts from: somebody else was first.
    LostRace,
}

/// A campaign that the dispatcher has to look after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveCampaign {
    pub id: CampaignId,
    pub workspace: WorkspaceId,
    pub state: CampaignState,
    pub paused: bool,
    pub route: Option<RouteId>,
    pub pool: Option<PoolId>,
    pub revision: RevisionId,
    /// The audience is complete.
    pub fanned_out: bool,
    /// What was not sent by then is not sent any more.
    pub deadline: Option<UnixMs>,
}

/// What a transaction on the ledger needs to know of a campaign.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing {
    pub workspace: WorkspaceId,
    pub state: CampaignState,
    pub paused: bool,
    pub deadline: Option<UnixMs>,
}

impl Standing {
    /// Its deadline has passed.
    pub(crate) fn is_over(&self, now: UnixMs) -> bool {
        self.deadline.is_some_and(|at| at <= now)
    }
}

impl Store {
    /// Campaigns in queuing, queued and sending, by id. As many as people launched; each stays until it is done.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn active_campaigns(&self) -> StoreResult<Vec<ActiveCampaign>> {
        self.read(load_active).await
    }

    /// Moves a campaign along one edge, guarded by the state it starts from. `FinishQueuing` also asks that fan-out is
    /// complete; if attempts began before it, the campaign goes on to Sending at once.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn apply(&self, campaign: CampaignId, t: CampaignTransition, now: UnixMs) -> StoreResult<Applied> {
        self.write(move |conn| {
            if t == CampaignTransition::FinishQueuing {
                finish_queuing(conn, campaign, now)
            } else {
                transit(conn, campaign, t, SYSTEM_ACTOR, now)
            }
        })
        .await
    }

    /// Proves from the rows themselves that nothing can move any more, and only then calls the campaign done.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn finish_if_drained(&self, campaign: CampaignId, now: UnixMs) -> StoreResult<bool> {
        self.write(move |conn| {
            let transition = match lock(conn, campaign)?.map(|c| c.state) {
                Some(CampaignState::Queued) => CampaignTransition::FinishEmpty,
                Some(CampaignState::Sending) => CampaignTransition::Finish,
                _ => return Ok(false),
            };
            if has_open_rows(conn, campaign)? {
                return Ok(false);
            }
            Ok(transit(conn, campaign, transition, SYSTEM_ACTOR, now)? == Applied::Yes)
        })
        .await
    }
}

type Ways = (Option<RouteId>, Option<PoolId>);
type ActiveRow = (CampaignId, WorkspaceId, Db<CampaignState>, Option<i64>, Ways, Option<RevisionId>, bool, Option<i64>);

fn load_active(conn: &mut AnyConn) -> StoreResult<Vec<ActiveCampaign>> {
    let rows: Vec<ActiveRow> = campaigns::table
        .inner_join(fanouts::table.on(fanouts::campaign_id.eq(campaigns::id)))
        // Literals: the partial index serves only a condition that it can read.
        .filter(diesel::dsl::sql::<diesel::sql_types::Bool>("campaigns.state IN ('queuing', 'queued', 'sending')"))
        .order(campaigns::id)
        .select((
            campaigns::id,
            campaigns::workspace_id,
            campaigns::state,
            campaigns::paused_at_ms,
            (campaigns::route_id, campaigns::pool_id),
            campaigns::revision_id,
            fanouts::done,
            campaigns::deadline_at_ms,
        ))
        .load(conn)?;
    let active =
        rows.into_iter().filter_map(|(id, workspace, state, paused_at, (route, pool), revision, fanned_out, over)| {
            // A CHECK holds that a launched campaign has its revision.
            let revision = revision?;
            let (state, paused, deadline) = (state.0, paused_at.is_some(), over.map(UnixMs));
            Some(ActiveCampaign { id, workspace, state, paused, route, pool, revision, fanned_out, deadline })
        });
    Ok(active.collect())
}

type StandingRow = (CampaignId, WorkspaceId, Db<CampaignState>, Option<i64>, Option<i64>);

/// Reads a campaign; on PostgreSQL it stays as it is until the transaction ends, and no group commit is under way.
pub(crate) fn lock(conn: &mut AnyConn, id: CampaignId) -> StoreResult<Option<Standing>> {
    locks::hold(conn, id)?;
    let query = campaigns::table.find(id).select(standing_columns());
    let row: Option<StandingRow> = match conn {
        AnyConn::Pg(c) => query.for_no_key_update().first(c).optional()?,
        AnyConn::Lite(c) => query.first(c).optional()?,
    };
    Ok(row.map(|row| standing(row).1))
}

/// Those that exist of campaigns whose locks this transaction shares.
pub(super) fn standings(conn: &mut AnyConn, ids: &BTreeSet<CampaignId>) -> StoreResult<BTreeMap<CampaignId, Standing>> {
    let query = campaigns::table.filter(campaigns::id.eq_any(ids)).select(standing_columns());
    Ok(query.load(conn)?.into_iter().map(standing).collect())
}

type StandingColumns =
    (campaigns::id, campaigns::workspace_id, campaigns::state, campaigns::paused_at_ms, campaigns::deadline_at_ms);

const fn standing_columns() -> StandingColumns {
    (campaigns::id, campaigns::workspace_id, campaigns::state, campaigns::paused_at_ms, campaigns::deadline_at_ms)
}

fn standing((id, workspace, state, paused_at, deadline): StandingRow) -> (CampaignId, Standing) {
    let (paused, deadline) = (paused_at.is_some(), deadline.map(UnixMs));
    (id, Standing { workspace, state: state.0, paused, deadline })
}

#[derive(AsChangeset)]
#[diesel(table_name = campaigns)]
struct Moved {
    state: &'static str,
    updated_at_ms: i64,
    queuing_at_ms: Option<i64>,
    queued_at_ms: Option<i64>,
    sending_at_ms: Option<i64>,
    done_at_ms: Option<i64>,
    cancelled_at_ms: Option<i64>,
}

impl Moved {
    fn to(state: CampaignState, now: UnixMs) -> Self {
        use tidings_domain::Word;
        let at = |s: CampaignState| (s == state).then_some(now.0);
        Self {
            state: state.as_str(),
            updated_at_ms: now.0,
            queuing_at_ms: at(CampaignState::Queuing),
            queued_at_ms: at(CampaignState::Queued),
            sending_at_ms: at(CampaignState::Sending),
            done_at_ms: at(CampaignState::Done),
            cancelled_at_ms: at(CampaignState::Cancelled),
        }
    }
}

/// The one place that writes `campaigns.state` after launch: a guarded update and its line of history.
pub(crate) fn transit(
    conn: &mut AnyConn,
    id: CampaignId,
    transition: CampaignTransition,
    actor: &str,
    now: UnixMs,
) -> StoreResult<Applied> {
    locks::hold(conn, id)?;
    let (from, to) = transition.edge();
    let guarded = campaigns::table.filter(campaigns::id.eq(id)).filter(campaigns::state.eq(Db(from)));
    if diesel::update(guarded).set(Moved::to(to, now)).execute(conn)? == 0 {
        return Ok(Applied::LostRace);
    }
    let workspace = campaigns::table.find(id).select(campaigns::workspace_id).first(conn)?;
    events::record(conn, (workspace, id), actor, words(transition), now)?;
    Ok(Applied::Yes)
}

const fn words(transition: CampaignTransition) -> &'static str {
    use CampaignTransition as T;
    match transition {
        T::Launch => "launched",
        T::FinishQueuing => "queued: every recipient has its place in the queue",
        T::StartSending => "sending: the first attempt has begun",
        T::Finish => "done",
        T::FinishEmpty => "done: nobody was to be sent to",
        T::CancelWhileQueuing | T::CancelWhileQueued | T::CancelWhileSending => "cancelled",
        T::Reopen => "sending again",
    }
}

fn finish_queuing(conn: &mut AnyConn, id: CampaignId, now: UnixMs) -> StoreResult<Applied> {
    let complete: Option<bool> = fanouts::table.find(id).select(fanouts::done).first(conn).optional()?;
    if complete != Some(true) {
        return Ok(Applied::LostRace);
    }
    let applied = transit(conn, id, CampaignTransition::FinishQueuing, SYSTEM_ACTOR, now)?;
    let attempted = [DeliveryState::Sending, DeliveryState::Deferred, DeliveryState::Accepted];
    if applied == Applied::Yes && counts::total(conn, id, |state| attempted.contains(&state) || is_bounce(state))? > 0 {
        transit(conn, id, CampaignTransition::StartSending, SYSTEM_ACTOR, now)?;
    }
    Ok(applied)
}

const fn is_bounce(state: DeliveryState) -> bool {
    use DeliveryState as S;
    matches!(state, S::HardBounced | S::SoftBounced | S::Failed | S::InDoubt | S::Complained)
}

fixed_sql!(
    /// Reads the index of open rows only. `state < 10` is `DeliveryState::is_terminal`, in words that the index knows.
    FirstOpenRow -> diesel::sql_types::BigInt,
    "SELECT id FROM deliveries WHERE campaign_id = ? AND id BETWEEN ? AND ? AND state < 10 AND kind = 0 LIMIT 1"
);

fn has_open_rows(conn: &mut AnyConn, id: CampaignId) -> StoreResult<bool> {
    let [first, last] = Span::of(conn, id)?.binds();
    let binds = [Bind::Int(id.0), first, last];
    let found: Vec<i64> = crate::connection::on!(conn, |c| Fixed::<FirstOpenRow>::new(binds).load(c))?;
    Ok(!found.is_empty())
}

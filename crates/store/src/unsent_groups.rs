//! What refusals keep from their recipients now, by campaign, provider and normalised text. The sums stand in `reply_groups` and move
//! with the rows, so nothing here counts rows.

use std::collections::{BTreeMap, BTreeSet};

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, SmallInt};
use serde::{Deserialize, Serialize};
use tidings_domain::{CampaignState, DeliveryState, UnixMs, Unsent};

use crate::connection::on;
use crate::fixed::{Bind, Fixed, fixed_sql};
use crate::schema::{campaigns, providers, reply_groups};
use crate::words::{Code, Db};
use crate::{AnyConn, CampaignId, ReplyGroupId, StoreResult, Workspace, WorkspaceId};

/// Which groups, and which of their rows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnsentFilter {
    pub campaign: Option<CampaignId>,
    /// By name.
    pub provider: Option<String>,
    /// What the refusal says: a bounce class.
    pub class: Option<String>,
    pub code: Option<i16>,
    /// Exactly this normalised text.
    pub text: Option<String>,
    /// Soft bounced or failed; for dead letters only.
    pub state: Option<i16>,
    /// Ended at this instant or later, in milliseconds; for dead letters only.
    pub from_ms: Option<i64>,
    /// Ended before this instant; for dead letters only.
    pub until_ms: Option<i64>,
}

impl UnsentFilter {
    /// It picks by what only the rows themselves tell, so the groups' sums are more than what fits.
    #[must_use]
    pub fn looks_at_rows(&self) -> bool {
        self.state.is_some() || self.from_ms.is_some() || self.until_ms.is_some()
    }

    pub(crate) fn span(&self) -> (i64, i64) {
        (self.from_ms.unwrap_or(i64::MIN), self.until_ms.unwrap_or(i64::MAX))
    }

    /// `state`, as a code that a row of these lists may have.
    pub(crate) fn dead_state(&self) -> Option<i16> {
        self.state.filter(|code| DeliveryState::from_code(*code).is_some_and(|state| Unsent::Dead.holds(state)))
    }
}

/// Deliveries that stand where they stand by the same words of the same provider.
#[derive(Debug, Clone, Queryable)]
pub struct UnsentGroup {
    pub id: ReplyGroupId,
    pub campaign: CampaignId,
    pub campaign_name: String,
    #[diesel(deserialize_as = Db<CampaignState>)]
    pub campaign_state: CampaignState,
    pub provider: String,
    pub class: String,
    pub code: Option<i16>,
    pub text: String,
    /// One of the replies, verbatim.
    pub sample: String,
    pub deferred: i64,
    pub dead: i64,
    /// When this was first and last said.
    pub first_at_ms: i64,
    pub last_at_ms: i64,
    /// The campaign's.
    pub deadline_at_ms: Option<i64>,
}

impl UnsentGroup {
    #[must_use]
    pub const fn standing(&self, side: Unsent) -> i64 {
        match side {
            Unsent::Deferred => self.deferred,
            Unsent::Dead => self.dead,
        }
    }
}

/// When the deferred rows of a group are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NextTries {
    pub group: ReplyGroupId,
    /// The first and the last that are not held.
    pub first_ms: Option<i64>,
    pub last_ms: Option<i64>,
    /// Some are kept back until a person releases them.
    pub any_held: bool,
}

impl Workspace {
    /// Groups that fit, those with the most deliveries first.
    ///
    /// # Errors
    /// The database's own.
    pub async fn unsent_groups(&self, side: Unsent, filter: UnsentFilter, limit: i64) -> StoreResult<Vec<UnsentGroup>> {
        self.read(move |conn, ws| groups(conn, ws, side, &filter, None, limit)).await
    }

    /// The sums over all groups: put off, and given up. Reads the groups that are not empty.
    ///
    /// # Errors
    /// The database's own.
    pub async fn unsent_totals(&self, campaign: Option<CampaignId>) -> StoreResult<(i64, i64)> {
        self.read(move |conn, ws| {
            let campaign = || Bind::MaybeInt(campaign.map(|id| id.0));
            let of = || [Bind::Int(ws.0), campaign(), campaign()];
            let deferred: Vec<i64> = on!(conn, |c| Fixed::<SumDeferred>::new(of()).load(c))?;
            let dead: Vec<i64> = on!(conn, |c| Fixed::<SumDead>::new(of()).load(c))?;
            Ok((deferred.into_iter().sum(), dead.into_iter().sum()))
        })
        .await
    }

    /// The rows of the campaigns under way, or of one of them, by state.
    ///
    /// # Errors
    /// The database's own.
    pub async fn open_counts(&self, campaign: Option<CampaignId>) -> StoreResult<BTreeMap<DeliveryState, i64>> {
        self.read(move |conn, ws| {
            let campaign = || Bind::MaybeInt(campaign.map(|id| id.0));
            let binds = [Bind::Int(ws.0), campaign(), campaign()];
            let rows: Vec<(Code<DeliveryState>, i64)> = on!(conn, |c| Fixed::<OpenCounts>::new(binds).load(c))?;
            Ok(rows.into_iter().map(|(state, n)| (state.0, n)).collect())
        })
        .await
    }

    /// The names of these campaigns. What was deleted has none.
    ///
    /// # Errors
    /// The database's own.
    pub async fn campaign_names(&self, ids: BTreeSet<CampaignId>) -> StoreResult<BTreeMap<CampaignId, String>> {
        self.read(move |conn, ws| {
            let own = campaigns::table.filter(campaigns::workspace_id.eq(ws.0)).filter(campaigns::id.eq_any(ids));
            let names: Vec<(CampaignId, String)> = own.select((campaigns::id, campaigns::name)).load(conn)?;
            Ok(names.into_iter().collect())
        })
        .await
    }

    /// When the deferred rows of these groups are tried: three look-ups in an index for each.
    ///
    /// # Errors
    /// The database's own.
    pub async fn next_tries(&self, ids: Vec<ReplyGroupId>) -> StoreResult<Vec<NextTries>> {
        self.read(move |conn, ws| {
            let binds = [Bind::ids(ids.iter().map(|id| id.0)), Bind::Int(ws.0)];
            let rows: Vec<(ReplyGroupId, Option<i64>, Option<i64>, bool)> =
                on!(conn, |c| Fixed::<NextOfGroups>::new(binds).load(c))?;
            let next = |(group, first_ms, last_ms, any_held)| NextTries { group, first_ms, last_ms, any_held };
            Ok(rows.into_iter().map(next).collect())
        })
        .await
    }
}

fixed_sql!(SumDeferred -> BigInt,
    "SELECT CAST(COALESCE(SUM(deferred), 0) AS BIGINT) FROM reply_groups WHERE deferred > 0 AND workspace_id = ? \
     AND (CAST(? AS BIGINT) IS NULL OR campaign_id = ?)");
fixed_sql!(SumDead -> BigInt,
    "SELECT CAST(COALESCE(SUM(dead), 0) AS BIGINT) FROM reply_groups WHERE dead > 0 AND workspace_id = ? \
     AND (CAST(? AS BIGINT) IS NULL OR campaign_id = ?)");

fixed_sql!(OpenCounts -> (SmallInt, BigInt),
    "SELECT d.state, CAST(SUM(d.n) AS BIGINT) FROM delivery_counts d JOIN campaigns c ON c.id = d.campaign_id \
     WHERE c.workspace_id = ? AND c.state IN ('queuing', 'queued', 'sending') \
     AND (CAST(? AS BIGINT) IS NULL OR c.id = ?) GROUP BY d.state");

macro_rules! next_text {
    ($ids:literal) => {
        concat!(
            "SELECT g.id, \
             (SELECT MIN(next_at_ms) FROM deliveries WHERE state = 3 AND reply_group_id = g.id AND next_at_ms < 4000000000000000), \
             (SELECT MAX(next_at_ms) FROM deliveries WHERE state = 3 AND reply_group_id = g.id AND next_at_ms < 4000000000000000), \
             EXISTS (SELECT 1 FROM deliveries WHERE state = 3 AND reply_group_id = g.id AND next_at_ms >= 4000000000000000) \
             FROM reply_groups g WHERE g.id ",
            $ids,
            " AND g.workspace_id = ?"
        )
    };
}

fixed_sql!(NextOfGroups -> (BigInt, Nullable<BigInt>, Nullable<BigInt>, Bool),
    lite: next_text!("IN (SELECT value FROM json_each(?))"),
    pg: next_text!("= ANY(?)"));

/// In the order of their sums, or after `after` in the order of their numbers.
pub(crate) fn groups(
    conn: &mut AnyConn,
    ws: WorkspaceId,
    side: Unsent,
    filter: &UnsentFilter,
    after: Option<ReplyGroupId>,
    limit: i64,
) -> StoreResult<Vec<UnsentGroup>> {
    // Literals: the partial indexes serve only a condition that they can read.
    let (standing, most) = match side {
        Unsent::Deferred => ("reply_groups.deferred > 0", "reply_groups.deferred DESC, reply_groups.id"),
        Unsent::Dead => ("reply_groups.dead > 0", "reply_groups.dead DESC, reply_groups.id"),
    };
    let mut found = reply_groups::table
        .inner_join(providers::table.on(providers::id.eq(reply_groups::provider_id)))
        .inner_join(campaigns::table.on(campaigns::id.eq(reply_groups::campaign_id)))
        .filter(sql::<Bool>(standing))
        .filter(reply_groups::workspace_id.eq(ws.0))
        .into_boxed();
    if let Some(campaign) = filter.campaign {
        found = found.filter(reply_groups::campaign_id.eq(campaign.0));
    }
    if let Some(provider) = &filter.provider {
        found = found.filter(providers::name.eq(provider.clone()));
    }
    if let Some(class) = &filter.class {
        found = found.filter(reply_groups::class.eq(class.clone()));
    }
    if let Some(code) = filter.code {
        found = found.filter(reply_groups::reply_code.eq(code));
    }
    if let Some(text) = &filter.text {
        found = found.filter(reply_groups::text_key.eq(text.clone()));
    }
    found = match after {
        Some(after) => found.filter(reply_groups::id.gt(after.0)).order(reply_groups::id),
        None => found.order(sql::<BigInt>(most)),
    };
    let columns = (
        reply_groups::id,
        reply_groups::campaign_id,
        campaigns::name,
        campaigns::state,
        providers::name,
        reply_groups::class,
        reply_groups::reply_code,
        reply_groups::text_key,
        reply_groups::sample,
        reply_groups::deferred,
        reply_groups::dead,
        reply_groups::first_at_ms,
        reply_groups::last_at_ms,
        campaigns::deadline_at_ms,
    );
    Ok(found.limit(limit).select(columns).load(conn)?)
}

impl UnsentGroup {
    /// Its campaign has a deadline that has passed.
    #[must_use]
    pub fn is_over(&self, now: UnixMs) -> bool {
        self.deadline_at_ms.is_some_and(|at| at <= now.0)
    }
}

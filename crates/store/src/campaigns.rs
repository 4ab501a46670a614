//! Campaigns as the pages read them. Content is edited in `campaign_drafts.rs`; states are moved by the ledger.

use std::collections::BTreeMap;

use diesel::define_sql_function;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};
use tidings_domain::{CampaignState, Deadline, DeliveryState, UnixMs, Word};

use crate::schema::{attempts, campaign_lists, campaigns, deliveries, delivery_counts};
use crate::words::{Code, Db};
use crate::{AnyConn, CampaignId, ListId, PoolId, RevisionId, RouteId, StoreResult, Workspace, WorkspaceId};

/// A campaign without its content: what lists, badges and the overview need.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = campaigns)]
pub struct CampaignHead {
    pub id: CampaignId,
    pub name: String,
    pub subject: String,
    pub from_name: String,
    pub from_email: String,
    #[diesel(deserialize_as = Db<CampaignState>)]
    pub state: CampaignState,
    pub paused_at_ms: Option<i64>,
    pub paused_by: String,
    pub pause_reason: String,
    /// Why it needs attention, in words; empty when all is well.
    pub attention: String,
    pub revision_id: Option<RevisionId>,
    /// Of the two that it leaves by, at most one; neither in a draft that takes the workspace's.
    pub route_id: Option<RouteId>,
    pub pool_id: Option<PoolId>,
    pub audience_total: Option<i64>,
    pub version: i64,
    pub created_by: String,
    pub created_at_ms: i64,
    pub updated_at_ms: i64,
    pub queuing_at_ms: Option<i64>,
    pub queued_at_ms: Option<i64>,
    pub sending_at_ms: Option<i64>,
    pub done_at_ms: Option<i64>,
    pub cancelled_at_ms: Option<i64>,
    /// As the draft says it; see [`CampaignHead::deadline`].
    pub deadline_hours: Option<i32>,
    pub deadline_at_ms: Option<i64>,
}

impl CampaignHead {
    /// When it gives up. Launched, it is an instant.
    #[must_use]
    pub fn deadline(&self) -> Deadline {
        match (self.state, self.deadline_hours, self.deadline_at_ms) {
            (CampaignState::Draft, Some(hours), _) => Deadline::Hours(hours.unsigned_abs()),
            (_, _, Some(at)) => Deadline::At(UnixMs(at)),
            _ => Deadline::None,
        }
    }
}

/// What the editor works on.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = campaigns)]
pub struct CampaignContent {
    pub preview_text: String,
    pub reply_to: String,
    pub html: String,
    /// The text part; while `text_is_generated` it follows the HTML.
    pub text: String,
    pub text_is_generated: bool,
    pub track_opens: bool,
    pub track_clicks: bool,
}

#[derive(Debug, Clone, Queryable, Selectable)]
pub struct Campaign {
    #[diesel(embed)]
    pub head: CampaignHead,
    #[diesel(embed)]
    pub content: CampaignContent,
}

/// A list that a campaign includes or excludes; the name is kept for when the list is gone.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = campaign_lists)]
pub struct CampaignList {
    pub list_id: ListId,
    pub role: String,
    pub list_name: String,
}

impl CampaignList {
    #[must_use]
    pub fn is_included(&self) -> bool {
        self.role == INCLUDE
    }
}

pub(crate) const INCLUDE: &str = "include";
pub(crate) const EXCLUDE: &str = "exclude";

/// The tabs of the campaign list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CampaignTab {
    All,
    /// Drafts and scheduled campaigns.
    Draft,
    /// From launch to the last delivery.
    Sending,
    /// Done or cancelled.
    Done,
}

impl CampaignTab {
    const fn states(self) -> &'static [CampaignState] {
        use CampaignState as S;
        match self {
            Self::All => CampaignState::ALL,
            Self::Draft => &[S::Draft, S::Scheduled],
            Self::Sending => &[S::Queuing, S::Queued, S::Sending],
            Self::Done => &[S::Done, S::Cancelled],
        }
    }
}

/// One row of the campaign list.
#[derive(Debug, Clone)]
pub struct CampaignRow {
    pub head: CampaignHead,
    /// Ledger rows by state, from the incremental sums.
    pub counts: BTreeMap<DeliveryState, i64>,
}

impl Workspace {
    /// Campaigns, newest first: `limit` rows with an id below `before`.
    ///
    /// # Errors
    /// The database's own.
    pub async fn campaigns(
        &self,
        tab: CampaignTab,
        search: &str,
        before: Option<CampaignId>,
        limit: i64,
    ) -> StoreResult<Vec<CampaignRow>> {
        let pattern = contains_pattern(search);
        self.read(move |conn, ws| {
            let heads = heads(conn, ws, tab, pattern, before, limit)?;
            with_counts(conn, heads)
        })
        .await
    }

    /// Campaigns that a person should look at, newest first: those that go on, and those that ended at `since` or later.
    ///
    /// # Errors
    /// The database's own.
    pub async fn campaigns_needing_attention(&self, since: UnixMs, limit: i64) -> StoreResult<Vec<CampaignHead>> {
        self.read(move |conn, ws| {
            let own = campaigns::table.filter(campaigns::workspace_id.eq(ws.0)).filter(campaigns::attention.ne(""));
            let lately = campaigns::done_at_ms.is_null().or(campaigns::done_at_ms.ge(since.0));
            let not_cancelled = campaigns::cancelled_at_ms.is_null();
            let shown = own.filter(lately).filter(not_cancelled).order(campaigns::id.desc()).limit(limit);
            Ok(shown.select(CampaignHead::as_select()).load(conn)?)
        })
        .await
    }

    /// One campaign with its content.
    ///
    /// # Errors
    /// [`crate::StoreError::NotFound`], also when it belongs to another workspace.
    pub async fn campaign(&self, id: CampaignId) -> StoreResult<Campaign> {
        self.read(move |conn, ws| {
            let row = campaigns::table.filter(campaigns::id.eq(id)).filter(campaigns::workspace_id.eq(ws.0));
            Ok(row.select(Campaign::as_select()).first(conn)?)
        })
        .await
    }

    /// One campaign without its content.
    ///
    /// # Errors
    /// [`crate::StoreError::NotFound`], also when it belongs to another workspace.
    pub async fn campaign_head(&self, id: CampaignId) -> StoreResult<CampaignHead> {
        self.read(move |conn, ws| head(conn, ws, id)).await
    }

    /// The lists that a campaign includes and excludes, by name.
    ///
    /// # Errors
    /// The database's own.
    pub async fn campaign_lists(&self, id: CampaignId) -> StoreResult<Vec<CampaignList>> {
        self.read(move |conn, ws| {
            let of = campaign_lists::table
                .filter(campaign_lists::campaign_id.eq(id.0))
                .filter(campaign_lists::workspace_id.eq(ws.0));
            Ok(of.order(campaign_lists::list_name).select(CampaignList::as_select()).load(conn)?)
        })
        .await
    }

    /// Deletes a draft with its test messages. `false`: it is no draft (any more), and nothing happened.
    ///
    /// # Errors
    /// The database's own.
    pub async fn delete_draft(&self, id: CampaignId) -> StoreResult<bool> {
        self.write(move |conn, ws| {
            let draft = campaigns::table
                .filter(campaigns::id.eq(id))
                .filter(campaigns::workspace_id.eq(ws.0))
                .filter(campaigns::state.eq(CampaignState::Draft.as_str()));
            if diesel::delete(draft).execute(conn)? == 0 {
                return Ok(false);
            }
            delete_deliveries(conn, id)?;
            Ok(true)
        })
        .await
    }
}

/// The ledger has no foreign keys (it is written in millions), so what a draft left there is removed by hand.
fn delete_deliveries(conn: &mut AnyConn, id: CampaignId) -> StoreResult<()> {
    let tests = deliveries::table.filter(deliveries::campaign_id.eq(id.0)).filter(sql::<Bool>("kind = 1"));
    let ids: Vec<i64> = tests.select(deliveries::id).load(conn)?;
    diesel::delete(attempts::table.filter(attempts::delivery_id.eq_any(&ids))).execute(conn)?;
    diesel::delete(deliveries::table.filter(deliveries::id.eq_any(&ids))).execute(conn)?;
    Ok(())
}

pub(crate) fn head(conn: &mut AnyConn, ws: WorkspaceId, id: CampaignId) -> StoreResult<CampaignHead> {
    let row = campaigns::table.filter(campaigns::id.eq(id)).filter(campaigns::workspace_id.eq(ws.0));
    Ok(row.select(CampaignHead::as_select()).first(conn)?)
}

fn heads(
    conn: &mut AnyConn,
    ws: WorkspaceId,
    tab: CampaignTab,
    pattern: Option<String>,
    before: Option<CampaignId>,
    limit: i64,
) -> StoreResult<Vec<CampaignHead>> {
    let states: Vec<&str> = tab.states().iter().map(|s| s.as_str()).collect();
    let mut query =
        campaigns::table.filter(campaigns::workspace_id.eq(ws.0)).filter(campaigns::state.eq_any(states)).into_boxed();
    if let Some(before) = before {
        query = query.filter(campaigns::id.lt(before));
    }
    if let Some(pattern) = pattern {
        query = query.filter(
            lower(campaigns::name)
                .like(pattern.clone())
                .escape('\\')
                .or(lower(campaigns::subject).like(pattern).escape('\\')),
        );
    }
    Ok(query.order(campaigns::id.desc()).limit(limit).select(CampaignHead::as_select()).load(conn)?)
}

fn with_counts(conn: &mut AnyConn, heads: Vec<CampaignHead>) -> StoreResult<Vec<CampaignRow>> {
    let ids: Vec<i64> = heads.iter().map(|h| h.id.0).collect();
    let sums: Vec<(i64, Code<DeliveryState>, i64)> = delivery_counts::table
        .filter(delivery_counts::campaign_id.eq_any(ids))
        .group_by((delivery_counts::campaign_id, delivery_counts::state))
        .select((delivery_counts::campaign_id, delivery_counts::state, sql::<BigInt>("CAST(SUM(n) AS BIGINT)")))
        .load(conn)?;
    let mut by_campaign: BTreeMap<i64, BTreeMap<DeliveryState, i64>> = BTreeMap::new();
    for (campaign, Code(state), n) in sums {
        by_campaign.entry(campaign).or_default().insert(state, n);
    }
    let row = |head: CampaignHead| CampaignRow { counts: by_campaign.remove(&head.id.0).unwrap_or_default(), head };
    Ok(heads.into_iter().map(row).collect())
}

define_sql_function! { fn lower(text: diesel::sql_types::Text) -> diesel::sql_types::Text; }

/// A LIKE pattern (escape `\`) for "contains these words", in lower case; `None` for no words.
pub(crate) fn contains_pattern(search: &str) -> Option<String> {
    let words = search.trim();
    if words.is_empty() {
        return None;
    }
    let mut pattern = String::from("%");
    for c in words.to_lowercase().chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    Some(pattern)
}

#[cfg(test)]
mod tests {
    use super::contains_pattern;

    #[test]
    fn wildcards_that_a_person_types_are_letters() {
        assert_eq!(contains_pattern(" 100%_Sure "), Some("%100\\%\\_sure%".to_owned()));
        assert_eq!(contains_pattern("  "), None);
    }
}

//! Everything that is known to have happened with one subscriber, in pieces of some campaigns each.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use tidings_domain::{DeliveryState, SubscriptionStatus, UnixMs};

use crate::schema::{campaigns, deliveries, engagements, lists, reports, subscribers, subscriptions, suppressions};
use crate::words::{Code, Db};
use crate::{
    AnyConn, CampaignId, DeliveryId, EngagementRow, ListId, ReportRow, StoreResult, SubscriberId, Workspace,
    WorkspaceId,
};

/// A piece of a timeline looks at so many campaigns: one look-up in the ledger's unique index for each.
const CAMPAIGNS: i64 = 30;
/// Opens and clicks of one piece.
const ENGAGEMENTS: i64 = 300;
const REPORTS: i64 = 100;

/// What is counted against an address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Queryable)]
pub struct BounceStanding {
    /// Soft bounces in a row.
    pub soft_bounces: i32,
    /// When the row began.
    pub soft_since_ms: Option<i64>,
    pub soft_last_ms: Option<i64>,
    /// When the address was first said not to exist without proof.
    pub doubted_at_ms: Option<i64>,
}

/// One campaign's message to him.
#[derive(Debug, Clone)]
pub struct SentTo {
    pub delivery: DeliveryId,
    pub campaign: CampaignId,
    pub campaign_name: String,
    pub state: DeliveryState,
    pub at_ms: i64,
    pub reason: Option<String>,
    /// The peer's last words, verbatim.
    pub reply: Option<String>,
    pub engagements: Vec<EngagementRow>,
}

/// How he stands to one list.
#[derive(Debug, Clone)]
pub struct OnList {
    pub list: ListId,
    pub list_name: String,
    pub status: SubscriptionStatus,
    pub source: String,
    pub created_at_ms: i64,
    pub updated_at_ms: i64,
}

/// An entry of the suppression list for exactly his address.
#[derive(Debug, Clone, Queryable)]
pub struct SuppressedAt {
    pub reason: String,
    pub source: String,
    pub at_ms: i64,
}

/// One piece of a timeline; its parts are in no common order yet.
#[derive(Debug, Clone, Default)]
pub struct TimelinePiece {
    pub added_at_ms: i64,
    pub sent: Vec<SentTo>,
    /// All of them, as they stand; see [`TimelinePiece::covers`].
    pub lists: Vec<OnList>,
    /// All of them.
    pub suppressions: Vec<SuppressedAt>,
    /// Received in this piece's time.
    pub reports: Vec<ReportRow>,
    /// Where the next, older piece begins; `None`: this is the oldest.
    pub older: Option<i64>,
    before: Option<i64>,
}

impl TimelinePiece {
    /// An instant that belongs to no message stands in this piece.
    #[must_use]
    pub fn covers(&self, at_ms: i64) -> bool {
        self.older.is_none_or(|from| from <= at_ms) && self.before.is_none_or(|before| at_ms < before)
    }
}

impl Workspace {
    /// What is counted against a subscriber.
    ///
    /// # Errors
    /// [`crate::StoreError::NotFound`] when he is not this workspace's.
    pub async fn bounce_standing(&self, id: SubscriberId) -> StoreResult<BounceStanding> {
        self.read(move |conn, ws| {
            let own = subscribers::table.filter(subscribers::workspace_id.eq(ws)).filter(subscribers::id.eq(id));
            let columns = (
                subscribers::soft_bounces,
                subscribers::soft_since_ms,
                subscribers::soft_last_ms,
                subscribers::doubted_at_ms,
            );
            Ok(own.select(columns).first(conn)?)
        })
        .await
    }

    /// What happened before an instant, or up to now. A piece follows the campaigns: what belongs to a message stands in the piece of
    /// its campaign, however late it came, so that nothing is missed and nothing comes twice.
    ///
    /// # Errors
    /// [`crate::StoreError::NotFound`] when he is not this workspace's.
    pub async fn timeline(&self, id: SubscriberId, before: Option<UnixMs>) -> StoreResult<TimelinePiece> {
        self.read(move |conn, ws| {
            let own = subscribers::table.filter(subscribers::workspace_id.eq(ws)).filter(subscribers::id.eq(id));
            let (email, added): (String, i64) =
                own.select((subscribers::email, subscribers::created_at_ms)).first(conn)?;
            let (sent, older) = sent(conn, ws, id, before)?;
            let before = before.map(|at| at.0);
            Ok(TimelinePiece {
                added_at_ms: added,
                sent,
                lists: on_lists(conn, id)?,
                suppressions: suppressed(conn, ws, &email)?,
                reports: reports_of(conn, ws, id, (older, before))?,
                older,
                before,
            })
        })
        .await
    }
}

type Campaigns = Vec<(CampaignId, String, Option<i64>)>;

/// Also where the next piece begins.
fn sent(
    conn: &mut AnyConn,
    ws: WorkspaceId,
    id: SubscriberId,
    before: Option<UnixMs>,
) -> StoreResult<(Vec<SentTo>, Option<i64>)> {
    let mut launched = campaigns::table
        .filter(campaigns::workspace_id.eq(ws))
        .filter(campaigns::queuing_at_ms.is_not_null())
        .into_boxed();
    if let Some(before) = before {
        launched = launched.filter(campaigns::queuing_at_ms.lt(before.0));
    }
    let found: Campaigns = launched
        .order((campaigns::queuing_at_ms.desc(), campaigns::id.desc()))
        .limit(CAMPAIGNS + 1)
        .select((campaigns::id, campaigns::name, campaigns::queuing_at_ms))
        .load(conn)?;
    let most = usize::try_from(CAMPAIGNS).unwrap_or(0);
    let older = found.get(most).and(found.get(most.saturating_sub(1))).and_then(|(.., at)| *at);
    let looked_at: Campaigns = found.into_iter().take(most).collect();
    Ok((messages(conn, id, &looked_at)?, older))
}

fn messages(conn: &mut AnyConn, id: SubscriberId, looked_at: &Campaigns) -> StoreResult<Vec<SentTo>> {
    type Row = (DeliveryId, CampaignId, Code<DeliveryState>, i64, Option<String>, Option<String>);
    let ids: Vec<CampaignId> = looked_at.iter().map(|(campaign, ..)| *campaign).collect();
    let rows: Vec<Row> = deliveries::table
        .filter(deliveries::campaign_id.eq_any(ids))
        .filter(deliveries::subscriber_id.eq(id))
        .filter(sql::<Bool>("kind = 0"))
        .select((
            deliveries::id,
            deliveries::campaign_id,
            deliveries::state,
            deliveries::updated_at_ms,
            deliveries::reason,
            deliveries::reply,
        ))
        .load(conn)?;
    let mut responses = responses(conn, rows.iter().map(|row| row.0).collect())?;
    let name =
        |campaign: CampaignId| looked_at.iter().find(|(id, ..)| *id == campaign).map(|(_, name, _)| name.clone());
    let message = |(delivery, campaign, state, at_ms, reason, reply): Row| {
        let own = responses.extract_if(.., |(of, _)| *of == delivery).map(|(_, row)| row).collect();
        let campaign_name = name(campaign).unwrap_or_default();
        SentTo { delivery, campaign, campaign_name, state: state.0, at_ms, reason, reply, engagements: own }
    };
    Ok(rows.into_iter().map(message).collect())
}

fn responses(conn: &mut AnyConn, of: Vec<DeliveryId>) -> StoreResult<Vec<(DeliveryId, EngagementRow)>> {
    let ids: Vec<i64> = of.into_iter().map(|id| id.0).collect();
    let rows: Vec<(i64, EngagementRow)> = engagements::table
        .filter(engagements::delivery_id.eq_any(ids))
        .order((engagements::delivery_id.desc(), engagements::kind, engagements::link))
        .limit(ENGAGEMENTS)
        .select((engagements::delivery_id, EngagementRow::as_select()))
        .load(conn)?;
    Ok(rows.into_iter().map(|(id, row)| (DeliveryId(id), row)).collect())
}

fn on_lists(conn: &mut AnyConn, id: SubscriberId) -> StoreResult<Vec<OnList>> {
    type Row = (ListId, String, Db<SubscriptionStatus>, String, i64, i64);
    let rows: Vec<Row> = subscriptions::table
        .inner_join(lists::table.on(lists::id.eq(subscriptions::list_id)))
        .filter(subscriptions::subscriber_id.eq(id))
        .order(lists::name)
        .limit(crate::lists::LISTS_SHOWN)
        .select((
            subscriptions::list_id,
            lists::name,
            subscriptions::status,
            subscriptions::source,
            subscriptions::created_at_ms,
            subscriptions::updated_at_ms,
        ))
        .load(conn)?;
    let on = |(list, list_name, status, source, created_at_ms, updated_at_ms): Row| OnList {
        list,
        list_name,
        status: status.0,
        source,
        created_at_ms,
        updated_at_ms,
    };
    Ok(rows.into_iter().map(on).collect())
}

fn reports_of(
    conn: &mut AnyConn,
    ws: WorkspaceId,
    id: SubscriberId,
    (from, before): (Option<i64>, Option<i64>),
) -> StoreResult<Vec<ReportRow>> {
    Ok(reports::table
        .filter(reports::workspace_id.eq(ws))
        .filter(reports::subscriber_id.eq(id))
        .filter(reports::received_at_ms.ge(from.unwrap_or(i64::MIN)))
        .filter(reports::received_at_ms.lt(before.unwrap_or(i64::MAX)))
        .order(reports::id.desc())
        .limit(REPORTS)
        .select(ReportRow::as_select())
        .load(conn)?)
}

fn suppressed(conn: &mut AnyConn, ws: WorkspaceId, email: &str) -> StoreResult<Vec<SuppressedAt>> {
    Ok(suppressions::table
        .filter(suppressions::workspace_id.eq(ws))
        .filter(suppressions::kind.eq("address"))
        .filter(suppressions::value.eq(email))
        .select((suppressions::reason, suppressions::source, suppressions::created_at_ms))
        .load(conn)?)
}

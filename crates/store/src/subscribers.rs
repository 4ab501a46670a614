//! Subscribers, as the pages read them.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use tidings_domain::{DeliveryState, SubscriberStatus, SubscriptionStatus, UnixMs};

use crate::schema::{campaigns, deliveries, lists, subscribers, subscriptions};
use crate::suppressions::{Suppression, in_force};
use crate::words::{Code, Db};
use crate::{AnyConn, CampaignId, DeliveryId, ListId, StoreResult, SubscriberId, Subscription, Workspace, WorkspaceId};

/// A subscriber's page looks his deliveries up in so many of the latest campaigns.
const CAMPAIGNS_LOOKED_AT: i64 = 50;

#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = subscribers)]
pub struct Subscriber {
    pub id: SubscriberId,
    pub email: String,
    pub domain: String,
    pub first_name: String,
    pub last_name: String,
    /// JSON object of text values.
    pub attributes: String,
    #[diesel(deserialize_as = Db<SubscriberStatus>)]
    pub status: SubscriberStatus,
    pub soft_bounces: i32,
    pub created_at_ms: i64,
    pub updated_at_ms: i64,
}

/// Where a page of subscribers goes on. Newest first is keyed by the id, a search by the address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubscriberKey {
    Id(SubscriberId),
    Email(String),
}

/// A row of a table of subscribers.
#[derive(Debug, Clone)]
pub struct SubscriberRow {
    pub subscriber: Subscriber,
    /// In the list that was asked for.
    pub subscription: Option<SubscriptionStatus>,
}

/// What became of one campaign's message to a subscriber.
#[derive(Debug, Clone)]
pub struct Received {
    pub delivery: DeliveryId,
    pub campaign: CampaignId,
    pub campaign_name: String,
    pub state: DeliveryState,
    pub updated_at_ms: i64,
    pub reason: Option<String>,
    /// The peer's last words, verbatim.
    pub reply: Option<String>,
}

/// All that is known of one subscriber.
#[derive(Debug, Clone)]
pub struct SubscriberDetails {
    pub subscriber: Subscriber,
    pub subscriptions: Vec<Subscription>,
    /// What stops mail to the address, whatever its kind and scope; the most telling first.
    pub suppressions: Vec<Suppression>,
    /// The latest first.
    pub received: Vec<Received>,
}

impl Workspace {
    /// Newest first without a search; by address with one, which finds addresses that begin with it. With a list, only those who
    /// stand on it, in either status.
    ///
    /// # Errors
    /// The database's own.
    pub async fn subscribers(
        &self,
        list: Option<ListId>,
        search: &str,
        after: Option<SubscriberKey>,
        limit: i64,
    ) -> StoreResult<Vec<SubscriberRow>> {
        let prefix = search.trim().to_lowercase();
        self.read(move |conn, ws| {
            let found = match list {
                Some(list) => members(conn, ws, list, &prefix, after, limit)?,
                None => all(conn, ws, &prefix, after, limit)?,
            };
            Ok(found)
        })
        .await
    }

    /// # Errors
    /// [`crate::StoreError::NotFound`] when it is not this workspace's.
    pub async fn subscriber(&self, id: SubscriberId, now: UnixMs) -> StoreResult<SubscriberDetails> {
        let key = self.suppression_key();
        self.read(move |conn, ws| {
            let subscriber: Subscriber = subscribers::table
                .filter(subscribers::workspace_id.eq(ws))
                .filter(subscribers::id.eq(id))
                .select(Subscriber::as_select())
                .first(conn)?;
            let subscriptions = subscriptions::table
                .inner_join(lists::table.on(lists::id.eq(subscriptions::list_id)))
                .filter(subscriptions::subscriber_id.eq(id))
                .order(lists::name)
                .limit(crate::lists::LISTS_SHOWN)
                .select(Subscription::as_select())
                .load(conn)?;
            let suppressions = in_force(conn, ws, key, &subscriber.email, now)?;
            let received = received(conn, ws, id)?;
            Ok(SubscriberDetails { subscriber, subscriptions, suppressions, received })
        })
        .await
    }

    /// # Errors
    /// The database's own.
    pub async fn subscriber_by_email(&self, email: String) -> StoreResult<Option<Subscriber>> {
        self.read(move |conn, ws| {
            let found =
                subscribers::table.filter(subscribers::workspace_id.eq(ws)).filter(subscribers::email.eq(email));
            Ok(found.select(Subscriber::as_select()).first(conn).optional()?)
        })
        .await
    }
}

/// The end of the range of texts that begin with a prefix: columns of addresses are compared octet by octet on both backends.
pub(crate) fn end_of_prefix(prefix: &str) -> String {
    format!("{prefix}{}", char::MAX)
}

fn all(
    conn: &mut AnyConn,
    ws: WorkspaceId,
    prefix: &str,
    after: Option<SubscriberKey>,
    limit: i64,
) -> StoreResult<Vec<SubscriberRow>> {
    let mut query = subscribers::table.filter(subscribers::workspace_id.eq(ws)).into_boxed();
    if prefix.is_empty() {
        query = query.order(subscribers::id.desc());
    } else {
        query = query.filter(subscribers::email.between(prefix, end_of_prefix(prefix))).order(subscribers::email);
    }
    match after {
        Some(SubscriberKey::Id(id)) => query = query.filter(subscribers::id.lt(id)),
        Some(SubscriberKey::Email(email)) => query = query.filter(subscribers::email.gt(email)),
        None => {}
    }
    let rows: Vec<Subscriber> = query.limit(limit).select(Subscriber::as_select()).load(conn)?;
    Ok(rows.into_iter().map(|subscriber| SubscriberRow { subscriber, subscription: None }).collect())
}

fn members(
    conn: &mut AnyConn,
    ws: WorkspaceId,
    list: ListId,
    prefix: &str,
    after: Option<SubscriberKey>,
    limit: i64,
) -> StoreResult<Vec<SubscriberRow>> {
    let mut query = subscriptions::table
        .inner_join(subscribers::table.on(subscribers::id.eq(subscriptions::subscriber_id)))
        .filter(subscriptions::workspace_id.eq(ws))
        .filter(subscriptions::list_id.eq(list))
        .into_boxed();
    if prefix.is_empty() {
        query = query.order(subscriptions::subscriber_id.desc());
    } else {
        let range = subscribers::email.between(prefix, end_of_prefix(prefix));
        query = query.filter(subscribers::workspace_id.eq(ws)).filter(range).order(subscribers::email);
    }
    match after {
        Some(SubscriberKey::Id(id)) => query = query.filter(subscriptions::subscriber_id.lt(id)),
        Some(SubscriberKey::Email(email)) => query = query.filter(subscribers::email.gt(email)),
        None => {}
    }
    let rows: Vec<(Subscriber, Db<SubscriptionStatus>)> =
        query.limit(limit).select((Subscriber::as_select(), subscriptions::status)).load(conn)?;
    Ok(rows
        .into_iter()
        .map(|(subscriber, status)| SubscriberRow { subscriber, subscription: Some(status.0) })
        .collect())
}

/// One look-up in the ledger's unique index for each of the latest campaigns: no index over subscribers is needed for it.
fn received(conn: &mut AnyConn, ws: WorkspaceId, id: SubscriberId) -> StoreResult<Vec<Received>> {
    let latest: Vec<(CampaignId, String)> = campaigns::table
        .filter(campaigns::workspace_id.eq(ws))
        .filter(campaigns::queuing_at_ms.is_not_null())
        .order(campaigns::id.desc())
        .limit(CAMPAIGNS_LOOKED_AT)
        .select((campaigns::id, campaigns::name))
        .load(conn)?;
    type Row = (DeliveryId, CampaignId, Code<DeliveryState>, i64, Option<String>, Option<String>);
    let ids: Vec<CampaignId> = latest.iter().map(|(campaign, _)| *campaign).collect();
    let rows: Vec<Row> = deliveries::table
        .filter(deliveries::campaign_id.eq_any(ids))
        .filter(deliveries::subscriber_id.eq(id))
        .filter(sql::<Bool>("kind = 0"))
        .order(deliveries::campaign_id.desc())
        .select((
            deliveries::id,
            deliveries::campaign_id,
            deliveries::state,
            deliveries::updated_at_ms,
            deliveries::reason,
            deliveries::reply,
        ))
        .load(conn)?;
    let name = |campaign: CampaignId| latest.iter().find(|(id, _)| *id == campaign).map(|(_, name)| name.clone());
    let received = rows.into_iter().map(|(delivery, campaign, state, updated_at_ms, reason, reply)| Received {
        delivery,
        campaign,
        campaign_name: name(campaign).unwrap_or_default(),
        state: state.0,
        updated_at_ms,
        reason,
        reply,
    });
    Ok(received.collect())
}

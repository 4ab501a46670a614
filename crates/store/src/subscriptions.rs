//! What a subscriber wants of a list.

use diesel::prelude::*;
use tidings_domain::{SubscriptionStatus, UnixMs};

use crate::list_counts::shift;
use crate::schema::{lists, subscribers, subscriptions};
use crate::words::Db;
use crate::{AnyConn, ListId, StoreError, StoreResult, SubscriberId, Workspace, WorkspaceId};

#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = subscriptions)]
pub struct Subscription {
    pub list_id: ListId,
    pub subscriber_id: SubscriberId,
    #[diesel(deserialize_as = Db<SubscriptionStatus>)]
    pub status: SubscriptionStatus,
    /// Where the consent came from.
    pub source: String,
    /// When it was given, if that is known.
    pub consent_at_ms: Option<i64>,
    pub updated_at_ms: i64,
    #[diesel(select_expression = lists::name)]
    pub list_name: String,
}

/// A wish about one list, and who says so.
#[derive(Debug, Clone)]
pub struct Choice {
    pub list: ListId,
    pub status: SubscriptionStatus,
    /// The consent's source, or who unsubscribed him.
    pub source: String,
}

impl Workspace {
    /// Subscribes or unsubscribes by hand. `false` when it stood so already.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the subscriber or the list is not this workspace's.
    pub async fn choose(&self, subscriber: SubscriberId, choice: Choice, now: UnixMs) -> StoreResult<bool> {
        self.write(move |conn, ws| {
            let known =
                subscribers::table.filter(subscribers::workspace_id.eq(ws)).filter(subscribers::id.eq(subscriber));
            known.select(subscribers::id).first::<SubscriberId>(conn)?;
            set(conn, ws, subscriber, &choice, now)
        })
        .await
    }
}

/// Writes one subscription with its count. `false` when it stood so already.
pub(crate) fn set(
    conn: &mut AnyConn,
    ws: WorkspaceId,
    subscriber: SubscriberId,
    choice: &Choice,
    now: UnixMs,
) -> StoreResult<bool> {
    let list = lists::table.filter(lists::workspace_id.eq(ws)).filter(lists::id.eq(choice.list));
    list.select(lists::id).first::<ListId>(conn).optional()?.ok_or(StoreError::NotFound)?;
    let row = subscriptions::table.find((choice.list, subscriber));
    let before: Option<Db<SubscriptionStatus>> = row.select(subscriptions::status).first(conn).optional()?;
    let consent = (choice.status == SubscriptionStatus::Subscribed).then_some(now.0);
    match before {
        Some(before) if before.0 == choice.status => return Ok(false),
        Some(before) => {
            diesel::update(row)
                .set((
                    subscriptions::status.eq(Db(choice.status)),
                    subscriptions::source.eq(&choice.source),
                    subscriptions::consent_at_ms.eq(consent),
                    subscriptions::updated_at_ms.eq(now.0),
                ))
                .execute(conn)?;
            shift(conn, ws, choice.list, before.0, -1)?;
        }
        None => {
            diesel::insert_into(subscriptions::table)
                .values((
                    subscriptions::list_id.eq(choice.list),
                    subscriptions::subscriber_id.eq(subscriber),
                    subscriptions::workspace_id.eq(ws),
                    subscriptions::status.eq(Db(choice.status)),
                    subscriptions::source.eq(&choice.source),
                    subscriptions::consent_at_ms.eq(consent),
                    subscriptions::created_at_ms.eq(now.0),
                    subscriptions::updated_at_ms.eq(now.0),
                ))
                .execute(conn)?;
        }
    }
    shift(conn, ws, choice.list, choice.status, 1)?;
    Ok(true)
}

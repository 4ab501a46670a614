//! Lists that people subscribe to.

use std::collections::HashMap;

use diesel::prelude::*;
use tidings_domain::{CampaignState, SubscriptionStatus, UnixMs};

use crate::schema::{campaign_lists, campaigns, list_counts, lists, suppressions};
use crate::words::Db;
use crate::{ListId, StoreError, StoreResult, Workspace, WorkspaceId};

/// No page or form shows more lists than this.
pub(crate) const LISTS_SHOWN: i64 = 500;

#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = lists)]
pub struct List {
    pub id: ListId,
    pub workspace_id: WorkspaceId,
    pub name: String,
    pub description: String,
    pub created_at_ms: i64,
}

#[derive(Debug, Clone)]
pub struct ListWithCounts {
    pub list: List,
    pub subscribed: i64,
    pub unsubscribed: i64,
}

/// What became of the wish to delete a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeletedList {
    Deleted,
    /// Campaigns that are still reading their audience from it, by name.
    BeingRead(Vec<String>),
}

impl Workspace {
    /// All lists by name, with their counts.
    ///
    /// # Errors
    /// The database's own.
    pub async fn lists(&self) -> StoreResult<Vec<ListWithCounts>> {
        self.read(|conn, ws| {
            let rows: Vec<List> = lists::table
                .filter(lists::workspace_id.eq(ws))
                .order(lists::name)
                .limit(LISTS_SHOWN)
                .select(List::as_select())
                .load(conn)?;
            let counts: Vec<(ListId, Db<SubscriptionStatus>, i64)> = list_counts::table
                .filter(list_counts::workspace_id.eq(ws))
                .select((list_counts::list_id, list_counts::status, list_counts::n))
                .load(conn)?;
            let counts: HashMap<_, _> = counts.into_iter().map(|(list, status, n)| ((list, status.0), n)).collect();
            Ok(rows.into_iter().map(|list| with_counts(list, &counts)).collect())
        })
        .await
    }

    /// One list with its counts.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when it is not this workspace's.
    pub async fn list(&self, id: ListId) -> StoreResult<ListWithCounts> {
        self.read(move |conn, ws| {
            let row =
                lists::table.filter(lists::workspace_id.eq(ws)).filter(lists::id.eq(id)).select(List::as_select());
            let list: List = row.first(conn)?;
            let counts: Vec<(Db<SubscriptionStatus>, i64)> = list_counts::table
                .filter(list_counts::list_id.eq(id))
                .select((list_counts::status, list_counts::n))
                .load(conn)?;
            Ok(with_counts(list, &counts.into_iter().map(|(status, n)| ((id, status.0), n)).collect()))
        })
        .await
    }

    /// # Errors
    /// [`StoreError::Exists`] when the name is taken.
    pub async fn create_list(&self, name: String, description: String, now: UnixMs) -> StoreResult<ListId> {
        self.write(move |conn, ws| {
            let row = (
                lists::workspace_id.eq(ws),
                lists::name.eq(name),
                lists::description.eq(description),
                lists::created_at_ms.eq(now.0),
            );
            Ok(diesel::insert_into(lists::table).values(row).returning(lists::id).get_result(conn)?)
        })
        .await
    }

    /// # Errors
    /// [`StoreError::Exists`] when the name is taken, [`StoreError::NotFound`] when the list is gone.
    pub async fn save_list(&self, id: ListId, name: String, description: String) -> StoreResult<()> {
        self.write(move |conn, ws| {
            let row = lists::table.filter(lists::workspace_id.eq(ws)).filter(lists::id.eq(id));
            let changed = (lists::name.eq(name), lists::description.eq(description));
            match diesel::update(row).set(changed).execute(conn)? {
                0 => Err(StoreError::NotFound),
                _ => Ok(()),
            }
        })
        .await
    }

    /// Deletes a list and its subscriptions; the subscribers stay. Campaigns past fan-out have their audience in the ledger
    /// and go on; while one is still being read out of this list, the list stays.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the list is gone.
    pub async fn delete_list(&self, id: ListId) -> StoreResult<DeletedList> {
        self.write_long(move |conn, ws| {
            let reading: Vec<String> = campaigns::table
                .inner_join(campaign_lists::table.on(campaign_lists::campaign_id.eq(campaigns::id)))
                .filter(campaigns::workspace_id.eq(ws))
                .filter(campaigns::state.eq(Db(CampaignState::Queuing)))
                .filter(campaign_lists::list_id.eq(id))
                .select(campaigns::name)
                .load(conn)?;
            if !reading.is_empty() {
                return Ok(DeletedList::BeingRead(reading));
            }
            let row = lists::table.filter(lists::workspace_id.eq(ws)).filter(lists::id.eq(id));
            match diesel::delete(row).execute(conn)? {
                0 => Err(StoreError::NotFound),
                _ => {
                    let scoped = suppressions::table.filter(suppressions::workspace_id.eq(ws));
                    diesel::delete(scoped.filter(suppressions::list_id.eq(id.0))).execute(conn)?;
                    Ok(DeletedList::Deleted)
                }
            }
        })
        .await
    }
}

fn with_counts(list: List, counts: &HashMap<(ListId, SubscriptionStatus), i64>) -> ListWithCounts {
    let of = |status| counts.get(&(list.id, status)).copied().unwrap_or(0);
    let (subscribed, unsubscribed) = (of(SubscriptionStatus::Subscribed), of(SubscriptionStatus::Unsubscribed));
    ListWithCounts { list, subscribed, unsubscribed }
}

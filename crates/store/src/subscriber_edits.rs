//! Subscribers, as people change them one by one. Imports have their own way.

use diesel::prelude::*;
use tidings_domain::{EmailAddress, SubscriptionStatus, UnixMs};

use crate::list_counts::shift;
use crate::schema::{subscribers, subscriptions};
use crate::subscriptions::set;
use crate::suppression_erasure::erase;
use crate::words::Db;
use crate::{Choice, ListId, StoreError, StoreResult, SubscriberId, Workspace};

/// A subscriber typed in by hand.
#[derive(Debug, Clone)]
pub struct NewSubscriber {
    pub email: EmailAddress,
    pub first_name: String,
    pub last_name: String,
    /// The lists that he asked to be on.
    pub lists: Vec<ListId>,
    /// Where the consent came from.
    pub source: String,
}

/// What became of a new subscriber.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    Created(SubscriberId),
    /// He was there already; nothing was changed.
    Exists(SubscriberId),
}

/// Fields that a form changes. The address stays: another address is another person.
#[derive(Debug, Clone)]
pub struct SubscriberEdit {
    pub first_name: String,
    pub last_name: String,
    /// JSON object of text values.
    pub attributes: String,
}

impl Workspace {
    /// # Errors
    /// [`StoreError::NotFound`] when a list is not this workspace's; then nothing is written.
    pub async fn add_subscriber(&self, new: NewSubscriber, now: UnixMs) -> StoreResult<Added> {
        self.write(move |conn, ws| {
            let known = subscribers::table
                .filter(subscribers::workspace_id.eq(ws))
                .filter(subscribers::email.eq(new.email.as_str()));
            if let Some(id) = known.select(subscribers::id).first(conn).optional()? {
                return Ok(Added::Exists(id));
            }
            let id: SubscriberId = diesel::insert_into(subscribers::table)
                .values((
                    subscribers::workspace_id.eq(ws),
                    subscribers::email.eq(new.email.as_str()),
                    subscribers::domain.eq(new.email.domain()),
                    subscribers::first_name.eq(&new.first_name),
                    subscribers::last_name.eq(&new.last_name),
                    subscribers::created_at_ms.eq(now.0),
                    subscribers::updated_at_ms.eq(now.0),
                ))
                .returning(subscribers::id)
                .get_result(conn)?;
            for list in &new.lists {
                let choice = Choice { list: *list, status: SubscriptionStatus::Subscribed, source: new.source.clone() };
                set(conn, ws, id, &choice, now)?;
            }
            Ok(Added::Created(id))
        })
        .await
    }

    /// # Errors
    /// [`StoreError::NotFound`] when he is gone.
    pub async fn save_subscriber(&self, id: SubscriberId, edit: SubscriberEdit, now: UnixMs) -> StoreResult<()> {
        self.write(move |conn, ws| {
            let row = subscribers::table.filter(subscribers::workspace_id.eq(ws)).filter(subscribers::id.eq(id));
            let changed = diesel::update(row)
                .set((
                    subscribers::first_name.eq(edit.first_name),
                    subscribers::last_name.eq(edit.last_name),
                    subscribers::attributes.eq(edit.attributes),
                    subscribers::updated_at_ms.eq(now.0),
                ))
                .execute(conn)?;
            if changed == 0 { Err(StoreError::NotFound) } else { Ok(()) }
        })
        .await
    }

    /// Deletes a subscriber and his subscriptions. Suppressions of the address go on to hold, as keyed hashes without the address;
    /// his rows in the ledger stay, and what is still queued for him is skipped as deleted.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when he is gone.
    pub async fn delete_subscriber(&self, id: SubscriberId, by: String, now: UnixMs) -> StoreResult<()> {
        let key = self.suppression_key();
        self.write(move |conn, ws| {
            let row = subscribers::table.filter(subscribers::workspace_id.eq(ws)).filter(subscribers::id.eq(id));
            let email: String = row.select(subscribers::email).first(conn)?;
            let stood: Vec<(ListId, Db<SubscriptionStatus>)> = subscriptions::table
                .filter(subscriptions::subscriber_id.eq(id))
                .select((subscriptions::list_id, subscriptions::status))
                .load(conn)?;
            for (list, status) in stood {
                shift(conn, ws, list, status.0, -1)?;
            }
            diesel::delete(row).execute(conn)?;
            erase(conn, ws, key, &email, &by, now)?;
            Ok(())
        })
        .await
    }
}

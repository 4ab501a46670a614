//! Where e-mail services post what became of the mail that was sent through them.

use std::sync::Arc;

use diesel::prelude::*;
use tidings_domain::{Service, UnixMs};

use crate::reports::keep;
use crate::schema::webhooks;
use crate::schema::webhooks::dsl;
use crate::text::storable;
use crate::words::Db;
use crate::{NewReport, Store, StoreError, StoreResult, WebhookId, Workspace, WorkspaceId};

/// Of one workspace: each service once or twice, and room for a mistake.
pub const MAX_WEBHOOKS: i64 = 50;

#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = webhooks)]
pub struct Webhook {
    pub id: WebhookId,
    pub workspace_id: WorkspaceId,
    #[diesel(deserialize_as = Db<Service>)]
    pub service: Service,
    pub name: String,
    /// Sealed with the instance's key; empty when the secret in the address is the only proof.
    pub proof_sealed: String,
    pub created_by: String,
    pub created_at_ms: i64,
    /// The last post that was taken.
    pub last_at_ms: Option<i64>,
    /// Posts, not events.
    pub accepted: i64,
    pub refused: i64,
    /// Why the last post that was not taken was refused; empty when there was none.
    pub last_refusal: String,
    pub last_refused_at_ms: Option<i64>,
}

/// A webhook as the form gives it.
#[derive(Debug, Clone)]
pub struct NewWebhook {
    pub service: Service,
    pub name: String,
    pub proof_sealed: String,
    pub by: String,
}

/// What became of the wish to add one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddedWebhook {
    Yes(WebhookId),
    NameTaken,
    /// There are [`MAX_WEBHOOKS`] already.
    TooMany,
}

/// A post that is proven and cut into its events.
#[derive(Debug, Clone)]
pub struct TakenPost {
    pub webhook: WebhookId,
    pub events: Vec<NewReport>,
}

/// A post that is not the service's, or that nobody can read.
#[derive(Debug, Clone)]
pub struct RefusedPost {
    pub webhook: WebhookId,
    /// For the operator.
    pub why: String,
}

impl Webhook {
    /// The place that the proof is sealed for (`Keys::seal_secret`): who seals and who opens say the same.
    #[must_use]
    pub fn proof_context(workspace: WorkspaceId) -> String {
        format!("workspace {workspace} webhook proof")
    }
}

impl Workspace {
    /// All of them, oldest first; there are never more than [`MAX_WEBHOOKS`].
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn webhooks(&self) -> StoreResult<Vec<Webhook>> {
        self.read(|conn, ws| {
            let own = dsl::webhooks.filter(dsl::workspace_id.eq(ws)).order(dsl::id);
            Ok(own.limit(MAX_WEBHOOKS).select(Webhook::as_select()).load(conn)?)
        })
        .await
    }

    /// # Errors
    /// [`StoreError::NotFound`] when it is not this workspace's.
    pub async fn webhook(&self, id: WebhookId) -> StoreResult<Webhook> {
        self.read(move |conn, ws| {
            let own = dsl::webhooks.filter(dsl::workspace_id.eq(ws)).filter(dsl::id.eq(id));
            Ok(own.select(Webhook::as_select()).first(conn)?)
        })
        .await
    }

    /// # Errors
    /// The transaction could not be committed.
    pub async fn add_webhook(&self, new: NewWebhook, now: UnixMs) -> StoreResult<AddedWebhook> {
        let added = self
            .write(move |conn, ws| {
                let there: i64 = dsl::webhooks.filter(dsl::workspace_id.eq(ws)).count().get_result(conn)?;
                if there >= MAX_WEBHOOKS {
                    return Ok(AddedWebhook::TooMany);
                }
                let row = (
                    dsl::workspace_id.eq(ws),
                    dsl::service.eq(Db(new.service)),
                    dsl::name.eq(new.name),
                    dsl::proof_sealed.eq(new.proof_sealed),
                    dsl::created_by.eq(new.by),
                    dsl::created_at_ms.eq(now.0),
                );
                let id = diesel::insert_into(dsl::webhooks).values(row).returning(dsl::id).get_result(conn)?;
                Ok(AddedWebhook::Yes(id))
            })
            .await;
        match added {
            Err(StoreError::Exists(_)) => Ok(AddedWebhook::NameTaken),
            other => other,
        }
    }

    /// What proves a post from now on. The last refusal is forgotten: it was about the proof before.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when it is not this workspace's.
    pub async fn change_proof(&self, id: WebhookId, sealed: String) -> StoreResult<()> {
        self.write(move |conn, ws| {
            let own = dsl::webhooks.filter(dsl::workspace_id.eq(ws)).filter(dsl::id.eq(id));
            let changed =
                diesel::update(own).set((dsl::proof_sealed.eq(sealed), dsl::last_refusal.eq(""))).execute(conn)?;
            if changed == 0 { Err(StoreError::NotFound) } else { Ok(()) }
        })
        .await
    }

    /// Its address leads nowhere from now on. What came by it stays. Returns its name.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when it is not this workspace's.
    pub async fn remove_webhook(&self, id: WebhookId) -> StoreResult<String> {
        self.write(move |conn, ws| {
            let own = dsl::webhooks.filter(dsl::workspace_id.eq(ws)).filter(dsl::id.eq(id));
            let name = own.select(dsl::name).first(conn)?;
            diesel::delete(dsl::webhooks.find(id)).execute(conn)?;
            Ok(name)
        })
        .await
    }
}

impl Store {
    /// The webhook that the token in a post's address named.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn webhook_for_post(&self, id: WebhookId) -> StoreResult<Option<Webhook>> {
        self.read(move |conn| Ok(dsl::webhooks.find(id).select(Webhook::as_select()).first(conn).optional()?)).await
    }

    /// Keeps the events of posts, and counts the posts, all in one transaction. Events that are known by their key are not kept again.
    /// Returns how many are new.
    ///
    /// # Errors
    /// Nothing is kept: the services must post again.
    pub async fn keep_posts(&self, posts: Arc<Vec<TakenPost>>, now: UnixMs) -> StoreResult<usize> {
        self.write_again(move |conn| {
            for (webhook, posts) in in_order(posts.iter().map(|post| post.webhook)) {
                diesel::update(dsl::webhooks.find(webhook))
                    .set((dsl::accepted.eq(dsl::accepted + posts), dsl::last_at_ms.eq(now.0)))
                    .execute(conn)?;
            }
            let events: Vec<&NewReport> = posts.iter().flat_map(|post| &post.events).collect();
            keep(conn, &events)
        })
        .await
    }

    /// Counts posts that were refused; the last one's reason is kept for the operator.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn note_refused(&self, refused: Vec<RefusedPost>, now: UnixMs) -> StoreResult<()> {
        self.write_again(move |conn| {
            for (webhook, posts) in in_order(refused.iter().map(|post| post.webhook)) {
                let why = refused.iter().rev().find(|post| post.webhook == webhook).map_or("", |post| &post.why);
                diesel::update(dsl::webhooks.find(webhook))
                    .set((
                        dsl::refused.eq(dsl::refused + posts),
                        dsl::last_refusal.eq(storable(why)),
                        dsl::last_refused_at_ms.eq(now.0),
                    ))
                    .execute(conn)?;
            }
            Ok(())
        })
        .await
    }

    /// Sets the proof of a webhook that has none yet. `false`: it has one, or is gone.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn set_first_proof(&self, id: WebhookId, sealed: String) -> StoreResult<bool> {
        self.write(move |conn| {
            let bare = dsl::webhooks.find(id).filter(dsl::proof_sealed.eq(""));
            Ok(diesel::update(bare).set(dsl::proof_sealed.eq(sealed)).execute(conn)? == 1)
        })
        .await
    }
}

/// Each webhook once, with how often it came, in the order in which every transaction takes these rows.
fn in_order(ids: impl Iterator<Item = WebhookId>) -> Vec<(WebhookId, i64)> {
    let mut counted = std::collections::BTreeMap::new();
    ids.for_each(|id| *counted.entry(id).or_insert(0) += 1);
    counted.into_iter().collect()
}

//! Suppressions, as people add and remove them; each change is told in `suppression_events`.

use diesel::prelude::*;
use tidings_domain::{SubscriberStatus, SuppressionKind, SuppressionReason, UnixMs, Word};

use crate::schema::subscribers;
use crate::schema::suppressions::dsl;
use crate::suppression_bulk::{Merged, merge};
use crate::suppression_events::{NewEvent, tell};
use crate::suppression_scope::Scope;
use crate::suppressions::{Cause, add, check_scope};
use crate::words::Db;
use crate::{AnyConn, NewSuppression, StoreResult, Suppression, SuppressionId, Workspace, WorkspaceId};

/// Who removes an entry, and why.
#[derive(Debug, Clone)]
pub struct Removal {
    pub by: String,
    pub is_admin: bool,
    /// Never empty: a page asks for it.
    pub why: String,
}

/// What became of the wish to remove an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removed {
    Yes {
        value: String,
    },
    /// A complaint may only be removed by an admin.
    NeedsAdmin,
}

impl Workspace {
    /// [`Workspace::suppress`] by a person.
    ///
    /// # Errors
    /// As there.
    pub async fn suppress_by_hand(&self, new: NewSuppression, by: String, now: UnixMs) -> StoreResult<bool> {
        self.write(move |conn, ws| {
            check_scope(conn, ws, new.scope)?;
            if !add(conn, ws, &new, Cause::default(), now)? {
                return Ok(false);
            }
            let event = NewEvent {
                who: &by,
                action: "added",
                kind: new.kind.as_str(),
                value: &new.value,
                scope: new.scope.to_string(),
                reason: new.reason.as_str(),
                note: &new.evidence,
            };
            tell(conn, ws, &event, now)?;
            Ok(true)
        })
        .await
    }

    /// Adds many entries of one scope at once: what a person pasted. Told as one change.
    ///
    /// # Errors
    /// [`crate::StoreError::NotFound`] when the scope's list is not this workspace's; then nothing was written.
    pub async fn suppress_many(
        &self,
        scope: Scope,
        mut new: Vec<NewSuppression>,
        by: String,
        note: String,
        now: UnixMs,
    ) -> StoreResult<Merged> {
        self.write(move |conn, ws| {
            check_scope(conn, ws, scope)?;
            new.iter_mut().for_each(|entry| entry.scope = scope);
            let merged = merge(conn, ws, &new, now)?;
            if merged.added > 0 {
                let (n, scope) = (merged.added, scope.to_string());
                let note = format!("{n} {} pasted. {note}", if n == 1 { "entry" } else { "entries" });
                let reason = new.first().map_or("", |entry| entry.reason.as_str());
                let event =
                    NewEvent { who: &by, action: "added", scope, reason, note: note.trim(), ..NewEvent::default() };
                tell(conn, ws, &event, now)?;
            }
            Ok(merged)
        })
        .await
    }

    /// Removes an entry of this list, so that it may be sent to again: the address' subscriber counts as good once more.
    ///
    /// # Errors
    /// [`crate::StoreError::NotFound`] when it is gone.
    pub async fn remove_suppression(&self, id: SuppressionId, by: Removal, now: UnixMs) -> StoreResult<Removed> {
        self.write(move |conn, ws| {
            let row = dsl::suppressions.filter(dsl::workspace_id.eq(ws)).filter(dsl::id.eq(id));
            let known: Suppression = row.select(Suppression::as_select()).first(conn)?;
            if known.reason == SuppressionReason::Complaint && !by.is_admin {
                return Ok(Removed::NeedsAdmin);
            }
            diesel::delete(row).execute(conn)?;
            if known.kind == SuppressionKind::Address && known.scope() == Scope::All {
                revive(conn, ws, &known.value, now)?;
            }
            let event = NewEvent {
                who: &by.by,
                action: "removed",
                kind: known.kind.as_str(),
                value: &known.value,
                scope: known.scope().to_string(),
                reason: known.reason.as_str(),
                note: &by.why,
            };
            tell(conn, ws, &event, now)?;
            Ok(Removed::Yes { value: known.value })
        })
        .await
    }
}

fn revive(conn: &mut AnyConn, ws: WorkspaceId, email: &str, now: UnixMs) -> StoreResult<()> {
    diesel::update(subscribers::table.filter(subscribers::workspace_id.eq(ws)).filter(subscribers::email.eq(email)))
        .set((
            subscribers::status.eq(Db(SubscriberStatus::Active)),
            subscribers::soft_bounces.eq(0),
            subscribers::updated_at_ms.eq(now.0),
        ))
        .execute(conn)?;
    Ok(())
}

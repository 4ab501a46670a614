//! Addresses and domains that must not be sent to. They outlive the subscriber.

use diesel::prelude::*;
use tidings_domain::{SubscriberStatus, SuppressionKind, SuppressionReason, UnixMs};

use crate::connection::on;
use crate::schema::suppressions::dsl;
use crate::schema::{subscribers, suppressions};
use crate::words::Db;
use crate::{AnyConn, CampaignId, DeliveryId, StoreResult, SuppressionId, Workspace, WorkspaceId};

#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = suppressions)]
pub struct Suppression {
    pub id: SuppressionId,
    #[diesel(deserialize_as = Db<SuppressionKind>)]
    pub kind: SuppressionKind,
    /// An address or a domain in canonical form.
    pub value: String,
    #[diesel(deserialize_as = Db<SuppressionReason>)]
    pub reason: SuppressionReason,
    /// Who or what said so.
    pub source: String,
    /// Their words, verbatim.
    pub evidence: String,
    pub campaign_id: Option<CampaignId>,
    pub delivery_id: Option<DeliveryId>,
    pub created_at_ms: i64,
    pub expires_at_ms: Option<i64>,
}

/// An entry by hand.
#[derive(Debug, Clone)]
pub struct NewSuppression {
    pub kind: SuppressionKind,
    pub value: String,
    pub reason: SuppressionReason,
    pub source: String,
    pub evidence: String,
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
    /// Newest first; with a search, only the entry of exactly that address or domain.
    ///
    /// # Errors
    /// The database's own.
    pub async fn suppressions(
        &self,
        search: &str,
        before: Option<SuppressionId>,
        limit: i64,
    ) -> StoreResult<Vec<Suppression>> {
        let exact = search.trim().to_lowercase();
        self.read(move |conn, ws| {
            let mut query = dsl::suppressions.filter(dsl::workspace_id.eq(ws)).into_boxed();
            if !exact.is_empty() {
                query = query.filter(dsl::value.eq(exact));
            }
            if let Some(before) = before {
                query = query.filter(dsl::id.lt(before));
            }
            Ok(query.order(dsl::id.desc()).limit(limit).select(Suppression::as_select()).load(conn)?)
        })
        .await
    }

    /// What stops mail to an address now: its own entry, or its domain's.
    ///
    /// # Errors
    /// The database's own.
    pub async fn suppressions_of(&self, email: String, domain: String, now: UnixMs) -> StoreResult<Vec<Suppression>> {
        self.read(move |conn, ws| in_force(conn, ws, &email, &domain, now)).await
    }

    /// Adds an entry. One that is as strong or stronger and still counts stays as it is: `false`.
    ///
    /// # Errors
    /// The database's own.
    pub async fn suppress(&self, new: NewSuppression, now: UnixMs) -> StoreResult<bool> {
        self.write(move |conn, ws| add(conn, ws, &new, Cause::default(), now)).await
    }

    /// Removes an entry, so that the address may be sent to again: its subscriber's mailbox counts as good once more.
    ///
    /// # Errors
    /// [`crate::StoreError::NotFound`] when it is gone.
    pub async fn remove_suppression(&self, id: SuppressionId, by_admin: bool, now: UnixMs) -> StoreResult<Removed> {
        self.write(move |conn, ws| {
            let row = dsl::suppressions.filter(dsl::workspace_id.eq(ws)).filter(dsl::id.eq(id));
            let known: Suppression = row.select(Suppression::as_select()).first(conn)?;
            if known.reason == SuppressionReason::Complaint && !by_admin {
                return Ok(Removed::NeedsAdmin);
            }
            diesel::delete(row).execute(conn)?;
            if known.kind == SuppressionKind::Address {
                revive(conn, ws, &known.value, now)?;
            }
            Ok(Removed::Yes { value: known.value })
        })
        .await
    }
}

/// What made somebody a suppressed one.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cause {
    pub(crate) campaign: Option<CampaignId>,
    pub(crate) delivery: Option<DeliveryId>,
}

/// Writes an entry, unless one that is as strong or stronger still counts.
pub(crate) fn add(
    conn: &mut AnyConn,
    ws: WorkspaceId,
    new: &NewSuppression,
    cause: Cause,
    now: UnixMs,
) -> StoreResult<bool> {
    let row = dsl::suppressions
        .filter(dsl::workspace_id.eq(ws))
        .filter(dsl::kind.eq(Db(new.kind)))
        .filter(dsl::value.eq(&new.value));
    let known: Option<Suppression> = row.select(Suppression::as_select()).first(conn).optional()?;
    let counts = |known: &Suppression| known.expires_at_ms.is_none_or(|at| at > now.0);
    if known.is_some_and(|known| counts(&known) && known.reason >= new.reason) {
        return Ok(false);
    }
    let changed = (
        dsl::reason.eq(Db(new.reason)),
        dsl::source.eq(&new.source),
        dsl::evidence.eq(&new.evidence),
        dsl::created_at_ms.eq(now.0),
        dsl::campaign_id.eq(cause.campaign),
        dsl::delivery_id.eq(cause.delivery),
        dsl::expires_at_ms.eq(None::<i64>),
    );
    let place = (dsl::workspace_id.eq(ws), dsl::kind.eq(Db(new.kind)), dsl::value.eq(&new.value));
    on!(conn, |c| diesel::insert_into(dsl::suppressions)
        .values((place, changed))
        .on_conflict((dsl::workspace_id, dsl::kind, dsl::value))
        .do_update()
        .set(changed)
        .execute(c))?;
    Ok(true)
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

/// The entries that stop mail to this address at this instant.
pub(crate) fn in_force(
    conn: &mut AnyConn,
    ws: WorkspaceId,
    email: &str,
    domain: &str,
    now: UnixMs,
) -> StoreResult<Vec<Suppression>> {
    let address = dsl::kind.eq(Db(SuppressionKind::Address)).and(dsl::value.eq(email.to_owned()));
    let whole_domain = dsl::kind.eq(Db(SuppressionKind::Domain)).and(dsl::value.eq(domain.to_owned()));
    let found: Vec<Suppression> = dsl::suppressions
        .filter(dsl::workspace_id.eq(ws))
        .filter(address.or(whole_domain))
        .select(Suppression::as_select())
        .load(conn)?;
    Ok(found.into_iter().filter(|entry| entry.expires_at_ms.is_none_or(|at| at > now.0)).collect())
}

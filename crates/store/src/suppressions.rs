//! Who and what must not be sent to. Entries outlive the subscriber.
//!
//! A workspace has its own list; [`crate::Store::installation_list`] holds for all of them.

use diesel::prelude::*;
use tidings_domain::{SuppressionEntry, SuppressionKind, SuppressionReason, UnixMs};

use crate::connection::on;
use crate::schema::lists;
use crate::schema::suppressions::{self, dsl};
use crate::stops::{INSTALLATION, MAX_PATTERNS, Stops, note};
use crate::suppression_scope::Scope;
use crate::words::Db;
use crate::{
    AnyConn, CampaignId, DeliveryId, ListId, StoreError, StoreResult, SuppressionId, SuppressionKey, Workspace,
    WorkspaceId,
};

#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = suppressions)]
pub struct Suppression {
    pub id: SuppressionId,
    pub workspace_id: WorkspaceId,
    #[diesel(deserialize_as = Db<SuppressionKind>)]
    pub kind: SuppressionKind,
    /// In canonical form: an address, a domain, a pattern, a hash in hex.
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
    list_id: i64,
    lane: i16,
}

impl Suppression {
    #[must_use]
    pub fn scope(&self) -> Scope {
        Scope::of(self.list_id, self.lane)
    }

    /// It stands on the installation's list, which no workspace can change.
    #[must_use]
    pub fn is_global(&self) -> bool {
        self.workspace_id == INSTALLATION
    }
}

/// An entry to be made.
#[derive(Debug, Clone)]
pub struct NewSuppression {
    pub kind: SuppressionKind,
    pub value: String,
    pub scope: Scope,
    pub reason: SuppressionReason,
    pub source: String,
    pub evidence: String,
    /// When the person or the other platform decided so; `None`: now.
    pub since_ms: Option<i64>,
    pub expires_at_ms: Option<i64>,
}

impl NewSuppression {
    /// Of all mail, from now on, for good.
    #[must_use]
    pub fn of(entry: SuppressionEntry, reason: SuppressionReason, source: impl Into<String>) -> Self {
        Self {
            kind: entry.kind,
            value: entry.value,
            scope: Scope::All,
            reason,
            source: source.into(),
            evidence: String::new(),
            since_ms: None,
            expires_at_ms: None,
        }
    }
}

/// Which entries of a list a page shows. All of it: those that fit every part.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SuppressionFilter {
    /// Exactly this value.
    pub value: Option<String>,
    pub kind: Option<SuppressionKind>,
    pub reason: Option<SuppressionReason>,
    pub scope: Option<Scope>,
}

impl From<&str> for SuppressionFilter {
    /// A search for one value; nothing searches for everything.
    fn from(search: &str) -> Self {
        let value = Some(search.trim().to_lowercase()).filter(|value| !value.is_empty());
        Self { value, ..Self::default() }
    }
}

impl Workspace {
    /// Newest first.
    ///
    /// # Errors
    /// The database's own.
    pub async fn suppressions(
        &self,
        filter: impl Into<SuppressionFilter>,
        before: Option<SuppressionId>,
        limit: i64,
    ) -> StoreResult<Vec<Suppression>> {
        let filter = filter.into();
        self.read(move |conn, ws| {
            let mut query = dsl::suppressions.filter(dsl::workspace_id.eq(ws)).into_boxed();
            if let Some(value) = filter.value {
                query = query.filter(dsl::value.eq(value));
            }
            if let Some(kind) = filter.kind {
                query = query.filter(dsl::kind.eq(Db(kind)));
            }
            if let Some(reason) = filter.reason {
                query = query.filter(dsl::reason.eq(Db(reason)));
            }
            if let Some(scope) = filter.scope {
                query = query.filter(dsl::list_id.eq(scope.list_column())).filter(dsl::lane.eq(scope.lane_column()));
            }
            if let Some(before) = before {
                query = query.filter(dsl::id.lt(before));
            }
            Ok(query.order(dsl::id.desc()).limit(limit).select(Suppression::as_select()).load(conn)?)
        })
        .await
    }

    /// One entry of this list.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when it is not on it.
    pub async fn suppression(&self, id: SuppressionId) -> StoreResult<Suppression> {
        self.read(move |conn, ws| {
            let row = dsl::suppressions.filter(dsl::workspace_id.eq(ws)).filter(dsl::id.eq(id));
            Ok(row.select(Suppression::as_select()).first(conn)?)
        })
        .await
    }

    /// Every entry that means a canonical address and counts now: of any kind, of any scope, of the workspace and of the
    /// installation; the most telling first.
    ///
    /// # Errors
    /// The database's own.
    pub async fn suppressions_of(&self, email: String, now: UnixMs) -> StoreResult<Vec<Suppression>> {
        let key = self.suppression_key();
        self.read(move |conn, ws| in_force(conn, ws, key, &email, now)).await
    }

    /// Adds an entry. One that is as strong or stronger and still counts stays as it is: `false`.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when its list is not this workspace's; [`StoreError::Full`] when it is one pattern too many.
    pub async fn suppress(&self, new: NewSuppression, now: UnixMs) -> StoreResult<bool> {
        self.write(move |conn, ws| {
            check_scope(conn, ws, new.scope)?;
            add(conn, ws, &new, Cause::default(), now)
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

/// A list of the workspace's own; the installation has none.
pub(crate) fn check_scope(conn: &mut AnyConn, ws: WorkspaceId, scope: Scope) -> StoreResult<()> {
    if let Scope::List(list) = scope {
        let own = lists::table.filter(lists::workspace_id.eq(ws)).filter(lists::id.eq(list));
        own.select(lists::id).first::<ListId>(conn)?;
    }
    Ok(())
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
        .filter(dsl::value.eq(&new.value))
        .filter(dsl::list_id.eq(new.scope.list_column()))
        .filter(dsl::lane.eq(new.scope.lane_column()));
    let known: Option<Suppression> = row.select(Suppression::as_select()).first(conn).optional()?;
    let counts = |known: &Suppression| known.expires_at_ms.is_none_or(|at| at > now.0);
    if known.as_ref().is_some_and(|known| counts(known) && known.reason >= new.reason) {
        return Ok(false);
    }
    if new.kind == SuppressionKind::Pattern && known.is_none() && pattern_values(conn, ws)?.len() as i64 >= MAX_PATTERNS
    {
        return Err(StoreError::Full("patterns on one suppression list", MAX_PATTERNS));
    }
    let changed = (
        dsl::reason.eq(Db(new.reason)),
        dsl::source.eq(&new.source),
        dsl::evidence.eq(&new.evidence),
        dsl::created_at_ms.eq(new.since_ms.unwrap_or(now.0)),
        dsl::campaign_id.eq(cause.campaign),
        dsl::delivery_id.eq(cause.delivery),
        dsl::expires_at_ms.eq(new.expires_at_ms),
    );
    let place = (
        dsl::workspace_id.eq(ws),
        dsl::kind.eq(Db(new.kind)),
        dsl::value.eq(&new.value),
        dsl::list_id.eq(new.scope.list_column()),
        dsl::lane.eq(new.scope.lane_column()),
    );
    on!(conn, |c| diesel::insert_into(dsl::suppressions)
        .values((place, changed))
        .on_conflict((dsl::workspace_id, dsl::kind, dsl::value, dsl::list_id, dsl::lane))
        .do_update()
        .set(changed)
        .execute(c))?;
    note(conn, ws, new.kind, new.scope)?;
    Ok(true)
}

pub(crate) fn pattern_values(conn: &mut AnyConn, ws: WorkspaceId) -> StoreResult<Vec<String>> {
    Ok(dsl::suppressions
        .filter(dsl::workspace_id.eq(ws))
        .filter(dsl::kind.eq(Db(SuppressionKind::Pattern)))
        .select(dsl::value)
        .load(conn)?)
}

/// The entries that mean this address at this instant, whatever their scope; the most telling first.
pub(crate) fn in_force(
    conn: &mut AnyConn,
    ws: WorkspaceId,
    key: SuppressionKey,
    email: &str,
    now: UnixMs,
) -> StoreResult<Vec<Suppression>> {
    let hits = Stops::all(conn, ws, key, now)?.of(conn, email)?;
    let ids: Vec<SuppressionId> = hits.iter().map(|hit| hit.id).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut rows: Vec<Suppression> =
        dsl::suppressions.filter(dsl::id.eq_any(&ids)).select(Suppression::as_select()).load(conn)?;
    rows.sort_by_key(|row| ids.iter().position(|id| *id == row.id));
    Ok(rows)
}

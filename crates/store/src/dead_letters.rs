//! Dead letters of a workspace, newest first, page by page: soft bounced and failed deliveries over all campaigns, but for those that
//! somebody discarded.

use std::cmp::Reverse;

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};
use tidings_domain::{DeliveryState, Unsent};

use crate::schema::{deliveries, discards, providers};
use crate::unsent_groups::groups;
use crate::words::Code;
use crate::{AnyConn, CampaignId, DeliveryId, ReplyGroupId, StoreResult, UnsentFilter, Workspace, WorkspaceId};

/// Up to so many groups are asked one by one, each by its own index; with more of them, what fits lies so dense that the walk over
/// all dead letters finds it.
const GROUPS_ASKED: usize = 24;
/// More groups than that are not narrowed down.
const GROUPS_KNOWN: i64 = 5_000;

#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = deliveries)]
pub struct DeadLetter {
    pub id: DeliveryId,
    pub campaign_id: CampaignId,
    pub recipient: String,
    #[diesel(select_expression = providers::name.nullable())]
    pub provider: Option<String>,
    #[diesel(deserialize_as = Code<DeliveryState>)]
    pub state: DeliveryState,
    pub attempt: i16,
    pub first_attempt_at_ms: Option<i64>,
    /// When it was given up.
    pub updated_at_ms: i64,
    pub reply_code: Option<i16>,
    pub enhanced: Option<String>,
    /// A bounce class, or words of ours.
    pub reason: Option<String>,
    pub reply: Option<String>,
}

/// Where a page ended. It travels through URLs as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeadCursor {
    pub at_ms: i64,
    pub id: DeliveryId,
}

impl std::fmt::Display for DeadCursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.at_ms, self.id)
    }
}

impl DeadCursor {
    /// `None`: not a cursor of ours; begin at the beginning.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (at_ms, id) = text.split_once('.')?;
        Some(Self { at_ms: at_ms.parse().ok()?, id: DeliveryId(id.parse().ok()?) })
    }
}

/// Who took a dead letter off the list.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = discards)]
pub struct Discard {
    pub at_ms: i64,
    pub actor: String,
    pub reason: String,
}

impl Workspace {
    /// Dead letters that fit, older than the cursor.
    ///
    /// # Errors
    /// The database's own.
    pub async fn dead_letters(
        &self,
        filter: UnsentFilter,
        before: Option<DeadCursor>,
        limit: i64,
    ) -> StoreResult<Vec<DeadLetter>> {
        self.read(move |conn, ws| {
            let walk = Walk { ws, filter: &filter, before, limit };
            let Some(groups) = narrowed(conn, ws, &filter)? else { return walk.load(conn, None) };
            if groups.len() > GROUPS_ASKED {
                return walk.load(conn, Some(groups));
            }
            let mut found = Vec::new();
            for group in groups {
                found.extend(walk.load(conn, Some(vec![group]))?);
            }
            found.sort_by_key(|row| Reverse((row.updated_at_ms, row.id)));
            found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
            Ok(found)
        })
        .await
    }

    /// # Errors
    /// The database's own.
    pub async fn discard_of(&self, id: DeliveryId) -> StoreResult<Option<Discard>> {
        self.read(move |conn, ws| {
            let own = discards::table.find(id.0).filter(discards::workspace_id.eq(ws.0));
            Ok(own.select(Discard::as_select()).first(conn).optional()?)
        })
        .await
    }
}

/// The groups that fit; `None` when all do.
fn narrowed(conn: &mut AnyConn, ws: WorkspaceId, filter: &UnsentFilter) -> StoreResult<Option<Vec<ReplyGroupId>>> {
    let of_rows = UnsentFilter {
        state: filter.state,
        from_ms: filter.from_ms,
        until_ms: filter.until_ms,
        ..UnsentFilter::default()
    };
    if *filter == of_rows {
        return Ok(None);
    }
    let found = groups(conn, ws, Unsent::Dead, filter, None, GROUPS_KNOWN)?;
    Ok(Some(found.into_iter().map(|group| group.id).collect()))
}

struct Walk<'a> {
    ws: WorkspaceId,
    filter: &'a UnsentFilter,
    before: Option<DeadCursor>,
    limit: i64,
}

impl Walk<'_> {
    fn load(&self, conn: &mut AnyConn, groups: Option<Vec<ReplyGroupId>>) -> StoreResult<Vec<DeadLetter>> {
        let mut rows = deliveries::table
            .left_join(providers::table.on(providers::id.eq(deliveries::provider_id)))
            // As the partial indexes say it.
            .filter(sql::<Bool>(
                "deliveries.state > 11 AND deliveries.state < 14 AND deliveries.reply_group_id IS NOT NULL",
            ))
            .filter(deliveries::workspace_id.eq(self.ws.0))
            .into_boxed();
        match groups.as_deref() {
            None => {}
            Some([one]) => rows = rows.filter(deliveries::reply_group_id.eq(one.0)),
            Some(some) => {
                rows = rows.filter(deliveries::reply_group_id.eq_any(some.iter().map(|id| id.0).collect::<Vec<_>>()))
            }
        }
        let (from, until) = self.filter.span();
        if self.filter.from_ms.is_some() {
            rows = rows.filter(deliveries::updated_at_ms.ge(from));
        }
        if self.filter.until_ms.is_some() {
            rows = rows.filter(deliveries::updated_at_ms.lt(until));
        }
        if let Some(state) = self.filter.dead_state() {
            rows = rows.filter(deliveries::state.eq(state));
        }
        if let Some(before) = self.before {
            rows = rows.filter(
                sql::<Bool>("(deliveries.updated_at_ms, deliveries.id) < (")
                    .bind::<BigInt, _>(before.at_ms)
                    .sql(", ")
                    .bind::<BigInt, _>(before.id.0)
                    .sql(")"),
            );
        }
        let newest = rows.order((deliveries::updated_at_ms.desc(), deliveries::id.desc()));
        Ok(newest.limit(self.limit).select(DeadLetter::as_select()).load(conn)?)
    }
}

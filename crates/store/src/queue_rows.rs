//! The queue as an operator reads it: open rows and dead letters of one campaign, page by page, and single rows by their number.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use tidings_domain::{CampaignState, DeliveryState, Lane, UnixMs, held_until_released};

use crate::ledger::months::{Span, within};
use crate::schema::{campaigns, deliveries, providers};
use crate::words::{Code, Db};
use crate::{CampaignId, DeliveryId, QueueFilter, RouteId, Store, StoreResult, WorkspaceId};

/// Which side of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueSide {
    /// Pending, queued, sending, deferred.
    Open,
    /// Soft bounced, failed: they used up their tries, through no permanent fault of the address.
    Dead,
}

#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = deliveries)]
pub struct QueueRow {
    pub id: DeliveryId,
    pub workspace_id: WorkspaceId,
    pub campaign_id: CampaignId,
    pub recipient: String,
    #[diesel(deserialize_as = Code<Lane>)]
    pub lane: Lane,
    #[diesel(deserialize_as = Code<DeliveryState>)]
    pub state: DeliveryState,
    pub attempt: i16,
    pub first_attempt_at_ms: Option<i64>,
    pub next_at_ms: Option<i64>,
    pub updated_at_ms: i64,
    pub route_id: Option<RouteId>,
    pub reason: Option<String>,
    pub reply: Option<String>,
    #[diesel(select_expression = providers::name.nullable())]
    pub provider: Option<String>,
}

impl QueueRow {
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.next_at_ms.is_some_and(|at| held_until_released(UnixMs(at)).is_some())
    }

    /// When it is tried next, unless it is held.
    #[must_use]
    pub fn due(&self) -> Option<UnixMs> {
        self.next_at_ms.map(UnixMs).filter(|_| !self.is_held())
    }
}

/// A campaign as an operator names it.
#[derive(Debug, Clone, Queryable)]
pub struct OperatedCampaign {
    pub id: CampaignId,
    pub workspace: WorkspaceId,
    pub name: String,
    #[diesel(deserialize_as = Db<CampaignState>)]
    pub state: CampaignState,
    pub paused_at_ms: Option<i64>,
}

impl Store {
    /// Rows of a campaign after `after`, in the order of their numbers.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn queue_rows(
        &self,
        campaign: CampaignId,
        side: QueueSide,
        filter: QueueFilter,
        after: DeliveryId,
        limit: i64,
    ) -> StoreResult<Vec<QueueRow>> {
        self.read(move |conn| {
            let (index, states): (&str, &[DeliveryState]) = match side {
                QueueSide::Open => ("deliveries.state < 10", &OPEN),
                QueueSide::Dead => ("deliveries.state > 10", &DEAD),
            };
            let span = Span::of(conn, campaign)?;
            let mut rows = within!(deliveries::table, span)
                .left_join(providers::table.on(providers::id.eq(deliveries::provider_id)))
                .filter(deliveries::campaign_id.eq(campaign))
                .filter(sql::<Bool>(index))
                .filter(deliveries::state.eq_any(states.iter().map(|state| state.code())))
                .filter(deliveries::kind.eq(0))
                .filter(deliveries::id.gt(after))
                .into_boxed();
            if let Some(provider) = filter.provider {
                rows = rows.filter(providers::name.eq(provider));
            }
            if let Some(reason) = filter.reason {
                rows = rows.filter(deliveries::reason.eq(reason));
            }
            if let Some(delivery) = filter.delivery {
                rows = rows.filter(deliveries::id.eq(delivery));
            }
            Ok(rows.order(deliveries::id).limit(limit).select(QueueRow::as_select()).load(conn)?)
        })
        .await
    }

    /// # Errors
    /// The database cannot be read.
    pub async fn queue_row(&self, id: DeliveryId) -> StoreResult<Option<QueueRow>> {
        self.read(move |conn| {
            Ok(deliveries::table
                .left_join(providers::table.on(providers::id.eq(deliveries::provider_id)))
                .filter(deliveries::id.eq(id))
                .select(QueueRow::as_select())
                .first(conn)
                .optional()?)
        })
        .await
    }

    /// Campaigns under way, or the one of that number in any state.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn operated_campaigns(&self, only: Option<CampaignId>) -> StoreResult<Vec<OperatedCampaign>> {
        self.read(move |conn| {
            let columns =
                (campaigns::id, campaigns::workspace_id, campaigns::name, campaigns::state, campaigns::paused_at_ms);
            let found = match only {
                Some(id) => campaigns::table.filter(campaigns::id.eq(id)).select(columns).load(conn)?,
                None => campaigns::table
                    .filter(sql::<Bool>("campaigns.state IN ('queuing', 'queued', 'sending')"))
                    .order(campaigns::id)
                    .select(columns)
                    .load(conn)?,
            };
            Ok(found)
        })
        .await
    }
}

const OPEN: [DeliveryState; 4] =
    [DeliveryState::Pending, DeliveryState::Queued, DeliveryState::Sending, DeliveryState::Deferred];
const DEAD: [DeliveryState; 2] = [DeliveryState::SoftBounced, DeliveryState::Failed];

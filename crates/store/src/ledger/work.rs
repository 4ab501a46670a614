use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Integer, Nullable, SmallInt, Text};
use tidings_domain::{DeliveryKind, DeliveryState, Lane, UnixMs};

use super::{months, providers};
use crate::connection::on;
use crate::fixed::{Bind, Fixed, fixed_sql};
use crate::words::Code;
use crate::{CampaignId, DeliveryId, ProviderId, RevisionId, RouteId, Store, StoreResult, SubscriberId, WorkspaceId};

/// All that one attempt needs to know of its delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    pub delivery: DeliveryId,
    /// The row's number before this attempt.
    pub attempt: i16,
    pub lane: Lane,
    pub kind: DeliveryKind,
    pub workspace: WorkspaceId,
    pub campaign: CampaignId,
    pub revision: RevisionId,
    /// The row's own (a retry stays on its route), else the campaign's.
    pub route: Option<RouteId>,
    pub provider: Arc<str>,
    pub recipient: String,
    /// `None`: deleted since fan-out (or a test message without one). Its intent will answer `Skipped(Deleted)`.
    pub subscriber: Option<MergeData>,
    /// The retry window counts from it.
    pub first_attempt_at: Option<UnixMs>,
    /// The retry window that the workspace chose for this lane; `None`: the lane's own.
    pub window: Option<Duration>,
    /// The campaign's: no attempt begins later.
    pub deadline: Option<UnixMs>,
}

/// What merge tags may say of a recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergeData {
    pub id: SubscriberId,
    pub first_name: String,
    pub last_name: String,
    /// JSON object of text values.
    pub attributes: String,
}

impl Work {
    /// Nothing is to be rendered for it: commit an intent, and the ledger skips the row.
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        self.kind == DeliveryKind::Campaign && self.subscriber.is_none()
    }
}

impl Store {
    /// Loads what attempts need, in the order asked for. Rows that are not queued are left out: somebody else moved them,
    /// and their jobs are done.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn load_work(&self, deliveries: Vec<DeliveryId>) -> StoreResult<Vec<Work>> {
        self.read(move |conn| {
            let [ids, first, last] = months::rows(deliveries.iter().map(|id| id.0).collect());
            let binds = [ids, first, last, Bind::Int(i64::from(DeliveryState::Queued.code()))];
            let rows: Vec<Row> = on!(conn, |c| Fixed::<LoadWork>::new(binds).load(c))?;
            let names = providers::names(conn, rows.iter().map(|row| row.provider))?;
            let mut found: HashMap<DeliveryId, Work> =
                rows.into_iter().filter_map(|row| Some((row.delivery, work(row, &names)?))).collect();
            Ok(deliveries.iter().filter_map(|id| found.remove(id)).collect())
        })
        .await
    }
}

#[derive(Queryable)]
struct Row {
    delivery: DeliveryId,
    attempt: i16,
    lane: Code<Lane>,
    kind: Code<DeliveryKind>,
    workspace: WorkspaceId,
    campaign: CampaignId,
    revision: RevisionId,
    route: Option<RouteId>,
    provider: ProviderId,
    recipient: String,
    first_attempt_at: Option<i64>,
    subscriber: Option<SubscriberId>,
    first_name: Option<String>,
    last_name: Option<String>,
    attributes: Option<String>,
    window_hours: i32,
    deadline: Option<i64>,
}

macro_rules! work_text {
    ($ids:literal, $id:literal) => {
        concat!(
            "SELECT d.id, d.attempt, d.lane, d.kind, d.workspace_id, d.campaign_id, d.revision_id, \
             COALESCE(d.route_id, c.route_id), d.provider_id, d.recipient, d.first_attempt_at_ms, \
             s.id, s.first_name, s.last_name, s.attributes, CASE d.lane WHEN 0 THEN w.give_up_transactional_hours \
             WHEN 1 THEN w.give_up_automation_hours ELSE w.give_up_bulk_hours END, \
             CASE d.kind WHEN 0 THEN c.deadline_at_ms END \
             FROM deliveries d JOIN campaigns c ON c.id = d.campaign_id JOIN workspaces w ON w.id = d.workspace_id LEFT JOIN subscribers s ON s.id = d.subscriber_id \
             WHERE d.id ", $ids, " AND ", $id, " BETWEEN ? AND ? AND +d.state = ?"
        )
    };
}

#[rustfmt::skip]
type RowType = (
    BigInt, SmallInt, SmallInt, SmallInt, BigInt, BigInt, BigInt, Nullable<BigInt>, BigInt, Text, Nullable<BigInt>,
    Nullable<BigInt>, Nullable<Text>, Nullable<Text>, Nullable<Text>, Integer, Nullable<BigInt>,
);

fixed_sql!(LoadWork -> RowType,
    lite: work_text!("IN (SELECT value FROM json_each(?))", "+d.id"),
    pg: work_text!("= ANY(?)", "d.id"));

fn work(row: Row, names: &HashMap<ProviderId, Arc<str>>) -> Option<Work> {
    Some(Work {
        delivery: row.delivery,
        attempt: row.attempt,
        lane: row.lane.0,
        kind: row.kind.0,
        workspace: row.workspace,
        campaign: row.campaign,
        revision: row.revision,
        route: row.route,
        provider: Arc::clone(names.get(&row.provider)?),
        recipient: row.recipient,
        subscriber: row.subscriber.map(|id| MergeData {
            id,
            first_name: row.first_name.unwrap_or_default(),
            last_name: row.last_name.unwrap_or_default(),
            attributes: row.attributes.unwrap_or_default(),
        }),
        first_attempt_at: row.first_attempt_at.map(UnixMs),
        window: u64::try_from(row.window_hours).ok().filter(|n| *n > 0).map(|n| Duration::from_secs(3600 * n)),
        deadline: row.deadline.map(UnixMs),
    })
}

//! Suppressions that the ledger's own statements do not look up, applied to rows that would be sent otherwise.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use diesel::prelude::*;
use diesel::sql_types::{BigInt, SmallInt, Text};
use tidings_domain::{DeliveryKind, DeliveryState, Lane, SkipReason, UnixMs, Word};

use super::months::{self, Span, within};
use crate::connection::on;
use crate::fixed::{Bind, Fixed, fixed_sql};
use crate::schema::{campaign_lists, deliveries, subscriptions};
use crate::stops::{Hits, Stops};
use crate::words::Code;
use crate::{AnyConn, CampaignId, DeliveryId, ListId, StoreResult, SubscriberId, SuppressionKey, WorkspaceId};

/// Subscribers of one IN list.
const LOOKUP_AT_ONCE: usize = 5_000;

/// A row that would be sent, as far as the plain entries go.
pub(super) struct Candidate {
    pub delivery: DeliveryId,
    pub campaign: CampaignId,
    pub subscriber: Option<SubscriberId>,
    pub recipient: String,
    pub kind: DeliveryKind,
    pub lane: Lane,
}

/// Those of one workspace's rows that an entry stops, with the reason to skip them.
pub(super) fn stopped(
    conn: &mut AnyConn,
    workspace: WorkspaceId,
    key: SuppressionKey,
    rows: &[Candidate],
    now: UnixMs,
) -> StoreResult<Vec<(DeliveryId, SkipReason)>> {
    let Some(stops) = Stops::special(conn, workspace, key, now)? else { return Ok(Vec::new()) };
    let found = stops.among(conn, rows.iter().map(|row| row.recipient.as_str()))?;
    let asks_lists = |row: &Candidate, hits: &Hits| hits.of_lane(row.lane).is_none() && hits.needs_lists();
    let unsure: Vec<&Candidate> =
        found.iter().filter(|(at, hits)| asks_lists(&rows[**at], hits)).map(|(at, _)| &rows[*at]).collect();
    let lists = reached_by(conn, &unsure)?;
    let reason = |(at, hits): (&usize, &Hits)| {
        let row = &rows[*at];
        let by = row.subscriber.and_then(|id| lists.get(&(row.campaign, id))).map_or(&[][..], Vec::as_slice);
        hits.of_campaign(row.lane, by).map(|hit| (row.delivery, hit.reason.skip_reason()))
    };
    Ok(found.iter().filter_map(reason).collect())
}

/// The included lists by which the campaigns reach the people. A test message is sent to no list.
fn reached_by(
    conn: &mut AnyConn,
    rows: &[&Candidate],
) -> StoreResult<HashMap<(CampaignId, SubscriberId), Vec<ListId>>> {
    let mut people: BTreeMap<CampaignId, Vec<SubscriberId>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.kind == DeliveryKind::Campaign) {
        people.entry(row.campaign).or_default().extend(row.subscriber);
    }
    let mut reached: HashMap<(CampaignId, SubscriberId), Vec<ListId>> = HashMap::new();
    for (campaign, people) in people {
        for some in people.chunks(LOOKUP_AT_ONCE) {
            let pairs: Vec<(SubscriberId, ListId)> = campaign_lists::table
                .inner_join(subscriptions::table.on(subscriptions::list_id.eq(campaign_lists::list_id)))
                .filter(campaign_lists::campaign_id.eq(campaign))
                .filter(campaign_lists::role.eq("include"))
                .filter(subscriptions::subscriber_id.eq_any(some))
                .filter(subscriptions::status.eq("subscribed"))
                .select((subscriptions::subscriber_id, subscriptions::list_id))
                .load(conn)?;
            for (person, list) in pairs {
                reached.entry((campaign, person)).or_default().push(list);
            }
        }
    }
    Ok(reached)
}

/// Whether the workspace has such entries at all: most have none.
pub(super) fn asks(conn: &mut AnyConn, workspace: WorkspaceId, key: SuppressionKey, now: UnixMs) -> StoreResult<bool> {
    Ok(Stops::special(conn, workspace, key, now)?.is_some())
}

/// Skips those pending rows of a campaign's part that an entry stops. Returns how many for each reason.
pub(super) fn skip_pending(
    conn: &mut AnyConn,
    (workspace, campaign): (WorkspaceId, CampaignId),
    (after, upper): (i64, i64),
    key: SuppressionKey,
    now: UnixMs,
) -> StoreResult<BTreeMap<SkipReason, i64>> {
    let [first, last] = Span::of(conn, campaign)?.binds();
    let binds = [Bind::Int(campaign.0), first, last, Bind::Int(after), Bind::Int(upper)];
    let rows: Vec<(DeliveryId, SubscriberId, String, Code<Lane>)> =
        on!(conn, |c| Fixed::<PendingRows>::new(binds).load(c))?;
    let candidate =
        |(delivery, subscriber, recipient, lane): (DeliveryId, SubscriberId, String, Code<Lane>)| Candidate {
            delivery,
            campaign,
            subscriber: Some(subscriber),
            recipient,
            kind: DeliveryKind::Campaign,
            lane: lane.0,
        };
    let rows: Vec<Candidate> = rows.into_iter().map(candidate).collect();
    let mut by_reason: BTreeMap<SkipReason, Vec<i64>> = BTreeMap::new();
    for (delivery, reason) in stopped(conn, workspace, key, &rows, now)? {
        by_reason.entry(reason).or_default().push(delivery.0);
    }
    let mut skipped = BTreeMap::new();
    for (reason, ids) in by_reason {
        let [ids, first, last] = months::rows(ids);
        let binds = [Bind::Text(reason.as_str().to_owned()), Bind::Int(now.0), ids, first, last];
        let n = on!(conn, |c| Fixed::<SkipPending>::new(binds).execute(c))?;
        skipped.insert(reason, n as i64);
    }
    Ok(skipped)
}

fixed_sql!(PendingRows -> (BigInt, BigInt, Text, SmallInt),
    "SELECT id, subscriber_id, recipient, lane FROM deliveries WHERE campaign_id = ? AND id BETWEEN ? AND ? AND kind = 0 AND subscriber_id > ? \
     AND subscriber_id <= ? AND +state = 0");

const _: () = assert!(DeliveryState::Pending.may_become(DeliveryState::Skipped));

fixed_sql!(SkipPending -> (),
    lite: "UPDATE deliveries SET state = 15, reason = ?, updated_at_ms = ? WHERE +state = 0 AND id IN (SELECT value FROM json_each(?)) \
           AND +id BETWEEN ? AND ?",
    pg: "UPDATE deliveries SET state = 15, reason = ?, updated_at_ms = ? WHERE +state = 0 AND id = ANY(?) AND id BETWEEN ? AND ?");

/// Loads rows of intents as candidates, by their workspaces.
pub(super) fn candidates(
    conn: &mut AnyConn,
    ids: &BTreeSet<DeliveryId>,
) -> StoreResult<BTreeMap<WorkspaceId, Vec<Candidate>>> {
    type Row = (WorkspaceId, DeliveryId, CampaignId, Option<SubscriberId>, String, Code<DeliveryKind>, Code<Lane>);
    let span = Span::around_all(ids);
    let rows: Vec<Row> = within!(deliveries::table.filter(deliveries::id.eq_any(ids)), span)
        .select((
            deliveries::workspace_id,
            deliveries::id,
            deliveries::campaign_id,
            deliveries::subscriber_id,
            deliveries::recipient,
            deliveries::kind,
            deliveries::lane,
        ))
        .load(conn)?;
    let mut by_workspace: BTreeMap<WorkspaceId, Vec<Candidate>> = BTreeMap::new();
    for (workspace, delivery, campaign, subscriber, recipient, kind, lane) in rows {
        let row = Candidate { delivery, campaign, subscriber, recipient, kind: kind.0, lane: lane.0 };
        by_workspace.entry(workspace).or_default().push(row);
    }
    Ok(by_workspace)
}

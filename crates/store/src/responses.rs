//! What recipients did with their mail: whom a token speaks of, and opens and clicks.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;
use tidings_domain::{DeliveryKind, UnixMs};

use crate::connection::on;
use crate::ledger::marks;
use crate::ledger::months::{Span, within};
use crate::schema::{campaign_responses, deliveries, engagements, subscribers};
use crate::words::Code;
use crate::{
    AnyConn, CampaignId, DeliveryId, RevisionId, Store, StoreResult, SubscriberId, WorkspaceId, kept_recipients,
};

/// The link's position in the rows of opens.
const NO_LINK: i32 = -1;

/// A receiver's scanner follows the links before it lets the message through, or just after.
const SCANNERS_CLICK_WITHIN_MS: i64 = 60_000;

/// A delivery as the public pages need it. The bearer of its token may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    pub delivery: DeliveryId,
    pub workspace: WorkspaceId,
    pub campaign: CampaignId,
    pub revision: RevisionId,
    pub kind: DeliveryKind,
    pub recipient: String,
    /// As it stands now; empty once the subscriber was deleted.
    pub first_name: String,
    pub last_name: String,
    /// A JSON object of text values.
    pub attributes: String,
}

/// One open or click, as a public endpoint saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    pub delivery: DeliveryId,
    pub what: Engaged,
    pub at: UnixMs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Engaged {
    Open,
    /// The link's position in the revision's links.
    Click(u16),
}

impl Engaged {
    const fn key(self) -> (&'static str, i32) {
        match self {
            Self::Open => ("open", NO_LINK),
            Self::Click(link) => ("click", link as i32),
        }
    }
}

impl Store {
    /// Whom a token speaks of; `None` when the ledger does not know the delivery. A row that retention took away is known still.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn sent(&self, delivery: DeliveryId) -> StoreResult<Option<Sent>> {
        type Row = (WorkspaceId, CampaignId, RevisionId, Code<DeliveryKind>, String, Option<SubscriberId>);
        self.read(move |conn| {
            let columns = (
                deliveries::workspace_id,
                deliveries::campaign_id,
                deliveries::revision_id,
                deliveries::kind,
                deliveries::recipient,
                deliveries::subscriber_id,
            );
            let row: Option<Row> = deliveries::table.find(delivery).select(columns).first(conn).optional()?;
            let row = match row {
                Some(row) => Some(row),
                None => kept_recipients::find(conn, delivery)?.map(|kept| {
                    let kind = Code(DeliveryKind::Campaign);
                    (kept.workspace, kept.campaign, kept.revision, kind, kept.recipient, Some(kept.subscriber))
                }),
            };
            let Some((workspace, campaign, revision, kind, recipient, subscriber)) = row else { return Ok(None) };
            let person = subscriber.map_or(Ok(None), |id| {
                let columns = (subscribers::first_name, subscribers::last_name, subscribers::attributes);
                subscribers::table.find(id).select(columns).first::<(String, String, String)>(conn).optional()
            })?;
            let (first_name, last_name, attributes) = person.unwrap_or_default();
            let kind = kind.0;
            Ok(Some(Sent {
                delivery,
                workspace,
                campaign,
                revision,
                kind,
                recipient,
                first_name,
                last_name,
                attributes,
            }))
        })
        .await
    }

    /// Writes a batch of opens and clicks with the campaigns' counters, in one transaction. Test messages and deliveries that are
    /// not known are left out.
    ///
    /// # Errors
    /// The transaction could not be committed; nothing of the batch is written.
    pub async fn record_seen(&self, mut batch: Vec<Seen>) -> StoreResult<()> {
        if batch.is_empty() {
            return Ok(());
        }
        // In one order everywhere, so that two batches never wait for each other in a ring.
        batch.sort_unstable();
        self.write_again(move |conn| {
            let owners = owners(conn, &batch)?;
            lock(conn, owners.values().map(|(_, campaign)| *campaign).collect())?;
            for seen in &batch {
                if let Some((workspace, campaign)) = owners.get(&seen.delivery) {
                    write(conn, (*workspace, *campaign), *seen)?;
                }
            }
            forget_doubts(conn, &batch)
        })
        .await
    }
}

/// A click by a person says that the mailbox works. One that comes with the acceptance is a scanner's.
fn forget_doubts(conn: &mut AnyConn, batch: &[Seen]) -> StoreResult<()> {
    let clicks = || batch.iter().filter(|seen| matches!(seen.what, Engaged::Click(_)));
    let Some(first) = clicks().map(|seen| seen.at.0).min() else { return Ok(()) };
    let ids: Vec<i64> = clicks().map(|seen| seen.delivery.0).collect();
    marks::forget_doubts(conn, &ids, first - SCANNERS_CLICK_WITHIN_MS)
}

type Owners = BTreeMap<DeliveryId, (WorkspaceId, CampaignId)>;

fn owners(conn: &mut AnyConn, batch: &[Seen]) -> StoreResult<Owners> {
    let ids: BTreeSet<DeliveryId> = batch.iter().map(|seen| seen.delivery).collect();
    let span = Span::around_all(&ids);
    let rows: Vec<(DeliveryId, WorkspaceId, CampaignId)> = within!(deliveries::table, span)
        .filter(deliveries::id.eq_any(ids))
        .filter(deliveries::kind.eq(DeliveryKind::Campaign.code()))
        .select((deliveries::id, deliveries::workspace_id, deliveries::campaign_id))
        .load(conn)?;
    Ok(rows.into_iter().map(|(id, workspace, campaign)| (id, (workspace, campaign))).collect())
}

/// Whether a click is a person's first is read before it is written: PostgreSQL must not let two do that at once. An update
/// that changes nothing is a row lock on both backends.
fn lock(conn: &mut AnyConn, campaigns: BTreeSet<CampaignId>) -> StoreResult<()> {
    for campaign in campaigns {
        diesel::update(campaign_responses::table.find(campaign.0))
            .set(campaign_responses::opened_unique.eq(campaign_responses::opened_unique))
            .execute(conn)?;
    }
    Ok(())
}

fn write(conn: &mut AnyConn, (workspace, campaign): (WorkspaceId, CampaignId), seen: Seen) -> StoreResult<()> {
    let (kind, link) = seen.what.key();
    let rows = engagements::table.filter(engagements::delivery_id.eq(seen.delivery.0));
    let again = diesel::update(rows.filter(engagements::kind.eq(kind)).filter(engagements::link.eq(link)))
        .set((engagements::n.eq(engagements::n + 1), engagements::last_at_ms.eq(seen.at.0)))
        .execute(conn)?;
    if again > 0 {
        return Ok(());
    }
    let is_first = rows.filter(engagements::kind.eq(kind)).count().get_result::<i64>(conn)? == 0;
    let row = (
        engagements::delivery_id.eq(seen.delivery.0),
        engagements::kind.eq(kind),
        engagements::link.eq(link),
        engagements::workspace_id.eq(workspace.0),
        engagements::campaign_id.eq(campaign.0),
        engagements::n.eq(1),
        engagements::first_at_ms.eq(seen.at.0),
        engagements::last_at_ms.eq(seen.at.0),
    );
    diesel::insert_into(engagements::table).values(row).execute(conn)?;
    if is_first { count(conn, campaign, seen.what) } else { Ok(()) }
}

fn count(conn: &mut AnyConn, campaign: CampaignId, what: Engaged) -> StoreResult<()> {
    use campaign_responses::{clicked_unique, opened_unique};
    let row = campaign_responses::table.find(campaign.0);
    on!(conn, |c| match what {
        Engaged::Open => diesel::update(row).set(opened_unique.eq(opened_unique + 1)).execute(c),
        Engaged::Click(_) => diesel::update(row).set(clicked_unique.eq(clicked_unique + 1)).execute(c),
    })?;
    Ok(())
}

//! "Why did this person get nothing?": the one fact that decides, found by the same rules as sending.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use tidings_domain::{DeliveryState, Lane, SkipReason, SubscriberStatus, SubscriptionStatus, UnixMs, Word};

use crate::ledger::months::in_month_of;
use crate::schema::{campaign_lists, campaigns, deliveries, fanouts, subscribers, subscriptions, suppressions};
use crate::stops::{Hits, Stops};
use crate::words::{Code, Db};
use crate::{
    AnyConn, CampaignId, ListId, StoreResult, SubscriberId, Suppression, SuppressionKey, Workspace, WorkspaceId,
};

/// What decides over mail to an address.
#[derive(Debug, Clone)]
pub enum WhyNot {
    /// This entry stops it.
    Suppressed(Box<Suppression>),
    /// The mailbox is known not to work, or its owner complained.
    Mailbox(SubscriberStatus),
    /// A subscriber on no list, or on none of the campaign's.
    NoList,
    /// Nobody here has this address, and nothing stands against it.
    Unknown,
    /// Nothing stands in the way: campaigns to so many lists reach the person.
    Nothing { lists: usize },
    /// The campaign has a message for the person, and this is what became of it.
    Delivery { state: DeliveryState, reason: Option<String>, reply: Option<String>, updated_at_ms: i64 },
    /// The campaign's audience was frozen before the person was a subscriber.
    JoinedLater,
}

impl Workspace {
    /// The one decisive fact about mail to a canonical address: of all campaigns, or of one.
    ///
    /// # Errors
    /// [`crate::StoreError::NotFound`] when the campaign is not this workspace's.
    pub async fn why_not(&self, email: String, campaign: Option<CampaignId>, now: UnixMs) -> StoreResult<WhyNot> {
        let key = self.suppression_key();
        self.read(move |conn, ws| {
            let person = Person::load(conn, ws, key, &email, now)?;
            match campaign {
                Some(campaign) => person.of_campaign(conn, ws, campaign),
                None => {
                    let lists = person.lists(conn)?;
                    person.in_general(conn, &lists)
                }
            }
        })
        .await
    }
}

struct Person {
    subscriber: Option<(SubscriberId, SubscriberStatus)>,
    hits: Hits,
}

impl Person {
    fn load(conn: &mut AnyConn, ws: WorkspaceId, key: SuppressionKey, email: &str, now: UnixMs) -> StoreResult<Self> {
        let mine = subscribers::table.filter(subscribers::workspace_id.eq(ws)).filter(subscribers::email.eq(email));
        let row: Option<(SubscriberId, Db<SubscriberStatus>)> =
            mine.select((subscribers::id, subscribers::status)).first(conn).optional()?;
        let hits = Stops::all(conn, ws, key, now)?.of(conn, email)?;
        Ok(Self { subscriber: row.map(|(id, status)| (id, status.0)), hits })
    }

    /// The lists that he is subscribed to.
    fn lists(&self, conn: &mut AnyConn) -> StoreResult<Vec<ListId>> {
        let Some((id, _)) = self.subscriber else { return Ok(Vec::new()) };
        Ok(subscriptions::table
            .filter(subscriptions::subscriber_id.eq(id))
            .filter(subscriptions::status.eq(Db(SubscriptionStatus::Subscribed)))
            .select(subscriptions::list_id)
            .load(conn)?)
    }

    /// As fan-out would decide over a campaign to these lists.
    fn in_general(&self, conn: &mut AnyConn, lists: &[ListId]) -> StoreResult<WhyNot> {
        if let Some(hit) = self.hits.of_campaign(Lane::Bulk, lists) {
            let row = suppressions::table.find(hit.id).select(Suppression::as_select());
            return Ok(WhyNot::Suppressed(Box::new(row.first(conn)?)));
        }
        Ok(match self.subscriber {
            None => WhyNot::Unknown,
            Some((_, status)) if status != SubscriberStatus::Active => WhyNot::Mailbox(status),
            Some(_) if lists.is_empty() => WhyNot::NoList,
            Some(_) => WhyNot::Nothing { lists: lists.len() },
        })
    }

    fn of_campaign(&self, conn: &mut AnyConn, ws: WorkspaceId, campaign: CampaignId) -> StoreResult<WhyNot> {
        let own = campaigns::table.filter(campaigns::workspace_id.eq(ws)).filter(campaigns::id.eq(campaign));
        own.select(campaigns::id).first::<CampaignId>(conn)?;
        let included: Vec<ListId> = campaign_lists::table
            .filter(campaign_lists::campaign_id.eq(campaign))
            .filter(campaign_lists::role.eq("include"))
            .select(campaign_lists::list_id)
            .load(conn)?;
        let mut lists = self.lists(conn)?;
        lists.retain(|list| included.contains(list));
        let Some((id, _)) = self.subscriber else { return self.in_general(conn, &lists) };
        if let Some(row) = row_of(conn, campaign, id)? {
            return self.explain(conn, row, &lists);
        }
        let last: Option<i64> =
            fanouts::table.find(campaign).select(fanouts::last_subscriber_id).first(conn).optional()?;
        match last {
            Some(last) if id.0 > last => Ok(WhyNot::JoinedLater),
            Some(_) => Ok(WhyNot::NoList),
            None => self.in_general(conn, &lists),
        }
    }

    /// A message that was skipped for an entry that still stands is explained by the entry.
    fn explain(&self, conn: &mut AnyConn, row: LedgerRow, lists: &[ListId]) -> StoreResult<WhyNot> {
        let (state, reason, reply, updated_at_ms) = row;
        let skipped = reason.as_deref().and_then(|reason| SkipReason::parse(reason).ok());
        let entry = self.hits.of_campaign(Lane::Bulk, lists);
        if state.0 == DeliveryState::Skipped && entry.is_some_and(|hit| Some(hit.reason.skip_reason()) == skipped) {
            return self.in_general(conn, lists);
        }
        Ok(WhyNot::Delivery { state: state.0, reason, reply, updated_at_ms })
    }
}

type LedgerRow = (Code<DeliveryState>, Option<String>, Option<String>, i64);

fn row_of(conn: &mut AnyConn, campaign: CampaignId, person: SubscriberId) -> StoreResult<Option<LedgerRow>> {
    Ok(in_month_of(conn, campaign)?
        .filter(deliveries::campaign_id.eq(campaign))
        .filter(deliveries::subscriber_id.eq(person))
        .filter(sql::<Bool>("kind = 0"))
        .select((deliveries::state, deliveries::reason, deliveries::reply, deliveries::updated_at_ms))
        .first(conn)
        .optional()?)
}

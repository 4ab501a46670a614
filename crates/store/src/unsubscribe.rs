//! Leaving: by the link in a message. Nothing stands in its way: not a deleted campaign, list or subscriber.

use diesel::prelude::*;
use tidings_domain::{DeliveryKind, SubscriptionStatus, SuppressionEntry, SuppressionKind, SuppressionReason, UnixMs};

use crate::schema::{campaign_lists, campaign_responses, deliveries, lists, subscribers, subscriptions};
use crate::stops::Stops;
use crate::subscriptions::{Choice, set};
use crate::suppressions::{Cause, add};
use crate::words::{Code, Db};
use crate::{
    AnyConn, CampaignId, DeliveryId, ListId, NewSuppression, Scope, Store, StoreResult, SubscriberId, SuppressionKey,
    WorkspaceId, kept_recipients,
};

/// What somebody leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaving {
    /// The lists that the campaign went to. When none of them exists any more, everything: he wants no more mail, and we cannot
    /// tell from which of the others.
    Lists,
    /// All mail of the workspace: a suppression of the address.
    Everything,
}

/// How the bearer of an unsubscribe token stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaver {
    pub kind: DeliveryKind,
    pub workspace: WorkspaceId,
    pub campaign: CampaignId,
    pub recipient: String,
    /// The campaign's lists that still exist, with whether he is subscribed.
    pub lists: Vec<(String, bool)>,
    /// Nothing is sent to the address at all, whatever the lists say.
    pub is_suppressed: bool,
}

impl Store {
    /// `None` when the ledger does not know the delivery.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn leaver(&self, delivery: DeliveryId, now: UnixMs) -> StoreResult<Option<Leaver>> {
        let key = self.suppression_key();
        self.read(move |conn| match Known::load(conn, delivery)? {
            Some(known) => known.standing(conn, key, now).map(Some),
            None => Ok(None),
        })
        .await
    }

    /// Unsubscribes the recipient and says how he stands afterwards. Done again it changes nothing. A test message changes nothing
    /// either: it was not sent to a subscriber.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn unsubscribe(
        &self,
        delivery: DeliveryId,
        leaving: Leaving,
        now: UnixMs,
    ) -> StoreResult<Option<Leaver>> {
        let key = self.suppression_key();
        self.write_again(move |conn| {
            let Some(known) = Known::load(conn, delivery)? else { return Ok(None) };
            if known.kind == DeliveryKind::Campaign {
                known.leave(conn, leaving, "unsubscribe link", now)?;
            }
            known.standing(conn, key, now).map(Some)
        })
        .await
    }
}

/// Unsubscribes the recipient inside a transaction of somebody else's. `how`: by which way he asked.
pub(crate) fn leave_by(
    conn: &mut AnyConn,
    delivery: DeliveryId,
    leaving: Leaving,
    how: &str,
    now: UnixMs,
) -> StoreResult<()> {
    match Known::load(conn, delivery)? {
        Some(known) if known.kind == DeliveryKind::Campaign => known.leave(conn, leaving, how, now),
        _ => Ok(()),
    }
}

/// The delivery, and the person as he is now.
struct Known {
    delivery: DeliveryId,
    workspace: WorkspaceId,
    campaign: CampaignId,
    kind: DeliveryKind,
    recipient: String,
    subscriber: Option<SubscriberId>,
}

impl Known {
    fn load(conn: &mut AnyConn, delivery: DeliveryId) -> StoreResult<Option<Self>> {
        type Row = (WorkspaceId, CampaignId, Code<DeliveryKind>, String, Option<SubscriberId>);
        let columns = (
            deliveries::workspace_id,
            deliveries::campaign_id,
            deliveries::kind,
            deliveries::recipient,
            deliveries::subscriber_id,
        );
        let row: Option<Row> = deliveries::table.find(delivery).select(columns).first(conn).optional()?;
        let Some((workspace, campaign, kind, recipient, subscriber)) = row else {
            // However old the mail: who got it is kept when its row is gone.
            return Ok(kept_recipients::find(conn, delivery)?.map(|kept| Self {
                delivery,
                workspace: kept.workspace,
                campaign: kept.campaign,
                kind: DeliveryKind::Campaign,
                recipient: kept.recipient,
                subscriber: Some(kept.subscriber),
            }));
        };
        // Deleted and imported again he is another row with the same address.
        let subscriber = match subscriber {
            Some(id) => Some(id),
            None => subscribers::table
                .filter(subscribers::workspace_id.eq(workspace))
                .filter(subscribers::email.eq(&recipient))
                .select(subscribers::id)
                .first(conn)
                .optional()?,
        };
        Ok(Some(Self { delivery, workspace, campaign, kind: kind.0, recipient, subscriber }))
    }

    fn leave(&self, conn: &mut AnyConn, leaving: Leaving, how: &str, now: UnixMs) -> StoreResult<()> {
        self.lock(conn)?;
        let own = self.campaign_lists(conn)?;
        let was_on_one = own.iter().any(|list| list.subscribed);
        let left_one_before = own.iter().any(|list| list.status == Some(SubscriptionStatus::Unsubscribed));
        let everything = leaving == Leaving::Everything || own.is_empty();
        let from = if everything { self.all_lists(conn)? } else { own.iter().map(|list| list.id).collect() };
        for list in from {
            self.leave_list(conn, list, how, now)?;
        }
        let suppressed = everything && self.suppress(conn, how, now)?;
        if was_on_one || (suppressed && !left_one_before) {
            self.count(conn)?;
        }
        Ok(())
    }

    /// Two clicks at once must not both move the same subscription: an update that changes nothing is a row lock.
    fn lock(&self, conn: &mut AnyConn) -> StoreResult<()> {
        let Some(id) = self.subscriber else { return Ok(()) };
        diesel::update(subscribers::table.find(id))
            .set(subscribers::updated_at_ms.eq(subscribers::updated_at_ms))
            .execute(conn)?;
        Ok(())
    }

    fn leave_list(&self, conn: &mut AnyConn, list: ListId, how: &str, now: UnixMs) -> StoreResult<()> {
        let Some(subscriber) = self.subscriber else { return Ok(()) };
        let is_on_it: i64 = subscriptions::table.find((list, subscriber)).count().get_result(conn)?;
        if is_on_it == 0 {
            return Ok(());
        }
        let source = format!("{how}, campaign {}", self.campaign);
        let choice = Choice { list, status: SubscriptionStatus::Unsubscribed, source };
        set(conn, self.workspace, subscriber, &choice, now).map(drop)
    }

    fn suppress(&self, conn: &mut AnyConn, how: &str, now: UnixMs) -> StoreResult<bool> {
        let address = SuppressionEntry { kind: SuppressionKind::Address, value: self.recipient.clone() };
        let entry = NewSuppression::of(address, SuppressionReason::Unsubscribe, how);
        add(conn, self.workspace, &entry, Cause { campaign: Some(self.campaign), delivery: Some(self.delivery) }, now)
    }

    /// A campaign that is gone has no counters, and nobody to read them.
    fn count(&self, conn: &mut AnyConn) -> StoreResult<()> {
        diesel::update(campaign_responses::table.find(self.campaign.0))
            .set(campaign_responses::unsubscribed.eq(campaign_responses::unsubscribed + 1))
            .execute(conn)?;
        Ok(())
    }

    fn standing(&self, conn: &mut AnyConn, key: SuppressionKey, now: UnixMs) -> StoreResult<Leaver> {
        let hits = Stops::all(conn, self.workspace, key, now)?.of(conn, &self.recipient)?;
        let left = |list: ListId| hits.iter().any(|hit| hit.scope == Scope::List(list));
        let lists = self.campaign_lists(conn)?;
        Ok(Leaver {
            kind: self.kind,
            workspace: self.workspace,
            campaign: self.campaign,
            recipient: self.recipient.clone(),
            lists: lists.into_iter().map(|list| (list.name, list.subscribed && !left(list.id))).collect(),
            is_suppressed: hits.iter().any(|hit| hit.scope == Scope::All),
        })
    }

    fn campaign_lists(&self, conn: &mut AnyConn) -> StoreResult<Vec<OwnList>> {
        let rows: Vec<(ListId, String)> = campaign_lists::table
            .inner_join(lists::table.on(lists::id.eq(campaign_lists::list_id)))
            .filter(campaign_lists::campaign_id.eq(self.campaign))
            .filter(campaign_lists::role.eq("include"))
            .order(lists::name)
            .select((lists::id, lists::name))
            .load(conn)?;
        rows.into_iter().map(|(id, name)| self.own_list(conn, id, name)).collect()
    }

    fn own_list(&self, conn: &mut AnyConn, id: ListId, name: String) -> StoreResult<OwnList> {
        let status: Option<Db<SubscriptionStatus>> = match self.subscriber {
            Some(subscriber) => {
                subscriptions::table.find((id, subscriber)).select(subscriptions::status).first(conn).optional()?
            }
            None => None,
        };
        let status = status.map(|status| status.0);
        Ok(OwnList { id, name, subscribed: status == Some(SubscriptionStatus::Subscribed), status })
    }

    fn all_lists(&self, conn: &mut AnyConn) -> StoreResult<Vec<ListId>> {
        let Some(subscriber) = self.subscriber else { return Ok(Vec::new()) };
        Ok(subscriptions::table
            .filter(subscriptions::subscriber_id.eq(subscriber))
            .filter(subscriptions::workspace_id.eq(self.workspace))
            .select(subscriptions::list_id)
            .load(conn)?)
    }
}

/// A list of the campaign that still exists.
struct OwnList {
    id: ListId,
    name: String,
    subscribed: bool,
    status: Option<SubscriptionStatus>,
}

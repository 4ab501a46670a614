//! The rows of one part of an audience, written by one statement: who is in it, who is skipped and why, and whose provider is known.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, SmallInt, Text};
use tidings_domain::{DeliveryState, UnixMs};

use super::months::Month;
use crate::fixed::{Bind, Fixed, fixed_sql};
use crate::words::Code;
use crate::{AnyConn, CampaignId, DeliveryId, ListId, ProviderId, RevisionId, StoreResult, WorkspaceId};

/// Those subscribers of a campaign whose ids lie above `after`, up to and with `upper`.
pub(super) struct Part<'a> {
    pub workspace: WorkspaceId,
    pub campaign: CampaignId,
    pub revision: RevisionId,
    pub month: Month,
    pub included: &'a [ListId],
    pub excluded: &'a [ListId],
    pub after: i64,
    pub upper: i64,
    /// A domain's provider counts as known when it is known for longer than this.
    pub known_until: UnixMs,
    pub now: UnixMs,
}

/// Number, state, provider, reason.
pub(super) type NewRow = (DeliveryId, Code<DeliveryState>, ProviderId, Option<String>);

impl Part<'_> {
    /// Returns the rows that are new.
    pub fn insert(&self, conn: &mut AnyConn) -> StoreResult<Vec<NewRow>> {
        match conn {
            AnyConn::Lite(c) => Ok(Fixed::<InsertLite>::new(self.lite_binds()).load(c)?),
            AnyConn::Pg(c) => Ok(Fixed::<InsertPg>::new(self.pg_binds()).load(c)?),
        }
    }

    fn range(&self) -> [Bind; 2] {
        [Bind::Int(self.after), Bind::Int(self.upper)]
    }

    fn row(&self) -> [Bind; 4] {
        [self.campaign.0, self.revision.0, self.now.0, self.known_until.0].map(Bind::Int)
    }

    fn lite_binds(&self) -> Vec<Bind> {
        let (campaign, now) = (Bind::Int(self.campaign.0), Bind::Int(self.now.0));
        let mut binds = vec![campaign.clone()];
        binds.extend(self.range());
        binds.extend([now.clone(), now, campaign]);
        binds.extend(self.range());
        binds.extend(self.range());
        binds.extend(self.row());
        binds
    }

    fn pg_binds(&self) -> Vec<Bind> {
        let (workspace, now) = (Bind::Int(self.workspace.0), Bind::Int(self.now.0));
        let mut binds = vec![Bind::ids(self.excluded.iter().map(|list| list.0))];
        binds.extend(self.range());
        binds.extend([workspace.clone(), now.clone(), workspace, now]);
        binds.push(Bind::ids(self.included.iter().map(|list| list.0)));
        binds.extend(self.range());
        binds.extend(self.range());
        binds.push(Bind::Int(self.month.base()));
        binds.extend(self.row());
        binds.push(Bind::Int(self.campaign.0));
        binds.extend(self.month.span().binds());
        binds.extend(self.range());
        binds
    }
}

macro_rules! members {
    () => {
        "campaign_lists cl JOIN subscriptions u ON u.list_id = cl.list_id WHERE cl.campaign_id = ? \
         AND cl.role = 'include' AND u.status = 'subscribed' AND u.subscriber_id > ? AND u.subscriber_id <= ?"
    };
}

pub(super) use members;

/// The reason of the entry of one kind that stops this address, where there is any.
macro_rules! stopped {
    ($kind:literal, $value:literal) => {
        concat!(
            "(SELECT CASE x.reason WHEN 'unsubscribe' THEN 'unsubscribed' ELSE x.reason END FROM suppressions x \
              WHERE x.workspace_id = s.workspace_id AND x.kind = '",
            $kind,
            "' AND x.value = ",
            $value,
            " AND x.list_id = 0 AND x.lane = -1 AND (x.expires_at_ms IS NULL OR x.expires_at_ms > ?))"
        )
    };
}

/// The same, for PostgreSQL: a workspace without entries of the kind is not asked for each of its people.
macro_rules! stopped_if_any {
    ($kind:literal, $value:literal) => {
        concat!(
            "(CASE WHEN (SELECT EXISTS (SELECT 1 FROM suppressions k WHERE k.workspace_id = ? AND k.kind = '",
            $kind,
            "')) THEN ",
            stopped!($kind, $value),
            " END)"
        )
    };
}

/// What the mailbox is known for.
macro_rules! known {
    () => {
        "CASE s.status WHEN 'bounced' THEN 'hard_bounce' WHEN 'complained' THEN 'complaint' WHEN 'on_hold' THEN 'on_hold' END"
    };
}

// The members of the part, each with the reason why not. The reasons stand in the order of the audience's arithmetic: excluded, then
// suppressed by address, by domain, by what is known of the mailbox. They are the words of `SkipReason`. Entries of other kinds and scopes
// come after the INSERT, in `special`.
// Materialized, or a planner copies `why` into both places that read it, and looks everything up twice; the exclusion and the subscribers
// repeat the range, or PostgreSQL reads every excluded list, and all subscribers, for each part.

macro_rules! judged_lite {
    () => {
        concat!(
            "WITH a AS MATERIALIZED (SELECT s.workspace_id, s.id, s.email, s.domain, CASE \
               WHEN EXISTS (SELECT 1 FROM campaign_lists el JOIN subscriptions e ON e.list_id = el.list_id \
                            WHERE el.campaign_id = ? AND el.role = 'exclude' AND e.subscriber_id = s.id \
                            AND e.status = 'subscribed' AND e.subscriber_id > ? AND e.subscriber_id <= ?) THEN 'excluded' \
               ELSE COALESCE(",
            stopped!("address", "s.email"),
            ", ",
            stopped!("domain", "s.domain"),
            ", ",
            known!(),
            ") END AS why FROM (SELECT DISTINCT u.subscriber_id AS id FROM ",
            members!(),
            ") m JOIN subscribers s ON s.id = m.id AND +s.id > ? AND +s.id <= ?)"
        )
    };
}

/// The lists are told as values, or the planner takes their members for few, and looks up each by itself.
macro_rules! judged_pg {
    () => {
        concat!(
            "WITH a AS MATERIALIZED (SELECT s.workspace_id, s.id, s.email, s.domain, CASE \
               WHEN s.id IN (SELECT e.subscriber_id FROM subscriptions e WHERE e.list_id = ANY(?) AND e.status = 'subscribed' \
                             AND e.subscriber_id > ? AND e.subscriber_id <= ?) THEN 'excluded' \
               ELSE COALESCE(",
            stopped_if_any!("address", "s.email"),
            ", ",
            stopped_if_any!("domain", "s.domain"),
            ", ",
            known!(),
            ") END AS why FROM (SELECT DISTINCT u.subscriber_id AS id FROM subscriptions u WHERE u.list_id = ANY(?) \
               AND u.status = 'subscribed' AND u.subscriber_id > ? AND u.subscriber_id <= ?) m \
               JOIN subscribers s ON s.id = m.id AND s.id > ? AND s.id <= ?)"
        )
    };
}

/// A row is queued at once when its domain's provider is known for some time yet.
macro_rules! insert_text {
    ($judged:expr, $column:literal, $number:literal, $fresh:literal) => {
        concat!(
            $judged,
            " INSERT INTO deliveries (",
            $column,
            "workspace_id, campaign_id, revision_id, subscriber_id, recipient, provider_id, state, updated_at_ms, reason) SELECT ",
            $number,
            "a.workspace_id, CAST(? AS BIGINT), CAST(? AS BIGINT), a.id, a.email, COALESCE(r.provider_id, 0), \
             CASE WHEN a.why IS NOT NULL THEN 15 WHEN r.provider_id IS NULL THEN 0 ELSE 1 END, CAST(? AS BIGINT), a.why \
             FROM a LEFT JOIN recipient_domains r ON r.domain = a.domain AND a.why IS NULL AND r.expires_at_ms > ? WHERE ",
            $fresh,
            " RETURNING id, state, provider_id, reason"
        )
    };
}

fixed_sql!(
    InsertLite -> (BigInt, SmallInt, BigInt, Nullable<Text>),
    lite: insert_text!(judged_lite!(), "", "",
        "TRUE ORDER BY a.id ON CONFLICT (campaign_id, subscriber_id) WHERE kind = 0 DO NOTHING"),
    pg: "SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?"
);

fixed_sql!(
    /// Who has a row is looked up before: ON CONFLICT would cost a third more. Nobody else writes the campaign's rows meanwhile, because
    /// the campaign is locked; the part's unique index stands behind it.
    InsertPg -> (BigInt, SmallInt, BigInt, Nullable<Text>),
    lite: "SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?",
    pg: insert_text!(judged_pg!(), "id, ", "CAST(? AS BIGINT) + nextval('deliveries_number'), ",
        "NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.campaign_id = ? AND d.kind = 0 AND d.id BETWEEN ? AND ? \
         AND d.subscriber_id = a.id AND d.subscriber_id > ? AND d.subscriber_id <= ?) ORDER BY a.id")
);

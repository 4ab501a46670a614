use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, SmallInt, Text};
use tidings_domain::{CampaignState, DeliveryState, UnixMs, Word};

use super::campaign;
use super::counts::{self, Deltas, Owner};
use super::special;
use crate::connection::on;
use crate::fixed::{Bind, Fixed, fixed_sql};
use crate::schema::{campaign_lists, campaigns, fanouts};
use crate::words::Code;
use crate::{
    AnyConn, CampaignId, ListId, ProviderId, RevisionId, Store, StoreError, StoreResult, SuppressionKey, WorkspaceId,
};

/// What one step of fan-out came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FanOut {
    /// `rows` new ledger rows; there is more.
    Chunk { rows: i64 },
    /// The audience is frozen: every row it will ever have, and how many of them are not skipped.
    Finished { audience_total: i64, to_send: i64 },
    /// The campaign is not in Queuing: cancelled meanwhile, or further on.
    NotQueuing,
}

impl Store {
    /// Writes the next part of a campaign's audience into the ledger (C1): rows, counters and cursor in one transaction, so
    /// that a kill at any point repeats nothing and leaves nothing out. `rows` bounds what is read of each included list.
    ///
    /// # Errors
    /// The transaction could not be committed; the cursor has not moved.
    pub async fn fan_out(&self, campaign: CampaignId, rows: i64, now: UnixMs) -> StoreResult<FanOut> {
        let key = self.suppression_key();
        self.write_again(move |conn| fan_out(conn, campaign, rows, key, now)).await
    }
}

fn fan_out(conn: &mut AnyConn, id: CampaignId, rows: i64, key: SuppressionKey, now: UnixMs) -> StoreResult<FanOut> {
    match campaign::lock(conn, id)? {
        Some(standing) if standing.state == CampaignState::Queuing => {}
        _ => return Ok(FanOut::NotQueuing),
    }
    let progress = Progress::load(conn, id)?;
    if progress.done {
        return finished(conn, id);
    }
    let upper = progress.next_bound(conn, rows)?;
    let inserted = progress.insert(conn, upper, key, now)?;
    let duplicates = progress.count_duplicates(conn, upper)?;
    let done = upper >= progress.last;
    diesel::update(fanouts::table.find(id))
        .set((
            fanouts::cursor_subscriber_id.eq(upper),
            fanouts::duplicates.eq(fanouts::duplicates + duplicates),
            fanouts::done.eq(done),
        ))
        .execute(conn)?;
    if !done {
        return Ok(FanOut::Chunk { rows: inserted });
    }
    let total = counts::total(conn, id, |_| true)?;
    diesel::update(campaigns::table.find(id)).set(campaigns::audience_total.eq(total)).execute(conn)?;
    finished(conn, id)
}

fn finished(conn: &mut AnyConn, id: CampaignId) -> StoreResult<FanOut> {
    let audience_total = counts::total(conn, id, |_| true)?;
    let to_send = counts::total(conn, id, |state| state != DeliveryState::Skipped)?;
    Ok(FanOut::Finished { audience_total, to_send })
}

/// How far fan-out has come.
struct Progress {
    campaign: CampaignId,
    workspace: WorkspaceId,
    revision: RevisionId,
    /// Subscribers up to and with this id have their rows.
    cursor: i64,
    /// Frozen at launch.
    last: i64,
    done: bool,
    included: Vec<ListId>,
}

impl Progress {
    fn load(conn: &mut AnyConn, campaign: CampaignId) -> StoreResult<Self> {
        let (workspace, cursor, last, done, revision): (_, _, _, _, Option<RevisionId>) = fanouts::table
            .inner_join(campaigns::table.on(campaigns::id.eq(fanouts::campaign_id)))
            .filter(fanouts::campaign_id.eq(campaign))
            .select((
                fanouts::workspace_id,
                fanouts::cursor_subscriber_id,
                fanouts::last_subscriber_id,
                fanouts::done,
                campaigns::revision_id,
            ))
            .first(conn)?;
        let revision = revision.ok_or_else(|| StoreError::Corrupt(format!("campaign {campaign} has no revision")))?;
        let included = campaign_lists::table
            .filter(campaign_lists::campaign_id.eq(campaign))
            .filter(campaign_lists::role.eq("include"))
            .select(campaign_lists::list_id)
            .load(conn)?;
        Ok(Self { campaign, workspace, revision, cursor, last, done, included })
    }

    /// The subscriber id up to which no included list has more than `rows` subscriptions. Each list is read in its own
    /// order and no further than that, so a chunk costs the same at the end of a list as at its start.
    fn next_bound(&self, conn: &mut AnyConn, rows: i64) -> StoreResult<i64> {
        let mut bound = self.last;
        for list in &self.included {
            let binds = [Bind::Int(list.0), Bind::Int(self.cursor), Bind::Int(bound), Bind::Int(rows)];
            let found: (Option<i64>, i64) = on!(conn, |c| Fixed::<ListBound>::new(binds).get_result(c))?;
            if let (Some(highest), true) = (found.0, found.1 >= rows) {
                bound = bound.min(highest);
            }
        }
        Ok(bound)
    }

    fn insert(&self, conn: &mut AnyConn, upper: i64, key: SuppressionKey, now: UnixMs) -> StoreResult<i64> {
        let binds = [
            Bind::Int(self.campaign.0),
            Bind::Int(self.cursor),
            Bind::Int(upper),
            Bind::Int(now.0),
            Bind::Int(now.0),
            Bind::Int(self.campaign.0),
            Bind::Int(self.cursor),
            Bind::Int(upper),
            Bind::Int(self.campaign.0),
            Bind::Int(self.revision.0),
            Bind::Int(now.0),
        ];
        let groups: Vec<(Code<DeliveryState>, Option<String>, i64)> =
            on!(conn, |c| Fixed::<InsertRows>::new(binds).load(c))?;
        let owner = Owner { workspace: self.workspace, campaign: self.campaign, provider: ProviderId(0) };
        let mut deltas = Deltas::default();
        let mut inserted = 0;
        for (state, reason, n) in groups {
            deltas.add(owner, state.0, reason.as_deref().unwrap_or_default(), n);
            inserted += n;
        }
        let place = (self.workspace, self.campaign);
        for (reason, n) in special::skip_pending(conn, place, (self.cursor, upper), key, now)? {
            deltas.add(owner, DeliveryState::Pending, "", -n);
            deltas.add(owner, DeliveryState::Skipped, reason.as_str(), n);
        }
        deltas.write(conn)?;
        Ok(inserted)
    }

    /// Active subscriptions beyond the first of the same person.
    fn count_duplicates(&self, conn: &mut AnyConn, upper: i64) -> StoreResult<i64> {
        if self.included.len() < 2 {
            return Ok(0);
        }
        let binds = [Bind::Int(self.campaign.0), Bind::Int(self.cursor), Bind::Int(upper)];
        Ok(on!(conn, |c| Fixed::<CountDuplicates>::new(binds).get_result(c))?)
    }
}

fixed_sql!(ListBound -> (Nullable<BigInt>, BigInt),
    "SELECT MAX(p.subscriber_id), COUNT(*) FROM (SELECT subscriber_id FROM subscriptions \
     WHERE list_id = ? AND subscriber_id > ? AND subscriber_id <= ? ORDER BY subscriber_id LIMIT ?) p");

macro_rules! members {
    () => {
        "campaign_lists cl JOIN subscriptions u ON u.list_id = cl.list_id WHERE cl.campaign_id = ? \
         AND cl.role = 'include' AND u.status = 'subscribed' AND u.subscriber_id > ? AND u.subscriber_id <= ?"
    };
}

fixed_sql!(CountDuplicates -> BigInt,
    concat!("SELECT COUNT(*) - COUNT(DISTINCT u.subscriber_id) FROM ", members!()));

/// The members of the chunk, each with the reason why not. The reasons stand in the order of the audience's arithmetic:
/// excluded, then suppressed by address, by domain, by what is known of the mailbox. They are the words of `SkipReason`.
/// Entries of other kinds and scopes come after the INSERT, in `special`.
/// Materialized, or a planner copies `why` into both places that read it, and looks everything up twice; the exclusion
/// repeats the range, or PostgreSQL reads every excluded list whole for each chunk.
macro_rules! judged {
    () => {
        concat!(
            "WITH a AS MATERIALIZED (SELECT s.workspace_id, s.id, s.email, CASE \
               WHEN EXISTS (SELECT 1 FROM campaign_lists el JOIN subscriptions e ON e.list_id = el.list_id \
                            WHERE el.campaign_id = ? AND el.role = 'exclude' AND e.subscriber_id = s.id \
                            AND e.status = 'subscribed' AND e.subscriber_id > ? AND e.subscriber_id <= ?) THEN 'excluded' \
               ELSE COALESCE( \
                 (SELECT CASE x.reason WHEN 'unsubscribe' THEN 'unsubscribed' ELSE x.reason END FROM suppressions x \
                  WHERE x.workspace_id = s.workspace_id AND x.kind = 'address' AND x.value = s.email AND x.list_id = 0 AND x.lane = -1 \
                  AND (x.expires_at_ms IS NULL OR x.expires_at_ms > ?)), \
                 (SELECT CASE x.reason WHEN 'unsubscribe' THEN 'unsubscribed' ELSE x.reason END FROM suppressions x \
                  WHERE x.workspace_id = s.workspace_id AND x.kind = 'domain' AND x.value = s.domain AND x.list_id = 0 AND x.lane = -1 \
                  AND (x.expires_at_ms IS NULL OR x.expires_at_ms > ?)), \
                 CASE s.status WHEN 'bounced' THEN 'hard_bounce' WHEN 'complained' THEN 'complaint' \
                  WHEN 'on_hold' THEN 'on_hold' END) END AS why \
             FROM (SELECT DISTINCT u.subscriber_id AS id FROM ",
            members!(),
            ") m JOIN subscribers s ON s.id = m.id)"
        )
    };
}

macro_rules! insert_text {
    () => {
        "INSERT INTO deliveries (workspace_id, campaign_id, revision_id, subscriber_id, recipient, state, updated_at_ms, reason) \
         SELECT a.workspace_id, CAST(? AS BIGINT), CAST(? AS BIGINT), a.id, a.email, \
         CASE WHEN a.why IS NULL THEN 0 ELSE 15 END, CAST(? AS BIGINT), a.why FROM a WHERE TRUE ORDER BY a.id \
         ON CONFLICT (campaign_id, subscriber_id) WHERE kind = 0 DO NOTHING RETURNING state, reason"
    };
}

// SQLite takes no INSERT inside WITH: it returns the rows, one group each.
fixed_sql!(InsertRows -> (SmallInt, Nullable<Text>, BigInt),
    lite: concat!(judged!(), " ", insert_text!(), ", 1"),
    pg: concat!(judged!(), ", i AS (", insert_text!(), ") \
                 SELECT i.state, i.reason, COUNT(*) FROM i GROUP BY i.state, i.reason"));

//! A ledger as it stands after years of campaigns, made by PostgreSQL itself: what `tidings bench pages` reads. Only for it, on a
//! database of its own.

use diesel::prelude::*;
use diesel::sql_types::BigInt;
use tidings_domain::{CampaignTransition as T, UnixMs};

use crate::fixed::{Bind, Fixed, fixed_sql};
use crate::ledger::campaign::transit;
use crate::ledger::counts;
use crate::ledger::months::Month;
use crate::schema::{campaigns, fanouts};
use crate::{AnyConn, CampaignId, SYSTEM_ACTOR, Store, StoreError, StoreResult};

/// How a campaign of the benchmark is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BenchState {
    /// Nearly all accepted, some bounced, some skipped.
    Done,
    /// A part is queued still.
    Sending,
}

impl Store {
    /// Writes the rows of the next `people` subscribers after those that the campaign has, with their counters, in one transaction: a
    /// bench that was stopped goes on where it was. Returns how many; 0: there is nobody more.
    ///
    /// # Errors
    /// The transaction could not be committed, or the database is SQLite.
    pub async fn bench_rows(
        &self,
        campaign: CampaignId,
        state: BenchState,
        people: i64,
        now: UnixMs,
    ) -> StoreResult<i64> {
        self.write_long(move |conn| {
            let AnyConn::Pg(pg) = conn else { return Err(not_here()) };
            let (month, cursor): (i64, i64) = fanouts::table
                .find(campaign)
                .select((fanouts::ledger_month, fanouts::cursor_subscriber_id))
                .first(pg)?;
            let binds = [
                Bind::Int(campaign.0),
                Bind::Int(cursor),
                Bind::Int(people),
                Bind::Int(i64::from(state == BenchState::Sending)),
                Bind::Int(Month(month).base()),
                Bind::Int(now.0),
                Bind::Int(now.0),
            ];
            let made: Vec<(i64, i64)> = Fixed::<MakeRows>::new(binds).load(pg)?;
            let Some(last) = made.iter().map(|(_, last)| *last).max() else { return Ok(0) };
            diesel::update(fanouts::table.find(campaign)).set(fanouts::cursor_subscriber_id.eq(last)).execute(pg)?;
            Ok(made.iter().map(|(n, _)| n).sum())
        })
        .await
    }

    /// How many rows the campaign has so far, by its counters.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn bench_made(&self, campaign: CampaignId) -> StoreResult<i64> {
        self.read(move |conn| counts::total(conn, campaign, |_| true)).await
    }

    /// Freezes the audience and moves the campaign to where it is left.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn bench_end(&self, campaign: CampaignId, state: BenchState, now: UnixMs) -> StoreResult<()> {
        self.write(move |conn| {
            let total = counts::total(conn, campaign, |_| true)?;
            diesel::update(campaigns::table.find(campaign)).set(campaigns::audience_total.eq(total)).execute(conn)?;
            diesel::update(fanouts::table.find(campaign)).set(fanouts::done.eq(true)).execute(conn)?;
            let ends: &[T] = match state {
                BenchState::Done => &[T::FinishQueuing, T::StartSending, T::Finish],
                BenchState::Sending => &[T::FinishQueuing, T::StartSending],
            };
            for transition in ends {
                transit(conn, campaign, *transition, SYSTEM_ACTOR, now)?;
            }
            Ok(())
        })
        .await
    }

    /// Tells the planner what there is, as the server does by itself some time after so many rows.
    ///
    /// # Errors
    /// The server refused.
    pub async fn bench_analyze(&self) -> StoreResult<()> {
        self.write_long(|conn| match conn {
            AnyConn::Pg(c) => Ok(diesel::connection::SimpleConnection::batch_execute(c, "ANALYZE")?),
            AnyConn::Lite(_) => Err(not_here()),
        })
        .await
    }
}

fn not_here() -> StoreError {
    StoreError::Corrupt("this benchmark needs PostgreSQL".to_owned())
}

fixed_sql!(
    /// Of a hundred rows of a campaign that is done, 94 are accepted, 2 bounced hard, 1 soft, 3 skipped; of one that is sending, 20 are
    /// queued in place of as many accepted.
    MakeRows -> (BigInt, BigInt),
    lite: "SELECT ?, ?, ?, ?, ?, ?, ?",
    pg: "WITH c AS (SELECT id, workspace_id, revision_id FROM campaigns WHERE id = ?), \
         p AS (SELECT s.id, s.email, COALESCE(r.provider_id, 0) AS provider_id, s.id % 100 AS slot FROM subscribers s JOIN c USING (workspace_id) \
           LEFT JOIN recipient_domains r ON r.domain = s.domain WHERE s.id > ? ORDER BY s.id LIMIT ?), \
         j AS (SELECT p.*, CASE WHEN slot < 2 THEN 11 WHEN slot < 3 THEN 12 WHEN slot < 6 THEN 15 \
           WHEN CAST(? AS BIGINT) = 1 AND slot < 26 THEN 1 ELSE 10 END AS state FROM p), \
         i AS (INSERT INTO deliveries (id, workspace_id, campaign_id, revision_id, subscriber_id, recipient, provider_id, state, attempt, \
             first_attempt_at_ms, updated_at_ms, reply_code, enhanced, reason, reply) \
           SELECT CAST(? AS BIGINT) + nextval('deliveries_number'), c.workspace_id, c.id, c.revision_id, j.id, j.email, j.provider_id, j.state, \
             CASE WHEN j.state IN (1, 15) THEN 0 ELSE 1 END, CASE WHEN j.state IN (1, 15) THEN NULL ELSE CAST(? AS BIGINT) END, CAST(? AS BIGINT), \
             CASE j.state WHEN 10 THEN 250 WHEN 11 THEN 550 WHEN 12 THEN 452 END, CASE j.state WHEN 10 THEN '2.0.0' WHEN 11 THEN '5.1.1' WHEN 12 THEN '4.2.2' END, \
             CASE j.state WHEN 11 THEN 'bad_address' WHEN 12 THEN 'mailbox_full' WHEN 15 THEN 'unsubscribed' END, \
             CASE j.state WHEN 10 THEN '250 2.0.0 Ok: queued as 4F3C1A2B' WHEN 11 THEN '550 5.1.1 No such user here' WHEN 12 THEN '452 4.2.2 Mailbox full' END \
           FROM j CROSS JOIN c ORDER BY j.id RETURNING workspace_id, campaign_id, provider_id, state, reason, subscriber_id), \
         n AS (INSERT INTO delivery_counts (campaign_id, provider_id, state, detail, workspace_id, n) \
           SELECT campaign_id, provider_id, state, COALESCE(reason, ''), workspace_id, COUNT(*) FROM i GROUP BY 1, 2, 3, 4, 5 \
           ON CONFLICT (campaign_id, provider_id, state, detail) DO UPDATE SET n = delivery_counts.n + excluded.n) \
         SELECT COUNT(*), MAX(subscriber_id) FROM i HAVING COUNT(*) > 0"
);

use std::sync::Arc;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable};
use tidings_domain::{CampaignState, DeliveryState, Lane, UnixMs, Word};

use super::campaign;
use super::counts::{self, Deltas, Owner};
use super::fan_out_rows::{NewRow, Part, members};
use super::months::Month;
use super::queueing::QueuedJob;
use super::{providers, special, unpushed};
use crate::connection::on;
use crate::fixed::{Bind, Fixed, fixed_sql};
use crate::schema::{campaign_lists, campaigns, fanouts};
use crate::{
    AnyConn, CampaignId, ListId, PoolId, ProviderId, RevisionId, RouteId, Store, StoreError, StoreResult,
    SuppressionKey, WorkspaceId,
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
    /// that a kill at any point repeats nothing and leaves nothing out. `rows` bounds what is read of each included list. Rows whose
    /// domain's provider is known are queued at once: their jobs are for the queue, as those of [`Store::queue_pending`].
    ///
    /// # Errors
    /// The transaction could not be committed; the cursor has not moved.
    pub async fn fan_out(&self, campaign: CampaignId, rows: i64, now: UnixMs) -> StoreResult<(FanOut, Vec<QueuedJob>)> {
        let chunk = Chunk { rows, key: self.suppression_key(), notes: self.notes_unpushed(), now };
        self.write_again(move |conn| fan_out(conn, campaign, chunk)).await
    }
}

/// What one step may do.
#[derive(Clone, Copy)]
struct Chunk {
    rows: i64,
    key: SuppressionKey,
    /// Jobs are noted until they are pushed.
    notes: bool,
    now: UnixMs,
}

fn fan_out(conn: &mut AnyConn, id: CampaignId, chunk: Chunk) -> StoreResult<(FanOut, Vec<QueuedJob>)> {
    match campaign::lock(conn, id)? {
        Some(standing) if standing.state == CampaignState::Queuing => {}
        _ => return Ok((FanOut::NotQueuing, Vec::new())),
    }
    let progress = Progress::load(conn, id)?;
    if progress.done {
        return Ok((finished(conn, id)?, Vec::new()));
    }
    let upper = progress.next_bound(conn, chunk.rows)?;
    let (rows, jobs) = progress.insert(conn, upper, chunk)?;
    if chunk.notes {
        unpushed::note(conn, &jobs)?;
    }
    Ok((progress.advance(conn, upper, rows)?, jobs))
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
    route: Option<RouteId>,
    pool: Option<PoolId>,
    month: Month,
    /// Subscribers up to and with this id have their rows.
    cursor: i64,
    /// Frozen at launch.
    last: i64,
    done: bool,
    included: Vec<ListId>,
    excluded: Vec<ListId>,
}

impl Progress {
    fn load(conn: &mut AnyConn, campaign: CampaignId) -> StoreResult<Self> {
        type Row = (WorkspaceId, i64, i64, bool, Option<RevisionId>, Ways, i64);
        type Ways = (Option<RouteId>, Option<PoolId>);
        let (workspace, cursor, last, done, revision, (route, pool), month): Row = fanouts::table
            .inner_join(campaigns::table.on(campaigns::id.eq(fanouts::campaign_id)))
            .filter(fanouts::campaign_id.eq(campaign))
            .select((
                fanouts::workspace_id,
                fanouts::cursor_subscriber_id,
                fanouts::last_subscriber_id,
                fanouts::done,
                campaigns::revision_id,
                (campaigns::route_id, campaigns::pool_id),
                fanouts::ledger_month,
            ))
            .first(conn)?;
        let revision = revision.ok_or_else(|| StoreError::Corrupt(format!("campaign {campaign} has no revision")))?;
        let included = lists(conn, campaign, "include")?;
        let excluded = lists(conn, campaign, "exclude")?;
        let month = Month(month);
        Ok(Self { campaign, workspace, revision, route, pool, month, cursor, last, done, included, excluded })
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

    /// Returns how many rows are new, and the jobs of those that are queued.
    fn insert(&self, conn: &mut AnyConn, upper: i64, chunk: Chunk) -> StoreResult<(i64, Vec<QueuedJob>)> {
        let place = (self.workspace, self.campaign);
        // Entries of other kinds and scopes are looked up after the INSERT: until then no row may be queued.
        let is_special = special::asks(conn, self.workspace, chunk.key, chunk.now)?;
        let known_until = if is_special { UnixMs(i64::MAX) } else { chunk.now };
        let mut rows: Vec<NewRow> = self.insert_rows(conn, upper, known_until, chunk.now)?;
        let mut deltas = Deltas::default();
        for (_, state, provider, reason) in &rows {
            deltas.add(self.owner(*provider), state.0, reason.as_deref().unwrap_or_default(), 1);
        }
        if is_special {
            for (reason, n) in special::skip_pending(conn, place, (self.cursor, upper), chunk.key, chunk.now)? {
                deltas.add(self.owner(ProviderId(0)), DeliveryState::Pending, "", -n);
                deltas.add(self.owner(ProviderId(0)), DeliveryState::Skipped, reason.as_str(), n);
            }
        }
        deltas.write(conn)?;
        let inserted = i64::try_from(rows.len()).unwrap_or(i64::MAX);
        rows.retain(|(_, state, ..)| state.0 == DeliveryState::Queued);
        Ok((inserted, self.jobs(conn, rows)?))
    }

    fn insert_rows(
        &self,
        conn: &mut AnyConn,
        upper: i64,
        known_until: UnixMs,
        now: UnixMs,
    ) -> StoreResult<Vec<NewRow>> {
        let part = Part {
            workspace: self.workspace,
            campaign: self.campaign,
            revision: self.revision,
            month: self.month,
            included: &self.included,
            excluded: &self.excluded,
            after: self.cursor,
            upper,
            known_until,
            now,
        };
        part.insert(conn)
    }

    fn owner(&self, provider: ProviderId) -> Owner {
        Owner { workspace: self.workspace, campaign: self.campaign, provider, group: None }
    }

    /// In the order of the rows' numbers.
    fn jobs(&self, conn: &mut AnyConn, mut rows: Vec<NewRow>) -> StoreResult<Vec<QueuedJob>> {
        rows.sort_unstable_by_key(|row| row.0);
        let names = providers::names(conn, rows.iter().map(|row| row.2))?;
        let job = |(delivery, _, provider, _): NewRow| {
            let provider = Arc::clone(names.get(&provider)?);
            Some(QueuedJob {
                delivery,
                workspace: self.workspace,
                campaign: self.campaign,
                attempt: 0,
                lane: Lane::Bulk,
                provider,
                route: self.route,
                pool: self.pool,
            })
        };
        Ok(rows.into_iter().filter_map(job).collect())
    }

    /// Moves the cursor; at the end the audience is frozen.
    fn advance(&self, conn: &mut AnyConn, upper: i64, rows: i64) -> StoreResult<FanOut> {
        let duplicates = self.count_duplicates(conn, upper)?;
        let done = upper >= self.last;
        diesel::update(fanouts::table.find(self.campaign))
            .set((
                fanouts::cursor_subscriber_id.eq(upper),
                fanouts::duplicates.eq(fanouts::duplicates + duplicates),
                fanouts::done.eq(done),
            ))
            .execute(conn)?;
        if !done {
            return Ok(FanOut::Chunk { rows });
        }
        let total = counts::total(conn, self.campaign, |_| true)?;
        diesel::update(campaigns::table.find(self.campaign)).set(campaigns::audience_total.eq(total)).execute(conn)?;
        finished(conn, self.campaign)
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

fn lists(conn: &mut AnyConn, campaign: CampaignId, role: &str) -> StoreResult<Vec<ListId>> {
    let of_campaign = campaign_lists::table.filter(campaign_lists::campaign_id.eq(campaign));
    Ok(of_campaign.filter(campaign_lists::role.eq(role)).select(campaign_lists::list_id).load(conn)?)
}

fixed_sql!(ListBound -> (Nullable<BigInt>, BigInt),
    "SELECT MAX(p.subscriber_id), COUNT(*) FROM (SELECT subscriber_id FROM subscriptions \
     WHERE list_id = ? AND subscriber_id > ? AND subscriber_id <= ? ORDER BY subscriber_id LIMIT ?) p");

fixed_sql!(CountDuplicates -> BigInt,
    concat!("SELECT COUNT(*) - COUNT(DISTINCT u.subscriber_id) FROM ", members!()));

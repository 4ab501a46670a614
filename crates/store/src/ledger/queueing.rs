use std::sync::Arc;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, SmallInt};
use tidings_domain::{DeliveryKind, Lane, UnixMs};

use super::counts::{Deltas, Owner};
use super::months::Span;
use super::providers;
use super::step::Step;
use super::unpushed;
use crate::connection::on;
use crate::fixed::{Bind, Fixed, fixed_sql};
use crate::words::Code;
use crate::{
    AnyConn, CampaignId, DeliveryId, PoolId, ProviderId, ReplyGroupId, RouteId, Store, StoreResult, WorkspaceId,
};

/// What the queue has to know of a row: ids, and where it belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedJob {
    pub delivery: DeliveryId,
    pub workspace: WorkspaceId,
    pub campaign: CampaignId,
    pub attempt: i16,
    pub lane: Lane,
    pub provider: Arc<str>,
    /// The row's own, else its campaign's.
    pub route: Option<RouteId>,
    /// Of the campaign: one of its routes takes the row.
    pub pool: Option<PoolId>,
}

/// A row that lives in the queue, found again when the queue is rebuilt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenJob {
    pub job: QueuedJob,
    /// `None`: ready now. Else the row is deferred until then; [`Store::take_due`] brings it back.
    pub due: Option<UnixMs>,
}

impl Store {
    /// Moves the campaign's pending rows to queued, of the first `limit` those whose domain's provider is known, and
    /// returns their jobs for the queue. A crash before the push loses nothing: [`Store::open_jobs`] finds them.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn queue_pending(&self, campaign: CampaignId, limit: i64, now: UnixMs) -> StoreResult<Vec<QueuedJob>> {
        let notes = self.notes_unpushed();
        self.write(move |conn| {
            let span = Span::of(conn, campaign)?;
            let mut binds = queue_binds(now, span);
            binds.push(Bind::Int(campaign.0));
            binds.extend(span.binds());
            binds.extend([Bind::Int(limit), Bind::Int(now.0)]);
            let rows: Vec<JobRow> = on!(conn, |c| Fixed::<QueueCampaign>::new(binds).load(c))?;
            count(conn, &rows, Step::QUEUE, ProviderBefore::Unknown)?;
            queued(conn, rows, notes)
        })
        .await
    }

    /// As [`Store::queue_pending`], for test messages of all campaigns.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn queue_tests(&self, limit: i64, now: UnixMs) -> StoreResult<Vec<QueuedJob>> {
        let mut binds = queue_binds(now, Span::ALL);
        binds.extend([Bind::Int(limit), Bind::Int(now.0)]);
        let notes = self.notes_unpushed();
        self.write(move |conn| {
            let rows: Vec<JobRow> = on!(conn, |c| Fixed::<QueueTests>::new(binds).load(c))?;
            queued(conn, rows, notes)
        })
        .await
    }

    /// Moves deferred rows whose time has come back to queued, the longest due first, and returns their jobs.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn take_due(&self, now: UnixMs, limit: i64) -> StoreResult<Vec<QueuedJob>> {
        let notes = self.notes_unpushed();
        self.write(move |conn| {
            let binds = [
                Bind::Int(i64::from(Step::WAKE.to().code())),
                Bind::Int(now.0),
                Bind::Int(i64::from(Step::WAKE.from().code())),
                Bind::Int(now.0),
                Bind::Int(limit),
            ];
            let rows: Vec<JobRow> = on!(conn, |c| Fixed::<WakeRows>::new(binds).load(c))?;
            count(conn, &rows, Step::WAKE, ProviderBefore::Same)?;
            queued(conn, rows, notes)
        })
        .await
    }

    /// Queued rows of a campaign that have stood still since `since`, as the jobs that they should have.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn stranded(&self, campaign: CampaignId, since: UnixMs, limit: i64) -> StoreResult<Vec<QueuedJob>> {
        self.read(move |conn| {
            let [first, last] = Span::of(conn, campaign)?.binds();
            let binds = [Bind::Int(campaign.0), first, last, Bind::Int(since.0), Bind::Int(limit)];
            let rows: Vec<JobRow> = on!(conn, |c| Fixed::<Stranded>::new(binds).load(c))?;
            jobs(conn, rows)
        })
        .await
    }

    /// Queued and deferred rows of all campaigns in id order, a page at a time, to rebuild the queue from the ledger.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn open_jobs(&self, after: DeliveryId, limit: i64) -> StoreResult<Vec<OpenJob>> {
        self.read_long(move |conn| {
            let binds = [Bind::Int(after.0), Bind::Int(limit)];
            let rows: Vec<JobRow> = on!(conn, |c| Fixed::<OpenRows>::new(binds).load(c))?;
            let due: Vec<Option<i64>> = rows.iter().map(|row| row.next_at).collect();
            let jobs = jobs(conn, rows)?;
            Ok(jobs.into_iter().zip(due).map(|(job, due)| OpenJob { job, due: due.map(UnixMs) }).collect())
        })
        .await
    }
}

pub(super) type JobRowType = (
    BigInt,
    BigInt,
    BigInt,
    SmallInt,
    SmallInt,
    SmallInt,
    BigInt,
    Nullable<BigInt>,
    Nullable<BigInt>,
    Nullable<BigInt>,
    Nullable<BigInt>,
);

#[derive(Queryable)]
pub(super) struct JobRow {
    delivery: DeliveryId,
    workspace: WorkspaceId,
    campaign: CampaignId,
    kind: Code<DeliveryKind>,
    lane: Code<Lane>,
    attempt: i16,
    provider: ProviderId,
    route: Option<RouteId>,
    next_at: Option<i64>,
    group: Option<ReplyGroupId>,
    pool: Option<PoolId>,
}

/// What a job's statement returns; the route is the row's own or its campaign's.
macro_rules! job_columns {
    () => {
        "id, workspace_id, campaign_id, kind, lane, attempt, provider_id, \
         COALESCE(route_id, (SELECT c.route_id FROM campaigns c WHERE c.id = campaign_id)), next_at_ms, reply_group_id, \
         (SELECT c.pool_id FROM campaigns c WHERE c.id = campaign_id)"
    };
}
pub(super) use job_columns;

macro_rules! queue_text {
    ($id:literal, $rows:literal, $domain:literal, $lock:literal) => {
        concat!(
            "UPDATE deliveries SET state = ?, updated_at_ms = ?, provider_id = \
             (SELECT r.provider_id FROM recipient_domains r WHERE r.domain = ",
            $domain,
            ") \
             WHERE +state = ? AND ",
            $id,
            " BETWEEN ? AND ? AND id IN (SELECT p.id FROM \
             (SELECT id, ",
            $domain,
            " AS domain FROM deliveries WHERE ",
            $rows,
            " ORDER BY id LIMIT ?",
            $lock,
            ") p \
             JOIN recipient_domains f ON f.domain = p.domain AND f.expires_at_ms > ?) RETURNING ",
            job_columns!()
        )
    };
}

fixed_sql!(QueueCampaign -> JobRowType,
    lite: queue_text!("+id", "campaign_id = ? AND +id BETWEEN ? AND ? AND state = 0 AND state < 10 AND kind = 0",
        "substr(recipient, instr(recipient, '@') + 1)", ""),
    pg: queue_text!("id", "campaign_id = ? AND id BETWEEN ? AND ? AND state = 0 AND state < 10 AND kind = 0",
        "split_part(recipient, '@', 2)", " FOR UPDATE"));

fixed_sql!(QueueTests -> JobRowType,
    lite: queue_text!("+id", "kind = 1 AND state = 0", "substr(recipient, instr(recipient, '@') + 1)", ""),
    pg: queue_text!("id", "kind = 1 AND state = 0", "split_part(recipient, '@', 2)", " FOR UPDATE"));

fn queue_binds(now: UnixMs, span: Span) -> Vec<Bind> {
    let (from, to) = (Step::QUEUE.from().code(), Step::QUEUE.to().code());
    let [first, last] = span.binds();
    vec![Bind::Int(i64::from(to)), Bind::Int(now.0), Bind::Int(i64::from(from)), first, last]
}

macro_rules! wake_text {
    ($lock:literal) => {
        concat!(
            "UPDATE deliveries SET state = ?, next_at_ms = NULL, updated_at_ms = ? WHERE +state = ? AND id IN \
             (SELECT id FROM deliveries WHERE state = 3 AND next_at_ms <= ? ORDER BY next_at_ms LIMIT ?",
            $lock,
            ") \
             RETURNING ",
            job_columns!()
        )
    };
}

fixed_sql!(WakeRows -> JobRowType, lite: wake_text!(""), pg: wake_text!(" FOR UPDATE SKIP LOCKED"));

fixed_sql!(OpenRows -> JobRowType,
    concat!("SELECT ", job_columns!(), " FROM deliveries WHERE id > ? AND state IN (1, 3) AND state < 10 \
             ORDER BY id LIMIT ?"));

fixed_sql!(Stranded -> JobRowType,
    concat!("SELECT ", job_columns!(), " FROM deliveries WHERE campaign_id = ? AND id BETWEEN ? AND ? AND state = 1 AND state < 10 \
             AND updated_at_ms <= ? ORDER BY id LIMIT ?"));

enum ProviderBefore {
    Unknown,
    Same,
}

fn count(conn: &mut AnyConn, rows: &[JobRow], step: Step, before: ProviderBefore) -> StoreResult<()> {
    let mut deltas = Deltas::default();
    for row in rows.iter().filter(|row| row.kind.0 == DeliveryKind::Campaign) {
        let now = Owner { workspace: row.workspace, campaign: row.campaign, provider: row.provider, group: row.group };
        let then = match before {
            ProviderBefore::Unknown => Owner { provider: ProviderId(0), ..now },
            ProviderBefore::Same => now,
        };
        deltas.add(then, step.from(), "", -1);
        deltas.add(now, step.to(), "", 1);
    }
    deltas.write(conn)
}

/// The jobs of rows that have just become queued, noted when the queue outlives this process.
fn queued(conn: &mut AnyConn, rows: Vec<JobRow>, notes: bool) -> StoreResult<Vec<QueuedJob>> {
    let jobs = jobs(conn, rows)?;
    if notes {
        unpushed::note(conn, &jobs)?;
    }
    Ok(jobs)
}

/// In id order: RETURNING promises none.
pub(super) fn jobs(conn: &mut AnyConn, mut rows: Vec<JobRow>) -> StoreResult<Vec<QueuedJob>> {
    rows.sort_unstable_by_key(|row| row.delivery);
    let names = providers::names(conn, rows.iter().map(|row| row.provider))?;
    let job = |row: JobRow| {
        Some(QueuedJob {
            delivery: row.delivery,
            workspace: row.workspace,
            campaign: row.campaign,
            attempt: row.attempt,
            lane: row.lane.0,
            provider: Arc::clone(names.get(&row.provider)?),
            route: row.route,
            pool: row.pool,
        })
    };
    Ok(rows.into_iter().filter_map(job).collect())
}

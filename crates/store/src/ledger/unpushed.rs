//! The gap between the commit that makes rows queued and the push of their jobs, when the queue outlives this process: a note in the
//! same transaction, deleted after the push.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use tidings_domain::DeliveryState;

use super::months;
use super::queueing::{JobRow, JobRowType, QueuedJob, job_columns, jobs};
use crate::connection::on;
use crate::fixed::{Bind, Fixed, fixed_sql};
use crate::{AnyConn, Store, StoreResult};

impl Store {
    /// Forgets the note of a batch whose jobs the queue has got.
    ///
    /// # Errors
    /// The transaction could not be committed; then the batch is pushed again some time, which the ledger's guards bear.
    pub async fn pushed(&self, batch: &[QueuedJob]) -> StoreResult<()> {
        let Some(first) = batch.first().filter(|_| self.notes_unpushed()) else { return Ok(()) };
        let binds = [Bind::Int(first.delivery.0)];
        self.write(move |conn| {
            // Not worth a wait for the disk: a note that comes back is pushed again, which the ledger's guards bear.
            if let AnyConn::Pg(c) = conn {
                c.batch_execute("SET LOCAL synchronous_commit = off")?;
            }
            let _: Vec<i64> = on!(conn, |c| Fixed::<Forget>::new(binds).load(c))?;
            Ok(())
        })
        .await
    }

    /// A batch that an earlier dispatcher committed and may not have pushed: those of its rows that still stand queued.
    /// To be pushed, and then forgotten with [`Store::forget_unpushed`].
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn unpushed(&self) -> StoreResult<Option<(i64, Vec<QueuedJob>)>> {
        self.read(|conn| {
            let found: Vec<(i64, String)> = on!(conn, |c| Fixed::<First>::new([]).load(c))?;
            let Some((batch, ids)) = found.into_iter().next() else { return Ok(None) };
            let ids = ids.split(',').filter_map(run).flatten().collect();
            let [ids, first, last] = months::rows(ids);
            let binds = [ids, first, last, Bind::Int(i64::from(DeliveryState::Queued.code()))];
            let rows: Vec<JobRow> = on!(conn, |c| Fixed::<StillQueued>::new(binds).load(c))?;
            Ok(Some((batch, jobs(conn, rows)?)))
        })
        .await
    }

    /// # Errors
    /// The transaction could not be committed.
    pub async fn forget_unpushed(&self, batch: i64) -> StoreResult<()> {
        self.write(move |conn| {
            let _: Vec<i64> = on!(conn, |c| Fixed::<Forget>::new([Bind::Int(batch)]).load(c))?;
            Ok(())
        })
        .await
    }
}

/// In the transaction that made them queued. The jobs are in id order.
pub(super) fn note(conn: &mut AnyConn, batch: &[QueuedJob]) -> StoreResult<()> {
    let Some(first) = batch.first() else { return Ok(()) };
    let ids: Vec<i64> = batch.iter().map(|job| job.delivery.0).collect();
    let binds = [Bind::Int(first.delivery.0), Bind::Text(runs(&ids))];
    let _: Vec<i64> = on!(conn, |c| Fixed::<Note>::new(binds).load(c))?;
    Ok(())
}

/// Numbers in a row as `first-last`, for a batch of fan-out has hardly any gaps.
fn runs(ids: &[i64]) -> String {
    let run = |run: &[i64]| match run {
        [first, .., last] => format!("{first}-{last}"),
        one => one.first().map(ToString::to_string).unwrap_or_default(),
    };
    ids.chunk_by(|a, b| a + 1 == *b).map(run).collect::<Vec<_>>().join(",")
}

fn run(text: &str) -> Option<std::ops::RangeInclusive<i64>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Some(first.parse().ok()?..=last.parse().ok()?)
}

fixed_sql!(
    /// A row that comes round again before its old note was deleted: the new batch is the one to know.
    Note -> BigInt,
    "INSERT INTO unpushed_jobs (delivery_id, deliveries) VALUES (?, ?) \
     ON CONFLICT (delivery_id) DO UPDATE SET deliveries = unpushed_jobs.deliveries || ',' || excluded.deliveries \
     RETURNING delivery_id"
);

fixed_sql!(Forget -> BigInt, "DELETE FROM unpushed_jobs WHERE delivery_id = ? RETURNING delivery_id");

fixed_sql!(First -> (BigInt, Text), "SELECT delivery_id, deliveries FROM unpushed_jobs ORDER BY delivery_id LIMIT 1");

fixed_sql!(StillQueued -> JobRowType,
    lite: concat!("SELECT ", job_columns!(), " FROM deliveries WHERE id IN (SELECT value FROM json_each(?)) \
                   AND +id BETWEEN ? AND ? AND +state = ?"),
    pg: concat!("SELECT ", job_columns!(), " FROM deliveries WHERE id = ANY(?) AND id BETWEEN ? AND ? AND +state = ?"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_read_as_they_were_written() {
        assert_eq!(runs(&[3, 4, 5, 9, 11, 12]), "3-5,9,11-12");
        let read: Vec<i64> = "3-5,9,11-12,,x".split(',').filter_map(run).flatten().collect();
        assert_eq!(read, [3, 4, 5, 9, 11, 12]);
    }
}

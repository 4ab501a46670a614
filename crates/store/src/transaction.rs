//! One transaction, tried until its end is known.
//!
//! Between PostgreSQL and us a transaction can fail in three ways that are not its own fault. Another transaction was preferred
//! (SQLSTATE 40001, 40P01): it is done again. The connection was lost before the COMMIT: nothing holds, and it is done again. The
//! connection was lost after the COMMIT was sent and before its answer: then it may hold or not, and doing it again could do it
//! twice. Each transaction therefore leaves a mark of its own (`commit_marks`), and whether that is there is what the server is asked;
//! what the transaction gave is then returned as if the answer had come.
//!
//! The server's own number of the transaction would not do: a server that crashed gives numbers out again of which nothing had
//! reached its disk, and then tells how another transaction ended.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use diesel::prelude::*;
use diesel::r2d2::Pool;
use diesel::sql_types::BigInt;
use tidings_domain::UnixMs;

use crate::connection::on;
use crate::fixed::{Bind, Fixed, fixed_sql};
use crate::pool::{Opener, borrow, borrow_alive};
use crate::schema::{commit_marks, instance};
use crate::{AnyConn, Store, StoreError, StoreResult};

/// So often a transaction lets others go first, or meets a dead connection, before it is an error.
const MOST_TRIES: usize = 9;
/// How long the server is asked what became of a transaction: a restart fits in.
const ASK_FOR: Duration = Duration::from_secs(60);
const ASK_EVERY: Duration = Duration::from_millis(200);
/// A connection that has written nothing for so long is gone, and nobody asks after it.
const MARKS_KEPT_MS: i64 = 7 * UnixMs::DAY;

/// What is known of a transaction after one try.
enum Tried<T> {
    Ended(StoreResult<T>),
    /// COMMIT was sent and failed or was not answered. `mark` is the transaction's.
    Unanswered {
        value: T,
        mark: Mark,
        error: StoreError,
    },
}

/// What a transaction writes besides, so that it can be asked after: the number that it gives to its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    connection: i64,
    number: i64,
}

impl Mark {
    /// No transaction of this process had it before.
    fn next(connection: i64) -> Self {
        static NUMBER: AtomicI64 = AtomicI64::new(1);
        Self { connection, number: NUMBER.fetch_add(1, Ordering::Relaxed) }
    }
}

/// Runs the work on SQLite's one writer.
pub(crate) fn on_writer<T>(conn: &mut AnyConn, work: impl FnOnce(&mut AnyConn) -> StoreResult<T>) -> StoreResult<T> {
    conn.transaction(|conn| {
        take_write_lock(conn)?;
        work(conn)
    })
}

/// SQLite refuses, without waiting, to let a transaction write that read before another process wrote (a command line tool
/// beside the server). One that begins by writing waits for its turn instead; this write changes no row.
fn take_write_lock(conn: &mut AnyConn) -> QueryResult<()> {
    if let AnyConn::Lite(lite) = conn {
        diesel::update(instance::table.filter(instance::key.eq(""))).set(instance::value.eq("")).execute(lite)?;
    }
    Ok(())
}

/// Runs the work in a transaction of PostgreSQL, again and again if need be.
pub(crate) fn on_server<T>(
    pool: &Pool<Opener>,
    mut work: impl FnMut(&mut AnyConn) -> StoreResult<T>,
) -> StoreResult<T> {
    let mut pooled = borrow(pool)?;
    for tries in 1.. {
        let mark = Mark::next(pooled.id);
        match try_once(&mut pooled.conn, mark, &mut work) {
            Tried::Ended(Err(error)) if tries < MOST_TRIES && error.gave_way() => {
                tracing::debug!(%error, "a transaction gave way to another");
            }
            Tried::Ended(Err(error)) if pooled.died_of(&error) => {
                // Given back first: the pool may hold no more than this one.
                drop(pooled);
                if tries >= MOST_TRIES {
                    return Err(error);
                }
                tracing::debug!(%error, "a connection was lost before its COMMIT");
                pooled = borrow_alive(pool)?;
            }
            Tried::Ended(done) => return done,
            Tried::Unanswered { value, mark, error } => {
                pooled.give_up();
                drop(pooled);
                match ask(pool, mark) {
                    Some(true) => return Ok(value),
                    Some(false) if tries < MOST_TRIES => pooled = borrow_alive(pool)?,
                    Some(false) => return Err(error),
                    None => return Err(StoreError::Unanswered(error.to_string())),
                }
            }
        }
    }
    Err(StoreError::Stopped)
}

fn try_once<T>(conn: &mut AnyConn, mark: Mark, work: &mut impl FnMut(&mut AnyConn) -> StoreResult<T>) -> Tried<T> {
    let mut finished = None;
    let committed = conn.transaction(|conn| {
        let value = work(conn)?;
        finished = Some((value, leave(conn, mark)?));
        Ok(())
    });
    match (committed, finished) {
        (Ok(()), Some((value, _))) => Tried::Ended(Ok(value)),
        // Nothing was written: there is nothing to be unsure of.
        (Err(_), Some((value, false))) => Tried::Ended(Ok(value)),
        (Err(error), Some((value, true))) => Tried::Unanswered { value, mark, error },
        (Err(error), None) => Tried::Ended(Err(error)),
        (Ok(()), None) => Tried::Ended(Err(StoreError::Stopped)),
    }
}

fixed_sql!(
    /// Nothing while the transaction has written nothing.
    LeaveMark -> BigInt,
    lite: "SELECT ? WHERE ? IS NULL",
    pg: "INSERT INTO commit_marks (connection, number, at_ms) \
         SELECT CAST(? AS BIGINT), CAST(? AS BIGINT), CAST(extract(epoch FROM now()) * 1000 AS BIGINT) \
         WHERE pg_current_xact_id_if_assigned() IS NOT NULL \
         ON CONFLICT (connection) DO UPDATE SET number = excluded.number, at_ms = excluded.at_ms RETURNING number"
);

/// Whether there was anything to be marked.
fn leave(conn: &mut AnyConn, mark: Mark) -> StoreResult<bool> {
    let binds = [Bind::Int(mark.connection), Bind::Int(mark.number)];
    let left: Vec<i64> = on!(conn, |c| Fixed::<LeaveMark>::new(binds).load(c))?;
    Ok(!left.is_empty())
}

fixed_sql!(
    /// The last number of a connection; 0 when it left none. Writes to its row, so that the server answers only when a transaction that is
    /// still at it has ended, one way or the other.
    LastMark -> BigInt,
    lite: "SELECT ?",
    pg: "INSERT INTO commit_marks (connection, number, at_ms) \
         VALUES (CAST(? AS BIGINT), 0, CAST(extract(epoch FROM now()) * 1000 AS BIGINT)) \
         ON CONFLICT (connection) DO UPDATE SET at_ms = excluded.at_ms RETURNING number"
);

/// Whether the transaction was committed. `None`: the server does not come back.
fn ask(pool: &Pool<Opener>, mark: Mark) -> Option<bool> {
    let began = Instant::now();
    while began.elapsed() < ASK_FOR {
        match last_mark(pool, mark.connection) {
            Ok(number) => return Some(number == mark.number),
            // Still at it, or not back yet.
            Err(_) => std::thread::sleep(ASK_EVERY),
        }
    }
    None
}

fn last_mark(pool: &Pool<Opener>, connection: i64) -> StoreResult<i64> {
    let mut pooled = borrow_alive(pool)?;
    Ok(on!(&mut pooled.conn, |c| Fixed::<LastMark>::new([Bind::Int(connection)]).get_result(c))?)
}

impl Store {
    /// Forgets the marks of connections that are long gone.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn forget_commit_marks(&self, now: UnixMs) -> StoreResult<()> {
        self.write(move |conn| {
            let old = commit_marks::table.filter(commit_marks::at_ms.lt(now.0 - MARKS_KEPT_MS));
            diesel::delete(old).execute(conn)?;
            Ok(())
        })
        .await
    }
}

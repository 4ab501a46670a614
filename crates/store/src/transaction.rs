//! One transaction, tried until its end is known.
//!
//! Between PostgreSQL and us a transaction can fail in three ways that are not its own fault. Another transaction was preferred
//! (SQLSTATE 40001, 40P01): it is done again. The connection was lost before the COMMIT: nothing holds, and it is done again. The
//! connection was lost after the COMMIT was sent and before its answer: then it may hold or not, and doing it again could do it
//! twice. The server knows, by the transaction's number; it is asked, and what the transaction gave is returned as if the
//! answer had come.

use std::time::{Duration, Instant};

use diesel::prelude::*;
use diesel::r2d2::Pool;
use diesel::sql_types::{BigInt, Nullable, Text};

use crate::connection::on;
use crate::fixed::{Bind, Fixed, fixed_sql};
use crate::pool::{Opener, borrow, borrow_alive};
use crate::schema::instance;
use crate::{AnyConn, StoreError, StoreResult};

/// So often a transaction lets others go first, or meets a dead connection, before it is an error.
const MOST_TRIES: usize = 9;
/// How long the server is asked what became of a transaction: a restart fits in.
const ASK_FOR: Duration = Duration::from_secs(60);
const ASK_EVERY: Duration = Duration::from_millis(200);

/// What is known of a transaction after one try.
enum Tried<T> {
    Ended(StoreResult<T>),
    /// COMMIT was sent and failed or was not answered. `number` is the transaction's.
    Unanswered {
        value: T,
        number: i64,
        error: StoreError,
    },
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
        match try_once(&mut pooled.conn, &mut work) {
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
            Tried::Unanswered { value, number, error } => {
                pooled.give_up();
                drop(pooled);
                match ask(pool, number) {
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

fn try_once<T>(conn: &mut AnyConn, work: &mut impl FnMut(&mut AnyConn) -> StoreResult<T>) -> Tried<T> {
    let mut finished = None;
    let committed = conn.transaction(|conn| {
        let value = work(conn)?;
        finished = Some((value, number(conn)?));
        Ok(())
    });
    match (committed, finished) {
        (Ok(()), Some((value, _))) => Tried::Ended(Ok(value)),
        // Nothing was written: there is nothing to be unsure of.
        (Err(_), Some((value, None))) => Tried::Ended(Ok(value)),
        (Err(error), Some((value, Some(number)))) => Tried::Unanswered { value, number, error },
        (Err(error), None) => Tried::Ended(Err(error)),
        (Ok(()), None) => Tried::Ended(Err(StoreError::Stopped)),
    }
}

fixed_sql!(
    /// The transaction's number; none while it has written nothing.
    Number -> Nullable<BigInt>,
    lite: "SELECT NULL",
    pg: "SELECT CAST(CAST(pg_current_xact_id_if_assigned() AS TEXT) AS BIGINT)"
);

fn number(conn: &mut AnyConn) -> StoreResult<Option<i64>> {
    Ok(on!(conn, |c| Fixed::<Number>::new([]).get_result(c))?)
}

fixed_sql!(Fate -> Nullable<Text>,
    lite: "SELECT ?",
    pg: "SELECT pg_xact_status(CAST(? AS xid8))");

/// Whether the transaction was committed. `None`: the server does not come back, or has forgotten.
fn ask(pool: &Pool<Opener>, number: i64) -> Option<bool> {
    let began = Instant::now();
    while began.elapsed() < ASK_FOR {
        match fate(pool, number) {
            Ok(Some(word)) if word == "committed" => return Some(true),
            Ok(Some(word)) if word == "aborted" => return Some(false),
            Ok(None) => return None,
            // Still at it, or not back yet.
            Ok(Some(_)) | Err(_) => std::thread::sleep(ASK_EVERY),
        }
    }
    None
}

fn fate(pool: &Pool<Opener>, number: i64) -> StoreResult<Option<String>> {
    let mut pooled = borrow_alive(pool)?;
    let binds = [Bind::Text(number.to_string())];
    Ok(on!(&mut pooled.conn, |c| Fixed::<Fate>::new(binds).get_result(c))?)
}

//! What holds for the installation as a whole.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};

use crate::connection::{connect, on};
use crate::schema::instance;
use crate::{AnyConn, Store, StoreError, StoreResult};

/// Held by the one process of an installation that has no shared queue, or together by all that have one. Any number will do, if nobody
/// else uses it.
const ALONE_LOCK: i64 = 0x0071_6469_6e67_7322;

#[derive(QueryableByName)]
struct Locked {
    #[diesel(sql_type = Bool)]
    got: bool,
}

/// While it lives, no other process takes the same database for its own. The database gives it up with the connection, so a
/// killed process holds nothing.
pub struct Claim {
    _connection: Option<AnyConn>,
}

impl Store {
    /// Makes sure that this is the only process on a PostgreSQL database. On SQLite the data folder's lock does.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when another process holds the database; else the database's own.
    pub async fn hold_alone(url: &str) -> StoreResult<Claim> {
        if !url.starts_with("postgres") {
            return Ok(Claim { _connection: None });
        }
        hold(url, "SELECT pg_try_advisory_lock($1 # hashtext(COALESCE(current_schema(), ''))::bigint) AS got").await
    }

    /// Makes sure that nobody holds a PostgreSQL database alone. Any number of processes hold it together.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when a process holds the database alone; else the database's own.
    pub async fn hold_together(url: &str) -> StoreResult<Claim> {
        hold(url, "SELECT pg_try_advisory_lock_shared($1 # hashtext(COALESCE(current_schema(), ''))::bigint) AS got")
            .await
    }

    /// Sets a fact of the installation and says what it was.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn replace_fact(&self, name: &'static str, value: String) -> StoreResult<Option<String>> {
        self.write(move |conn| {
            let old = instance::table.find(name).select(instance::value).first(conn).optional()?;
            let row = (instance::key.eq(name), instance::value.eq(&value));
            on!(conn, |c| diesel::insert_into(instance::table)
                .values(row)
                .on_conflict(instance::key)
                .do_update()
                .set(instance::value.eq(&value))
                .execute(c))?;
            Ok(old)
        })
        .await
    }

    /// Keeps a fact of the installation when it is told for the first time, and says what is kept.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn keep_fact(&self, name: &'static str, value: String) -> StoreResult<String> {
        self.write(move |conn| {
            let row = (instance::key.eq(name), instance::value.eq(&value));
            on!(conn, |c| diesel::insert_into(instance::table).values(row).on_conflict_do_nothing().execute(c))?;
            Ok(instance::table.find(name).select(instance::value).first(conn)?)
        })
        .await
    }
}

/// An installation is a schema; one database may have several.
async fn hold(url: &str, sql: &'static str) -> StoreResult<Claim> {
    let url = url.to_owned();
    let taken = tokio::task::spawn_blocking(move || {
        let mut connection = connect(&url)?;
        let locked: Locked =
            on!(&mut connection, |c| diesel::sql_query(sql).bind::<BigInt, _>(ALONE_LOCK).get_result(c))?;
        Ok::<_, StoreError>(locked.got.then_some(connection))
    });
    match taken.await.map_err(|_| StoreError::Stopped)?? {
        Some(connection) => Ok(Claim { _connection: Some(connection) }),
        None => Err(StoreError::Exists("another process".to_owned())),
    }
}

//! What the database says of itself: for the doctor, and for a copy of it.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use tidings_domain::UnixMs;

use crate::connection::connect;
use crate::{AnyConn, Store, StoreError, StoreResult};

#[derive(Debug, Clone)]
pub struct DatabaseCondition {
    /// `PostgreSQL 15.18`, `SQLite 3.51.3`.
    pub version: String,
    /// The server's clock; SQLite has ours.
    pub clock: Option<UnixMs>,
    /// Settings without which a commit may be lost, where they stand otherwise than they should.
    pub unsafe_settings: Vec<String>,
    /// Connections that the server takes from all its clients; 0 where there is no such limit.
    pub max_connections: i64,
}

#[derive(QueryableByName)]
struct Named {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    value: String,
}

#[derive(QueryableByName)]
struct Clock {
    #[diesel(sql_type = BigInt)]
    ms: i64,
}

impl Store {
    /// # Errors
    /// The database cannot be read.
    pub async fn condition(&self) -> StoreResult<DatabaseCondition> {
        self.read(|conn| match conn {
            AnyConn::Pg(c) => of_postgres(c),
            AnyConn::Lite(c) => of_sqlite(c),
        })
        .await
    }

    /// Looks through the whole SQLite file for damage: empty when there is none. It takes as long as reading the file. PostgreSQL has
    /// its own checksums, so there it looks at nothing.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn damage(&self) -> StoreResult<Vec<String>> {
        self.read(|conn| match conn {
            AnyConn::Pg(_) => Ok(Vec::new()),
            AnyConn::Lite(c) => {
                let text = "SELECT 'quick_check' AS name, quick_check AS value FROM pragma_quick_check";
                let found: Vec<Named> = diesel::sql_query(text).load(c)?;
                Ok(found.into_iter().map(|row| row.value).filter(|line| line != "ok").collect())
            }
        })
        .await
    }

    /// Writes a copy of the SQLite file as of now, while others go on writing. The copy must not exist yet.
    ///
    /// # Errors
    /// The copy cannot be written, or the database is PostgreSQL.
    pub async fn copy_into(&self, path: &str) -> StoreResult<()> {
        let path = path.replace('\'', "''");
        self.read(move |conn| match conn {
            AnyConn::Pg(_) => Err(StoreError::Corrupt("PostgreSQL is copied with pg_dump".to_owned())),
            AnyConn::Lite(c) => Ok(c.batch_execute(&format!("VACUUM INTO '{path}'"))?),
        })
        .await
    }
}

fn of_postgres(conn: &mut PgConnection) -> StoreResult<DatabaseCondition> {
    let clock: Clock = diesel::sql_query("SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) AS ms")
        .get_result(conn)?;
    let text = "SELECT name, setting AS value FROM pg_settings \
                WHERE name IN ('server_version', 'fsync', 'synchronous_commit', 'full_page_writes', 'max_connections')";
    let settings: Vec<Named> = diesel::sql_query(text).load(conn)?;
    let of = |name: &str| settings.iter().find(|s| s.name == name).map_or("", |s| s.value.as_str());
    let durable = ["fsync", "synchronous_commit", "full_page_writes"];
    let is_off = |name: &&str| matches!(of(name), "off" | "local");
    Ok(DatabaseCondition {
        version: format!("PostgreSQL {}", of("server_version")),
        clock: Some(UnixMs(clock.ms)),
        unsafe_settings: durable.iter().filter(|n| is_off(n)).map(|n| format!("{n} = {}", of(n))).collect(),
        max_connections: of("max_connections").parse().unwrap_or(0),
    })
}

fn of_sqlite(conn: &mut SqliteConnection) -> StoreResult<DatabaseCondition> {
    let version: Named = diesel::sql_query("SELECT 'version' AS name, sqlite_version() AS value").get_result(conn)?;
    let mode: Named =
        diesel::sql_query("SELECT 'mode' AS name, journal_mode AS value FROM pragma_journal_mode").get_result(conn)?;
    let unsafe_settings = if mode.value == "wal" { Vec::new() } else { vec![format!("journal_mode = {}", mode.value)] };
    Ok(DatabaseCondition {
        version: format!("SQLite {}", version.value),
        clock: None,
        unsafe_settings,
        max_connections: 0,
    })
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

impl Store {
    /// Whether a PostgreSQL database has no table of ours or anybody's in its path.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub async fn is_empty(url: &str) -> StoreResult<bool> {
        let url = url.to_owned();
        let counted = tokio::task::spawn_blocking(move || {
            let text = "SELECT COUNT(*) AS n FROM pg_tables WHERE schemaname = ANY(current_schemas(false))";
            match connect(&url)? {
                AnyConn::Pg(mut c) => Ok(diesel::sql_query(text).get_result::<Count>(&mut c)?.n == 0),
                AnyConn::Lite(_) => Err(StoreError::Corrupt("an SQLite file is empty when it is not there".to_owned())),
            }
        });
        counted.await.map_err(|_| StoreError::Stopped)?
    }
}

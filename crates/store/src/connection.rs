use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::r2d2::{ConnectionManager, CustomizeConnection};

use crate::{StoreError, StoreResult};

/// One connection to either backend. SQLite comes last: it accepts any URL.
#[derive(diesel::MultiConnection)]
pub enum AnyConn {
    Pg(PgConnection),
    Lite(SqliteConnection),
}

/// Runs one body of diesel DSL on the concrete connection: for batch inserts, upserts and what else does not compile on
/// the enum. The body is compiled once for each backend.
macro_rules! on {
    ($conn:expr, |$c:ident| $body:expr) => {
        match $conn {
            $crate::AnyConn::Pg($c) => $body,
            $crate::AnyConn::Lite($c) => $body,
        }
    };
}
#[allow(unused_imports)] // the table files use it
pub(crate) use on;

pub(crate) type Manager = ConnectionManager<AnyConn>;

/// Opens one connection. Asked to choose by the URL itself, the two backends together would hide the one's reason.
pub(crate) fn connect(url: &str) -> StoreResult<AnyConn> {
    let opened = match url.starts_with("postgres:") || url.starts_with("postgresql:") {
        true => PgConnection::establish(url).map(AnyConn::Pg),
        false => SqliteConnection::establish(url).map(AnyConn::Lite),
    };
    opened.map_err(|e| StoreError::Connect(e.to_string()))
}

/// Memory for pages of the one SQLite writer and of each reader, in KiB.
const WRITER_CACHE_KIB: u32 = 32 * 1024;
const READER_CACHE_KIB: u32 = 4 * 1024;
/// How long SQLite waits for a lock that another process holds (a backup, a shell).
const BUSY_TIMEOUT_MS: u32 = 10_000;
/// The WAL is folded back into the file when it has grown to this many pages (4 KiB each).
const CHECKPOINT_PAGES: u32 = 8_000;

/// SQLite: WAL with FULL, so that a commit that returned survives the machine, which is what the ledger promises.
/// PostgreSQL: no JIT, which spent two seconds on compiling a fan-out of half a second.
pub(crate) fn prepare(conn: &mut AnyConn, writer: bool) -> QueryResult<()> {
    match conn {
        AnyConn::Pg(c) => c.batch_execute("SET TIME ZONE 'UTC'; SET jit = off"),
        AnyConn::Lite(c) => c.batch_execute(&format!(
            "PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
             PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -{}; \
             PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES};",
            if writer { WRITER_CACHE_KIB } else { READER_CACHE_KIB }
        )),
    }
}

#[derive(Debug)]
pub(crate) struct PrepareReader;

impl CustomizeConnection<AnyConn, diesel::r2d2::Error> for PrepareReader {
    fn on_acquire(&self, conn: &mut AnyConn) -> Result<(), diesel::r2d2::Error> {
        prepare(conn, false).map_err(diesel::r2d2::Error::QueryError)
    }
}

use diesel::connection::SimpleConnection;
use diesel::prelude::*;

use crate::{StoreError, StoreResult, postgres};

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

/// Opens one connection. Asked to choose by the URL itself, the two backends together would hide the one's reason.
pub(crate) fn connect(url: &str) -> StoreResult<AnyConn> {
    match is_postgres(url) {
        true => postgres::connect(url).map(AnyConn::Pg),
        false => open_file(url).map(AnyConn::Lite),
    }
}

/// Another process may hold the file just now, or fold its log back as it ends: whoever opens it waits from the first statement on.
fn open_file(path: &str) -> StoreResult<SqliteConnection> {
    let mut conn = SqliteConnection::establish(path).map_err(|e| StoreError::Connect(e.to_string()))?;
    conn.batch_execute(&format!("PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}"))?;
    Ok(conn)
}

fn is_postgres(url: &str) -> bool {
    url.starts_with("postgres:") || url.starts_with("postgresql:")
}

/// Memory for pages of the one SQLite writer and of each reader, in KiB.
const WRITER_CACHE_KIB: u32 = 32 * 1024;
const READER_CACHE_KIB: u32 = 4 * 1024;
/// How long SQLite waits for a lock that another process holds (a backup, a shell).
const BUSY_TIMEOUT_MS: u32 = 10_000;
/// The WAL is folded back into the file when it has grown to this many pages (4 KiB each).
const CHECKPOINT_PAGES: u32 = 8_000;

/// What a connection is used for: how long a statement may take, and how long it may wait for a lock of another transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A person waits for a page, or a loop for its next task.
    Read,
    /// One bounded transaction of rows.
    Write,
    /// The schema: as long as it takes.
    Migrate,
}

/// SQLite: WAL with FULL, so that a commit that returned survives the machine, which is what the ledger promises.
pub(crate) fn prepare(conn: &mut AnyConn, purpose: Purpose) -> QueryResult<()> {
    match conn {
        AnyConn::Pg(c) => postgres::prepare(c, purpose),
        AnyConn::Lite(c) => c.batch_execute(&format!(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
             PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -{}; \
             PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES};",
            if purpose == Purpose::Read { READER_CACHE_KIB } else { WRITER_CACHE_KIB }
        )),
    }
}

//! How a session of PostgreSQL begins: with which server, and with which limits.

use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Integer};

use crate::connection::Purpose;
use crate::{StoreError, StoreResult};

/// The oldest server whose plans leave out the months of the ledger that a statement cannot mean, also in an UPDATE.
const OLDEST_SERVER: i32 = 14;

/// A page that takes longer than this would not be waited for.
const READ_STATEMENT: Duration = Duration::from_secs(20);
/// One bounded transaction of some thousands of rows, on a busy disk.
const WRITE_STATEMENT: Duration = Duration::from_secs(60);
/// What goes through many rows on purpose: filling a queue anew, deleting a list, an export.
pub(crate) const LONG_STATEMENT: Duration = Duration::from_secs(15 * 60);
/// A transaction holds its locks for milliseconds. Whoever waits longer than this is better told.
const LOCK: Duration = Duration::from_secs(20);
/// A process that was stopped in the middle of a transaction holds its campaign's lock no longer than this.
const IDLE_IN_TRANSACTION: Duration = Duration::from_secs(30);

/// What a URL says of the connection itself wins over these. A server that vanished without a word is noticed within half a minute.
const URL_DEFAULTS: [(&str, &str); 6] = [
    ("application_name", "tidings"),
    ("connect_timeout", "10"),
    ("keepalives_idle", "30"),
    ("keepalives_interval", "10"),
    ("keepalives_count", "3"),
    ("tcp_user_timeout", "30000"),
];

#[derive(QueryableByName)]
struct Server {
    #[diesel(sql_type = Bool)]
    is_standby: bool,
    #[diesel(sql_type = Integer)]
    version: i32,
}

/// Opens a session on a server that may hold the truth: a primary, and of a version that we know.
pub(crate) fn connect(url: &str) -> StoreResult<PgConnection> {
    let mut conn = PgConnection::establish(&with_defaults(url)).map_err(|e| StoreError::Connect(e.to_string()))?;
    let text = "SELECT pg_is_in_recovery() AS is_standby, current_setting('server_version_num')::INTEGER AS version";
    let server: Server = diesel::sql_query(text).get_result(&mut conn)?;
    refuse(&server).map_or(Ok(conn), |words| Err(StoreError::Connect(words)))
}

fn refuse(server: &Server) -> Option<String> {
    let version = server.version / 10_000;
    if version < OLDEST_SERVER {
        return Some(format!(
            "the server is PostgreSQL {version}; Tidings needs {OLDEST_SERVER} or later: upgrade it, or name another server"
        ));
    }
    server.is_standby.then(|| {
        "the server is a standby, which only follows another and knows less than that one: name the primary. In a URL with \
         several hosts, target_session_attrs=read-write finds it"
            .to_owned()
    })
}

/// No JIT, which spent two seconds on compiling a fan-out of half a second.
pub(crate) fn prepare(conn: &mut PgConnection, purpose: Purpose) -> QueryResult<()> {
    let (statement, lock) = match purpose {
        Purpose::Read => (READ_STATEMENT, LOCK),
        Purpose::Write => (WRITE_STATEMENT, LOCK),
        Purpose::Migrate => (Duration::ZERO, Duration::ZERO),
    };
    conn.batch_execute(&format!(
        "SET TIME ZONE 'UTC'; SET jit = off; SET statement_timeout = {}; SET lock_timeout = {}; \
         SET idle_in_transaction_session_timeout = {}",
        statement.as_millis(),
        lock.as_millis(),
        IDLE_IN_TRANSACTION.as_millis()
    ))
}

/// More time for the statements of this transaction.
pub(crate) fn take_time(conn: &mut PgConnection) -> QueryResult<()> {
    conn.batch_execute(&format!("SET LOCAL statement_timeout = {}", LONG_STATEMENT.as_millis()))
}

fn with_defaults(url: &str) -> String {
    let mut full = url.to_owned();
    for (name, value) in URL_DEFAULTS {
        let is_named = [format!("?{name}="), format!("&{name}=")].iter().any(|part| url.contains(part));
        if !is_named {
            full.push(if full.contains('?') { '&' } else { '?' });
            full.push_str(&format!("{name}={value}"));
        }
    }
    full
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_keeps_what_it_says() {
        let full = with_defaults("postgres://a@db/x?connect_timeout=3");
        assert!(full.starts_with("postgres://a@db/x?connect_timeout=3&application_name=tidings&"), "{full}");
        assert_eq!(full.matches("connect_timeout").count(), 1);
    }

    #[test]
    fn only_a_primary_of_a_known_version_will_do() {
        let words = |is_standby, version| refuse(&Server { is_standby, version });
        assert_eq!(words(false, 140_002), None);
        assert!(words(false, 130_014).is_some_and(|words| words.contains("PostgreSQL 13")));
        assert!(words(true, 170_000).is_some_and(|words| words.contains("standby")));
    }
}

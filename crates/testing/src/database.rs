use std::net::SocketAddr;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use rand::Rng;
use tempfile::TempDir;

/// Where the tests find PostgreSQL. `tests/run` sets it.
pub const POSTGRES_URL: &str = "TIDINGS_TEST_POSTGRES_URL";

/// A database of one test: an SQLite file in a temporary folder, or a schema of its own in PostgreSQL. Gone with the value.
pub struct TestDatabase {
    url: String,
    kind: Kind,
}

enum Kind {
    Sqlite { _folder: TempDir },
    Postgres { server: String, schema: String },
}

impl TestDatabase {
    /// One of each backend, for the suites that must hold on both.
    ///
    /// # Panics
    /// No PostgreSQL: a missing service fails the run and says what to do.
    #[must_use]
    pub fn each() -> Vec<Self> {
        vec![Self::sqlite(), Self::postgres()]
    }

    /// # Panics
    /// No temporary folder can be made.
    #[must_use]
    pub fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let url = folder.path().join("test.sqlite3").to_string_lossy().into_owned();
        Self { url, kind: Kind::Sqlite { _folder: folder } }
    }

    /// # Panics
    /// No PostgreSQL: says how to start one.
    #[must_use]
    pub fn postgres() -> Self {
        let server = std::env::var(POSTGRES_URL).unwrap_or_else(|_| {
            panic!("{POSTGRES_URL} is not set. `tests/run` installs and starts PostgreSQL and sets it; for one test, start your own (apt-get install postgresql) and set it to postgres://user:password@host/database")
        });
        let schema = format!("test_{:016x}", rand::rng().random::<u64>());
        let mut conn = PgConnection::establish(&server).unwrap_or_else(|e| panic!("{server}: {e}"));
        conn.batch_execute(&format!("CREATE SCHEMA {schema}")).expect("a schema for the test");
        let joint = if server.contains('?') { '&' } else { '?' };
        let url = format!("{server}{joint}options=-c%20search_path%3D{schema}");
        Self { url, kind: Kind::Postgres { server, schema } }
    }

    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where PostgreSQL listens, for a proxy before it.
    ///
    /// # Panics
    /// It is SQLite, or the server has a name that is no loopback address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        let (_, place, _) = self.pieces();
        place.replace("localhost", "127.0.0.1").parse().unwrap_or_else(|_| panic!("{place} is no address with a port"))
    }

    /// The same database by another way.
    ///
    /// # Panics
    /// It is SQLite.
    #[must_use]
    pub fn url_through(&self, address: SocketAddr) -> String {
        let (before, _, after) = self.pieces();
        format!("{before}{address}{after}")
    }

    /// The URL, with host and port apart.
    fn pieces(&self) -> (&str, &str, &str) {
        let start = self.url.find("://").expect("a URL of PostgreSQL") + 3;
        let end = self.url[start..].find('/').map_or(self.url.len(), |n| start + n);
        let start = self.url[start..end].rfind('@').map_or(start, |n| start + n + 1);
        (&self.url[..start], &self.url[start..end], &self.url[end..])
    }

    /// Runs statements behind the program's back.
    ///
    /// # Panics
    /// The database refuses them.
    pub fn execute(&self, statements: &str) {
        let done = match &self.kind {
            Kind::Sqlite { .. } => {
                let mut conn = SqliteConnection::establish(&self.url).expect("opens");
                // A store that was dropped may still be closing.
                conn.batch_execute("PRAGMA busy_timeout = 10000").expect("a time-out");
                conn.batch_execute(statements)
            }
            Kind::Postgres { .. } => PgConnection::establish(&self.url).expect("opens").batch_execute(statements),
        };
        done.unwrap_or_else(|error| panic!("{statements}: {error}"));
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if let Kind::Postgres { server, schema } = &self.kind {
            // A leftover schema harms nobody; a panic in drop would hide the test's own.
            if let Ok(mut conn) = PgConnection::establish(server) {
                let dropped = conn.batch_execute(&format!("DROP SCHEMA {schema} CASCADE"));
                if let Err(error) = dropped {
                    eprintln!("schema {schema} is left over: {error}");
                }
            }
        }
    }
}

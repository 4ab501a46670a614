use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use diesel::connection::Connection as _;
use diesel::r2d2::Pool;
use tokio::sync::Semaphore;

use crate::connection::{Purpose, connect, prepare};
use crate::pool::{self, Opener};
use crate::stops::INSTALLATION;
use crate::{AnyConn, PoolState, StoreError, StoreResult, SuppressionKey, WorkspaceId, migrate, postgres, transaction};

#[derive(Debug, Clone, Copy)]
pub struct StoreOptions {
    /// Connections that a process opens at most: for reading (SQLite, beside the one that writes), or for everything (PostgreSQL,
    /// where half of them write, so that pages are read however busy the ledger is). At least 2.
    pub max_connections: u32,
    pub connect_timeout: Duration,
    /// The queue outlives this process: what it has not been told yet is noted in the database.
    pub has_shared_queue: bool,
    /// For the hashes of erased addresses. Another key than before would forget them.
    pub suppression_key: SuppressionKey,
    /// Brings the schema up to date; else a schema of another version is refused.
    pub migrates: bool,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            max_connections: DEFAULT_CONNECTIONS,
            connect_timeout: Duration::from_secs(10),
            has_shared_queue: false,
            migrates: true,
            suppression_key: SuppressionKey::new([0; 32]),
        }
    }
}

/// Enough for the loops and pages of one process. PostgreSQL takes 100 from all of them together, unless it is told otherwise.
pub const DEFAULT_CONNECTIONS: u32 = 12;

/// A handle to the database; cloning it is cheap.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    readers: Pool<Opener>,
    writers: Writers,
    /// Hands the writers out in the order of asking.
    turn: Semaphore,
    has_shared_queue: bool,
    suppression_key: SuppressionKey,
}

enum Writers {
    /// SQLite has one.
    One(Mutex<AnyConn>),
    Several(Pool<Opener>),
}

impl Store {
    /// Opens the database and brings its schema up to date. `postgres://…` is PostgreSQL; all else is the path of an SQLite
    /// file, with or without `sqlite://`.
    ///
    /// # Errors
    /// The server cannot be reached, the file cannot be written, or the schema is not ours.
    pub async fn open(url: &str, options: StoreOptions) -> StoreResult<Self> {
        let url = url.strip_prefix("sqlite://").unwrap_or(url).to_owned();
        blocking(move || Self::open_blocking(&url, options)).await
    }

    fn open_blocking(url: &str, options: StoreOptions) -> StoreResult<Self> {
        let mut first = connect(url)?;
        prepare(&mut first, Purpose::Migrate)?;
        if options.migrates {
            migrate::up(&mut first)?;
        } else {
            migrate::refuse_pending(&mut first)?;
        }
        let size = options.max_connections.max(2);
        let (readers, writers) = match first {
            AnyConn::Lite(_) => (pool::open(url, Purpose::Read, size, &options)?, Writers::One(Mutex::new(first))),
            AnyConn::Pg(_) => {
                let writers = pool::open(url, Purpose::Write, size / 2, &options)?;
                (pool::open(url, Purpose::Read, size - size / 2, &options)?, Writers::Several(writers))
            }
        };
        let turn = Semaphore::new(writers.count());
        let StoreOptions { has_shared_queue, suppression_key, .. } = options;
        Ok(Self { inner: Arc::new(Inner { readers, writers, turn, has_shared_queue, suppression_key }) })
    }

    /// The database is SQLite, inside this process.
    #[must_use]
    pub fn is_embedded(&self) -> bool {
        matches!(self.inner.writers, Writers::One(_))
    }

    pub(crate) fn pool_state(&self) -> PoolState {
        let of = |pool: &Pool<Opener>| {
            let state = pool.state();
            PoolState { connections: state.connections, idle: state.idle_connections, limit: pool.max_size() }
        };
        let readers = of(&self.inner.readers);
        let Writers::Several(writers) = &self.inner.writers else { return readers };
        let writers = of(writers);
        PoolState {
            connections: readers.connections + writers.connections,
            idle: readers.idle + writers.idle,
            limit: readers.limit + writers.limit,
        }
    }

    pub(crate) fn notes_unpushed(&self) -> bool {
        self.inner.has_shared_queue
    }

    pub(crate) fn suppression_key(&self) -> SuppressionKey {
        self.inner.suppression_key
    }

    /// The suppression list that holds for every workspace, by the methods that a workspace has for its own. It is no
    /// workspace: nothing else is in it.
    #[must_use]
    pub fn installation_list(&self) -> Workspace {
        self.workspace(INSTALLATION)
    }

    /// The tenant's own handle.
    #[must_use]
    pub fn workspace(&self, id: WorkspaceId) -> Workspace {
        Workspace { store: self.clone(), id }
    }

    /// Runs queries that only read. Never speak to a peer inside. On PostgreSQL they begin again when their connection is lost.
    ///
    /// # Errors
    /// Whatever the closure returns, and a lost connection.
    pub async fn read<T, F>(&self, work: F) -> StoreResult<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut AnyConn) -> StoreResult<T> + Clone + Send + 'static,
    {
        let inner = Arc::clone(&self.inner);
        blocking(move || {
            let mut pooled = pool::borrow(&inner.readers)?;
            if let Writers::One(_) = inner.writers {
                return work(&mut pooled.conn);
            }
            match work.clone()(&mut pooled.conn) {
                Err(error) if pooled.died_of(&error) => {
                    drop(pooled);
                    work(&mut pool::borrow_alive(&inner.readers)?.conn)
                }
                done => done,
            }
        })
        .await
    }

    /// As [`Store::read`], for what goes through many rows on purpose: PostgreSQL ends it later.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn read_long<T, F>(&self, work: F) -> StoreResult<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut AnyConn) -> StoreResult<T> + Clone + Send + 'static,
    {
        self.read(move |conn| match conn {
            AnyConn::Lite(_) => work(conn),
            AnyConn::Pg(_) => conn.transaction(|conn| {
                take_time(conn)?;
                work(conn)
            }),
        })
        .await
    }

    /// Runs the closure in one transaction: committed when it returns `Ok`, rolled back otherwise. PostgreSQL may choose it to give way to
    /// another, or the connection may be lost: then it is run again, or its end is found out, so that it is done once.
    ///
    /// # Errors
    /// Whatever the closure returns, a failed commit, and a database that stays away.
    pub async fn write<T, F>(&self, work: F) -> StoreResult<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut AnyConn) -> StoreResult<T> + Clone + Send + 'static,
    {
        self.write_again(move |conn| work.clone()(conn)).await
    }

    /// As [`Store::write`], for what may take minutes: PostgreSQL ends it later.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub async fn write_long<T, F>(&self, work: F) -> StoreResult<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut AnyConn) -> StoreResult<T> + Clone + Send + 'static,
    {
        self.write(move |conn| {
            take_time(conn)?;
            work(conn)
        })
        .await
    }

    /// As [`Store::write`], for a closure that would be dear to copy: it can be told again from its start.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub async fn write_again<T, F>(&self, mut work: F) -> StoreResult<T>
    where
        T: Send + 'static,
        F: FnMut(&mut AnyConn) -> StoreResult<T> + Send + 'static,
    {
        let _turn = self.inner.turn.acquire().await.map_err(|_| StoreError::Stopped)?;
        let inner = Arc::clone(&self.inner);
        blocking(move || match &inner.writers {
            // A panic in a closure rolls its transaction back; the connection itself stays good.
            Writers::One(writer) => {
                transaction::on_writer(&mut writer.lock().unwrap_or_else(PoisonError::into_inner), work)
            }
            Writers::Several(pool) => transaction::on_server(pool, &mut work),
        })
        .await
    }

    /// The steps that the schema lacks, without taking them.
    ///
    /// # Errors
    /// The server cannot be reached, or the schema is a newer version's.
    pub async fn pending_migrations(url: &str) -> StoreResult<Vec<String>> {
        let url = url.strip_prefix("sqlite://").unwrap_or(url).to_owned();
        blocking(move || migrate::missing(&mut connect(&url)?)).await
    }

    /// Takes the schema down and up again: only for the test of the migrations.
    ///
    /// # Errors
    /// A migration that cannot be taken back.
    pub async fn redo_migrations(&self) -> StoreResult<()> {
        let inner = Arc::clone(&self.inner);
        blocking(move || {
            let mut pooled = pool::borrow(&inner.readers)?;
            migrate::down(&mut pooled.conn)?;
            migrate::up(&mut pooled.conn).map(|_| ())
        })
        .await
    }
}

impl Writers {
    fn count(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Several(pool) => pool.max_size() as usize,
        }
    }
}

fn take_time(conn: &mut AnyConn) -> StoreResult<()> {
    if let AnyConn::Pg(pg) = conn {
        postgres::take_time(pg)?;
    }
    Ok(())
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> StoreResult<T> + Send + 'static) -> StoreResult<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(StoreError::Stopped),
    }
}

/// A tenant's data, and nothing else: every method puts the workspace's id into its statement.
#[derive(Clone)]
pub struct Workspace {
    store: Store,
    id: WorkspaceId,
}

impl Workspace {
    #[must_use]
    pub fn id(&self) -> WorkspaceId {
        self.id
    }

    pub(crate) fn suppression_key(&self) -> SuppressionKey {
        self.store.suppression_key()
    }

    pub(crate) async fn read<T, F>(&self, work: F) -> StoreResult<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut AnyConn, WorkspaceId) -> StoreResult<T> + Clone + Send + 'static,
    {
        let id = self.id;
        self.store.read(move |conn| work(conn, id)).await
    }

    pub(crate) async fn read_long<T, F>(&self, work: F) -> StoreResult<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut AnyConn, WorkspaceId) -> StoreResult<T> + Clone + Send + 'static,
    {
        let id = self.id;
        self.store.read_long(move |conn| work(conn, id)).await
    }

    pub(crate) async fn write<T, F>(&self, work: F) -> StoreResult<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut AnyConn, WorkspaceId) -> StoreResult<T> + Clone + Send + 'static,
    {
        let id = self.id;
        self.store.write(move |conn| work(conn, id)).await
    }

    pub(crate) async fn write_long<T, F>(&self, work: F) -> StoreResult<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut AnyConn, WorkspaceId) -> StoreResult<T> + Clone + Send + 'static,
    {
        let id = self.id;
        self.store.write_long(move |conn| work(conn, id)).await
    }
}

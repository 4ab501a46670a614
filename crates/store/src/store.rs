use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use diesel::prelude::*;
use diesel::r2d2::Pool;
use tokio::sync::Semaphore;

use crate::connection::{Manager, PrepareReader, connect, prepare};
use crate::schema::instance;
use crate::stops::INSTALLATION;
use crate::{AnyConn, PoolState, StoreError, StoreResult, SuppressionKey, WorkspaceId, migrate};

/// How many connections a process opens for reading (SQLite) or for everything (PostgreSQL).
#[derive(Debug, Clone, Copy)]
pub struct StoreOptions {
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
            max_connections: 8,
            connect_timeout: Duration::from_secs(10),
            has_shared_queue: false,
            migrates: true,
            suppression_key: SuppressionKey::new([0; 32]),
        }
    }
}

/// So often a transaction lets others go first before it is an error.
const MOST_GIVING_WAY: usize = 8;

/// A handle to the database; cloning it is cheap.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    pool: Pool<Manager>,
    /// SQLite has one writer; the semaphore hands it out in the order of asking.
    writer: Option<Mutex<AnyConn>>,
    turn: Semaphore,
    has_shared_queue: bool,
    suppression_key: SuppressionKey,
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
        prepare(&mut first, true)?;
        if options.migrates {
            migrate::up(&mut first)?;
        } else {
            migrate::refuse_pending(&mut first)?;
        }
        let pool = Pool::builder()
            .max_size(options.max_connections)
            .min_idle(Some(1))
            .connection_timeout(options.connect_timeout)
            .connection_customizer(Box::new(PrepareReader))
            .build(Manager::new(url))
            .map_err(|e| StoreError::Connect(e.to_string()))?;
        let writer = matches!(first, AnyConn::Lite(_)).then(|| Mutex::new(first));
        let turns = if writer.is_some() { 1 } else { options.max_connections as usize };
        let turn = Semaphore::new(turns);
        let StoreOptions { has_shared_queue, suppression_key, .. } = options;
        Ok(Self { inner: Arc::new(Inner { pool, writer, turn, has_shared_queue, suppression_key }) })
    }

    /// The database is SQLite, inside this process.
    #[must_use]
    pub fn is_embedded(&self) -> bool {
        self.inner.writer.is_some()
    }

    pub(crate) fn pool_state(&self) -> PoolState {
        let state = self.inner.pool.state();
        PoolState { connections: state.connections, idle: state.idle_connections, limit: self.inner.pool.max_size() }
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

    /// Runs queries that only read. Never speak to a peer inside.
    ///
    /// # Errors
    /// Whatever the closure returns, and a lost connection.
    pub async fn read<T, F>(&self, work: F) -> StoreResult<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut AnyConn) -> StoreResult<T> + Send + 'static,
    {
        let inner = Arc::clone(&self.inner);
        blocking(move || {
            let mut conn = inner.pool.get().map_err(|e| StoreError::Connect(e.to_string()))?;
            work(&mut conn)
        })
        .await
    }

    /// Runs the closure in one transaction: committed when it returns `Ok`, rolled back otherwise.
    ///
    /// # Errors
    /// Whatever the closure returns, a failed commit, and a lost connection.
    pub async fn write<T, F>(&self, work: F) -> StoreResult<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut AnyConn) -> StoreResult<T> + Send + 'static,
    {
        let _turn = self.inner.turn.acquire().await.map_err(|_| StoreError::Stopped)?;
        let inner = Arc::clone(&self.inner);
        blocking(move || match &inner.writer {
            // A panic in a closure rolls its transaction back; the connection itself stays good.
            Some(writer) => in_transaction(&mut writer.lock().unwrap_or_else(PoisonError::into_inner), work),
            None => {
                let mut conn = inner.pool.get().map_err(|e| StoreError::Connect(e.to_string()))?;
                in_transaction(&mut conn, work)
            }
        })
        .await
    }

    /// As [`Store::write`], for a transaction of many rows that can be told again from its start: PostgreSQL may choose it to give way to
    /// another (SQLSTATE 40001, 40P01), and then it is.
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
        blocking(move || match &inner.writer {
            Some(writer) => in_transaction(&mut writer.lock().unwrap_or_else(PoisonError::into_inner), work),
            None => {
                let mut conn = inner.pool.get().map_err(|e| StoreError::Connect(e.to_string()))?;
                for _ in 0..MOST_GIVING_WAY {
                    match in_transaction(&mut conn, &mut work) {
                        Err(error) if error.gave_way() => tracing::debug!(%error, "a transaction gave way to another"),
                        done => return done,
                    }
                }
                in_transaction(&mut conn, &mut work)
            }
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
            let mut conn = inner.pool.get().map_err(|e| StoreError::Connect(e.to_string()))?;
            migrate::down(&mut conn)?;
            migrate::up(&mut conn).map(|_| ())
        })
        .await
    }
}

fn in_transaction<T>(conn: &mut AnyConn, work: impl FnOnce(&mut AnyConn) -> StoreResult<T>) -> StoreResult<T> {
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
        F: FnOnce(&mut AnyConn, WorkspaceId) -> StoreResult<T> + Send + 'static,
    {
        let id = self.id;
        self.store.read(move |conn| work(conn, id)).await
    }

    pub(crate) async fn write<T, F>(&self, work: F) -> StoreResult<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut AnyConn, WorkspaceId) -> StoreResult<T> + Send + 'static,
    {
        let id = self.id;
        self.store.write(move |conn| work(conn, id)).await
    }
}

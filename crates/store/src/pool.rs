//! The connections of a process. One that died is thrown away when it is given back, and whoever met it takes another.

use diesel::r2d2::{ManageConnection, Pool, PooledConnection, R2D2Connection};

use crate::connection::{Purpose, connect, prepare};
use crate::{AnyConn, StoreError, StoreOptions, StoreResult};

/// Opens the connections of one pool.
#[derive(Debug)]
pub(crate) struct Opener {
    url: String,
    purpose: Purpose,
}

pub(crate) struct Pooled {
    pub conn: AnyConn,
    /// No other connection of any process has it: under it each transaction leaves its mark.
    pub id: i64,
    is_dead: bool,
}

pub(crate) type Borrowed = PooledConnection<Opener>;

impl ManageConnection for Opener {
    type Connection = Pooled;
    type Error = StoreError;

    fn connect(&self) -> StoreResult<Pooled> {
        let mut conn = connect(&self.url)?;
        prepare(&mut conn, self.purpose)?;
        Ok(Pooled { conn, id: rand::random(), is_dead: false })
    }

    fn is_valid(&self, pooled: &mut Pooled) -> StoreResult<()> {
        Ok(pooled.conn.ping()?)
    }

    fn has_broken(&self, pooled: &mut Pooled) -> bool {
        // A panic may have left a transaction open.
        std::thread::panicking() || pooled.is_dead || pooled.conn.is_broken()
    }
}

impl Pooled {
    /// After an error: whether it was the connection's. Asks the server, unless it has just answered.
    pub(crate) fn died_of(&mut self, error: &StoreError) -> bool {
        self.is_dead = self.is_dead || (!error.is_answer() && self.conn.ping().is_err());
        self.is_dead
    }

    pub(crate) fn give_up(&mut self) {
        self.is_dead = true;
    }
}

/// `size` connections at most, of which one is open at once: so a wrong URL is told at the start. Connections are not tried
/// before each use, which would cost a round trip: their users begin again on another (see `transaction`).
pub(crate) fn open(url: &str, purpose: Purpose, size: u32, options: &StoreOptions) -> StoreResult<Pool<Opener>> {
    Pool::builder()
        .max_size(size)
        .min_idle(Some(1))
        .test_on_check_out(false)
        .connection_timeout(options.connect_timeout)
        .build(Opener { url: url.to_owned(), purpose })
        .map_err(|e| StoreError::Connect(e.to_string()))
}

pub(crate) fn borrow(pool: &Pool<Opener>) -> StoreResult<Borrowed> {
    pool.get().map_err(|e| StoreError::Connect(e.to_string()))
}

/// A connection that answers. After a restart of the server all those that lie idle are dead: each is tried and thrown away.
pub(crate) fn borrow_alive(pool: &Pool<Opener>) -> StoreResult<Borrowed> {
    for _ in 0..pool.max_size() {
        let mut pooled = borrow(pool)?;
        if pooled.conn.ping().is_ok() {
            return Ok(pooled);
        }
        pooled.give_up();
    }
    borrow(pool)
}

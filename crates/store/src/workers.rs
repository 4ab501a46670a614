use diesel::prelude::*;
use diesel::upsert::excluded;
use tidings_domain::UnixMs;

use crate::connection::on;
use crate::schema::workers;
use crate::{Store, StoreResult};

/// A process that sends or looks after the sending, as it last spoke of itself.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = workers)]
pub struct Heartbeat {
    /// Chosen by the process at its start; no two are alike.
    pub id: String,
    /// A [`tidings_domain::ProcessRole`]'s word.
    pub role: String,
    pub host: String,
    pub version: String,
    pub started_at_ms: i64,
    pub heartbeat_at_ms: i64,
    /// Open connections now.
    pub connections: i64,
    /// Attempts since its start.
    pub attempts: i64,
    /// Connections that it may open; 0 when it sends nothing.
    pub max_connections: i64,
    /// Over the last minute.
    pub attempts_per_minute: i64,
    /// The lanes that it sends from, with commas between; empty for all.
    pub lanes: String,
}

/// What came of asking for an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TakenId {
    Yes,
    /// By this process, as it last spoke of itself.
    HeldBy(Heartbeat),
}

impl Store {
    /// Says that a worker lives.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn beat(&self, beat: Heartbeat) -> StoreResult<()> {
        self.write(move |conn| {
            on!(conn, |c| diesel::insert_into(workers::table)
                .values(&beat)
                .on_conflict(workers::id)
                .do_update()
                .set((
                    workers::heartbeat_at_ms.eq(excluded(workers::heartbeat_at_ms)),
                    workers::connections.eq(excluded(workers::connections)),
                    workers::attempts.eq(excluded(workers::attempts)),
                    workers::attempts_per_minute.eq(excluded(workers::attempts_per_minute)),
                ))
                .execute(c))?;
            Ok(())
        })
        .await
    }

    /// Takes an id for this process, with its first sign of life. `seen` is the sign of life that the id's last holder was seen to give
    /// and that it must not have repeated since; `None`: the id must be free.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn take_worker_id(&self, beat: Heartbeat, seen: Option<i64>) -> StoreResult<TakenId> {
        self.write(move |conn| {
            let holder = workers::table.find(&beat.id).select(Heartbeat::as_select()).first(conn).optional()?;
            match holder {
                Some(holder) if seen != Some(holder.heartbeat_at_ms) => return Ok(TakenId::HeldBy(holder)),
                Some(_) => {
                    diesel::delete(workers::table.find(&beat.id)).execute(conn)?;
                }
                None => {}
            }
            // Of two who take a free id at once, the second runs into the primary key.
            on!(conn, |c| diesel::insert_into(workers::table).values(&beat).execute(c))?;
            Ok(TakenId::Yes)
        })
        .await
    }

    /// All workers known, by id; as many as there are processes.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn workers(&self) -> StoreResult<Vec<Heartbeat>> {
        self.read(|conn| Ok(workers::table.order(workers::id).select(Heartbeat::as_select()).load(conn)?)).await
    }

    /// A worker that stops says so.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn remove_worker(&self, id: &str) -> StoreResult<()> {
        let id = id.to_owned();
        self.write(move |conn| Ok(diesel::delete(workers::table.find(id)).execute(conn).map(|_| ())?)).await
    }

    /// Forgets workers that have been silent since `before`. Returns how many.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn forget_silent_workers(&self, before: UnixMs) -> StoreResult<usize> {
        self.write(move |conn| {
            Ok(diesel::delete(workers::table.filter(workers::heartbeat_at_ms.lt(before.0))).execute(conn)?)
        })
        .await
    }
}

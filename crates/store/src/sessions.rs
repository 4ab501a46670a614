//! Sessions of the browser, by the hash of their key: who reads the database cannot sign in with it.

use diesel::prelude::*;
use tidings_domain::UnixMs;

use crate::schema::sessions;
use crate::schema::sessions::dsl;
use crate::{AnyConn, Store, StoreResult, UserId};

/// A list of one person's sessions is never longer than this.
const SESSIONS_SHOWN: i64 = 50;

#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = sessions)]
pub struct SessionRow {
    pub key_hash: String,
    pub user_id: Option<UserId>,
    pub state: String,
    pub ip: String,
    pub user_agent: String,
    pub created_at_ms: i64,
    pub seen_at_ms: i64,
    pub expires_at_ms: i64,
}

/// What a session holds, as it is written.
#[derive(Debug, Clone)]
pub struct SessionWrite {
    pub user: Option<UserId>,
    /// JSON object of text values.
    pub state: String,
    pub ip: String,
    pub user_agent: String,
    pub expires: UnixMs,
}

impl Store {
    /// A session that has not expired.
    ///
    /// # Errors
    /// The database's own.
    pub async fn session(&self, key_hash: String, now: UnixMs) -> StoreResult<Option<SessionRow>> {
        self.read(move |conn| {
            let live = dsl::sessions.filter(dsl::key_hash.eq(key_hash)).filter(dsl::expires_at_ms.gt(now.0));
            Ok(live.select(SessionRow::as_select()).first(conn).optional()?)
        })
        .await
    }

    /// Begins a session; expired ones of anybody go in the same step.
    ///
    /// # Errors
    /// The database's own.
    pub async fn add_session(&self, key_hash: String, session: SessionWrite, now: UnixMs) -> StoreResult<()> {
        self.write(move |conn| {
            diesel::delete(dsl::sessions.filter(dsl::expires_at_ms.lt(now.0))).execute(conn)?;
            diesel::insert_into(dsl::sessions)
                .values((
                    dsl::key_hash.eq(key_hash),
                    dsl::user_id.eq(session.user),
                    dsl::state.eq(session.state),
                    dsl::ip.eq(session.ip),
                    dsl::user_agent.eq(session.user_agent),
                    dsl::created_at_ms.eq(now.0),
                    dsl::seen_at_ms.eq(now.0),
                    dsl::expires_at_ms.eq(session.expires.0),
                ))
                .execute(conn)?;
            Ok(())
        })
        .await
    }

    /// Writes a session's state. `false` when it is gone (revoked meanwhile): it does not come back to life.
    ///
    /// # Errors
    /// The database's own.
    pub async fn update_session(&self, key_hash: String, session: SessionWrite, now: UnixMs) -> StoreResult<bool> {
        self.write(move |conn| {
            let updated = diesel::update(dsl::sessions.filter(dsl::key_hash.eq(key_hash)))
                .set((
                    dsl::user_id.eq(session.user),
                    dsl::state.eq(session.state),
                    dsl::seen_at_ms.eq(now.0),
                    dsl::expires_at_ms.eq(session.expires.0),
                ))
                .execute(conn)?;
            Ok(updated > 0)
        })
        .await
    }

    /// The session was used: it lives on until `expires`.
    ///
    /// # Errors
    /// The database's own.
    pub async fn touch_session(&self, key_hash: String, expires: UnixMs, now: UnixMs) -> StoreResult<()> {
        self.write(move |conn| {
            diesel::update(dsl::sessions.filter(dsl::key_hash.eq(key_hash)))
                .set((dsl::seen_at_ms.eq(now.0), dsl::expires_at_ms.eq(expires.0)))
                .execute(conn)?;
            Ok(())
        })
        .await
    }

    /// # Errors
    /// The database's own.
    pub async fn end_session(&self, key_hash: String) -> StoreResult<()> {
        self.write(move |conn| {
            diesel::delete(dsl::sessions.filter(dsl::key_hash.eq(key_hash))).execute(conn)?;
            Ok(())
        })
        .await
    }

    /// A person's live sessions, the latest used first.
    ///
    /// # Errors
    /// The database's own.
    pub async fn sessions_of(&self, user: UserId, now: UnixMs) -> StoreResult<Vec<SessionRow>> {
        self.read(move |conn| {
            let live = dsl::sessions.filter(dsl::user_id.eq(user)).filter(dsl::expires_at_ms.gt(now.0));
            let ordered = live.order(dsl::seen_at_ms.desc()).limit(SESSIONS_SHOWN);
            Ok(ordered.select(SessionRow::as_select()).load(conn)?)
        })
        .await
    }

    /// Signs a person out everywhere, but for the one session that is kept. Returns how many ended.
    ///
    /// # Errors
    /// The database's own.
    pub async fn end_other_sessions(&self, user: UserId, keep: Option<String>) -> StoreResult<usize> {
        self.write(move |conn| end_others(conn, user, keep.as_deref())).await
    }
}

pub(crate) fn end_others(conn: &mut AnyConn, user: UserId, keep: Option<&str>) -> StoreResult<usize> {
    // A key hash is never empty, so "no session kept" is the empty one.
    let others = dsl::sessions.filter(dsl::user_id.eq(user)).filter(dsl::key_hash.ne(keep.unwrap_or_default()));
    Ok(diesel::delete(others).execute(conn)?)
}

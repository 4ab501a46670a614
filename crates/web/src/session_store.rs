use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actix_session::storage::{LoadError, SaveError, SessionKey, SessionStore, UpdateError};
use actix_web::cookie::time::Duration as CookieDuration;
use tidings_domain::UnixMs;
use tidings_store::{SessionWrite, Store, StoreError, UserId};

use crate::secret;

/// A session that is used goes on for so long after its last use …
pub(crate) const IDLE: Duration = Duration::from_secs(14 * 24 * 3600);
/// … and for so long at most after the sign-in.
pub(crate) const AT_MOST: Duration = Duration::from_secs(60 * 24 * 3600);
/// The use of a session is written down at most this often: reading a page must not cost a write.
const SEEN_EVERY_MS: i64 = 5 * UnixMs::MINUTE;

/// Names of the values in a session.
pub(crate) mod key {
    pub const USER: &str = "user";
    pub const CSRF: &str = "csrf";
    pub const FLASH: &str = "flash";
    pub const IP: &str = "ip";
    pub const USER_AGENT: &str = "user_agent";
    /// The hash of the session's own key. It is put in when a session is loaded and never stored.
    pub const HASH: &str = "hash";
}

/// actix's sessions in our own table, by the hash of their key.
pub(crate) struct SessionTable(pub Store);

type State = HashMap<String, String>;

fn now() -> UnixMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMs(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

fn expiry(ttl: &CookieDuration, now: UnixMs) -> UnixMs {
    now.plus(Duration::try_from(*ttl).unwrap_or(IDLE))
}

/// A value as actix keeps it: JSON text.
fn value<T: serde::de::DeserializeOwned>(state: &State, name: &str) -> Option<T> {
    state.get(name).and_then(|json| serde_json::from_str(json).ok())
}

fn row(mut state: State, ttl: &CookieDuration, now: UnixMs) -> Result<SessionWrite, StoreError> {
    state.remove(key::HASH);
    let user = value::<i64>(&state, key::USER).map(UserId);
    let ip = value(&state, key::IP).unwrap_or_default();
    let user_agent = value(&state, key::USER_AGENT).unwrap_or_default();
    let state = serde_json::to_string(&state).map_err(|e| StoreError::Corrupt(e.to_string()))?;
    Ok(SessionWrite { user, state, ip, user_agent, expires: expiry(ttl, now) })
}

impl SessionStore for SessionTable {
    async fn load(&self, session_key: &SessionKey) -> Result<Option<State>, LoadError> {
        let hash = secret::hash(session_key.as_ref());
        let found = self.0.session(hash.clone(), now()).await.map_err(|e| LoadError::Other(e.into()))?;
        let Some(row) = found.filter(|row| now().since(UnixMs(row.created_at_ms)) < AT_MOST) else { return Ok(None) };
        let mut state: State = serde_json::from_str(&row.state).map_err(|e| LoadError::Deserialization(e.into()))?;
        state.insert(key::HASH.to_owned(), format!("{hash:?}"));
        Ok(Some(state))
    }

    async fn save(&self, state: State, ttl: &CookieDuration) -> Result<SessionKey, SaveError> {
        let session_key = secret::token();
        let write = row(state, ttl, now()).map_err(|e| SaveError::Serialization(e.into()))?;
        let added = self.0.add_session(secret::hash(&session_key), write, now()).await;
        added.map_err(|e| SaveError::Other(e.into()))?;
        SessionKey::try_from(session_key).map_err(|e| SaveError::Other(e.into()))
    }

    async fn update(
        &self,
        session_key: SessionKey,
        state: State,
        ttl: &CookieDuration,
    ) -> Result<SessionKey, UpdateError> {
        let write = row(state, ttl, now()).map_err(|e| UpdateError::Serialization(e.into()))?;
        // A session that was revoked meanwhile stays gone: the next request finds nobody.
        let written = self.0.update_session(secret::hash(session_key.as_ref()), write, now()).await;
        written.map_err(|e| UpdateError::Other(e.into()))?;
        Ok(session_key)
    }

    async fn update_ttl(&self, session_key: &SessionKey, ttl: &CookieDuration) -> Result<(), anyhow::Error> {
        let hash = secret::hash(session_key.as_ref());
        let now = now();
        let stale = self.0.session(hash.clone(), now).await?.is_some_and(|row| now.0 - row.seen_at_ms > SEEN_EVERY_MS);
        if stale {
            self.0.touch_session(hash, expiry(ttl, now), now).await?;
        }
        Ok(())
    }

    async fn delete(&self, session_key: &SessionKey) -> Result<(), anyhow::Error> {
        Ok(self.0.end_session(secret::hash(session_key.as_ref())).await?)
    }
}

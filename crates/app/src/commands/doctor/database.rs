//! The database: reachable, of our schema, durable, quick, and with the same time.

use tidings_domain::UnixMs;
use tidings_store::{Store, StoreOptions};
use tidings_worker::now;

use super::Finding;
use super::local::CLOCK_SKEW_MS;
use crate::config::Config;
use crate::ground::{cannot_open, ensure_database};

/// PostgreSQL keeps some for its administrators (superuser_reserved_connections).
const KEPT_BY_THE_SERVER: i64 = 3;
/// A commit waits for such an answer several times.
const SLOW_MS: f64 = 20.0;

/// The store, when it can be used.
pub async fn look(config: &Config, deep: bool, findings: &mut Vec<Finding>) -> Option<Store> {
    const NAME: &str = "database";
    if let Err(error) = ensure_database(config) {
        findings.push(Finding::warn(NAME, "there is none yet", error.to_string()));
        return None;
    }
    let options = StoreOptions { migrates: false, max_connections: 2, ..StoreOptions::default() };
    let store = match Store::open(&config.database_url, options).await {
        Ok(store) => store,
        Err(error) => {
            let mend = "check DATABASE_URL, the server, the user's password, and `tidings migrate --check`";
            findings.push(Finding::fail(NAME, format!("{}: {error}", cannot_open(config)), mend));
            return None;
        }
    };
    findings.push(condition(&store).await);
    findings.extend(room(config, &store).await);
    findings.push(latency(&store).await);
    if deep {
        findings.push(damage(&store).await);
    }
    Some(store)
}

async fn condition(store: &Store) -> Finding {
    const NAME: &str = "database";
    let condition = match store.condition().await {
        Ok(condition) => condition,
        Err(error) => return Finding::fail(NAME, error.to_string(), "look into the server's log"),
    };
    if !condition.unsafe_settings.is_empty() {
        let words = format!("{}: {}", condition.version, condition.unsafe_settings.join(", "));
        return Finding::fail(NAME, words, "switch it on again: without it a power cut may send mail twice");
    }
    if let Some(clock) = condition.clock {
        let skew = (clock.0 - now().0).abs();
        if skew > CLOCK_SKEW_MS {
            let words = format!("{}: its clock and this machine's differ by {skew} ms", condition.version);
            return Finding::fail(NAME, words, "run a time service (chrony, systemd-timesyncd) on both");
        }
    }
    Finding::ok(NAME, format!("{}, at this version's schema", condition.version))
}

/// Whether the server takes the connections of all processes that live. `None`: it has no such limit.
async fn room(config: &Config, store: &Store) -> Option<Finding> {
    const NAME: &str = "connections";
    let (condition, beats) = (store.condition().await.ok()?, store.workers().await.ok()?);
    let limit = condition.max_connections - KEPT_BY_THE_SERVER;
    if limit <= 0 {
        return None;
    }
    let at = now().0;
    let living = beats.iter().filter(|beat| at - beat.heartbeat_at_ms < UnixMs::MINUTE).count().max(1);
    let wanted = i64::try_from(living).unwrap_or(i64::MAX).saturating_mul(i64::from(config.database_connections));
    let words = format!("{living} processes may open {wanted} connections, and the server takes {limit}");
    if wanted > limit {
        let mend = "raise max_connections of PostgreSQL, lower TIDINGS_DATABASE_CONNECTIONS, or put a pooler in session mode between";
        return Some(Finding::warn(NAME, words, mend));
    }
    Some(Finding::ok(NAME, words))
}

async fn latency(store: &Store) -> Finding {
    const NAME: &str = "latency";
    // The first answer opens the connection.
    let asked = async { store.ping().await.and(store.ping().await) };
    match asked.await {
        Ok(took) => {
            let ms = took.as_secs_f64() * 1e3;
            let words = format!("the database answers in {ms:.1} ms");
            if ms > SLOW_MS {
                return Finding::warn(
                    NAME,
                    words,
                    "move the processes nearer to it: each message needs several answers",
                );
            }
            Finding::ok(NAME, words)
        }
        Err(error) => Finding::fail(NAME, error.to_string(), "look into the server's log"),
    }
}

async fn damage(store: &Store) -> Finding {
    const NAME: &str = "file";
    match store.damage().await {
        Ok(found) if found.is_empty() => Finding::ok(NAME, "no damage in the database file"),
        Ok(found) => Finding::fail(
            NAME,
            found.join("; "),
            "stop all processes, keep a copy of the file, and restore the last good backup",
        ),
        Err(error) => Finding::fail(NAME, error.to_string(), "stop all processes and look at the disk"),
    }
}

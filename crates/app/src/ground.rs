//! What every role stands on: the database, the queue, the key, and the right to use them.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use tidings_compose::Keys;
use tidings_domain::ProcessRole;
use tidings_queue::{OpenError, Queue, QueueOptions, RedisOptions};
use tidings_store::{Claim, Store, StoreError, StoreOptions, SuppressionKey};
use tidings_worker::recover;

use crate::config::Config;
use crate::instance::Instance;

/// What this process holds until it ends.
pub struct Held {
    _instance: Instance,
    _claim: Claim,
}

pub struct Ground {
    pub store: Store,
    pub queue: Queue,
    pub keys: Arc<Keys>,
    pub held: Held,
}

impl Ground {
    /// # Errors
    /// What is missing or in the way, with what to do about it.
    pub async fn open(config: &Config, queue: &QueueOptions, role: ProcessRole) -> anyhow::Result<Self> {
        match &config.redis_url {
            Some(url) => Self::shared(config, url, queue).await,
            None if role == ProcessRole::Serve => Self::alone(config, queue).await,
            None => bail!(
                "`tidings {role}` is one of several processes, which share their queue in Redis: set REDIS_URL. For all in one process, run `tidings serve`"
            ),
        }
    }

    /// The one process of an installation, with the queue inside.
    async fn alone(config: &Config, queue: &QueueOptions) -> anyhow::Result<Self> {
        let mut instance = Instance::open(&config.data_dir)?;
        if !is_postgres(config) {
            instance.hold(Path::new(sqlite_file(config)))?;
        }
        let claim = match Store::hold_alone(&config.database_url).await {
            Err(StoreError::Exists(_)) => bail!(
                "another Tidings process is running on the database {}. Stop it, or let both share their queue with REDIS_URL",
                without_password(&config.database_url)
            ),
            held => held.with_context(|| cannot_open(config))?,
        };
        let store = open_store(config, &instance, false).await?;
        let keys = keys(&store, &instance).await?;
        recover(&store).await.context("recovering the ledger")?;
        store.replace_fact(tidings_worker::QUEUE_FACT, "embedded".to_owned()).await?;
        let held = Held { _instance: instance, _claim: claim };
        Ok(Self { store, queue: Queue::embedded(queue.clone()), keys, held })
    }

    async fn shared(config: &Config, url: &str, queue: &QueueOptions) -> anyhow::Result<Self> {
        ensure!(
            config.database_url.starts_with("postgres"),
            "REDIS_URL is set, but the database is an SQLite file, which one process owns alone. Set DATABASE_URL=postgres://… as well, or unset REDIS_URL"
        );
        let instance = Instance::share(&config.data_dir, config.secret_key)?;
        let claim = match Store::hold_together(&config.database_url).await {
            Err(StoreError::Exists(_)) => bail!(
                "a `tidings serve` without Redis is running on the database {}, with its queue inside. Stop it, or give it the same REDIS_URL",
                without_password(&config.database_url)
            ),
            held => held.with_context(|| cannot_open(config))?,
        };
        let store = open_store(config, &instance, true).await?;
        let keys = keys(&store, &instance).await?;
        let mut options = RedisOptions::new(url);
        options.prefix.clone_from(&config.redis_prefix);
        options.queue = queue.clone();
        let queue = Queue::redis(options)
            .await
            .map_err(told_how_to_mend)
            .with_context(|| format!("cannot use the queue {}", without_password(url)))?;
        Ok(Self { store, queue, keys, held: Held { _instance: instance, _claim: claim } })
    }
}

/// The queue does not know how options are named.
fn told_how_to_mend(error: OpenError) -> anyhow::Error {
    let variable = match error {
        OpenError::BadUrl(_) | OpenError::Unreachable { .. } | OpenError::WrongPassword { .. } => "REDIS_URL",
        OpenError::BadPrefix(_)
        | OpenError::ForeignPrefix { .. }
        | OpenError::OtherSchema { .. }
        | OpenError::OtherPartitions { .. } => "TIDINGS_REDIS_PREFIX",
        _ => return error.into(),
    };
    anyhow::anyhow!("{error} (the option is {variable})")
}

/// For a command beside running processes: the database as it is. One that is not there is not made, and one of another version is
/// left alone.
///
/// # Errors
/// What is missing or in the way, with what to do about it.
pub async fn open_beside(config: &Config) -> anyhow::Result<Store> {
    ensure_database(config)?;
    let options = StoreOptions { migrates: false, ..StoreOptions::default() };
    Store::open(&config.database_url, options).await.with_context(|| cannot_open(config))
}

/// SQLite would make the file that it does not find.
///
/// # Errors
/// There is none, with what to do about it.
pub fn ensure_database(config: &Config) -> anyhow::Result<()> {
    let path = sqlite_file(config);
    ensure!(
        is_postgres(config) || std::path::Path::new(path).exists(),
        "there is no database at {path}: name the folder with TIDINGS_DATA_DIR, or start `tidings serve` first"
    );
    Ok(())
}

fn sqlite_file(config: &Config) -> &str {
    config.database_url.strip_prefix("sqlite://").unwrap_or(&config.database_url)
}

pub fn is_postgres(config: &Config) -> bool {
    config.database_url.starts_with("postgres")
}

/// How every command opens the store: with the key of its hashes, or erased people would be forgotten.
pub fn store_options(instance: &Instance) -> StoreOptions {
    let suppression_key = SuppressionKey::new(Keys::new(&instance.key).suppression_key());
    StoreOptions { suppression_key, ..StoreOptions::default() }
}

async fn open_store(config: &Config, instance: &Instance, has_shared_queue: bool) -> anyhow::Result<Store> {
    let max_connections = config.database_connections;
    let options = StoreOptions { has_shared_queue, max_connections, ..store_options(instance) };
    Store::open(&config.database_url, options).await.with_context(|| cannot_open(config))
}

pub fn cannot_open(config: &Config) -> String {
    format!("cannot open the database {}", without_password(&config.database_url))
}

/// The same key in every process, or links made by one would be forgeries to another.
async fn keys(store: &Store, instance: &Instance) -> anyhow::Result<Arc<Keys>> {
    const FACT: &str = "key_print";
    let keys = Keys::new(&instance.key);
    let print = keys.label("installation", 0);
    ensure!(
        store.keep_fact(FACT, print.clone()).await? == print,
        "this process has another instance key than the rest of the installation. Give all of them the same TIDINGS_SECRET_KEY: the content of instance.key in the data folder of the first"
    );
    Ok(Arc::new(keys))
}

/// A database URL for messages.
pub fn without_password(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => match url[scheme + 3..at].find(':') {
            Some(colon) => format!("{}:…{}", &url[..scheme + 3 + colon], &url[at..]),
            None => url.to_owned(),
        },
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_in_messages() {
        assert_eq!(without_password("postgres://ana:secret@db/x"), "postgres://ana:…@db/x");
        assert_eq!(without_password("data/tidings.sqlite3"), "data/tidings.sqlite3");
    }
}

//! Wires the rooms together: one process with every role.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tidings_compose::Keys;
use tidings_delivery::{ProviderTable, Resolver, ResolverOptions, TlsClients};
use tidings_domain::{Lane, RetryPolicy};
use tidings_queue::{Queue, QueueOptions};
use tidings_store::{Heartbeat, Store, StoreOptions};
use tidings_web::{WebConfig, WebState};
use tidings_worker::import::Importer;
use tidings_worker::{
    Dispatcher, DispatcherOptions, Sender, SenderOptions, SenderParts, SiteOptions, Sweeper, TargetOptions, now,
    recover,
};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::instance::Instance;

/// The importer's name on its leases: the same at each start, so that an import goes on at once after a kill. The lock on the data folder
/// makes sure that there is one.
pub const IMPORTER: &str = "embedded";
/// The loops end within this after the order to stop; then the process ends anyway, and recovery does the rest.
const STOP_WITHIN: Duration = Duration::from_secs(45);

/// A provider that blocks us is asked again after this at the latest.
const LONGEST_HOLD: Duration = Duration::from_secs(7 * 24 * 3600);

/// What a sandbox sets differently from the world.
pub struct Tuning {
    pub providers: ProviderTable,
    pub retry: fn(Lane) -> RetryPolicy,
    pub queue: QueueOptions,
    /// No hold of a provider lasts longer.
    pub longest_hold: Duration,
}

impl Tuning {
    /// # Errors
    /// The built-in provider table is damaged.
    pub fn world() -> anyhow::Result<Self> {
        Ok(Self {
            providers: ProviderTable::builtin()?,
            retry: RetryPolicy::for_lane,
            queue: QueueOptions::default(),
            longest_hold: LONGEST_HOLD,
        })
    }
}

/// A running instance.
pub struct Running {
    pub store: Store,
    pub queue: Queue,
    keys: Arc<Keys>,
    pub public_url: String,
    stop: CancellationToken,
    tasks: TaskTracker,
    _instance: Instance,
}

impl Running {
    /// Opens everything, mends what a crash left, and starts every loop.
    ///
    /// # Errors
    /// What is missing or in the way, with what to do about it.
    pub async fn start(config: &Config, tuning: Tuning) -> anyhow::Result<Self> {
        let instance = Instance::open(&config.data_dir)?;
        let listener = listen(config.listen)?;
        let address = listener.local_addr().context("the web server's address")?;
        // With port 0 the system chose; the links have to name what it chose.
        let public_url = config.public_url.replace(&config.listen.to_string(), &address.to_string());
        let store = Store::open(&config.database_url, StoreOptions::default())
            .await
            .with_context(|| format!("cannot open the database {}", without_password(&config.database_url)))?;
        recover(&store).await.context("recovering the ledger")?;
        let keys = Arc::new(Keys::new(&instance.key));
        let queue = Queue::embedded(tuning.queue.clone());
        let running = Self {
            store,
            queue,
            keys,
            public_url,
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            _instance: instance,
        };
        running.start_loops(config, tuning).await?;
        running.start_web(config, listener);
        Ok(running)
    }

    async fn start_loops(&self, config: &Config, tuning: Tuning) -> anyhow::Result<()> {
        let table = Arc::new(tuning.providers);
        let resolver = resolver(config, &table)?;
        let mut dispatcher = Dispatcher::new(
            self.store.clone(),
            self.queue.clone(),
            resolver.clone(),
            Arc::clone(&table),
            DispatcherOptions::default(),
        );
        let waiting = dispatcher.refill().await.context("filling the queue from the ledger")?;
        if waiting > 0 {
            tracing::info!(deliveries = waiting, "taken up where the last run ended");
        }
        let worker_id = format!("{}-{}", config.ehlo_name, std::process::id());
        let mut options = SenderOptions::new(worker_id.clone(), config.max_connections);
        options.retry = tuning.retry;
        options.longest_hold = tuning.longest_hold;
        let sender = self.sender(config, resolver, options)?;
        let sweeper = Sweeper {
            store: self.store.clone(),
            queue: self.queue.clone(),
            stats: sender.stats(),
            identity: heartbeat(worker_id, config),
        };
        let importer = Importer::new(self.store.clone(), IMPORTER);
        self.tasks.spawn(dispatcher.run(self.stop.clone()));
        self.tasks.spawn(sender.run(self.stop.clone()));
        self.tasks.spawn(sweeper.run(self.stop.clone()));
        self.tasks.spawn(importer.run(self.stop.clone()));
        Ok(())
    }

    fn sender(&self, config: &Config, resolver: Resolver, options: SenderOptions) -> anyhow::Result<Sender> {
        Ok(Sender::new(SenderParts {
            store: self.store.clone(),
            queue: self.queue.clone(),
            resolver,
            keys: Arc::clone(&self.keys),
            site: SiteOptions { public_url: self.public_url.clone(), bounce_domain: config.bounce_domain.clone() },
            targets: TargetOptions {
                ehlo_name: config.ehlo_name.clone(),
                source_ip: config.source_ip,
                tls: TlsClients::new(&[]).context("preparing TLS")?,
            },
            options,
        }))
    }

    fn start_web(&self, config: &Config, listener: TcpListener) {
        let (state, stop) = (self.web_state(config), self.stop.clone());
        self.tasks.spawn(async move {
            if let Err(error) = tidings_web::run(listener, state, stop.clone()).await {
                tracing::error!(%error, "the web server ended");
                stop.cancel();
            }
        });
    }

    /// What the pages see; the printed links are made with it too.
    pub fn web_state(&self, config: &Config) -> WebState {
        let mut web = WebConfig::new(self.public_url.clone(), config.data_dir.join("spool"));
        web.trusted_proxies.clone_from(&config.trusted_proxies);
        WebState::new(self.store.clone(), self.queue.clone(), Arc::clone(&self.keys), web)
    }

    /// Resolves when something inside ordered the end.
    pub async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    /// Stops taking work, finishes what is in flight, writes every outcome.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(STOP_WITHIN, self.tasks.wait()).await.is_err() {
            tracing::warn!("some loops did not end in time; what they left is mended at the next start");
        }
    }
}

fn resolver(config: &Config, table: &Arc<ProviderTable>) -> anyhow::Result<Resolver> {
    let options = ResolverOptions {
        nameservers: config.nameservers.clone(),
        smtp_port: config.smtp_port,
        allow_private_targets: config.allow_private_targets,
        ..ResolverOptions::default()
    };
    Resolver::new(options, Arc::clone(table))
        .context("cannot prepare DNS: name resolvers with TIDINGS_NAMESERVERS if this machine has no /etc/resolv.conf")
}

fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).with_context(|| {
        format!(
            "cannot listen on {address}: another program may be using it. Choose another address with TIDINGS_LISTEN"
        )
    })?;
    listener.set_nonblocking(true).context("preparing the web server's socket")?;
    Ok(listener)
}

fn heartbeat(id: String, config: &Config) -> Heartbeat {
    Heartbeat {
        id,
        role: "serve".to_owned(),
        host: config.ehlo_name.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at_ms: now().0,
        heartbeat_at_ms: now().0,
        connections: 0,
        attempts: 0,
    }
}

/// A database URL for messages.
fn without_password(url: &str) -> String {
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

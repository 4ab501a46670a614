//! Wires the rooms together: one process with every role, or with its part.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use tidings_bounce::ProviderBook;
use tidings_compose::Keys;
use tidings_delivery::{Resolver, ResolverOptions, StsOptions, TlsClients, is_public};
use tidings_domain::{Lane, ProcessRole, ProviderTable, RetryPolicy, Shared};
use tidings_intake::client_tls;
use tidings_intake::mailbox::MailboxReader;
use tidings_intake::smtp::SmtpCounters;
use tidings_queue::{Lanes, Queue, QueueOptions};
use tidings_store::{Heartbeat, Store, TakenId};
use tidings_web::{Ops, WebConfig, WebState, run_probes};
use tidings_worker::import::{Importer, SuppressionImporter};
use tidings_worker::{
    BookKeeper, Dispatcher, DispatcherMetrics, DispatcherOptions, DomainKeeper, Mailbox, Mends, Pace, Postmaster,
    Sender, SenderOptions, SenderParts, SenderStats, SendingFacts, SiteOptions, StoredMail, Sweeper, TargetOptions,
    now,
};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::ground::{Ground, Held};
use crate::intake::Listener;
use crate::intake_metrics::IntakeMetrics;

/// The importer's name on its leases: the same at each start, so that an import goes on at once after a kill. The lock on the data folder
/// makes sure that there is one.
pub const IMPORTER: &str = "embedded";
/// After the drain, what was read of replies is written and the other loops end; then the process ends anyway, and recovery does the rest.
const STOP_AFTER_DRAIN: Duration = Duration::from_secs(15);
/// A living process shows life several times within this.
const LOOK_TWICE: Duration = Duration::from_secs(5);

/// A process that shows no life for so long has lost its jobs and connection slots to the others.
const LEASE: Duration = Duration::from_secs(60);

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
            queue: QueueOptions { lease: LEASE, ..QueueOptions::default() },
            longest_hold: LONGEST_HOLD,
        })
    }
}

/// A running instance, or its part in one of several processes.
pub struct Running {
    pub store: Store,
    pub queue: Queue,
    keys: Arc<Keys>,
    pub public_url: String,
    /// What this process knows of providers, kept up to date while it runs.
    book: Shared<ProviderBook>,
    role: ProcessRole,
    stop: CancellationToken,
    tasks: TaskTracker,
    ops: Arc<Ops>,
    probes: Option<Probes>,
    stop_within: Duration,
    _held: Held,
}

/// The second address for probes; it answers until everything else has ended.
struct Probes {
    end: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    /// Opens everything, mends what a crash left, and starts the role's loops.
    ///
    /// # Errors
    /// What is missing or in the way, with what to do about it.
    pub async fn start(config: &Config, tuning: Tuning, role: ProcessRole) -> anyhow::Result<Self> {
        let ground = Ground::open(config, &tuning.queue, role).await?;
        let listener = role.serves_pages().then(|| listen(config.listen)).transpose()?;
        let public_url = match &listener {
            Some(listener) => {
                let address = listener.local_addr().context("the web server's address")?;
                // With port 0 the system chose; the links have to name what it chose.
                config.public_url.replace(&config.listen.to_string(), &address.to_string())
            }
            None => config.public_url.clone(),
        };
        let probes = config.metrics_listen.map(listen).transpose()?;
        let keeper = BookKeeper::open(ground.store.clone(), tuning.providers.clone(), config.providers_file.clone());
        let keeper = keeper.await?;
        let mut running = Self {
            book: keeper.book(),
            ops: Arc::new(Ops::new(ground.store.clone(), ground.queue.clone(), role)),
            probes: None,
            stop_within: config.drain + STOP_AFTER_DRAIN,
            store: ground.store,
            queue: ground.queue,
            keys: ground.keys,
            public_url,
            role,
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            _held: ground.held,
        };

        running.tasks.spawn(keeper.run(running.stop.clone()));
        running.ops = Arc::new(running.start_loops(config, tuning).await?);
        running.probes = probes.map(|listener| running.start_probes(listener));
        if let Some(listener) = listener {
            running.start_web(config, listener);
        }
        Ok(running)
    }

    /// Returns what the probes look at, with the counters of the loops.
    async fn start_loops(&self, config: &Config, tuning: Tuning) -> anyhow::Result<Ops> {
        let book = self.book.clone();
        let resolver = resolver(config, book.current().base())?;
        let is_alone = config.redis_url.is_none();
        let identity = self.identify(config).await?;
        let id = identity.id.clone();
        let taken = self.start_intake(config, &id)?;
        let mut ops = Ops::new(self.store.clone(), self.queue.clone(), self.role)
            .sharing_queue(!is_alone)
            .with_token(config.metrics_token.clone())
            .stopped_by(self.stop.clone());
        if let Some(counters) = taken {
            ops = ops.counting(|registry| registry.register_collector(Box::new(IntakeMetrics(counters))));
        }
        if self.role.dispatches() {
            let stands_as = (!is_alone).then(|| id.clone());
            let metrics = DispatcherMetrics::default();
            ops = ops.counting(|registry| metrics.register(registry));
            let keep_months = config.ledger_retention_months;
            let options = DispatcherOptions { stands_as, metrics, keep_months, ..DispatcherOptions::default() };
            let (store, queue) = (self.store.clone(), self.queue.clone());
            let dispatcher = Dispatcher::new(store, queue, resolver.clone(), book.clone(), options);
            self.tasks.spawn(dispatcher.run(self.stop.clone()));
            let stands_as = (!is_alone).then(|| id.clone());
            let postmaster = Postmaster::new(self.store.clone(), Arc::clone(&self.keys), stands_as);
            self.tasks.spawn(postmaster.run(self.stop.clone()));
            let stands_as = (!is_alone).then(|| id.clone());
            let keeper = DomainKeeper::new(self.store.clone(), resolver.clone(), sending_facts(config), stands_as);
            self.tasks.spawn(keeper.run(self.stop.clone()));
        }
        let mut stats = Arc::<SenderStats>::default();
        if self.role.sends() {
            let mut options = SenderOptions::new(id.clone(), config.max_connections);
            options.lanes = config.lanes;
            options.retry = tuning.retry;
            options.drain = config.drain;
            options.longest_hold = tuning.longest_hold;
            options.extend_every = tuning.queue.lease / 4;
            let sender = self.sender(config, resolver, book, options)?;
            stats = sender.stats();
            ops = ops.counting(|registry| stats.metrics.register(registry));
            self.tasks.spawn(sender.run(self.stop.clone()));
        }
        if self.role.serves_pages() {
            let name = if is_alone { IMPORTER.to_owned() } else { id.clone() };
            self.tasks.spawn(SuppressionImporter::new(self.store.clone(), name.clone()).run(self.stop.clone()));
            self.tasks.spawn(Importer::new(self.store.clone(), name).run(self.stop.clone()));
        }
        let mends = match (is_alone, self.role) {
            (_, ProcessRole::Web | ProcessRole::Intake) => Mends::Nothing,
            (true, _) => Mends::Leases,
            (false, _) => Mends::LeasesAndSilence,
        };
        let pace = Pace::default();
        let sweeper = Sweeper { store: self.store.clone(), queue: self.queue.clone(), stats, identity, mends, pace };
        self.tasks.spawn(sweeper.run(self.stop.clone()));
        Ok(ops)
    }

    /// The ways in. What arrives before the postmaster runs waits for it in the database. Returns what the listener counts, if there is one.
    fn start_intake(&self, config: &Config, id: &str) -> anyhow::Result<Option<Arc<SmtpCounters>>> {
        if !self.role.takes_mail() {
            return Ok(None);
        }
        let mut counters = None;
        let (store, domain) = (self.store.clone(), config.bounce_domain.as_deref());
        let mailroom = StoredMail::new(store, Arc::clone(&self.keys), domain);
        if let Some(listener) = &config.intake {
            let listener = Listener::open(config, listener, mailroom.clone())?;
            tracing::info!(address = %listener.address()?, "mail for the bounce domain is taken");
            counters = Some(listener.server.counters());
            self.tasks.spawn(listener.run(self.stop.clone()));
        }
        let reader = MailboxReader::new(client_tls(&[]).context("preparing TLS for mailboxes")?);
        for mailbox in &config.mailboxes {
            let stands_as = config.redis_url.is_some().then(|| id.to_owned());
            let (store, room) = (self.store.clone(), mailroom.clone());
            let mailbox = Mailbox::new(reader.clone(), mailbox.clone(), room, store, stands_as);
            self.tasks.spawn(mailbox.run(self.stop.clone()));
        }
        Ok(counters)
    }

    /// This process's name among the others. One that was given must not be another living process's: jobs and leases stand under it.
    async fn identify(&self, config: &Config) -> anyhow::Result<Heartbeat> {
        let id = config.worker_id.clone().unwrap_or_else(|| process_id(config));
        let beat = || heartbeat(id.clone(), self.role, config);
        let TakenId::HeldBy(holder) = self.store.take_worker_id(beat(), None).await? else { return Ok(beat()) };
        // Its last life may have ended without a word: two heartbeats' time tells.
        tokio::time::sleep(LOOK_TWICE).await;
        match self.store.take_worker_id(beat(), Some(holder.heartbeat_at_ms)).await? {
            TakenId::Yes => Ok(beat()),
            TakenId::HeldBy(holder) => bail!(
                "a {} with the id {} is alive on {}: give this process another one with --id, or end that one",
                holder.role,
                holder.id,
                holder.host
            ),
        }
    }

    fn sender(
        &self,
        config: &Config,
        resolver: Resolver,
        book: Shared<ProviderBook>,
        options: SenderOptions,
    ) -> anyhow::Result<Sender> {
        Ok(Sender::new(SenderParts {
            store: self.store.clone(),
            queue: self.queue.clone(),
            resolver,
            keys: Arc::clone(&self.keys),
            book,
            site: SiteOptions { public_url: self.public_url.clone(), bounce_domain: config.bounce_domain.clone() },
            targets: TargetOptions {
                ehlo_name: config.ehlo_name.clone(),
                source_ip: config.source_ip,
                tls: TlsClients::new(&[]).context("preparing TLS")?,
                sts: StsOptions::default(),
            },
            options,
        }))
    }

    fn start_probes(&self, listener: TcpListener) -> Probes {
        let (ops, end) = (Arc::clone(&self.ops), CancellationToken::new());
        let ended = end.clone();
        let task = tokio::spawn(async move {
            if let Err(error) = run_probes(listener, ops, ended).await {
                tracing::error!(%error, "the server of the metrics ended");
            }
        });
        Probes { end, task }
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
            .with_ops(Arc::clone(&self.ops))
            .with_book(self.book.clone())
    }

    /// Resolves when something inside ordered the end.
    pub async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    /// Stops taking work, finishes what is in flight, writes every outcome.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(self.stop_within, self.tasks.wait()).await.is_err() {
            tracing::warn!("some loops did not end in time; what they left is mended at the next start");
        }
        if let Some(probes) = self.probes {
            probes.end.cancel();
            if let Err(error) = probes.task.await {
                tracing::warn!(%error, "the server of the metrics did not end well");
            }
        }
    }
}

pub fn resolver(config: &Config, table: &Arc<ProviderTable>) -> anyhow::Result<Resolver> {
    let options = ResolverOptions {
        nameservers: config.nameservers.clone(),
        validates: config.dns_validates,
        smtp_port: config.smtp_port,
        allow_private_targets: config.allow_private_targets,
        ..ResolverOptions::default()
    };
    Resolver::new(options, Arc::clone(table))
        .context("cannot prepare DNS: name resolvers with TIDINGS_NAMESERVERS if this machine has no /etc/resolv.conf")
}

/// What DNS should say of this installation. An address behind a translation is not the one that receivers see.
fn sending_facts(config: &Config) -> SendingFacts {
    SendingFacts {
        bounce_domain: config.bounce_domain.clone(),
        server: config.ehlo_name.clone(),
        addresses: config.source_ip.into_iter().filter(|ip| is_public(*ip)).collect(),
    }
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

/// No two alike, on any number of machines.
fn process_id(config: &Config) -> String {
    format!("{}-{}-{:08x}", config.ehlo_name, std::process::id(), rand::random::<u32>())
}

fn heartbeat(id: String, role: ProcessRole, config: &Config) -> Heartbeat {
    Heartbeat {
        id,
        role: role.to_string(),
        host: config.ehlo_name.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at_ms: now().0,
        heartbeat_at_ms: now().0,
        connections: 0,
        attempts: 0,
        max_connections: if role.sends() { i64::try_from(config.max_connections).unwrap_or(i64::MAX) } else { 0 },
        attempts_per_minute: 0,
        lanes: lanes_in_words(config.lanes),
    }
}

/// Empty for all.
fn lanes_in_words(lanes: Lanes) -> String {
    if lanes == Lanes::ALL {
        return String::new();
    }
    let words = lanes.iter().filter_map(|lane| Lane::from_code(lane.into())).map(|lane| lane.to_string());
    words.collect::<Vec<_>>().join(", ")
}

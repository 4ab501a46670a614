use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::smtp::{Host, Manners, serve};
use crate::{Provider, Recorder, dns, providers, tls};

/// Ports tried until one is free at all the providers' addresses.
const MAX_PORT_TRIES: usize = 50;
/// Connections that one provider holds open; more wait to be accepted.
const MAX_CONNECTIONS: usize = 1_000;

#[derive(Debug, Clone, PartialEq)]
pub struct WorldOptions {
    /// Messages a second that the throttling provider takes.
    pub throttle_per_second: f64,
    /// Connections that it takes.
    pub throttle_connections: u32,
    /// How long the greylisting provider refuses a new recipient.
    pub greylist: Duration,
    /// How long the slow provider takes, on average, for a greeting and for a final reply.
    pub slow: Duration,
    /// A file to which every accepted copy is appended before its 250.
    pub log: Option<PathBuf>,
    /// How many of the newest messages are kept whole.
    pub keep_messages: usize,
    /// Every provider has limits instead of its habit, and counts who breaks them.
    pub strict: Option<Strict>,
}

/// What the providers of a strict world take. Nobody is greylisted, dropped or slow there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Strict {
    /// Messages a second at all providers together: each takes the share of them that its subscribers are of all. A second's worth may
    /// come at once.
    pub per_second: f64,
    /// At each provider.
    pub connections: u32,
    pub messages_per_connection: u32,
    pub storm: Option<Storm>,
}

/// For a while one provider answers every message with 421.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Storm {
    /// The provider's name.
    pub provider: &'static str,
    /// Counted from the world's start.
    pub begins: Duration,
    pub ends: Duration,
}

impl Strict {
    /// Messages a second that this provider takes.
    #[must_use]
    pub fn rate_of(&self, provider: &Provider) -> f64 {
        self.per_second * f64::from(provider.per_mille) / 1_000.0
    }
}

/// Small delays, for tests.
impl Default for WorldOptions {
    fn default() -> Self {
        Self {
            throttle_per_second: 50.0,
            throttle_connections: 5,
            greylist: Duration::from_secs(3),
            slow: Duration::from_millis(50),
            log: None,
            keep_messages: 0,
            strict: None,
        }
    }
}

impl WorldOptions {
    /// Habits that show, and still let an audience of this size through within about a minute.
    #[must_use]
    pub fn for_audience(subscribers: u64) -> Self {
        let size = subscribers.max(1) as f64;
        Self {
            // 15 % of them in half a minute.
            throttle_per_second: (size / 200.0).max(50.0),
            // 2.5 % of them over four connections in half a minute.
            slow: Duration::from_secs_f64((4_800.0 / size).clamp(0.001, 0.4)),
            ..Self::default()
        }
    }
}

/// The world, for as long as this value lives.
pub struct World {
    dns: SocketAddr,
    smtp_port: u16,
    recorder: Arc<Recorder>,
    certificate: CertificateDer<'static>,
    hosts: Vec<Arc<Host>>,
    /// Dropping it ends every listener and connection.
    _tasks: JoinSet<()>,
}

/// What one provider saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProviderReport {
    pub provider: &'static Provider,
    /// Connections since the start.
    pub connections: u64,
    pub open: u32,
    pub most_open: u32,
    /// Copies, one for each recipient.
    pub accepted: u64,
    /// Recipients and messages refused, for now or for good.
    pub refused: u64,
    /// Connections above the limit, and messages above the rate: our sender's violations.
    pub over_connections: u64,
    pub over_rate: u64,
    /// Messages on a connection that had carried its share; only a strict world counts them.
    pub over_messages: u64,
    /// The most messages that came within one second; counted where a rate is limited.
    pub most_in_a_second: usize,
    /// Connections closed without a word.
    pub dropped: u64,
    /// Messages with bare CR or LF, or lines too long.
    pub bad_lines: u64,
    pub protocol_errors: u64,
    /// Connections that turned to TLS.
    pub tls: u64,
}

/// Which limit a sender broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    Connections,
    MessagesPerConnection,
    Rate,
}

/// One time that a sender broke a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breach {
    /// The provider's name.
    pub provider: &'static str,
    /// Counted from the world's start.
    pub at: Duration,
    pub what: Broken,
}

impl World {
    /// Starts everything on the current runtime.
    ///
    /// # Errors
    /// No free port, an address of 127.0.0.0/8 that this machine does not have, or a log that cannot be opened.
    pub async fn start(options: WorldOptions) -> io::Result<Self> {
        let recorder = Arc::new(Recorder::new(options.log.as_deref(), options.keep_messages)?);
        let (acceptor, certificate) = tls::acceptor()?;
        let manners = Manners {
            throttle_per_second: options.throttle_per_second,
            throttle_connections: options.throttle_connections,
            greylist: options.greylist,
            slow: options.slow,
            strict: options.strict,
        };
        let mut tasks = JoinSet::new();
        let dns = dns::serve(&mut tasks).await?;
        let (listeners, smtp_port) = bind_all().await?;
        let numbers = Arc::new(AtomicU64::new(0));
        let mut hosts = Vec::new();
        for (provider, listener) in providers().iter().zip(listeners) {
            let host = Host::new(provider, manners, Arc::clone(&recorder), acceptor.clone(), Arc::clone(&numbers));
            hosts.push(Arc::new(host));
            tasks.spawn(listen(listener, Arc::clone(&hosts[hosts.len() - 1])));
        }
        Ok(Self { dns, smtp_port, recorder, certificate, hosts, _tasks: tasks })
    }

    /// The name server, over UDP and TCP.
    #[must_use]
    pub const fn dns(&self) -> SocketAddr {
        self.dns
    }

    /// The port at which every MX host listens, instead of 25.
    #[must_use]
    pub const fn smtp_port(&self) -> u16 {
        self.smtp_port
    }

    #[must_use]
    pub const fn recorder(&self) -> &Arc<Recorder> {
        &self.recorder
    }

    /// The certificate that all MX hosts show, signed by itself.
    #[must_use]
    pub const fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// What each provider saw, in the order of [`providers`].
    #[must_use]
    pub fn report(&self) -> Vec<ProviderReport> {
        self.hosts.iter().map(|host| host.report()).collect()
    }

    /// The limits that were broken, provider by provider, in the order of time; of each the first thousand.
    #[must_use]
    pub fn breaches(&self) -> Vec<Breach> {
        self.hosts.iter().flat_map(|host| host.breaches()).collect()
    }
}

/// A listener for each provider, all at one port.
async fn bind_all() -> io::Result<(Vec<TcpListener>, u16)> {
    let mut last = io::Error::other("no port tried");
    for _ in 0..MAX_PORT_TRIES {
        match bind_at_one_port().await {
            Ok(bound) => return Ok(bound),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

async fn bind_at_one_port() -> io::Result<(Vec<TcpListener>, u16)> {
    let mut listeners: Vec<TcpListener> = Vec::new();
    let mut port = 0;
    for provider in providers() {
        let listener = TcpListener::bind((provider.address(), port)).await?;
        port = listener.local_addr()?.port();
        listeners.push(listener);
    }
    Ok((listeners, port))
}

async fn listen(listener: TcpListener, host: Arc<Host>) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        if connections.len() >= MAX_CONNECTIONS {
            connections.join_next().await;
        }
        match listener.accept().await {
            Ok((stream, _)) => {
                if stream.set_nodelay(true).is_ok() {
                    connections.spawn(serve(stream, Arc::clone(&host)));
                }
            }
            // Out of file descriptors, most likely: one must be closed first.
            Err(error) => {
                tracing::warn!(%error, "the sandbox cannot accept a connection");
                connections.join_next().await;
            }
        }
    }
}

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::rdata::MX;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use rand::seq::SliceRandom;
use tidings_domain::{Problem, ProviderTable};
use tokio::sync::Semaphore;

use super::cache::{Cache, Fresh};
use super::failure::Missing;
use super::{DnsFailure, MailHosts, MxHost, is_public};

const MAX_CACHED_DOMAINS: usize = 100_000;
const MAX_CACHED_HOSTS: usize = 20_000;
const MAX_CONCURRENT_QUERIES: usize = 64;
/// A domain may name as many as it likes; nobody needs to try more.
const MAX_MX_HOSTS: usize = 16;
const MAX_ADDRESSES: usize = 8;
const MIN_TTL: Duration = Duration::from_secs(60);
const MAX_TTL: Duration = Duration::from_secs(24 * 60 * 60);
/// "No such domain" is believed for at most an hour (RFC 2308 §5 allows three).
const MAX_NEGATIVE_TTL: Duration = Duration::from_secs(60 * 60);
const DEFAULT_NEGATIVE_TTL: Duration = Duration::from_secs(5 * 60);
/// A resolver that fails is not asked again for the same name at once (RFC 2308 §7.1).
const FAILURE_TTL: Duration = Duration::from_secs(30);

#[derive(Debug, Clone)]
pub struct ResolverOptions {
    /// Whom to ask; the system's resolvers when empty.
    pub nameservers: Vec<SocketAddr>,
    /// Where MX hosts listen: 25, but in a sandbox.
    pub smtp_port: u16,
    /// Let mail go to loopback and private addresses. For tests and sandboxes: see [`is_public`].
    pub allow_private_targets: bool,
    /// Also IPv6 addresses, after those of IPv4. Off by default: a sender's IPv6 address rarely has the reverse name
    /// and the reputation that large receivers ask of it.
    pub use_ipv6: bool,
    /// One query to one server.
    pub query_timeout: Duration,
    /// How often a query is sent before it counts as failed.
    pub attempts: usize,
}

impl Default for ResolverOptions {
    fn default() -> Self {
        Self {
            nameservers: Vec::new(),
            smtp_port: 25,
            allow_private_targets: false,
            use_ipv6: false,
            query_timeout: Duration::from_secs(5),
            attempts: 2,
        }
    }
}

type MxAnswer = Result<Arc<MailHosts>, DnsFailure>;
type AddressAnswer = Result<Arc<[IpAddr]>, DnsFailure>;

/// Finds mail hosts and their addresses; remembers answers, also failures, for as long as they hold. Clones share all.
#[derive(Clone)]
pub struct Resolver {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) dns: TokioResolver,
    options: ResolverOptions,
    providers: Arc<ProviderTable>,
    queries: Semaphore,
    domains: Cache<MxAnswer>,
    hosts: Cache<AddressAnswer>,
}

impl Resolver {
    /// # Errors
    /// When no nameserver is given and the system's configuration cannot be read.
    pub fn new(options: ResolverOptions, providers: Arc<ProviderTable>) -> Result<Self, DnsFailure> {
        let dns = build(&options).map_err(|detail| DnsFailure { problem: Problem::DnsFailure, detail })?;
        Ok(Self {
            inner: Arc::new(Inner {
                dns,
                options,
                providers,
                queries: Semaphore::new(MAX_CONCURRENT_QUERIES),
                domains: Cache::new(MAX_CACHED_DOMAINS),
                hosts: Cache::new(MAX_CACHED_HOSTS),
            }),
        })
    }

    /// The port that MX hosts listen on.
    #[must_use]
    pub fn smtp_port(&self) -> u16 {
        self.inner.options.smtp_port
    }

    /// The mail hosts of a domain (lower-case A-labels), or itself where it has addresses and no MX (RFC 5321 §5.1).
    ///
    /// # Errors
    /// [`Problem::NoSuchDomain`], [`Problem::NoMailHost`] and [`Problem::NullMx`] are the domain's own word;
    /// [`Problem::DnsFailure`] says nothing about it.
    pub async fn mail_hosts(&self, domain: &str) -> Result<MailHosts, DnsFailure> {
        let answer = self.inner.domains.get(domain, || self.inner.find_mail_hosts(domain)).await?;
        let mut found = MailHosts::clone(&answer);
        shuffle_equals(&mut found.hosts);
        Ok(found)
    }

    /// The addresses of a mail host, IPv4 first. At least one.
    ///
    /// # Errors
    /// [`Problem::Unreachable`] when the host has none (its domain named it, so this is a mistake there, and never proof
    /// that the recipient does not exist), [`Problem::ForbiddenTarget`] when all lie where mail must not go, and
    /// [`Problem::DnsFailure`].
    pub async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, DnsFailure> {
        let found = self.inner.hosts.get(host, || self.inner.find_addresses(host)).await.map_err(of_a_host)?;
        let allowed: Vec<IpAddr> =
            found.iter().copied().filter(|ip| self.inner.options.allow_private_targets || is_public(*ip)).collect();
        if allowed.is_empty() {
            let detail = format!("{host} has only addresses that mail must not go to, such as {}", found[0]);
            return Err(DnsFailure { problem: Problem::ForbiddenTarget, detail });
        }
        Ok(allowed)
    }
}

impl Inner {
    async fn find_mail_hosts(&self, domain: &str) -> Fresh<MxAnswer> {
        match self.query(domain, RecordType::MX).await {
            Ok((records, ttl)) => {
                let mx: Vec<&MX> =
                    records.iter().filter_map(|r| if let RData::MX(mx) = r { Some(mx) } else { None }).collect();
                if mx.is_empty() {
                    return self.implicit_host(domain, Some(ttl)).await;
                }
                Fresh { value: self.understand(domain, &mx).map(Arc::new), ttl }
            }
            Err(Missing::Type(ttl)) => self.implicit_host(domain, ttl).await,
            Err(Missing::Name(ttl)) => {
                failed(Problem::NoSuchDomain, format!("the domain {domain} does not exist"), negative(ttl))
            }
            Err(Missing::Unknown(why)) => failed(Problem::DnsFailure, format!("MX of {domain}: {why}"), FAILURE_TTL),
        }
    }

    fn understand(&self, domain: &str, mx: &[&MX]) -> Result<MailHosts, DnsFailure> {
        // RFC 7505: one record, whose host is the root.
        if mx.iter().all(|mx| mx.exchange.is_root()) {
            let detail = format!("the domain {domain} says that it takes no mail (null MX)");
            return Err(DnsFailure { problem: Problem::NullMx, detail });
        }
        let mut hosts: Vec<MxHost> = mx
            .iter()
            .filter(|mx| !mx.exchange.is_root())
            .map(|mx| MxHost { name: host_name(&mx.exchange), preference: mx.preference })
            .collect();
        hosts.sort_by(|a, b| (a.preference, &a.name).cmp(&(b.preference, &b.name)));
        hosts.dedup_by(|a, b| a.name == b.name);
        let best = hosts[0].preference;
        let names: Vec<&str> = hosts.iter().filter(|h| h.preference == best).map(|h| h.name.as_str()).collect();
        let provider = self.providers.group(&names);
        hosts.truncate(MAX_MX_HOSTS);
        Ok(MailHosts { provider, hosts })
    }

    /// No MX: the domain itself is the host, if it has an address.
    async fn implicit_host(&self, domain: &str, no_mx_ttl: Option<Duration>) -> Fresh<MxAnswer> {
        let addresses = self.find_addresses(domain).await;
        let ttl = addresses.ttl.min(no_mx_ttl.unwrap_or(addresses.ttl)).max(FAILURE_TTL);
        match addresses.value {
            Ok(_) => {
                let hosts = vec![MxHost { name: domain.to_owned(), preference: 0 }];
                Fresh { value: Ok(Arc::new(MailHosts { provider: self.providers.group(&[domain]), hosts })), ttl }
            }
            Err(DnsFailure { problem: Problem::NoMailHost, .. }) => {
                failed(Problem::NoMailHost, format!("the domain {domain} has neither mail host nor address"), ttl)
            }
            Err(failure) => Fresh { value: Err(failure), ttl },
        }
    }

    async fn find_addresses(&self, host: &str) -> Fresh<AddressAnswer> {
        let mut found = Vec::new();
        let mut ttl = MAX_TTL;
        let mut unknown = None;
        let types: &[RecordType] =
            if self.options.use_ipv6 { &[RecordType::A, RecordType::AAAA] } else { &[RecordType::A] };
        for kind in types {
            match self.query(host, *kind).await {
                Ok((records, valid)) => {
                    found.extend(records.iter().filter_map(RData::ip_addr));
                    ttl = ttl.min(valid);
                }
                Err(Missing::Type(valid)) => ttl = ttl.min(negative(valid)),
                Err(Missing::Name(valid)) => {
                    return failed(Problem::NoMailHost, format!("the host {host} does not exist"), negative(valid));
                }
                Err(Missing::Unknown(why)) => unknown = Some(why),
            }
        }
        found.truncate(MAX_ADDRESSES);
        match (found.is_empty(), unknown) {
            (false, _) => Fresh { value: Ok(found.into()), ttl },
            (true, Some(why)) => failed(Problem::DnsFailure, format!("address of {host}: {why}"), FAILURE_TTL),
            (true, None) => failed(Problem::NoMailHost, format!("the host {host} has no address"), ttl),
        }
    }

    pub(super) async fn query(&self, name: &str, kind: RecordType) -> Result<(Vec<RData>, Duration), Missing> {
        let mut name = Name::from_ascii(name).map_err(|e| Missing::Unknown(format!("no DNS name: {e}")))?;
        // Absolute: the system's search list must not answer for a subscriber's typing error.
        name.set_fqdn(true);
        let Ok(_permit) = self.queries.acquire().await else {
            return Err(Missing::Unknown("the resolver is closed".to_owned()));
        };
        let lookup = self.dns.lookup(name, kind).await?;
        let ttl = lookup.valid_until().saturating_duration_since(Instant::now()).clamp(MIN_TTL, MAX_TTL);
        Ok((lookup.answers().iter().map(|record| record.data.clone()).collect(), ttl))
    }
}

fn build(options: &ResolverOptions) -> Result<TokioResolver, String> {
    let mut builder = if options.nameservers.is_empty() {
        TokioResolver::builder_tokio().map_err(|e| format!("the system's resolver configuration: {e}"))?
    } else {
        let servers = options.nameservers.iter().map(name_server).collect();
        TokioResolver::builder_with_config(
            ResolverConfig::from_parts(None, Vec::new(), servers),
            TokioRuntimeProvider::default(),
        )
    };
    set(builder.options_mut(), options);
    builder.build().map_err(|e| e.to_string())
}

fn set(dns: &mut ResolverOpts, options: &ResolverOptions) {
    dns.timeout = options.query_timeout;
    dns.attempts = options.attempts;
    // Answers are kept here, with single flight and with failures; twice would only make them older.
    dns.cache_size = 0;
    dns.ndots = 0;
}

fn name_server(address: &SocketAddr) -> NameServerConfig {
    let at_port = |mut connection: ConnectionConfig| {
        connection.port = address.port();
        connection
    };
    NameServerConfig::new(address.ip(), true, vec![at_port(ConnectionConfig::udp()), at_port(ConnectionConfig::tcp())])
}

fn failed<T>(problem: Problem, detail: String, ttl: Duration) -> Fresh<Result<T, DnsFailure>> {
    Fresh { value: Err(DnsFailure { problem, detail }), ttl }
}

/// An MX that leads nowhere is broken, not gone: the mail waits.
fn of_a_host(failure: DnsFailure) -> DnsFailure {
    match failure.problem {
        Problem::NoMailHost => DnsFailure { problem: Problem::Unreachable, ..failure },
        _ => failure,
    }
}

fn negative(ttl: Option<Duration>) -> Duration {
    ttl.unwrap_or(DEFAULT_NEGATIVE_TTL).clamp(FAILURE_TTL, MAX_NEGATIVE_TTL)
}

pub(super) fn host_name(name: &Name) -> String {
    name.to_ascii().trim_end_matches('.').to_ascii_lowercase()
}

/// Within one preference a random order, to spread the load as RFC 5321 §5.1 asks.
fn shuffle_equals(hosts: &mut [MxHost]) {
    let mut counts: BTreeMap<u16, usize> = BTreeMap::new();
    for host in hosts.iter() {
        *counts.entry(host.preference).or_default() += 1;
    }
    let mut rest = hosts;
    for count in counts.into_values() {
        let (equal, later) = rest.split_at_mut(count);
        equal.shuffle(&mut rand::rng());
        rest = later;
    }
}

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::proto::rr::rdata::MX;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use rand::seq::SliceRandom;
use tidings_domain::{Problem, ProviderTable};
use tokio::sync::Semaphore;

use super::ask::{Answer, Asker};
use super::cache::{Cache, Fresh};
use super::failure::Missing;
use super::own::is_ours;
use super::{DnsFailure, HostTlsa, MailHosts, MxHost, ResolverOptions, Texts, is_public};

const MAX_CACHED_DOMAINS: usize = 100_000;
const MAX_CACHED_HOSTS: usize = 20_000;
const MAX_CONCURRENT_QUERIES: usize = 64;
/// A domain may name as many as it likes; nobody needs to try more.
const MAX_MX_HOSTS: usize = 16;
const MAX_ADDRESSES: usize = 8;
const LONGEST_TTL: Duration = Duration::from_secs(24 * 60 * 60);
/// "No such domain" is believed for at most an hour (RFC 2308 §5 allows three).
const MAX_NEGATIVE_TTL: Duration = Duration::from_secs(60 * 60);
const DEFAULT_NEGATIVE_TTL: Duration = Duration::from_secs(5 * 60);
/// A resolver that fails is not asked again for the same name at once (RFC 2308 §7.1).
const FAILURE_TTL: Duration = Duration::from_secs(30);

type MxAnswer = Result<Arc<MailHosts>, DnsFailure>;
type AddressAnswer = Result<Arc<Addresses>, DnsFailure>;
type TlsaAnswer = Result<Arc<HostTlsa>, DnsFailure>;

struct Addresses {
    /// At least one.
    ips: Vec<IpAddr>,
    is_secure: bool,
}

/// Finds mail hosts and their addresses; remembers answers, also failures, for as long as they hold. Clones share all.
#[derive(Clone)]
pub struct Resolver {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) asker: Asker,
    options: ResolverOptions,
    providers: Arc<ProviderTable>,
    queries: Semaphore,
    domains: Cache<MxAnswer>,
    hosts: Cache<AddressAnswer>,
    tlsa: Cache<TlsaAnswer>,
}

impl Resolver {
    /// # Errors
    /// When no nameserver is given and the system's configuration cannot be read.
    pub fn new(options: ResolverOptions, providers: Arc<ProviderTable>) -> Result<Self, DnsFailure> {
        let asker = Asker::new(&options).map_err(|detail| DnsFailure { problem: Problem::DnsFailure, detail })?;
        Ok(Self {
            inner: Arc::new(Inner {
                asker,
                options,
                providers,
                queries: Semaphore::new(MAX_CONCURRENT_QUERIES),
                domains: Cache::new(MAX_CACHED_DOMAINS),
                hosts: Cache::new(MAX_CACHED_HOSTS),
                tlsa: Cache::new(MAX_CACHED_HOSTS),
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
    /// that the recipient does not exist), [`Problem::ForbiddenTarget`] when all lie where mail must not go,
    /// [`Problem::MailLoop`] when they are this machine's own, and [`Problem::DnsFailure`].
    pub async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, DnsFailure> {
        let found = self.inner.host(host).await.map_err(of_a_host)?;
        if self.inner.options.allow_private_targets {
            return Ok(found.ips.clone());
        }
        let public: Vec<IpAddr> = found.ips.iter().copied().filter(|ip| is_public(*ip)).collect();
        if public.is_empty() {
            let detail = format!("{host} has only addresses that mail must not go to, such as {}", found.ips[0]);
            return Err(DnsFailure { problem: Problem::ForbiddenTarget, detail });
        }
        let others: Vec<IpAddr> = public.iter().copied().filter(|ip| !is_ours(*ip)).collect();
        if others.is_empty() {
            let detail = format!("{host} is this machine itself ({}): the mail would come back to us", public[0]);
            return Err(DnsFailure { problem: Problem::MailLoop, detail });
        }
        Ok(others)
    }

    /// What DNS says of a mail host's certificate on the port of [`Resolver::smtp_port`]. Only answers that a validating resolver
    /// vouches for count, of the host's addresses too (RFC 7672 §2.2.2); where resolvers do not validate, there are none. They
    /// are asked for under the name that the MX record gives, also where that is an alias.
    ///
    /// # Errors
    /// The records may be there and cannot be read: then nothing may be sent to this host (RFC 7672 §2.1.2).
    pub async fn tlsa(&self, host: &str) -> Result<Arc<HostTlsa>, DnsFailure> {
        if !self.inner.options.validates {
            return Ok(Arc::new(HostTlsa::None));
        }
        self.inner.tlsa.get(host, || self.inner.find_tlsa(host)).await
    }

    /// As [`Resolver::texts`], with how long they hold; what is not UTF-8 is left out.
    ///
    /// # Errors
    /// [`Problem::DnsFailure`]: nothing is known.
    pub async fn held_texts(&self, name: &str) -> Result<Texts, DnsFailure> {
        match self.inner.query(name, RecordType::TXT).await {
            Ok(answer) => Ok(Texts::of(&answer.records, answer.ttl)),
            Err(Missing::Name(ttl) | Missing::Type(ttl)) => Ok(Texts { texts: Vec::new(), ttl: negative(ttl) }),
            Err(Missing::Unknown(why)) => {
                Err(DnsFailure { problem: Problem::DnsFailure, detail: format!("TXT of {name}: {why}") })
            }
        }
    }
}

impl Resolver {
    /// One question, whose answer nobody remembers. Nothing there is an answer too.
    pub(super) async fn ask(&self, name: &str, kind: RecordType) -> Result<Vec<RData>, DnsFailure> {
        match self.inner.query(name, kind).await {
            Ok(answer) => Ok(answer.records),
            Err(Missing::Name(_) | Missing::Type(_)) => Ok(Vec::new()),
            Err(Missing::Unknown(why)) => {
                Err(DnsFailure { problem: Problem::DnsFailure, detail: format!("{kind} of {name}: {why}") })
            }
        }
    }
}

impl Inner {
    async fn find_mail_hosts(&self, domain: &str) -> Fresh<MxAnswer> {
        match self.query(domain, RecordType::MX).await {
            Ok(Answer { records, ttl, is_secure }) => {
                let mx: Vec<&MX> =
                    records.iter().filter_map(|r| if let RData::MX(mx) = r { Some(mx) } else { None }).collect();
                if mx.is_empty() {
                    return self.implicit_host(domain, Some(ttl)).await;
                }
                let found = self.understand(domain, &mx);
                Fresh { value: found.map(|found| Arc::new(MailHosts { is_secure, ..found })), ttl }
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
        Ok(MailHosts { provider, hosts, is_secure: false, is_implicit: false })
    }

    /// No MX: the domain itself is the host, if it has an address. DANE does not apply: that there is no MX is not proven here.
    async fn implicit_host(&self, domain: &str, no_mx_ttl: Option<Duration>) -> Fresh<MxAnswer> {
        let addresses = self.find_addresses(domain).await;
        let ttl = addresses.ttl.min(no_mx_ttl.unwrap_or(addresses.ttl)).max(FAILURE_TTL);
        match addresses.value {
            Ok(_) => {
                let hosts = vec![MxHost { name: domain.to_owned(), preference: 0 }];
                let provider = self.providers.group(&[domain]);
                let found = MailHosts { provider, hosts, is_secure: false, is_implicit: true };
                Fresh { value: Ok(Arc::new(found)), ttl }
            }
            Err(DnsFailure { problem: Problem::NoMailHost, .. }) => {
                failed(Problem::NoMailHost, format!("the domain {domain} has neither mail host nor address"), ttl)
            }
            Err(failure) => Fresh { value: Err(failure), ttl },
        }
    }

    async fn host(&self, host: &str) -> AddressAnswer {
        self.hosts.get(host, || self.find_addresses(host)).await
    }

    async fn find_addresses(&self, host: &str) -> Fresh<AddressAnswer> {
        let mut found = Addresses { ips: Vec::new(), is_secure: true };
        let mut ttl = LONGEST_TTL;
        let mut unknown = None;
        let types: &[RecordType] =
            if self.options.use_ipv6 { &[RecordType::A, RecordType::AAAA] } else { &[RecordType::A] };
        for kind in types {
            match self.query(host, *kind).await {
                Ok(answer) => {
                    found.ips.extend(answer.records.iter().filter_map(RData::ip_addr));
                    found.is_secure &= answer.is_secure;
                    ttl = ttl.min(answer.ttl);
                }
                Err(Missing::Type(valid)) => ttl = ttl.min(negative(valid)),
                Err(Missing::Name(valid)) => {
                    return failed(Problem::NoMailHost, format!("the host {host} does not exist"), negative(valid));
                }
                Err(Missing::Unknown(why)) => unknown = Some(why),
            }
        }
        found.ips.truncate(MAX_ADDRESSES);
        match (found.ips.is_empty(), unknown) {
            (false, _) => Fresh { value: Ok(Arc::new(found)), ttl },
            (true, Some(why)) => failed(Problem::DnsFailure, format!("address of {host}: {why}"), FAILURE_TTL),
            (true, None) => failed(Problem::NoMailHost, format!("the host {host} has no address"), ttl),
        }
    }

    async fn find_tlsa(&self, host: &str) -> Fresh<TlsaAnswer> {
        let none = |ttl| Fresh { value: Ok(Arc::new(HostTlsa::None)), ttl };
        match self.host(host).await {
            Ok(addresses) if addresses.is_secure => {}
            // Servers that do not sign often break on questions for TLSA; where nothing is signed nothing is lost.
            Ok(_) => return none(MAX_NEGATIVE_TTL),
            Err(failure) => return Fresh { value: Err(failure), ttl: FAILURE_TTL },
        }
        let name = format!("_{}._tcp.{host}", self.options.smtp_port);
        match self.query(&name, RecordType::TLSA).await {
            Ok(answer) if answer.is_secure => {
                Fresh { value: Ok(Arc::new(HostTlsa::of(&answer.records))), ttl: answer.ttl }
            }
            Ok(answer) => none(answer.ttl),
            Err(Missing::Name(ttl) | Missing::Type(ttl)) => none(negative(ttl)),
            Err(Missing::Unknown(why)) => {
                failed(Problem::DnsFailure, format!("TLSA of {host} cannot be read: {why}"), FAILURE_TTL)
            }
        }
    }

    pub(super) async fn query(&self, name: &str, kind: RecordType) -> Result<Answer, Missing> {
        let mut name = Name::from_ascii(name).map_err(|e| Missing::Unknown(format!("no DNS name: {e}")))?;
        // Absolute: the system's search list must not answer for a subscriber's typing error.
        name.set_fqdn(true);
        let Ok(_permit) = self.queries.acquire().await else {
            return Err(Missing::Unknown("the resolver is closed".to_owned()));
        };
        self.asker.ask(name, kind).await
    }
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

//! One question to DNS: who is asked, and what an answer says.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::xfer::{DnsHandle, FirstAnswer, RetryDnsHandle};
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::{DnsRequestOptions, DnsResponse, Query, ResponseCode};
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::system_conf::read_system_conf;
use hickory_resolver::{NameServerPool, PoolContext, TlsConfig, TokioResolver};

use super::ResolverOptions;
use super::failure::Missing;

const MIN_TTL: Duration = Duration::from_secs(60);
const MAX_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// The records of one name and type. At least one.
pub(super) struct Answer {
    pub records: Vec<RData>,
    pub ttl: Duration,
    /// A validating resolver vouches for it: the AD bit (RFC 4035 §3.2.3).
    pub is_secure: bool,
}

/// Whom to ask.
pub(super) struct Asker {
    plain: TokioResolver,
    /// Resolvers that validate, over a path that nobody else writes to. They are asked for signatures (the DO bit), because only
    /// then they say what these are worth. The library above them would hide it.
    validating: Option<Validating>,
}

type Validating = RetryDnsHandle<NameServerPool<TokioRuntimeProvider>>;

impl Asker {
    /// # Errors
    /// The system's configuration cannot be read; in words.
    pub fn new(options: &ResolverOptions) -> Result<Self, String> {
        let (config, mut dns) = if options.nameservers.is_empty() {
            read_system_conf().map_err(|e| format!("the system's resolver configuration: {e}"))?
        } else {
            let servers = options.nameservers.iter().map(name_server).collect();
            (ResolverConfig::from_parts(None, Vec::new(), servers), ResolverOpts::default())
        };
        set(&mut dns, options);
        let validating = options.validates.then(|| validating(&config, &dns)).transpose()?;
        Ok(Self { plain: plain(config, dns)?, validating })
    }

    /// For who brings his own questions.
    pub fn plain(&self) -> &TokioResolver {
        &self.plain
    }

    pub async fn ask(&self, name: Name, kind: RecordType) -> Result<Answer, Missing> {
        match &self.validating {
            None => {
                let lookup = self.plain.lookup(name, kind).await?;
                let ttl = lookup.valid_until().saturating_duration_since(Instant::now());
                let records = lookup.answers().iter().map(|record| record.data.clone()).collect();
                Ok(Answer { records, ttl: ttl.clamp(MIN_TTL, MAX_TTL), is_secure: false })
            }
            Some(resolvers) => {
                let mut options = DnsRequestOptions::default();
                options.edns_set_dnssec_ok = true;
                let response = resolvers.lookup(Query::query(name, kind), options).first_answer().await?;
                read(DnsError::from_response(response).map_err(NetError::from)?, kind)
            }
        }
    }
}

/// A recursive resolver follows aliases itself: what is there for the type is at their end.
fn read(response: DnsResponse, kind: RecordType) -> Result<Answer, Missing> {
    let found = || response.answers.iter().filter(|record| record.record_type() == kind);
    if found().next().is_none() {
        let ttl = response.negative_ttl().map(|seconds| Duration::from_secs(seconds.into()));
        return Err(match response.metadata.response_code {
            ResponseCode::NXDomain => Missing::Name(ttl),
            _ => Missing::Type(ttl),
        });
    }
    let seconds = response.answers.iter().map(|record| record.ttl).min().unwrap_or(0);
    Ok(Answer {
        records: found().map(|record| record.data.clone()).collect(),
        ttl: Duration::from_secs(seconds.into()).clamp(MIN_TTL, MAX_TTL),
        is_secure: response.metadata.authentic_data,
    })
}

fn plain(config: ResolverConfig, dns: ResolverOpts) -> Result<TokioResolver, String> {
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    *builder.options_mut() = dns;
    builder.build().map_err(|e| e.to_string())
}

fn validating(config: &ResolverConfig, dns: &ResolverOpts) -> Result<Validating, String> {
    let context = Arc::new(PoolContext::new(dns.clone(), TlsConfig::new().map_err(|e| e.to_string())?));
    let servers = config.name_servers.iter().cloned();
    let pool = NameServerPool::from_config(servers, context, TokioRuntimeProvider::default());
    Ok(RetryDnsHandle::new(pool, dns.attempts))
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

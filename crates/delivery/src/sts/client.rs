use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Response, StatusCode, redirect};
use rustls::ClientConfig;
use tidings_domain::TlsResult;

use super::StsPolicy;
use super::record::policy_id;
use crate::dns::{DnsFailure, Resolver};
use crate::smtp::{TlsClients, tls_result};

/// RFC 8461 §3.3 recommends no more.
const MAX_POLICY_OCTETS: usize = 64 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The whole fetch (RFC 8461 §3.3 suggests a minute; a mail waits for the first one).
const FETCH_TIMEOUT: Duration = Duration::from_secs(20);

#[derive(Debug, Clone, Copy)]
pub struct StsOptions {
    /// Where policies are served: 443, but in a test.
    pub https_port: u16,
}

impl Default for StsOptions {
    fn default() -> Self {
        Self { https_port: 443 }
    }
}

/// What the domain's `_mta-sts` record says, and how long that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StsRecord {
    /// `None`: there is no policy to fetch.
    pub id: Option<String>,
    pub ttl: Duration,
}

/// Why a policy could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct StsFault {
    /// As reports call it.
    pub result: TlsResult,
    pub detail: String,
}

/// Looks for policies. It keeps nothing.
#[derive(Clone)]
pub struct StsClient {
    resolver: Resolver,
    tls: Arc<ClientConfig>,
    options: StsOptions,
}

impl StsClient {
    #[must_use]
    pub fn new(resolver: Resolver, tls: &TlsClients, options: StsOptions) -> Self {
        Self { resolver, tls: Arc::clone(&tls.verified), options }
    }

    /// # Errors
    /// Nothing is known: a policy of before goes on to hold.
    pub async fn record(&self, domain: &str) -> Result<StsRecord, DnsFailure> {
        let found = self.resolver.held_texts(&format!("_mta-sts.{domain}")).await?;
        Ok(StsRecord { id: policy_id(&found.texts), ttl: found.ttl })
    }

    /// Fetches the policy over HTTPS: only from addresses that mail may go to as well, with a certificate valid for the host, without
    /// redirects (RFC 8461 §3.3). Returns it as served and as read.
    ///
    /// # Errors
    /// What went wrong. A policy of before goes on to hold.
    pub async fn fetch(&self, domain: &str) -> Result<(String, StsPolicy), StsFault> {
        let host = format!("mta-sts.{domain}");
        let addresses = self.resolver.addresses(&host).await.map_err(|failure| fault(failure.to_string()))?;
        // Connected to are the addresses that were checked, whatever DNS says a moment later.
        let addresses: Vec<SocketAddr> =
            addresses.into_iter().map(|ip| SocketAddr::new(ip, self.options.https_port)).collect();
        let client = self.client(&host, &addresses).map_err(|error| fault(error.to_string()))?;
        let url = format!("https://{host}:{}/.well-known/mta-sts.txt", self.options.https_port);
        let response = client.get(url).send().await.map_err(|error| failed(&error))?;
        let text = read(response).await?;
        let policy = StsPolicy::parse(&text).map_err(|why| StsFault {
            result: TlsResult::StsPolicyInvalid,
            detail: format!("the policy that {host} serves cannot be used: {why}"),
        })?;
        Ok((text, policy))
    }

    fn client(&self, host: &str, addresses: &[SocketAddr]) -> reqwest::Result<Client> {
        Client::builder()
            .use_preconfigured_tls(ClientConfig::clone(&self.tls))
            .resolve_to_addrs(host, addresses)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .https_only(true)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(FETCH_TIMEOUT)
            .build()
    }
}

async fn read(mut response: Response) -> Result<String, StsFault> {
    if response.status() != StatusCode::OK {
        return Err(fault(format!("the policy's server answered {}", response.status())));
    }
    let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !kind.trim_start().to_ascii_lowercase().starts_with("text/plain") {
        return Err(fault(format!("the policy is served as {kind:?}, not as text/plain")));
    }
    let mut octets = Vec::new();
    while let Some(part) = response.chunk().await.map_err(|error| failed(&error))? {
        if octets.len() + part.len() > MAX_POLICY_OCTETS {
            return Err(fault(format!("the policy is longer than {MAX_POLICY_OCTETS} octets")));
        }
        octets.extend_from_slice(&part);
    }
    String::from_utf8(octets).map_err(|_| fault("the policy is not text".to_owned()))
}

fn fault(detail: String) -> StsFault {
    StsFault { result: TlsResult::StsPolicyFetchError, detail }
}

fn failed(error: &reqwest::Error) -> StsFault {
    let result = match tls_result(error) {
        Some(TlsResult::ValidationFailure) | None => TlsResult::StsPolicyFetchError,
        Some(_) => TlsResult::StsWebpkiInvalid,
    };
    let mut detail = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        detail = format!("{detail}: {inner}");
        source = inner.source();
    }
    StsFault { result, detail }
}

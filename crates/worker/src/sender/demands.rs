//! What a connection to a mail host is held to: DANE before MTA-STS before an operator's word before nothing.
//!
//! It is found out for the recipient's domain before connections are shared, because two domains on one host may demand different things.

use std::sync::Arc;

use tidings_bounce::ProviderBook;
use tidings_delivery::{Dane, HostTlsa, MailHosts, Resolver, StsMode, TlsPolicy};
use tidings_domain::{Outcome, Phase, Problem, Shared, TlsDemand, TlsPolicyType, TlsResult};
use tidings_store::Store;

use super::sts_policies::{StsInForce, StsPolicies};
use super::tls_reports::{SeenSession, TlsReports};
use super::tls_required::RequiredDomains;

/// What one connection is held to, and on whose word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldTo {
    pub policy: TlsPolicy,
    pub demand: TlsDemand,
    /// The policy's own words, for reports.
    pub words: Arc<str>,
    /// The MTA-STS policy in testing does not name the host: that is a failure, and no hindrance.
    pub is_unnamed: bool,
}

impl HeldTo {
    fn new(policy: TlsPolicy, demand: TlsDemand, words: impl Into<Arc<str>>) -> Self {
        Self { policy, demand, words: words.into(), is_unnamed: false }
    }

    pub fn by_route(policy: TlsPolicy, demand: TlsDemand) -> Self {
        Self::new(policy, demand, "")
    }
}

/// What a recipient's domain demands of all its hosts.
pub struct DomainDemands {
    pub domain: Arc<str>,
    sts: Option<Arc<StsInForce>>,
    /// Whether the certificate has to be valid, when TLS is required at all.
    required: Option<bool>,
}

pub struct Demands {
    resolver: Resolver,
    sts: StsPolicies,
    required: RequiredDomains,
    /// Says which providers need TLS; it may change while everything runs.
    book: Shared<ProviderBook>,
    reports: TlsReports,
}

impl Demands {
    pub fn new(
        store: Store,
        resolver: Resolver,
        book: Shared<ProviderBook>,
        sts: StsPolicies,
        reports: TlsReports,
    ) -> Self {
        Self { resolver, sts, required: RequiredDomains::new(store), book, reports }
    }

    pub async fn of_domain(&self, domain: &str, provider: &str) -> Result<DomainDemands, Outcome> {
        let (sts, required) = tokio::join!(self.sts.of(domain), self.required.of(domain));
        let required = required.map_err(|error| Outcome::Broken {
            phase: Phase::Dns,
            problem: Problem::Withdrawn,
            detail: format!("whether {domain} needs TLS could not be read: {error}"),
        })?;
        let required = required.or_else(|| self.book.current().table.requires_tls(provider).then_some(false));
        Ok(DomainDemands { domain: domain.into(), sts, required })
    }

    /// # Errors
    /// This host must not be sent to: what its TLSA records say cannot be read, or the domain's policy does not name it.
    pub async fn of_host(&self, of: &DomainDemands, hosts: &MailHosts, host: &str) -> Result<HeldTo, Outcome> {
        if hosts.is_secure
            && let Some(held) = self.by_dane(of, host).await?
        {
            return Ok(held);
        }
        let sts = of.sts.as_deref().filter(|sts| sts.policy.mode != StsMode::None);
        match (sts, of.required) {
            (Some(sts), _) if sts.policy.mode == StsMode::Enforce => self.by_sts(of, sts, host),
            (_, Some(true)) => Ok(HeldTo::new(TlsPolicy::StartTls, TlsDemand::Required, "")),
            (_, Some(false)) => Ok(HeldTo::new(TlsPolicy::Encrypted, TlsDemand::Required, "")),
            (Some(sts), None) => Ok(HeldTo {
                is_unnamed: !sts.policy.names(host),
                ..HeldTo::new(TlsPolicy::Tested, TlsDemand::StsTesting, sts.text.as_str())
            }),
            (None, None) => Ok(HeldTo::new(TlsPolicy::Opportunistic, TlsDemand::Opportunistic, "")),
        }
    }

    /// `None`: DANE does not apply.
    async fn by_dane(&self, of: &DomainDemands, host: &str) -> Result<Option<HeldTo>, Outcome> {
        let tlsa = self.resolver.tlsa(host).await.map_err(|failure| {
            self.note(of, TlsPolicyType::Tlsa, TlsResult::DnssecInvalid, host, &failure.detail);
            let detail = format!("{}: without them nothing may be sent there (DANE)", failure.detail);
            Outcome::Broken { phase: Phase::Dns, problem: Problem::DnsFailure, detail }
        })?;
        Ok(match &*tlsa {
            HostTlsa::None => None,
            HostTlsa::Unusable => Some(HeldTo::new(TlsPolicy::Encrypted, TlsDemand::Dane, "")),
            HostTlsa::Records(records) => {
                let words: Vec<String> = records.iter().map(ToString::to_string).collect();
                let dane = Dane { records: records.as_slice().into(), domain: Arc::clone(&of.domain) };
                Some(HeldTo::new(TlsPolicy::Dane(dane), TlsDemand::Dane, words.join("\n")))
            }
        })
    }

    fn by_sts(&self, of: &DomainDemands, sts: &StsInForce, host: &str) -> Result<HeldTo, Outcome> {
        if sts.policy.names(host) {
            return Ok(HeldTo::new(TlsPolicy::StartTls, TlsDemand::Sts, sts.text.as_str()));
        }
        let detail = format!("the MTA-STS policy of {} does not name its mail host {host}", of.domain);
        self.note(of, TlsPolicyType::Sts, TlsResult::ValidationFailure, host, &detail);
        Err(Outcome::Broken { phase: Phase::StartTls, problem: Problem::Tls, detail })
    }

    fn note(&self, of: &DomainDemands, policy: TlsPolicyType, result: TlsResult, mx_host: &str, detail: &str) {
        let policy_text = match (policy, &of.sts) {
            (TlsPolicyType::Sts, Some(sts)) => sts.text.as_str(),
            _ => "",
        };
        let (sending_ip, receiving_ip) = (None, None);
        let domain = &*of.domain;
        self.reports.note(&SeenSession {
            domain,
            policy,
            policy_text,
            result,
            mx_host,
            sending_ip,
            receiving_ip,
            detail,
        });
    }
}

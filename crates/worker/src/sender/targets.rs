//! Where a delivery can go: the MX hosts of its domain, or its relay.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tidings_bounce::ProviderBook;
use tidings_compose::Keys;
use tidings_delivery::{
    Credentials, DnsFailure, MailHosts, Resolver, Session, StsClient, StsOptions, Target, TlsClients, TlsPolicy,
};
use tidings_domain::{Outcome, Phase, Problem, RouteKind, RouteTls, Service, Shared, TlsDemand, TlsUse};
use tidings_store::{Route, RouteId, Store, Work};

use super::demands::{Demands, DomainDemands, HeldTo};
use super::missing::MissingDomains;
use super::sts_policies::StsPolicies;
use super::tls_memory::TlsMemory;
use super::tls_reports::TlsReports;

/// Hosts tried for one attempt, and addresses of each (Postfix's smtp_mx_session_limit is 2 hosts, address limit 5).
const HOSTS_AN_ATTEMPT: usize = 3;
const ADDRESSES_A_HOST: usize = 2;
/// A route is read again after this: a change in the settings acts within it.
const ROUTE_FRESH: Duration = Duration::from_secs(5);

#[derive(Debug, Clone)]
pub struct TargetOptions {
    pub ehlo_name: String,
    pub source_ip: Option<IpAddr>,
    pub tls: TlsClients,
    pub sts: StsOptions,
}

/// One address of one host, and how to speak to it.
#[derive(Debug, Clone)]
pub struct Spot {
    pub(super) target: Target,
    route: Option<Arc<Route>>,
    pub(super) held: HeldTo,
    /// The recipient's, where a connection is made for it and not for a relay.
    pub(super) domain: Option<Arc<str>>,
}

impl Spot {
    /// A connection is shared only within one route, one host and one policy.
    pub fn same_peer(&self, other: &Self) -> bool {
        let id = |spot: &Self| spot.route.as_ref().map(|r| r.id);
        id(self) == id(other) && self.target.host == other.target.host && self.held == other.held
    }
}

type Fresh = (Instant, Option<Arc<Route>>);

pub struct Targets {
    store: Store,
    resolver: Resolver,
    keys: Arc<Keys>,
    options: TargetOptions,
    routes: Mutex<HashMap<RouteId, Fresh>>,
    demands: Demands,
    missing: MissingDomains,
    pub(super) memory: TlsMemory,
    pub(super) reports: TlsReports,
}

impl Targets {
    pub fn new(
        store: Store,
        resolver: Resolver,
        keys: Arc<Keys>,
        book: Shared<ProviderBook>,
        options: TargetOptions,
    ) -> Self {
        let reports = TlsReports::default();
        let client = StsClient::new(resolver.clone(), &options.tls, options.sts);
        let sts = StsPolicies::new(store.clone(), client, reports.clone());
        Self {
            demands: Demands::new(store.clone(), resolver.clone(), book, sts, reports.clone()),
            missing: MissingDomains::new(store.clone()),
            memory: TlsMemory::default(),
            reports,
            store,
            resolver,
            keys,
            options,
            routes: Mutex::default(),
        }
    }

    /// In the order to try them.
    pub async fn spots(&self, work: &Work) -> Result<Vec<Spot>, Outcome> {
        let route = match work.route {
            Some(id) => self.route(id).await?,
            None => None,
        };
        let domain = work.recipient.rsplit('@').next().unwrap_or_default();
        match route {
            // Without it mail would leave by whatever address this machine has.
            None if work.route.is_some() => Err(deleted()),
            Some(route) if route.kind == RouteKind::Relay => self.relay(route).await,
            route => self.direct(domain, &work.provider, route).await,
        }
    }

    /// The e-mail service whose relay takes the message, if it is one that we know.
    pub async fn service(&self, work: &Work) -> Result<Option<Service>, Outcome> {
        let Some(id) = work.route else { return Ok(None) };
        let relay = self.route(id).await?.filter(|route| route.kind == RouteKind::Relay);
        Ok(relay.and_then(|route| Service::of_relay(&route.host)))
    }

    async fn direct(&self, domain: &str, provider: &str, route: Option<Arc<Route>>) -> Result<Vec<Spot>, Outcome> {
        let (hosts, demands) = tokio::join!(self.resolver.mail_hosts(domain), self.demands.of_domain(domain, provider));
        let hosts = match hosts {
            Ok(hosts) => hosts,
            Err(failure) => return Err(self.missing.outcome(domain, failure).await),
        };
        self.missing.found(domain).await;
        let demands = demands?;
        let (mut spots, mut tried, mut last) = (Vec::new(), 0, None);
        for host in &hosts.hosts {
            match self.host_spots(&demands, &hosts, &host.name, route.as_ref()).await {
                Ok(found) => {
                    tried += 1;
                    spots.extend(found);
                }
                Err(outcome) => last = Some(outcome),
            }
            // Hosts behind us would send it to us (RFC 5321 §5.1).
            let is_loop = matches!(last, Some(Outcome::Broken { problem: Problem::MailLoop, .. }));
            if is_loop || tried == HOSTS_AN_ATTEMPT {
                break;
            }
        }
        match last {
            Some(outcome) if spots.is_empty() => Err(outcome),
            None if spots.is_empty() => Err(other_family(domain)),
            _ => Ok(spots),
        }
    }

    async fn host_spots(
        &self,
        demands: &DomainDemands,
        hosts: &MailHosts,
        host: &str,
        route: Option<&Arc<Route>>,
    ) -> Result<Vec<Spot>, Outcome> {
        let held = self.demands.of_host(demands, hosts, host).await?;
        let found = self.resolver.addresses(host).await.map_err(temporary)?;
        let port = self.resolver.smtp_port();
        let spot = |ip| {
            let found = self.spot(host, SocketAddr::new(ip, port), route.cloned(), held.clone())?;
            Some(Spot { domain: Some(Arc::clone(&demands.domain)), ..found })
        };
        Ok(found.into_iter().take(ADDRESSES_A_HOST).filter_map(spot).collect())
    }

    async fn relay(&self, route: Arc<Route>) -> Result<Vec<Spot>, Outcome> {
        let port = u16::try_from(route.port).unwrap_or(25);
        let host = route.host.clone();
        // An operator may name an address, and any address: a relay is his own decision.
        let held = relay_policy(&route);
        if let Ok(ip) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
            return Ok(self.spot(&host, SocketAddr::new(ip, port), Some(route), held).into_iter().collect());
        }
        // Through the system's own look-up: a relay's name may stand in /etc/hosts or be a container's.
        let found = tokio::net::lookup_host((host.as_str(), port)).await.map_err(|e| unknown_relay(&host, &e))?;
        let spot = |addr| self.spot(&host, addr, Some(Arc::clone(&route)), held.clone());
        Ok(found.take(ADDRESSES_A_HOST).filter_map(spot).collect())
    }

    /// `None`: the route has addresses of its own, and none of this family.
    fn spot(&self, host: &str, addr: SocketAddr, route: Option<Arc<Route>>, held: HeldTo) -> Option<Spot> {
        let fits = |ip: &IpAddr| ip.is_ipv4() == addr.is_ipv4();
        let source = match route.as_deref().filter(|route| route.has_source()) {
            Some(route) => Some(own_sources(route).find(fits)?),
            None => self.options.source_ip.filter(fits),
        };
        Some(Spot { target: Target { host: host.to_owned(), addr, source }, route, held, domain: None })
    }

    /// The addresses that a direct route sends from, each with its name in EHLO.
    pub fn sources(&self, route: &Route) -> Vec<(IpAddr, String)> {
        let own: Vec<IpAddr> = own_sources(route).collect();
        let sources = if own.is_empty() { self.options.source_ip.into_iter().collect() } else { own };
        sources.into_iter().map(|ip| (ip, self.ehlo_name(Some(route), ip.is_ipv4()))).collect()
    }

    fn ehlo_name(&self, route: Option<&Route>, is_ipv4: bool) -> String {
        match route {
            Some(route) if !is_ipv4 && !route.ehlo_name_v6.is_empty() => route.ehlo_name_v6.clone(),
            Some(route) if !route.ehlo_name.is_empty() => route.ehlo_name.clone(),
            _ => self.options.ehlo_name.clone(),
        }
    }

    /// Speaks to a relay up to where MAIL would come, and says whom it met.
    pub async fn greet_relay(&self, route: &Route) -> Result<String, Outcome> {
        self.greet(self.relay(Arc::new(route.clone())).await?).await
    }

    /// As [`Targets::greet_relay`], with the mail server of a domain, from the route's own address.
    pub async fn greet_mail_host(&self, route: &Route, domain: &str) -> Result<String, Outcome> {
        // What the provider's entry demands is found out by the first message.
        self.greet(self.direct(domain, "", Some(Arc::new(route.clone()))).await?).await
    }

    async fn greet(&self, spots: Vec<Spot>) -> Result<String, Outcome> {
        let mut last = deleted();
        for spot in spots {
            match self.open(&spot).await {
                Ok(connection) => {
                    let peer = connection.peer();
                    let tls = if peer.tls == TlsUse::None { "without TLS".to_owned() } else { peer.tls.label() };
                    let words = format!("{} answers at {}, {tls}", peer.host, spot.target.addr);
                    connection.quit().await;
                    return Ok(words);
                }
                Err(outcome) => last = outcome,
            }
        }
        Err(last)
    }

    /// How a connection to this spot is made.
    pub(super) fn session(&self, spot: &Spot) -> Result<Session, Outcome> {
        let route = spot.route.as_deref();
        let ehlo_name = self.ehlo_name(route, spot.target.addr.is_ipv4());
        let is_plain = spot.held.policy.allows_plain() && self.memory.is_plain(&spot.target.host, Instant::now());
        Ok(Session {
            tls: if is_plain { TlsPolicy::None } else { spot.held.policy.clone() },
            demand: spot.held.demand,
            auth: route.map(|r| self.credentials(r)).transpose()?.flatten(),
            refuses_itself: spot.domain.is_some(),
            ..Session::new(ehlo_name, self.options.tls.clone())
        })
    }

    fn credentials(&self, route: &Route) -> Result<Option<Credentials>, Outcome> {
        if route.kind != RouteKind::Relay || route.username.is_empty() {
            return Ok(None);
        }
        let password = self
            .keys
            .open_secret(&Route::password_context(route.workspace_id), &route.password_sealed)
            .map_err(|_| Outcome::Broken {
                phase: Phase::Auth,
                problem: Problem::AuthUnavailable,
                detail:
                    "the relay's password cannot be opened with this instance's key: enter it again in the settings"
                        .to_owned(),
            })?;
        Ok(Some(Credentials { user: route.username.clone(), password }))
    }

    async fn route(&self, id: RouteId) -> Result<Option<Arc<Route>>, Outcome> {
        if let Some((read, route)) = lock(&self.routes).get(&id)
            && read.elapsed() < ROUTE_FRESH
        {
            return Ok(route.clone());
        }
        let route = self.store.route_by_id(id).await.map_err(|error| Outcome::Broken {
            phase: Phase::Dns,
            problem: Problem::Withdrawn,
            detail: format!("the route could not be read: {error}"),
        })?;
        let route = route.map(Arc::new);
        lock(&self.routes).insert(id, (Instant::now(), route.clone()));
        Ok(route)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A relay's own settings.
fn relay_policy(route: &Route) -> HeldTo {
    let (policy, demand) = match route.tls {
        RouteTls::None => (TlsPolicy::None, TlsDemand::None),
        RouteTls::Opportunistic => (TlsPolicy::Opportunistic, TlsDemand::Opportunistic),
        RouteTls::StartTls => (TlsPolicy::StartTls, TlsDemand::Relay),
        RouteTls::Tls => (TlsPolicy::Implicit, TlsDemand::Relay),
    };
    HeldTo::by_route(policy, demand)
}

fn own_sources(route: &Route) -> impl Iterator<Item = IpAddr> {
    [&route.source_v4, &route.source_v6].into_iter().filter_map(|source| source.parse().ok())
}

fn deleted() -> Outcome {
    let detail = "the route that it was to leave by is not there any more".to_owned();
    Outcome::Broken { phase: Phase::Dns, problem: Problem::DnsFailure, detail }
}

fn other_family(domain: &str) -> Outcome {
    let detail = format!("the mail hosts of {domain} have no address of the kind that the route sends from");
    Outcome::Broken { phase: Phase::Dns, problem: Problem::DnsFailure, detail }
}

/// One broken host name, of an MX or a relay, says nothing about the recipient's domain.
fn temporary(failure: DnsFailure) -> Outcome {
    let problem = match failure.problem {
        Problem::ForbiddenTarget | Problem::MailLoop => failure.problem,
        _ => Problem::DnsFailure,
    };
    Outcome::Broken { phase: Phase::Dns, problem, detail: failure.detail }
}

fn unknown_relay(host: &str, error: &std::io::Error) -> Outcome {
    let detail = format!("the relay's name {host} cannot be resolved: {error}");
    Outcome::Broken { phase: Phase::Dns, problem: Problem::DnsFailure, detail }
}

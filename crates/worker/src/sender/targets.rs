//! Where a delivery can go: the MX hosts of its domain, or its relay.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tidings_compose::Keys;
use tidings_delivery::{Connection, Credentials, DnsFailure, Resolver, Session, Target, TlsClients, TlsPolicy};
use tidings_domain::{Outcome, Phase, Problem, RouteKind, RouteTls, Service, TlsDemand};
use tidings_store::{Route, RouteId, Store, Work};

/// Hosts tried for one attempt, and addresses of each (Postfix's smtp_mx_session_limit is 2 hosts, address limit 5).
const HOSTS_AN_ATTEMPT: usize = 3;
const ADDRESSES_A_HOST: usize = 2;
/// A route is read again after this: a change in the settings acts within it.
const ROUTE_FRESH: Duration = Duration::from_secs(5);
/// A host that failed STARTTLS is spoken to in plain text for this long (opportunistic TLS only).
const PLAIN_MEMORY: Duration = Duration::from_secs(3 * 24 * 3600);
const REMEMBERED_PLAIN_HOSTS: usize = 10_000;

#[derive(Debug, Clone)]
pub struct TargetOptions {
    pub ehlo_name: String,
    pub source_ip: Option<IpAddr>,
    pub tls: TlsClients,
}

/// One address of one host, and how to speak to it.
#[derive(Debug, Clone)]
pub struct Spot {
    target: Target,
    route: Option<Arc<Route>>,
}

impl Spot {
    /// A connection is shared only within one route and host.
    pub fn same_peer(&self, other: &Self) -> bool {
        let id = |spot: &Self| spot.route.as_ref().map(|r| r.id);
        id(self) == id(other) && self.target.host == other.target.host
    }
}

type Fresh = (Instant, Option<Arc<Route>>);

pub struct Targets {
    store: Store,
    resolver: Resolver,
    keys: Arc<Keys>,
    options: TargetOptions,
    routes: Mutex<HashMap<RouteId, Fresh>>,
    plain: Mutex<HashMap<String, Instant>>,
}

impl Targets {
    pub fn new(store: Store, resolver: Resolver, keys: Arc<Keys>, options: TargetOptions) -> Self {
        Self { store, resolver, keys, options, routes: Mutex::default(), plain: Mutex::default() }
    }

    /// In the order to try them.
    pub async fn spots(&self, work: &Work) -> Result<Vec<Spot>, Outcome> {
        let route = match work.route {
            Some(id) => self.route(id).await?,
            None => None,
        };
        match route {
            Some(route) if route.kind == RouteKind::Relay => self.relay(route).await,
            route => self.direct(work, route).await,
        }
    }

    /// The e-mail service whose relay takes the message, if it is one that we know.
    pub async fn service(&self, work: &Work) -> Result<Option<Service>, Outcome> {
        let Some(id) = work.route else { return Ok(None) };
        let relay = self.route(id).await?.filter(|route| route.kind == RouteKind::Relay);
        Ok(relay.and_then(|route| Service::of_relay(&route.host)))
    }

    async fn direct(&self, work: &Work, route: Option<Arc<Route>>) -> Result<Vec<Spot>, Outcome> {
        let domain = work.recipient.rsplit('@').next().unwrap_or_default();
        let hosts = self.resolver.mail_hosts(domain).await.map_err(Outcome::from)?;
        let mut spots = Vec::new();
        let mut last = None;
        for host in hosts.hosts.iter().take(HOSTS_AN_ATTEMPT) {
            match self.addresses(&host.name, self.resolver.smtp_port()).await {
                Ok(addresses) => {
                    spots.extend(addresses.into_iter().map(|addr| self.spot(&host.name, addr, route.clone())))
                }
                Err(outcome) => last = Some(outcome),
            }
        }
        match last {
            Some(outcome) if spots.is_empty() => Err(outcome),
            _ => Ok(spots),
        }
    }

    async fn relay(&self, route: Arc<Route>) -> Result<Vec<Spot>, Outcome> {
        let port = u16::try_from(route.port).unwrap_or(25);
        let host = route.host.clone();
        // An operator may name an address, and any address: a relay is his own decision.
        if let Ok(ip) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
            return Ok(vec![self.spot(&host, SocketAddr::new(ip, port), Some(route))]);
        }
        // Through the system's own look-up: a relay's name may stand in /etc/hosts or be a container's.
        let found = tokio::net::lookup_host((host.as_str(), port)).await.map_err(|e| unknown_relay(&host, &e))?;
        Ok(found.take(ADDRESSES_A_HOST).map(|addr| self.spot(&host, addr, Some(Arc::clone(&route)))).collect())
    }

    async fn addresses(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Outcome> {
        let found = self.resolver.addresses(host).await.map_err(temporary)?;
        Ok(found.into_iter().take(ADDRESSES_A_HOST).map(|ip| SocketAddr::new(ip, port)).collect())
    }

    fn spot(&self, host: &str, addr: SocketAddr, route: Option<Arc<Route>>) -> Spot {
        let source = self.options.source_ip.filter(|ip| ip.is_ipv4() == addr.is_ipv4());
        Spot { target: Target { host: host.to_owned(), addr, source }, route }
    }

    /// Connects and greets; with opportunistic TLS a second time in plain text when only TLS failed.
    pub async fn open(&self, spot: &Spot) -> Result<Connection, Outcome> {
        let session = self.session(spot)?;
        let opportunistic = session.tls == TlsPolicy::Opportunistic;
        match Connection::open(&spot.target, &session).await {
            Ok(connection) => Ok(connection),
            Err(failure) if opportunistic && failure.is_tls() => {
                self.remember_plain(&spot.target.host);
                let session = Session { tls: TlsPolicy::None, ..session };
                Connection::open(&spot.target, &session).await.map_err(Outcome::from)
            }
            Err(failure) => Err(failure.into()),
        }
    }

    fn session(&self, spot: &Spot) -> Result<Session, Outcome> {
        let route = spot.route.as_deref();
        let ehlo_name = match route {
            Some(route) if !route.ehlo_name.is_empty() => route.ehlo_name.clone(),
            _ => self.options.ehlo_name.clone(),
        };
        let tls = match route.filter(|r| r.kind == RouteKind::Relay).map(|r| r.tls) {
            None | Some(RouteTls::Opportunistic) if self.is_plain(&spot.target.host) => TlsPolicy::None,
            None | Some(RouteTls::Opportunistic) => TlsPolicy::Opportunistic,
            Some(RouteTls::None) => TlsPolicy::None,
            Some(RouteTls::StartTls) => TlsPolicy::StartTls,
            Some(RouteTls::Tls) => TlsPolicy::Implicit,
        };
        let demand = match tls {
            TlsPolicy::Opportunistic => TlsDemand::Opportunistic,
            TlsPolicy::None if route.is_some_and(|r| r.tls == RouteTls::None) => TlsDemand::None,
            TlsPolicy::None => TlsDemand::Opportunistic,
            TlsPolicy::StartTls | TlsPolicy::Implicit => TlsDemand::Relay,
        };
        let auth = route.map(|r| self.credentials(r)).transpose()?.flatten();
        Ok(Session { tls, demand, auth, ..Session::new(ehlo_name, self.options.tls.clone()) })
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

    fn is_plain(&self, host: &str) -> bool {
        lock(&self.plain).get(host).is_some_and(|since| since.elapsed() < PLAIN_MEMORY)
    }

    fn remember_plain(&self, host: &str) {
        let mut plain = lock(&self.plain);
        if plain.len() >= REMEMBERED_PLAIN_HOSTS {
            plain.clear();
        }
        plain.insert(host.to_owned(), Instant::now());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One broken host name, of an MX or a relay, says nothing about the recipient's domain.
fn temporary(failure: DnsFailure) -> Outcome {
    let problem = match failure.problem {
        Problem::ForbiddenTarget => Problem::ForbiddenTarget,
        _ => Problem::DnsFailure,
    };
    Outcome::Broken { phase: Phase::Dns, problem, detail: failure.detail }
}

fn unknown_relay(host: &str, error: &std::io::Error) -> Outcome {
    let detail = format!("the relay's name {host} cannot be resolved: {error}");
    Outcome::Broken { phase: Phase::Dns, problem: Problem::DnsFailure, detail }
}

//! A route as it is written down: by the set-up, for a new route, and for one that is there.

use std::net::{Ipv4Addr, Ipv6Addr};

use serde::Deserialize;
use tidings_domain::{EmailAddress, GROWTH_PERCENT, MOST_A_DAY, RouteKind, RouteTls, Service, WarmUpPlan, Word};
use tidings_store::{NewRoute, Route, WorkspaceId, WorkspaceRow};

use crate::WebState;
use crate::form::Errors;
use crate::words::Label;

const MAX_NAME: usize = 100;
const MAX_HOST: usize = 253;
const MAX_CONNECTIONS: i32 = 200;
const MAX_PER_SECOND: i32 = 10_000;
/// Of the longer windows.
const MAX_IN_A_WINDOW: i32 = 100_000_000;

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct RouteForm {
    pub name: String,
    pub kind: String,
    pub host: String,
    pub port: String,
    pub tls: String,
    pub username: String,
    /// Written, never read back: empty keeps what is stored.
    password: String,
    forget_password: String,
    pub source_v4: String,
    pub source_v6: String,
    pub ehlo_name: String,
    pub ehlo_name_v6: String,
    pub max_connections: String,
    pub max_per_second: String,
    pub max_per_minute: String,
    pub max_per_hour: String,
    pub max_per_day: String,
    pub warm_up: String,
    pub warm_up_start: String,
    pub warm_up_growth: String,
    pub warm_up_full: String,
}

/// Who sends, beside the route in the set-up, and alone in the settings.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct SenderForm {
    pub from_name: String,
    pub from_email: String,
}

/// A link above the form: fills it in for a service, and saves nothing.
#[derive(Deserialize)]
pub struct Fill {
    #[serde(default)]
    service: String,
}

/// What a good form says.
pub struct Given {
    pub name: String,
    pub route: NewRoute,
    /// `None` keeps it, an empty one forgets it.
    password: Option<String>,
}

impl RouteForm {
    pub fn empty() -> Self {
        Self {
            kind: RouteKind::Relay.to_string(),
            port: "587".to_owned(),
            tls: RouteTls::StartTls.to_string(),
            ..Self::default()
        }
        .with_plan(WarmUpPlan::default())
    }

    pub fn of(route: &Route) -> Self {
        let text = |n: i32| if n == 0 { String::new() } else { n.to_string() };
        let form = Self {
            name: route.name.clone(),
            kind: route.kind.to_string(),
            host: route.host.clone(),
            port: route.port.to_string(),
            tls: route.tls.to_string(),
            username: route.username.clone(),
            source_v4: route.source_v4.clone(),
            source_v6: route.source_v6.clone(),
            ehlo_name: route.ehlo_name.clone(),
            ehlo_name_v6: route.ehlo_name_v6.clone(),
            max_connections: text(route.max_connections),
            max_per_second: text(route.max_per_second),
            max_per_minute: text(route.max_per_minute),
            max_per_hour: text(route.max_per_hour),
            max_per_day: text(route.max_per_day),
            warm_up: if route.warm_up().is_some() { "yes".to_owned() } else { String::new() },
            ..Self::default()
        };
        form.with_plan(route.warm_up().unwrap_or_default())
    }

    fn with_plan(self, plan: WarmUpPlan) -> Self {
        Self {
            warm_up_start: plan.start.to_string(),
            warm_up_growth: plan.growth_percent.to_string(),
            warm_up_full: plan.full.to_string(),
            ..self
        }
    }

    /// The service's own server instead of what is stored.
    pub fn filled_for(self, fill: &Fill) -> Self {
        let Some((service, preset)) =
            Service::parse(&fill.service).ok().and_then(|service| Some((service, service.relay()?)))
        else {
            return self;
        };
        Self {
            name: if self.name.is_empty() { service.label().to_owned() } else { self.name },
            kind: RouteKind::Relay.to_string(),
            host: preset.host.to_owned(),
            port: preset.port.to_string(),
            tls: preset.tls.to_string(),
            username: preset.username.to_owned(),
            ..self
        }
    }

    /// Services that the form can be filled in for.
    pub fn services(&self) -> impl Iterator<Item = Service> {
        Service::ALL.iter().copied().filter(|service| service.relay().is_some())
    }

    pub fn is_warming_up(&self) -> bool {
        self.warm_up == "yes"
    }

    /// The name is asked for by who has several routes.
    pub fn check(&self, asks_name: bool, errors: &mut Errors) -> Option<Given> {
        let missing = if asks_name { "Give it a name." } else { "" };
        let name = errors.text("name", &self.name, MAX_NAME, missing).to_owned();
        let kind = errors.take("kind", RouteKind::parse(&self.kind)).unwrap_or(RouteKind::Relay);
        let tls = errors.take("tls", RouteTls::parse(&self.tls)).unwrap_or(RouteTls::StartTls);
        let limited = self.limits(errors);
        let route = match kind {
            RouteKind::Relay => self.relay(tls, limited, errors),
            RouteKind::Direct => self.direct(limited, errors),
        };
        let password = match (kind, self.password.as_str(), self.forget_password.as_str()) {
            (RouteKind::Direct, ..) | (_, _, "yes") => Some(String::new()),
            (_, "", _) => None,
            (_, typed, _) => Some(typed.to_owned()),
        };
        errors.is_empty().then_some(Given { name, route, password })
    }

    fn relay(&self, tls: RouteTls, limited: NewRoute, errors: &mut Errors) -> NewRoute {
        let host = host_name("host", &self.host, "Name the server, like smtp.example.org.", errors);
        let port = self.port.trim().parse::<u16>().ok().filter(|port| *port > 0);
        if port.is_none() {
            errors.add("port", "A port is a number from 1 to 65535. Most relays take 587 or 465.");
        }
        let is_here = matches!(host.as_str(), "localhost" | "127.0.0.1" | "::1");
        let can_be_plain = matches!(tls, RouteTls::None | RouteTls::Opportunistic);
        if !self.username.trim().is_empty() && can_be_plain && !is_here {
            errors.add("tls", "With a user name, choose STARTTLS or TLS: the password must not pass in the clear.");
        }
        let (port, username) = (port.unwrap_or(25), self.username.trim().to_owned());
        NewRoute { kind: RouteKind::Relay, host, port, tls, username, ..limited }
    }

    fn direct(&self, limited: NewRoute, errors: &mut Errors) -> NewRoute {
        let wrong = |family: &str| {
            format!("An {family} address of this machine, or of a worker, such as the one that its DNS names.")
        };
        let source_v4 = parsed::<Ipv4Addr>("source_v4", &self.source_v4, &wrong("IPv4"), errors);
        let source_v6 = parsed::<Ipv6Addr>("source_v6", &self.source_v6, &wrong("IPv6"), errors);
        let ehlo_name_v6 = host_name("ehlo_name_v6", &self.ehlo_name_v6, "", errors);
        let warm_up = if self.is_warming_up() { self.plan(errors) } else { None };
        NewRoute { source_v4, source_v6, ehlo_name_v6, warm_up, ..limited }
    }

    fn limits(&self, errors: &mut Errors) -> NewRoute {
        NewRoute {
            ehlo_name: host_name("ehlo_name", &self.ehlo_name, "", errors),
            max_connections: limit("max_connections", &self.max_connections, MAX_CONNECTIONS, errors),
            max_per_second: limit("max_per_second", &self.max_per_second, MAX_PER_SECOND, errors),
            max_per_minute: limit("max_per_minute", &self.max_per_minute, MAX_IN_A_WINDOW, errors),
            max_per_hour: limit("max_per_hour", &self.max_per_hour, MAX_IN_A_WINDOW, errors),
            max_per_day: limit("max_per_day", &self.max_per_day, MAX_IN_A_WINDOW, errors),
            ..NewRoute::direct()
        }
    }

    fn plan(&self, errors: &mut Errors) -> Option<WarmUpPlan> {
        let mut number = |field: &'static str, typed: &str, from: u32, to: u32| {
            let number = typed.trim().parse::<u32>().ok().filter(|n| (from..=to).contains(n));
            if number.is_none() {
                errors.add(field, format!("A number from {from} to {to}."));
            }
            number
        };
        let start = number("warm_up_start", &self.warm_up_start, 1, MOST_A_DAY);
        let growth = number("warm_up_growth", &self.warm_up_growth, *GROWTH_PERCENT.start(), *GROWTH_PERCENT.end());
        let full = number("warm_up_full", &self.warm_up_full, 1, MOST_A_DAY);
        Some(WarmUpPlan { start: start?, growth_percent: growth?, full: full? })
    }
}

impl SenderForm {
    pub fn of(workspace: &WorkspaceRow) -> Self {
        Self { from_name: workspace.from_name.clone(), from_email: workspace.from_email.clone() }
    }

    /// Name and address; both may be empty.
    pub fn check(&self, errors: &mut Errors) -> Option<(String, String)> {
        let name = errors.text("from_name", &self.from_name, MAX_NAME, "").to_owned();
        let email = match self.from_email.trim() {
            "" => String::new(),
            typed => errors.take("from_email", EmailAddress::parse(typed))?.to_string(),
        };
        errors.is_empty().then_some((name, email))
    }
}

impl Given {
    /// With the password sealed for the workspace.
    pub fn sealed(self, state: &WebState, workspace: WorkspaceId) -> (String, NewRoute) {
        let password_sealed = self.password.map(|password| match password.as_str() {
            "" => String::new(),
            password => state.keys.seal_secret(&Route::password_context(workspace), password),
        });
        (self.name, NewRoute { password_sealed, ..self.route })
    }
}

fn host_name(field: &'static str, typed: &str, missing: &str, errors: &mut Errors) -> String {
    let host = errors.text(field, typed, MAX_HOST, missing).to_ascii_lowercase();
    let is_name = host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':'));
    if !is_name {
        errors.add(field, "Only letters, digits, dots and hyphens: no port, no https://.");
    }
    host
}

/// An empty field is none. What is written comes back in its canonical form.
fn parsed<T: std::str::FromStr + ToString>(
    field: &'static str,
    typed: &str,
    wrong: &str,
    errors: &mut Errors,
) -> String {
    match typed.trim() {
        "" => String::new(),
        typed => match typed.parse::<T>() {
            Ok(address) => address.to_string(),
            Err(_) => {
                errors.add(field, wrong);
                String::new()
            }
        },
    }
}

/// An empty field is 0: the default, or no limit.
fn limit(field: &'static str, typed: &str, max: i32, errors: &mut Errors) -> i32 {
    let typed = typed.trim();
    if typed.is_empty() {
        return 0;
    }
    let number = typed.parse::<i32>().ok().filter(|n| (0..=max).contains(n));
    if number.is_none() {
        errors.add(field, format!("A number from 1 to {max}, or nothing."));
    }
    number.unwrap_or(0)
}

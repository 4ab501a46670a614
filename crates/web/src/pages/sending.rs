//! How mail leaves: the sender that campaigns start with, and the route. In the settings, and as the last step of the set-up.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use tidings_domain::{EmailAddress, RouteKind, RouteTls, Service, Word};
use tidings_store::{NewRoute, Route, WorkspaceId, WorkspaceRow};

use crate::WebState;
use crate::filters;
use crate::flash::{Tone, flash};
use crate::form::Errors;
use crate::inventory::{Access, Entry};
use crate::page::{Nav, Page, Show, see_other, shows};
use crate::problem::WebResult;
use crate::words::Label;

pub(crate) const ROUTES: &[Entry] = &[
    Entry::page("/settings/sending", || web::to(show)),
    Entry::action("/settings/sending", || web::to(save)).with_access(Access::Admin),
    Entry::page("/setup/sending", || web::to(step)).with_access(Access::Admin),
    Entry::action("/setup/sending", || web::to(save_step)).with_access(Access::Admin),
];

const MAX_NAME: usize = 100;
const MAX_HOST: usize = 253;
const MAX_CONNECTIONS: i32 = 200;
const MAX_PER_SECOND: i32 = 10_000;

shows!(SendingPage, SendingStep);

#[derive(Template)]
#[template(path = "settings/sending.html")]
struct SendingPage {
    page: Page,
    form: Form,
    has_password: bool,
    errors: Errors,
}

#[derive(Template)]
#[template(path = "setup/sending.html")]
struct SendingStep {
    page: Page,
    form: Form,
    has_password: bool,
    errors: Errors,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Form {
    from_name: String,
    from_email: String,
    kind: String,
    host: String,
    port: String,
    tls: String,
    username: String,
    /// Written, never read back: empty keeps what is stored.
    password: String,
    forget_password: String,
    ehlo_name: String,
    max_connections: String,
    max_per_second: String,
}

/// A link below the form: fills it in for a service, and saves nothing.
#[derive(Deserialize)]
struct Fill {
    #[serde(default)]
    service: String,
}

/// What a good form says.
struct Sending {
    from_name: String,
    from_email: String,
    route: NewRoute,
    /// `None` keeps it, an empty one forgets it.
    password: Option<String>,
}

impl Form {
    fn of(workspace: &WorkspaceRow, route: Option<&Route>) -> Self {
        let text = |n: i32| if n == 0 { String::new() } else { n.to_string() };
        let sender = Self {
            from_name: workspace.from_name.clone(),
            from_email: workspace.from_email.clone(),
            kind: RouteKind::Relay.to_string(),
            port: "587".to_owned(),
            tls: RouteTls::StartTls.to_string(),
            ..Self::default()
        };
        let Some(route) = route else { return sender };
        Self {
            kind: route.kind.to_string(),
            host: route.host.clone(),
            port: route.port.to_string(),
            tls: route.tls.to_string(),
            username: route.username.clone(),
            ehlo_name: route.ehlo_name.clone(),
            max_connections: text(route.max_connections),
            max_per_second: text(route.max_per_second),
            ..sender
        }
    }

    /// The service's own server instead of what is stored.
    fn filled_for(self, fill: &Fill) -> Self {
        let Some(preset) = Service::parse(&fill.service).ok().and_then(Service::relay) else { return self };
        Self {
            kind: RouteKind::Relay.to_string(),
            host: preset.host.to_owned(),
            port: preset.port.to_string(),
            tls: preset.tls.to_string(),
            username: preset.username.to_owned(),
            ..self
        }
    }

    /// Services that the form can be filled in for.
    fn services(&self) -> impl Iterator<Item = Service> {
        Service::ALL.iter().copied().filter(|service| service.relay().is_some())
    }

    fn check(&self) -> Result<Sending, Errors> {
        let mut errors = Errors::default();
        let from_name = errors.text("from_name", &self.from_name, MAX_NAME, "").to_owned();
        let from_email = match self.from_email.trim() {
            "" => Some(String::new()),
            typed => errors.take("from_email", EmailAddress::parse(typed)).map(|email| email.to_string()),
        };
        let kind = errors.take("kind", RouteKind::parse(&self.kind)).unwrap_or(RouteKind::Relay);
        let tls = errors.take("tls", RouteTls::parse(&self.tls)).unwrap_or(RouteTls::StartTls);
        let route = match kind {
            RouteKind::Relay => self.relay(tls, &mut errors),
            RouteKind::Direct => self.direct(&mut errors),
        };
        let password = match (kind, self.password.as_str(), self.forget_password.as_str()) {
            (RouteKind::Direct, ..) | (_, _, "yes") => Some(String::new()),
            (_, "", _) => None,
            (_, typed, _) => Some(typed.to_owned()),
        };
        match from_email {
            Some(from_email) if errors.is_empty() => Ok(Sending { from_name, from_email, route, password }),
            _ => Err(errors),
        }
    }

    fn relay(&self, tls: RouteTls, errors: &mut Errors) -> NewRoute {
        let host = self.host_name("host", &self.host, "Name the server, like smtp.example.org.", errors);
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
        NewRoute { kind: RouteKind::Relay, host, port, tls, username, ..self.direct(errors) }
    }

    fn direct(&self, errors: &mut Errors) -> NewRoute {
        NewRoute {
            kind: RouteKind::Direct,
            host: String::new(),
            port: 25,
            tls: RouteTls::Opportunistic,
            username: String::new(),
            password_sealed: None,
            ehlo_name: self.host_name("ehlo_name", &self.ehlo_name, "", errors),
            max_connections: limit("max_connections", &self.max_connections, MAX_CONNECTIONS, errors),
            max_per_second: limit("max_per_second", &self.max_per_second, MAX_PER_SECOND, errors),
        }
    }

    fn host_name(&self, field: &'static str, typed: &str, missing: &str, errors: &mut Errors) -> String {
        let host = errors.text(field, typed, MAX_HOST, missing).to_ascii_lowercase();
        let is_name = host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':'));
        if !is_name {
            errors.add(field, "Only letters, digits, dots and hyphens: no port, no https://.");
        }
        host
    }
}

/// An empty field is 0: the default.
fn limit(field: &'static str, typed: &str, max: i32, errors: &mut Errors) -> i32 {
    let typed = typed.trim();
    if typed.is_empty() {
        return 0;
    }
    let number = typed.parse::<i32>().ok().filter(|n| (0..=max).contains(n));
    if number.is_none() {
        errors.add(field, format!("A number from 1 to {max}, or nothing for the default."));
    }
    number.unwrap_or(0)
}

impl Sending {
    async fn save(mut self, page: &Page, state: &WebState) -> WebResult<()> {
        let data = page.data(state)?;
        self.route.password_sealed = self.password.map(|password| seal(state, data.id(), &password));
        data.save_sender(self.from_name, self.from_email).await?;
        data.save_route(self.route, state.now()).await?;
        Ok(())
    }
}

fn seal(state: &WebState, workspace: WorkspaceId, password: &str) -> String {
    if password.is_empty() {
        return String::new();
    }
    state.keys.seal_secret(&Route::password_context(workspace), password)
}

async fn stored(page: &Page, state: &WebState) -> WebResult<(Form, bool)> {
    let route = page.data(state)?.route().await?;
    let has_password = route.as_ref().is_some_and(|route| !route.password_sealed.is_empty());
    Ok((Form::of(&page.who()?.workspace, route.as_ref()), has_password))
}

async fn show(page: Page, state: web::Data<WebState>, fill: web::Query<Fill>) -> WebResult<HttpResponse> {
    let (form, has_password) = stored(&page, &state).await?;
    let form = form.filled_for(&fill);
    let page = page.titled("Sending", Nav::Settings);
    SendingPage { page, form, has_password, errors: Errors::default() }.show()
}

async fn save(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    form: web::Form<Form>,
) -> WebResult<HttpResponse> {
    let form = form.into_inner();
    match form.check() {
        Ok(sending) => {
            let service = Service::of_relay(&sending.route.host);
            sending.save(&page, &state).await?;
            flash(&request, Tone::Ok, "Sending saved. Campaigns launched from now on leave this way.");
            if let Some(service) = service {
                advise_webhook(&request, &page, &state, service).await?;
            }
            Ok(see_other("/settings/sending"))
        }
        Err(errors) => {
            let (_, has_password) = stored(&page, &state).await?;
            SendingPage { page: page.titled("Sending", Nav::Settings), form, has_password, errors }.show_errors()
        }
    }
}

/// A service gets the bounces and complaints itself.
async fn advise_webhook(request: &HttpRequest, page: &Page, state: &WebState, service: Service) -> WebResult<()> {
    let webhooks = page.data(state)?.webhooks().await?;
    if webhooks.iter().all(|webhook| webhook.service != service) {
        let name = service.label();
        let advice = format!("{name} keeps bounces and complaints to itself until you add a webhook, under Webhooks.");
        flash(request, Tone::Info, advice);
    }
    Ok(())
}

async fn step(page: Page, state: web::Data<WebState>, fill: web::Query<Fill>) -> WebResult<HttpResponse> {
    let (form, has_password) = stored(&page, &state).await?;
    let form = form.filled_for(&fill);
    let page = page.titled("How mail leaves", Nav::None);
    SendingStep { page, form, has_password, errors: Errors::default() }.show()
}

async fn save_step(page: Page, state: web::Data<WebState>, form: web::Form<Form>) -> WebResult<HttpResponse> {
    let form = form.into_inner();
    match form.check() {
        Ok(sending) => {
            sending.save(&page, &state).await?;
            Ok(see_other("/"))
        }
        Err(errors) => {
            let page = page.titled("How mail leaves", Nav::None);
            SendingStep { page, form, has_password: false, errors }.show_errors()
        }
    }
}

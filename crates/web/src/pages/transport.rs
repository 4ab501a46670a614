//! Transport security: how TLS with the receivers' mail hosts went, and for which domains nothing goes without it.

use actix_web::http::header::{self, ContentDisposition, DispositionParam, DispositionType};
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use chrono::NaiveDate;
use serde::Deserialize;
use tidings_domain::EmailAddress;
use tidings_store::{MAX_TLS_REQUIRED_DOMAINS, TlsDomain, TlsRequired, TlsSessions, day_of};

use crate::WebState;
use crate::filters;
use crate::flash::{Tone, flash};
use crate::form::Errors;
use crate::inventory::{Access, Entry};
use crate::page::{Nav, Page, Show, see_other, shows};
use crate::problem::{WebError, WebResult};
use crate::tls_report::{self, Report, Reporter};
use crate::tls_words;

pub(crate) const ROUTES: &[Entry] = &[
    Entry::page("/transport", || web::to(index)).with_access(Access::Admin),
    Entry::page("/transport/domains/{domain}", || web::to(domain)).with_access(Access::Admin),
    Entry::page("/transport/report.json", || web::to(report)).with_access(Access::Admin),
    Entry::action("/transport/required", || web::to(require)).with_access(Access::Admin),
    Entry::action("/transport/required/remove", || web::to(stop_requiring)).with_access(Access::Admin),
];

/// The page looks back so far.
const SHOWN_DAYS: i32 = 7;
/// Domains on the page; a search finds the others.
const DOMAINS_SHOWN: i64 = 100;
/// Lines on a domain's page.
const SESSIONS_SHOWN: i64 = 200;
/// Counts in one report: of a day with tens of thousands of domains.
const REPORT_ROWS: i64 = 100_000;
const MAX_DOMAIN: usize = 253;

shows!(TransportPage, DomainPage);

#[derive(Template)]
#[template(path = "operations/transport.html")]
struct TransportPage {
    page: Page,
    days: i32,
    search: String,
    domains: Vec<TlsDomain>,
    /// There may be more than are shown.
    is_cut: bool,
    today: String,
    yesterday: String,
    required: Vec<TlsRequired>,
    form: Required,
    errors: Errors,
}

#[derive(Template)]
#[template(path = "operations/transport-domain.html")]
struct DomainPage {
    page: Page,
    days: i32,
    domain: String,
    rows: Vec<Row>,
    today: String,
}

struct Row {
    date: String,
    sessions: TlsSessions,
    tone: &'static str,
    title: &'static str,
    meaning: &'static str,
    policy: &'static str,
}

#[derive(Deserialize)]
struct Search {
    #[serde(default)]
    q: String,
}

#[derive(Deserialize, Default)]
struct Required {
    domain: String,
    #[serde(default)]
    verified: String,
}

#[derive(Deserialize)]
struct Asked {
    /// `2026-11-29`
    day: String,
    domain: Option<String>,
}

impl TransportPage {
    async fn of(page: Page, state: &WebState, search: String, form: Required, errors: Errors) -> WebResult<Self> {
        let today = day_of(page.now);
        let since = today - SHOWN_DAYS + 1;
        let domains = state.store.tls_domains(since, &search, DOMAINS_SHOWN).await?;
        Ok(Self {
            days: SHOWN_DAYS,
            is_cut: domains.len() as i64 == DOMAINS_SHOWN,
            domains,
            search,
            today: tls_report::date(today).to_string(),
            yesterday: tls_report::date(today - 1).to_string(),
            required: state.store.tls_required_domains().await?,
            form,
            errors,
            page: page.titled("Transport security", Nav::Transport),
        })
    }
}

async fn index(page: Page, state: web::Data<WebState>, search: web::Query<Search>) -> WebResult<HttpResponse> {
    let search = search.into_inner().q;
    TransportPage::of(page, &state, search, Required::default(), Errors::default()).await?.show()
}

async fn domain(page: Page, state: web::Data<WebState>, domain: web::Path<String>) -> WebResult<HttpResponse> {
    let (domain, today) = (domain.into_inner(), day_of(page.now));
    let sessions = state.store.tls_sessions_of(domain.clone(), today - SHOWN_DAYS + 1, SESSIONS_SHOWN).await?;
    if sessions.is_empty() {
        return Err(WebError::NotFound);
    }
    let rows = sessions.into_iter().map(row).collect();
    let today = tls_report::date(today).to_string();
    DomainPage { page: page.titled(domain.clone(), Nav::Transport), days: SHOWN_DAYS, domain, rows, today }.show()
}

fn row(sessions: TlsSessions) -> Row {
    Row {
        date: tls_report::date(sessions.day).to_string(),
        tone: tls_words::tone(sessions.result, sessions.policy),
        title: tls_words::title(sessions.result),
        meaning: tls_words::meaning(sessions.result, sessions.policy),
        policy: tls_words::policy(sessions.policy),
        sessions,
    }
}

/// One day, in the form in which receivers of reports expect it.
async fn report(page: Page, state: web::Data<WebState>, asked: web::Query<Asked>) -> WebResult<HttpResponse> {
    let Asked { day, domain } = asked.into_inner();
    let day: NaiveDate = day.parse().map_err(|_| WebError::NotFound)?;
    let name = format!("tls-report-{}{day}.json", domain.as_ref().map(|d| format!("{d}-")).unwrap_or_default());
    let sessions = state.store.tls_sessions_on(tls_report::day(day), domain, REPORT_ROWS).await?;
    let who = page.who()?;
    let url = &state.config.public_url;
    let host = url.split_once("://").map_or(url.as_str(), |(_, host)| host);
    let contact = if who.workspace.from_email.is_empty() { &who.email } else { &who.workspace.from_email };
    let reporter = Reporter { organisation: &who.workspace.name, contact, host };
    let disposition = ContentDisposition {
        disposition: DispositionType::Attachment,
        parameters: vec![DispositionParam::Filename(name)],
    };
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_DISPOSITION, disposition))
        .json(Report::of(day, sessions, &reporter)))
}

impl Required {
    /// The domain in lower-case A-labels, as the sender knows it.
    fn check(&self) -> Result<String, Errors> {
        let mut errors = Errors::default();
        let typed = errors.text("domain", &self.domain, MAX_DOMAIN, "Name a domain, like example.org.");
        let typed = typed.trim_start_matches('@');
        let parsed =
            EmailAddress::parse(&format!("postmaster@{typed}")).map_err(|_| "this is no domain of mail addresses");
        match errors.take("domain", parsed) {
            Some(address) if errors.is_empty() => Ok(address.domain().to_owned()),
            _ => Err(errors),
        }
    }
}

async fn require(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    form: web::Form<Required>,
) -> WebResult<HttpResponse> {
    let form = form.into_inner();
    let mut errors = match form.check() {
        Ok(domain) => {
            let by = page.who()?.name.clone();
            if state.store.require_tls(domain.clone(), form.verified == "yes", &by, state.now()).await? {
                flash(&request, Tone::Ok, format!("Nothing goes to {domain} without TLS, within seconds."));
                return Ok(see_other("/transport#required"));
            }
            Errors::default()
        }
        Err(errors) => errors,
    };
    if errors.is_empty() {
        errors.add("domain", format!("There are {MAX_TLS_REQUIRED_DOMAINS} domains already. Remove one."));
    }
    TransportPage::of(page, &state, String::new(), form, errors).await?.show_errors()
}

async fn stop_requiring(
    request: HttpRequest,
    state: web::Data<WebState>,
    form: web::Form<Required>,
) -> WebResult<HttpResponse> {
    let domain = form.into_inner().domain;
    if state.store.stop_requiring_tls(domain.clone()).await? {
        flash(&request, Tone::Ok, format!("{domain} is sent to as others are: over TLS where it can be had."));
    }
    Ok(see_other("/transport#required"))
}

//! One provider: how it stands, its limits and hosts, the rules for its replies, what slowed it, who changed what.

use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use tidings_bounce::{ProviderBook, builtin_rules};
use tidings_domain::{ProviderLimits, ReplyRule, UnixMs};
use tidings_store::PaceOrder;

use super::changes::{ChangeRow, change_rows};
use super::events::{EventRow, event_rows, rate_line};
use super::limits::LimitsForm;
use super::newest;
use super::rules::{RuleRow, rule_row};
use super::standing::{Standing, standings};
use super::try_reply::{Tried, try_reply};
use crate::WebState;
use crate::chart::Sparkline;
use crate::filters;
use crate::form::Errors;
use crate::page::{Nav, Page, Show, shows};
use crate::pages::campaigns::{rate, wording};
use crate::pages::route_names::RouteNames;
use crate::problem::{WebError, WebResult};

const EVENTS_SHOWN: i64 = 50;
/// Characters of a reply that is tried.
const MAX_REPLY: usize = 2_000;

shows!(ProviderPage);

#[derive(Template)]
#[template(path = "operations/provider.html")]
pub(super) struct ProviderPage {
    page: Page,
    name: String,
    label: String,
    trouble: Option<String>,
    standings: Vec<Standing>,
    /// Holds by an operator's order.
    holds: Vec<Hold>,
    /// It is in a table; else only its limits can be changed.
    is_listed: bool,
    hosts: Vec<String>,
    domains: Vec<String>,
    /// Without what was changed on screen.
    otherwise: String,
    form: LimitsForm,
    errors: Errors,
    own_rules: Vec<RuleRow>,
    built_in: Vec<RuleRow>,
    reply: String,
    tried: Option<Tried>,
    events: Vec<EventRow>,
    line: Option<Sparkline>,
    changes: Vec<ChangeRow>,
}

struct Hold {
    by: String,
    why: String,
    until: String,
}

#[derive(Deserialize)]
pub(super) struct Query {
    #[serde(default)]
    reply: String,
}

pub(super) async fn show(
    page: Page,
    state: web::Data<WebState>,
    name: web::Path<String>,
    query: web::Query<Query>,
) -> WebResult<HttpResponse> {
    let mut built = provider_page(page, &state, &name, None, Errors::default()).await?;
    let book = newest(&state).await?;
    built.reply = query.into_inner().reply.chars().take(MAX_REPLY).collect();
    built.tried = try_reply(&book, &built.name, &built.reply);
    built.show()
}

/// `typed`: limits with something wrong.
pub(super) async fn provider_page(
    page: Page,
    state: &WebState,
    name: &str,
    typed: Option<LimitsForm>,
    errors: Errors,
) -> WebResult<ProviderPage> {
    let book = newest(state).await?;
    check_name(&book, name)?;
    let events = state.store.pace_events(Some(name), EVENTS_SHOWN).await?;
    let seen = state.queue.snapshot().await;
    let holds = state.store.standing_pace_holds(page.now).await?;
    let route_names = RouteNames::read(&state.store).await?;
    let known = book.table.provider(name);
    Ok(ProviderPage {
        label: wording::provider(name),
        trouble: book.trouble.clone(),
        standings: standings(name, &seen, &route_names, &page),
        holds: holds.into_iter().filter(|hold| hold.provider == name).map(|order| hold(order, &page)).collect(),
        is_listed: known.is_some_and(|known| !known.entry.mx.is_empty()),
        hosts: known.map(|known| known.entry.mx.clone()).unwrap_or_default(),
        domains: known.map(|known| known.entry.domains.clone()).unwrap_or_default(),
        otherwise: limit_words(without_screen(&book, name)),
        form: typed.unwrap_or_else(|| LimitsForm::of(&book, name)),
        errors,
        own_rules: own_rules(&book, name),
        built_in: builtin_rules().filter(|rule| names(rule, name)).map(|rule| rule_row(rule, false)).collect(),
        reply: String::new(),
        tried: None,
        line: rate_line(&events),
        events: event_rows(&events, &route_names, &page),
        changes: change_rows(state, name).await?,
        name: name.to_owned(),
        page: page.titled(wording::provider(name), Nav::Providers),
    })
}

/// A page only for what is a provider: of the table, or a group that DNS makes.
pub(super) fn check_name(book: &ProviderBook, name: &str) -> WebResult<()> {
    let is_group = name.strip_prefix("mx:").is_some_and(|domain| {
        domain.contains('.') && domain.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c))
    });
    if book.table.provider(name).is_some() || is_group { Ok(()) } else { Err(WebError::NotFound) }
}

fn names(rule: &ReplyRule, provider: &str) -> bool {
    rule.provider.iter().any(|named| named == provider)
}

/// Those for everybody, too. Only what was added on screen can be removed there.
fn own_rules(book: &ProviderBook, name: &str) -> Vec<RuleRow> {
    let of_screen = |rule: &ReplyRule| book.own_rules().iter().any(|own| own.name == rule.name);
    let ours = book.rules.own().filter(|rule| rule.provider.is_empty() || names(rule, name));
    ours.map(|rule| rule_row(rule, of_screen(rule))).collect()
}

fn without_screen(book: &ProviderBook, name: &str) -> ProviderLimits {
    let others = book.entries().iter().filter(|entry| entry.name != name).cloned().collect();
    let without = book.with_changes(others, book.own_rules().to_vec(), book.version);
    without.map_or_else(|_| book.base().limits(name), |book| book.table.limits(name))
}

fn limit_words(limits: ProviderLimits) -> String {
    format!(
        "{}, {} connections, {} messages on each",
        rate::per_second(limits.per_second),
        limits.connections,
        limits.messages_per_connection
    )
}

fn hold(order: PaceOrder, page: &Page) -> Hold {
    let until = match order.command {
        tidings_store::PaceCommand::HoldUntil(until) => until,
        tidings_store::PaceCommand::Lift => UnixMs(order.at_ms),
    };
    Hold { by: order.by, why: order.why, until: page.clock(until) }
}

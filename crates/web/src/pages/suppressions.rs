//! Addresses and domains that are not sent to: find one, see why, add one, remove one.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use tidings_domain::{SuppressionEntry, SuppressionReason};
use tidings_store::{NewSuppression, Removal, Removed, Suppression, SuppressionId};

use crate::WebState;
use crate::filters;
use crate::flash::{Tone, flash};
use crate::form::Errors;
use crate::inventory::Entry;
use crate::page::{Nav, Page, Show, see_other, shows};
use crate::paging::{PAGE_ROWS, Pager};
use crate::problem::{WebError, WebResult};
use crate::words::Label;

pub(crate) const ROUTES: &[Entry] = &[
    Entry::page("/suppressions", || web::to(index)),
    Entry::page("/suppressions/new", || web::to(new)),
    Entry::action("/suppressions", || web::to(add)),
    Entry::action("/suppressions/{id}/remove", || web::to(remove)),
];

const MAX_NOTE: usize = 500;

shows!(SuppressionsPage, NewSuppressionPage);

#[derive(Template)]
#[template(path = "suppressions/index.html")]
struct SuppressionsPage {
    page: Page,
    rows: Vec<Suppression>,
    pager: Pager,
    q: String,
    is_admin: bool,
}

#[derive(Template)]
#[template(path = "suppressions/new.html")]
struct NewSuppressionPage {
    page: Page,
    form: NewForm,
    errors: Errors,
}

#[derive(Deserialize)]
struct Search {
    #[serde(default)]
    q: String,
    after: Option<i64>,
}

#[derive(Deserialize, Default)]
struct NewForm {
    value: String,
    note: String,
}

#[derive(Deserialize)]
struct RemovalForm {
    why: String,
}

impl NewForm {
    fn check(&self, by: &str) -> Result<NewSuppression, Errors> {
        let mut errors = Errors::default();
        let evidence = errors.text("note", &self.note, MAX_NOTE, "").to_owned();
        match errors.take("value", SuppressionEntry::parse(&self.value)).filter(|_| errors.is_empty()) {
            Some(entry) => {
                let source = format!("by hand, {by}");
                Ok(NewSuppression { evidence, ..NewSuppression::of(entry, SuppressionReason::Blocklist, source) })
            }
            None => Err(errors),
        }
    }
}

async fn index(page: Page, state: web::Data<WebState>, search: web::Query<Search>) -> WebResult<HttpResponse> {
    let Search { q, after } = search.into_inner();
    let mut rows = page.data(&state)?.suppressions(q.as_str(), after.map(SuppressionId), PAGE_ROWS + 1).await?;
    let has_more = rows.len() > PAGE_ROWS as usize;
    rows.truncate(PAGE_ROWS as usize);
    let next = rows.last().filter(|_| has_more).map(|row| row.id.to_string());
    let pager = Pager::new("/suppressions?", after.is_none(), next);
    let is_admin = page.who()?.is_admin();
    SuppressionsPage { page: page.titled("Suppressions", Nav::Suppressions), rows, pager, q, is_admin }.show()
}

async fn new(page: Page) -> WebResult<HttpResponse> {
    let page = page.titled("Suppress an address", Nav::Suppressions);
    NewSuppressionPage { page, form: NewForm::default(), errors: Errors::default() }.show()
}

async fn add(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    form: web::Form<NewForm>,
) -> WebResult<HttpResponse> {
    let form = form.into_inner();
    match form.check(&page.who()?.name) {
        Ok(new) => {
            let value = new.value.clone();
            let said = match page.data(&state)?.suppress_by_hand(new, page.who()?.name.clone(), state.now()).await? {
                true => format!("{value} gets no more mail from this workspace."),
                false => format!("{value} was suppressed already, for a reason that is as strong."),
            };
            flash(&request, Tone::Ok, said);
            Ok(see_other("/suppressions"))
        }
        Err(errors) => {
            let page = page.titled("Suppress an address", Nav::Suppressions);
            NewSuppressionPage { page, form, errors }.show_errors()
        }
    }
}

async fn remove(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    id: web::Path<i64>,
    given: web::Form<RemovalForm>,
) -> WebResult<HttpResponse> {
    let why = given.why.trim();
    if why.is_empty() {
        flash(&request, Tone::Bad, "Nothing was removed: say why the address may be mailed again.");
        return Ok(see_other("/suppressions"));
    }
    let who = page.who()?;
    let removal = Removal { by: who.name.clone(), is_admin: who.is_admin(), why: why.to_owned() };
    let removed = page.data(&state)?.remove_suppression(SuppressionId(id.into_inner()), removal, state.now()).await?;
    match removed {
        Removed::Yes { value } => {
            tracing::info!(user = who.id.0, workspace = who.workspace.id.0, value, why, "a suppression was removed");
            flash(&request, Tone::Ok, format!("{value} may be mailed again."));
            Ok(see_other("/suppressions"))
        }
        Removed::NeedsAdmin => Err(WebError::Forbidden("Only an admin can remove a complaint.")),
    }
}

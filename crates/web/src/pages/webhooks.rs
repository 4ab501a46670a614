//! The webhooks of a workspace: which e-mail services tell us what became of the mail, and adding one.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use tidings_domain::{Service, Word};
use tidings_store::{AddedWebhook, MAX_WEBHOOKS, NewWebhook, Webhook};

use super::webhook_guide::Guide;
use crate::WebState;
use crate::filters;
use crate::flash::{Tone, flash};
use crate::form::Errors;
use crate::hooks::{EnteredProof, seal};
use crate::inventory::{Access, Entry};
use crate::page::{Nav, Page, Show, see_other, shows};
use crate::problem::{WebError, WebResult};
use crate::words::Label;

pub(crate) const ROUTES: &[Entry] = &[
    Entry::page("/settings/webhooks", || web::to(index)).with_access(Access::Admin),
    Entry::page("/settings/webhooks/new", || web::to(choose)).with_access(Access::Admin),
    Entry::page("/settings/webhooks/new/{service}", || web::to(new)).with_access(Access::Admin),
    Entry::action("/settings/webhooks", || web::to(add)).with_access(Access::Admin),
];

const MAX_NAME: usize = 60;
/// PEM of the longest key there is, several times over.
pub(super) const MAX_KEY: usize = 4_000;

shows!(WebhooksPage, ChoosePage, NewPage);

#[derive(Template)]
#[template(path = "settings/webhooks.html")]
struct WebhooksPage {
    page: Page,
    rows: Vec<Webhook>,
}

#[derive(Template)]
#[template(path = "settings/webhook-choose.html")]
struct ChoosePage {
    page: Page,
    services: &'static [Service],
}

#[derive(Template)]
#[template(path = "settings/webhook-new.html")]
struct NewPage {
    page: Page,
    service: Service,
    guide: Guide,
    form: Form,
    errors: Errors,
}

#[derive(Deserialize, Default)]
struct Form {
    service: String,
    name: String,
    key: String,
}

impl Form {
    fn check(&self, service: Service) -> Result<(), Errors> {
        let mut errors = Errors::default();
        errors.text("name", &self.name, MAX_NAME, "Give it a name, like the account that it belongs to.");
        check_key(service, &self.key, &mut errors);
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }
}

/// Whether what was entered can prove a post.
pub(super) fn check_key(service: Service, key: &str, errors: &mut Errors) {
    errors.text("key", key, MAX_KEY, "");
    errors.take("key", EnteredProof { service, text: key }.check());
}

async fn index(page: Page, state: web::Data<WebState>) -> WebResult<HttpResponse> {
    let rows = page.data(&state)?.webhooks().await?;
    WebhooksPage { page: page.titled("Webhooks", Nav::Settings), rows }.show()
}

async fn choose(page: Page) -> WebResult<HttpResponse> {
    ChoosePage { page: page.titled("Add a webhook", Nav::Settings), services: Service::ALL }.show()
}

async fn new(page: Page, service: web::Path<String>) -> WebResult<HttpResponse> {
    let service = Service::parse(&service).map_err(|_| WebError::NotFound)?;
    let form = Form { name: service.label().to_owned(), ..Form::default() };
    NewPage::of(page, service, form, Errors::default()).show()
}

impl NewPage {
    fn of(page: Page, service: Service, form: Form, errors: Errors) -> Self {
        Self { page: page.titled("Add a webhook", Nav::Settings), service, guide: Guide::of(service), form, errors }
    }
}

async fn add(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    form: web::Form<Form>,
) -> WebResult<HttpResponse> {
    let form = form.into_inner();
    let service = Service::parse(&form.service).map_err(|_| WebError::NotFound)?;
    let mut errors = Errors::default();
    match form.check(service) {
        Ok(()) => match save(&page, &state, service, &form).await? {
            AddedWebhook::Yes(id) => {
                flash(&request, Tone::Ok, "Webhook added. Paste its address at the service.");
                return Ok(see_other(&format!("/settings/webhooks/{id}")));
            }
            AddedWebhook::NameTaken => errors.add("name", "There is a webhook with this name already."),
            AddedWebhook::TooMany => {
                errors.add("name", format!("There are {MAX_WEBHOOKS} webhooks already. Remove one that is not used."));
            }
        },
        Err(wrong) => errors = wrong,
    }
    NewPage::of(page, service, form, errors).show_errors()
}

async fn save(page: &Page, state: &WebState, service: Service, form: &Form) -> WebResult<AddedWebhook> {
    let data = page.data(state)?;
    let proof_sealed = seal(&state.keys, data.id(), &form.key);
    let new = NewWebhook { service, name: form.name.trim().to_owned(), proof_sealed, by: page.who()?.name.clone() };
    Ok(data.add_webhook(new, state.now()).await?)
}

//! One webhook: its address, what to do at the service, its key, its end.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use tidings_bounce::webhook::Proof;
use tidings_compose::TokenKind;
use tidings_domain::Service;
use tidings_store::{Webhook, WebhookId};

use super::webhook_guide::Guide;
use super::webhooks::check_key;
use crate::WebState;
use crate::filters;
use crate::flash::{Tone, flash};
use crate::form::Errors;
use crate::hooks::{open, seal};
use crate::inventory::{Access, Entry};
use crate::page::{Nav, Page, Show, see_other, shows};
use crate::problem::WebResult;
use crate::words::Label;

pub(crate) const ROUTES: &[Entry] = &[
    Entry::page("/settings/webhooks/{id}", || web::to(show)).with_access(Access::Admin),
    Entry::action("/settings/webhooks/{id}/key", || web::to(change_key)).with_access(Access::Admin),
    Entry::action("/settings/webhooks/{id}/remove", || web::to(remove)).with_access(Access::Admin),
];

shows!(WebhookPage);

#[derive(Template)]
#[template(path = "settings/webhook.html")]
struct WebhookPage {
    page: Page,
    row: Webhook,
    guide: Guide,
    url: String,
    key: KeyState,
    /// The services post to no address that is not public and https.
    is_https: bool,
    errors: Errors,
}

/// What is known of the key. The key itself is never shown.
enum KeyState {
    Missing,
    Set,
    /// The topic of SNS, which is no secret.
    Topic(String),
    /// Sealed with another instance's key.
    Unreadable,
}

#[derive(Deserialize)]
struct KeyForm {
    key: String,
}

impl WebhookPage {
    fn of(page: Page, state: &WebState, row: Webhook, errors: Errors) -> Self {
        let token = state.keys.seal(TokenKind::Webhook, row.id.0);
        let key = match open(&state.keys, &row) {
            None => KeyState::Unreadable,
            Some(Proof::None) => KeyState::Missing,
            Some(Proof::SesTopic(topic)) => KeyState::Topic(topic),
            Some(_) => KeyState::Set,
        };
        Self {
            page: page.titled("Webhooks", Nav::Settings),
            guide: Guide::of(row.service),
            url: state.config.link(&format!("/hooks/{}/{token}", row.service)),
            key,
            is_https: state.config.is_https(),
            row,
            errors,
        }
    }

    fn is_ses(&self) -> bool {
        self.row.service == Service::Ses
    }
}

async fn show(page: Page, state: web::Data<WebState>, id: web::Path<i64>) -> WebResult<HttpResponse> {
    let row = page.data(&state)?.webhook(WebhookId(*id)).await?;
    WebhookPage::of(page, &state, row, Errors::default()).show()
}

async fn change_key(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    id: web::Path<i64>,
    form: web::Form<KeyForm>,
) -> WebResult<HttpResponse> {
    let data = page.data(&state)?;
    let row = data.webhook(WebhookId(*id)).await?;
    let mut errors = Errors::default();
    check_key(row.service, &form.key, &mut errors);
    if !errors.is_empty() {
        return WebhookPage::of(page, &state, row, errors).show_errors();
    }
    data.change_proof(row.id, seal(&state.keys, data.id(), &form.key)).await?;
    tracing::info!(user = page.who()?.id.0, webhook = row.id.0, "a webhook's key was changed");
    let said = match (form.key.trim(), row.service) {
        ("", Service::Ses) => "The topic is forgotten: the next one that confirms its subscription is taken.",
        ("", _) => "The key is forgotten: the secret in the address is the only proof now.",
        _ => "Key saved. Posts are checked with it from now on.",
    };
    flash(&request, Tone::Ok, said);
    Ok(see_other(&format!("/settings/webhooks/{id}")))
}

async fn remove(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    id: web::Path<i64>,
) -> WebResult<HttpResponse> {
    let name = page.data(&state)?.remove_webhook(WebhookId(*id)).await?;
    tracing::info!(user = page.who()?.id.0, webhook = *id, name, "a webhook was removed");
    flash(&request, Tone::Ok, format!("{name} is removed. Its address leads nowhere from now on."));
    Ok(see_other("/settings/webhooks"))
}

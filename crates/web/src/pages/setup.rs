//! The first run: the one-time link makes the first admin, and is shut for ever after.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use tidings_domain::EmailAddress;
use tidings_store::{FirstAdmin, NewAdmin, Purpose, TokenHash};

use crate::filters;
use crate::form::Errors;
use crate::inventory::{Access, Entry};
use crate::page::{Nav, Page, Show, see_other, shows};
use crate::problem::{WebError, WebResult};
use crate::{WebState, password, secret, signed_in};

pub(crate) const ROUTES: &[Entry] = &[
    Entry::page("/setup/{token}", || web::to(form)).with_access(Access::Setup),
    Entry::action("/setup/{token}", || web::to(create)).with_access(Access::Setup),
];

const MAX_NAME: usize = 100;

shows!(AccountPage);

#[derive(Template)]
#[template(path = "setup/account.html")]
struct AccountPage {
    page: Page,
    token: String,
    is_good: bool,
    name: String,
    email: String,
    errors: Errors,
}

#[derive(Deserialize)]
struct Account {
    name: String,
    email: String,
    password: String,
}

async fn form(page: Page, state: web::Data<WebState>, token: web::Path<String>) -> WebResult<HttpResponse> {
    let token = token.into_inner();
    let is_good = state.store.token_is_good(TokenHash(secret::hash(&token)), Purpose::Setup, state.now()).await?;
    let status = if is_good { StatusCode::OK } else { StatusCode::NOT_FOUND };
    let (name, email, errors) = Default::default();
    AccountPage { page: page.titled("Set up Tidings", Nav::None), token, is_good, name, email, errors }.show_as(status)
}

async fn create(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    token: web::Path<String>,
    given: web::Form<Account>,
) -> WebResult<HttpResponse> {
    let (token, given) = (token.into_inner(), given.into_inner());
    let mut errors = Errors::default();
    let name =
        errors.text("name", &given.name, MAX_NAME, "Tell us your name; others see it beside what you do.").to_owned();
    let email = errors.take("email", EmailAddress::parse(&given.email));
    if let Err(why) = password::check(&given.password, &[&given.name, &given.email]) {
        errors.add("password", why);
    }
    let Some(email) = email.filter(|_| errors.is_empty()) else {
        let page = page.titled("Set up Tidings", Nav::None);
        return AccountPage { page, token, is_good: true, name: given.name, email: given.email, errors }.show_errors();
    };
    let admin = NewAdmin {
        email: email.to_string(),
        workspace_name: format!("{name}'s workspace"),
        name,
        password_hash: password::hash(given.password).await?,
    };
    match state.store.set_up(TokenHash(secret::hash(&token)), admin, state.now()).await? {
        FirstAdmin::Created(user, _) => {
            signed_in::begin(&request, &state, user)?;
            Ok(see_other("/setup/organisation"))
        }
        FirstAdmin::Closed | FirstAdmin::BadToken => Err(WebError::NotFound),
    }
}

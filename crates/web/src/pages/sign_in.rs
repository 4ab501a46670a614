//! Signing in by password or by a one-time link, and signing out.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use tidings_store::{Purpose, TokenHash};

use crate::envelope::client_ip;
use crate::filters;
use crate::form::Errors;
use crate::inventory::{Access, Entry};
use crate::page::{Nav, Page, Show, see_other, shows};
use crate::password::{self, Verified};
use crate::problem::WebResult;
use crate::{WebState, secret, signed_in};

pub(crate) const ROUTES: &[Entry] = &[
    Entry::page("/sign-in", || web::to(form)).with_access(Access::Anonymous),
    Entry::action("/sign-in", || web::to(sign_in)).with_access(Access::Anonymous),
    // The page asks for a click: a mail scanner that opens the link must not use it up.
    Entry::page("/sign-in/{token}", || web::to(link)).with_access(Access::Anonymous),
    Entry::action("/sign-in/{token}", || web::to(use_link)).with_access(Access::Anonymous),
    Entry::action("/sign-out", || web::to(sign_out)).with_access(Access::Anonymous),
];

shows!(SignInPage, LinkPage);

#[derive(Template)]
#[template(path = "sign-in.html")]
struct SignInPage {
    page: Page,
    email: String,
    next: String,
    said: &'static str,
    errors: Errors,
}

#[derive(Template)]
#[template(path = "sign-in-link.html")]
struct LinkPage {
    page: Page,
    token: String,
    is_good: bool,
}

#[derive(Deserialize)]
struct Wanted {
    #[serde(default)]
    next: String,
    #[serde(default)]
    said: String,
}

#[derive(Deserialize)]
struct Credentials {
    email: String,
    password: String,
    #[serde(default)]
    next: String,
}

async fn form(page: Page, wanted: web::Query<Wanted>) -> WebResult<HttpResponse> {
    if page.who.is_some() {
        return Ok(see_other("/"));
    }
    let said = if wanted.said == "bye" { "You are signed out." } else { "" };
    let next = wanted.into_inner().next;
    let page = page.titled("Sign in", Nav::None);
    SignInPage { page, email: String::new(), next, said, errors: Errors::default() }.show()
}

async fn sign_in(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    given: web::Form<Credentials>,
) -> WebResult<HttpResponse> {
    let given = given.into_inner();
    let email = given.email.trim().to_lowercase();
    if let Err(wait) = state.throttle.check(client_ip(&request, &state.config), &email) {
        let seconds = wait.as_secs() + 1;
        let answer = refuse(page, given, format!("Too many tries. Wait {seconds} seconds, then try again."));
        let mut response = answer.show_as(StatusCode::TOO_MANY_REQUESTS)?;
        response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from(seconds));
        return Ok(response);
    }
    let user = state.store.user_by_email(email).await?;
    let stored = user.as_ref().map(|user| user.password_hash.clone());
    let verified = password::verify(given.password.clone(), stored).await?;
    let Some(user) = user.filter(|_| verified != Verified::No) else {
        // One answer for an unknown address and for a wrong password.
        return refuse(page, given, "The address and the password do not belong together.".to_owned()).show_errors();
    };
    let rehashed = match verified {
        Verified::YesButOld => Some(password::hash(given.password).await?),
        _ => None,
    };
    state.store.mark_signed_in(user.id, rehashed, state.now()).await?;
    signed_in::begin(&request, &state, user.id)?;
    Ok(see_other(own_path(&given.next)))
}

fn refuse(page: Page, given: Credentials, why: String) -> SignInPage {
    let mut errors = Errors::default();
    errors.add("password", why);
    let page = page.titled("Sign in", Nav::None);
    SignInPage { page, email: given.email, next: given.next, said: "", errors }
}

/// Where to go on: only a path of ours. `//elsewhere` and `/\elsewhere` are other hosts to a browser.
fn own_path(next: &str) -> &str {
    let is_ours = next.starts_with('/') && !next.starts_with("//") && !next.contains(['\\', '\n', '\r', '\t']);
    if is_ours { next } else { "/" }
}

async fn link(page: Page, state: web::Data<WebState>, token: web::Path<String>) -> WebResult<HttpResponse> {
    let token = token.into_inner();
    let hash = TokenHash(secret::hash(&token));
    let is_good = state.store.token_is_good(hash, Purpose::SignIn, state.now()).await?;
    let status = if is_good { StatusCode::OK } else { StatusCode::NOT_FOUND };
    LinkPage { page: page.titled("Sign in", Nav::None), token, is_good }.show_as(status)
}

async fn use_link(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    token: web::Path<String>,
) -> WebResult<HttpResponse> {
    let hash = TokenHash(secret::hash(&token));
    match state.store.use_sign_in_token(hash, state.now()).await? {
        Some(user) => {
            state.store.mark_signed_in(user, None, state.now()).await?;
            signed_in::begin(&request, &state, user)?;
            Ok(see_other("/"))
        }
        None => {
            let page = page.titled("Sign in", Nav::None);
            LinkPage { page, token: String::new(), is_good: false }.show_as(StatusCode::NOT_FOUND)
        }
    }
}

async fn sign_out(request: HttpRequest) -> HttpResponse {
    signed_in::end(&request);
    see_other("/sign-in?said=bye")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_signing_in_one_stays_here() {
        assert_eq!(own_path("/lists/3"), "/lists/3");
        for elsewhere in ["", "https://evil.example/", "//evil.example", "/\\evil.example", "/x\r\ny", "javascript:1"] {
            assert_eq!(own_path(elsewhere), "/");
        }
    }
}

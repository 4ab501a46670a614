//! A person's own page: name and theme, password, and where he is signed in.

use actix_session::SessionExt;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use tidings_domain::{Theme, Word};

use crate::envelope::client_ip;
use crate::filters;
use crate::flash::{Tone, flash};
use crate::form::Errors;
use crate::inventory::Entry;
use crate::page::{Nav, Page, Show, see_other, shows};
use crate::password::{self, Verified};
use crate::problem::WebResult;
use crate::text::count_of;
use crate::{WebState, Who, signed_in};

pub(crate) const ROUTES: &[Entry] = &[
    Entry::page("/settings/profile", || web::to(show)),
    Entry::action("/settings/profile", || web::to(save)),
    Entry::action("/settings/password", || web::to(change_password)),
    Entry::action("/settings/sessions/end", || web::to(end_sessions)),
];

const MAX_NAME: usize = 100;

shows!(ProfilePage);

#[derive(Template)]
#[template(path = "settings/profile.html")]
struct ProfilePage {
    page: Page,
    name: String,
    sessions: Vec<SignedIn>,
    errors: Errors,
}

/// One of the places where the person is signed in.
struct SignedIn {
    device: String,
    ip: String,
    seen_at_ms: i64,
    is_this: bool,
}

#[derive(Deserialize)]
struct Profile {
    name: String,
    theme: String,
}

#[derive(Deserialize)]
struct Passwords {
    current: String,
    new: String,
}

async fn show(page: Page, state: web::Data<WebState>) -> WebResult<HttpResponse> {
    profile(page, &state, Errors::default()).await?.show()
}

async fn profile(page: Page, state: &WebState, errors: Errors) -> WebResult<ProfilePage> {
    let who = page.who()?;
    let rows = state.store.sessions_of(who.id, state.now()).await?;
    let sessions = rows.into_iter().map(|row| SignedIn {
        device: device(&row.user_agent),
        ip: row.ip,
        seen_at_ms: row.seen_at_ms,
        is_this: row.key_hash == who.session,
    });
    let (name, sessions) = (who.name.clone(), sessions.collect());
    Ok(ProfilePage { page: page.titled("Your profile", Nav::Settings), name, sessions, errors })
}

/// `Firefox on Linux`: enough to know one's own devices apart.
fn device(user_agent: &str) -> String {
    let first = |names: &[(&str, &'static str)]| {
        names.iter().find(|(mark, _)| user_agent.contains(mark)).map(|(_, name)| *name)
    };
    let browser = first(&[
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
    ]);
    let system = first(&[
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Android", "Android"),
        ("Windows", "Windows"),
        ("Mac OS", "macOS"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    ]);
    match (browser, system) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => "Unknown browser".to_owned(),
    }
}

async fn save(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    given: web::Form<Profile>,
) -> WebResult<HttpResponse> {
    let mut errors = Errors::default();
    let name = errors.text("name", &given.name, MAX_NAME, "Others see your name beside what you do.").to_owned();
    let theme = errors.take("theme", Theme::parse(&given.theme));
    let Some(theme) = theme.filter(|_| errors.is_empty()) else {
        return profile(page, &state, errors).await?.show_errors();
    };
    state.store.save_profile(page.who()?.id, name, theme).await?;
    flash(&request, Tone::Ok, "Profile saved.");
    Ok(see_other("/settings/profile"))
}

async fn change_password(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    given: web::Form<Passwords>,
) -> WebResult<HttpResponse> {
    let given = given.into_inner();
    let who: Who = page.who()?.clone();
    let mut errors = Errors::default();
    if let Err(wait) = state.throttle.check(client_ip(&request, &state.config), &who.email) {
        errors.add("current", format!("Too many tries. Wait {} seconds, then try again.", wait.as_secs() + 1));
        return profile(page, &state, errors).await?.show_as(StatusCode::TOO_MANY_REQUESTS);
    }
    let stored = state.store.user_by_email(who.email.clone()).await?.map(|user| user.password_hash);
    // Who came by a one-time link and has no password yet sets his first.
    let is_first = stored.as_deref() == Some("");
    if !is_first && password::verify(given.current, stored).await? == Verified::No {
        errors.add("current", "That is not your present password.");
    }
    if let Err(why) = password::check(&given.new, &[&who.name, &who.email, &who.workspace.name]) {
        errors.add("new", why);
    }
    if !errors.is_empty() {
        return profile(page, &state, errors).await?.show_errors();
    }
    let hash = password::hash(given.new).await?;
    let ended = state.store.change_password(who.id, hash, Some(who.session)).await?;
    signed_in::begin(&request, &state, who.id)?;
    let others = if ended == 0 { String::new() } else { format!(" {} ended.", sessions(ended)) };
    flash(&request, Tone::Ok, format!("Password changed.{others}"));
    Ok(see_other("/settings/profile"))
}

async fn end_sessions(request: HttpRequest, page: Page, state: web::Data<WebState>) -> WebResult<HttpResponse> {
    let who = page.who()?;
    let ended = state.store.end_other_sessions(who.id, Some(who.session.clone())).await?;
    request.get_session().renew();
    flash(&request, Tone::Ok, format!("{} ended. Only this one is left.", sessions(ended)));
    Ok(see_other("/settings/profile"))
}

fn sessions(n: usize) -> String {
    count_of(i64::try_from(n).unwrap_or(i64::MAX), "other session", "other sessions")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_have_plain_names() {
        let agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0 Safari/537.36";
        assert_eq!(device(agent), "Chrome on Linux");
        assert_eq!(
            device("Mozilla/5.0 (iPhone; CPU iPhone OS 19 like Mac OS X) Version/19 Safari/604.1"),
            "Safari on iPhone"
        );
        assert_eq!(device(""), "Unknown browser");
    }
}

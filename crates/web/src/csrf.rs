//! Proof that a request which changes something comes from our own page.
//!
//! Two checks, both needed. The browser's word: `Sec-Fetch-Site` says `same-origin` or `none`; where it is absent (plain HTTP, old
//! browsers) `Origin` is ours. And a token that only our page knows: of the session for people, of a cookie for who is not
//! signed in yet (signing in and set-up are forms too).

use actix_session::SessionExt;
use actix_web::HttpRequest;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::http::header::{self, HeaderMap};

use crate::session_store::key;
use crate::{WebConfig, secret};

/// The header that `app.js` and htmx send the token in.
pub const HEADER: &str = "x-csrf-token";

/// Whether the browser says that the request comes from our own origin.
pub(crate) fn is_same_origin(headers: &HeaderMap, config: &WebConfig) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match text("sec-fetch-site") {
        Some(site) => matches!(site, "same-origin" | "none"),
        // Without either header it is no browser that could be misled; the token still has to be right.
        None => text(header::ORIGIN.as_str()).is_none_or(|origin| {
            origin.eq_ignore_ascii_case(config.origin())
                || text(header::HOST.as_str()).is_some_and(|host| host_of(origin).eq_ignore_ascii_case(host))
        }),
    }
}

/// The bare host of an `Origin`, to compare with `Host`: on a local network people come by another name than the public one.
fn host_of(origin: &str) -> &str {
    origin.split_once("://").map_or("", |(_, host)| host)
}

/// The name of the cookie that binds forms to a browser that is not signed in.
pub(crate) fn cookie_name(config: &WebConfig) -> &'static str {
    if config.is_https() { "__Host-tidings-form" } else { "tidings-form" }
}

/// The secret that this request's forms must know. `None` for who has neither a session nor the cookie yet.
pub(crate) fn expected(request: &HttpRequest, config: &WebConfig) -> Option<String> {
    let session = request.get_session();
    let of_session: Option<String> = session.get(key::CSRF).ok().flatten();
    of_session.or_else(|| request.cookie(cookie_name(config)).map(|cookie| cookie.value().to_owned()))
}

/// A cookie for a browser that is not signed in. It ends with the browser.
pub(crate) fn new_cookie(config: &WebConfig) -> Cookie<'static> {
    Cookie::build(cookie_name(config), secret::token())
        .path("/")
        .http_only(true)
        .secure(config.is_https())
        .same_site(SameSite::Lax)
        .finish()
}

/// Whether a presented (masked) token is the expected one.
pub(crate) fn is_right(presented: Option<&str>, expected: Option<&str>) -> bool {
    match (presented.and_then(secret::unmask), expected) {
        (Some(presented), Some(expected)) => !expected.is_empty() && secret::same(&presented, expected),
        _ => false,
    }
}

/// The value of `csrf` in an URL-encoded form or query.
pub(crate) fn field_of(form: &[u8]) -> Option<String> {
    // A masked token is URL-safe letters only, so it stands in the form as it is.
    let mut fields = form.split(|octet| *octet == b'&');
    let value = fields.find_map(|field| field.strip_prefix(b"csrf="))?;
    String::from_utf8(value.to_vec()).ok()
}

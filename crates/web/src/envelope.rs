//! The outermost layer: a number for each request, the security headers, a page for each error, and the counting of requests.

use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpResponse, web};
use askama::Template;
use rand::Rng;
use tracing::Instrument;

use crate::filters;
use crate::problem::Problem;
use crate::{Ops, WebConfig, WebState};

/// What a page may load: only what comes from here, and nothing inline.
pub const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
    connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'";

/// For a mail shown inside a frame: nothing runs, and it has no origin. A handler sets it as its own
/// `Content-Security-Policy`, together with `X-Frame-Options: SAMEORIGIN`; the envelope does not overrule it.
pub const MAIL_FRAME_CSP: &str = "sandbox; default-src 'none'; img-src 'self' https: data:; style-src 'unsafe-inline'; \
    font-src https: data:; frame-ancestors 'self'";

/// The same for all answers. `X-Request-Id` and what depends on the address come on top.
const HEADERS: &[(&str, &str)] = &[
    ("content-security-policy", CSP),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ("x-frame-options", "DENY"),
];
/// A number that a proxy gave the request is kept, if it is no longer than this and can stand in a log as it is.
const LONGEST_REQUEST_ID: usize = 64;
/// One year; without subdomains, which are not ours to decide about.
const HSTS: &str = "max-age=31536000";

/// The number that the log and the error page share.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(pub String);

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    problem: Problem,
    status: u16,
    request_id: String,
}

pub async fn envelope(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let began = Instant::now();
    let id = RequestId::of(request.headers());
    request.extensions_mut().insert(id.clone());
    // The pattern, because a path may hold a token.
    let (method, route) = (request.method().clone(), request.match_pattern());
    let https = request.app_data::<web::Data<WebState>>().is_some_and(|state| state.config.is_https());
    let ops = request.app_data::<web::Data<Ops>>().cloned();
    let path = route.as_deref().unwrap_or("none");
    let span = tracing::info_span!("request", id = id.0, %method, path);
    let answered = next.call(request).instrument(span).await;
    let status = answered.as_ref().map_or_else(|e| e.as_response_error().status_code(), ServiceResponse::status);
    if let Some(ops) = ops {
        ops.http.answered(method.as_str(), route.as_deref(), status.as_u16(), began.elapsed());
    }
    let mut response = match answered {
        Ok(response) => response.map_into_boxed_body(),
        // A layer of actix's own failed (the session's): there is no request any more to answer with a page.
        Err(error) => return Err(sealed_error(error, https, &id)),
    };
    if let Some(error) = response.response().error().filter(|_| response.status().is_server_error()) {
        tracing::error!(request_id = id.0, %method, path, %error, "a request failed");
    }
    response = with_error_page(response, &id);
    seal(response.headers_mut(), https, &id);
    Ok(response)
}

impl RequestId {
    fn of(headers: &HeaderMap) -> Self {
        let given = headers.get("x-request-id").and_then(|value| value.to_str().ok());
        let is_sane = |id: &&str| {
            (8..=LONGEST_REQUEST_ID).contains(&id.len())
                && id.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'.'))
        };
        let made = || format!("{:016x}", rand::rng().random::<u64>());
        Self(given.filter(is_sane).map_or_else(made, str::to_owned))
    }
}

/// Puts the headers on; what a handler has set for itself stays.
fn seal(headers: &mut HeaderMap, https: bool, id: &RequestId) {
    for (name, value) in HEADERS {
        if !headers.contains_key(*name) {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
    }
    if https {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(HSTS));
    }
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        headers.insert(HeaderName::from_static("x-request-id"), value);
    }
}

fn sealed_error(error: Error, https: bool, id: &RequestId) -> Error {
    tracing::error!(request_id = id.0, %error, "a request failed before its page");
    let status = error.as_response_error().status_code();
    let mut answer = error_page(Problem::of_status(status), status, id);
    seal(answer.headers_mut(), https, id);
    InternalError::from_response(error, answer).into()
}

/// An error that says nothing yet gets its page; one with a body of its own (a form with its errors) is left alone.
fn with_error_page(response: ServiceResponse<BoxBody>, id: &RequestId) -> ServiceResponse<BoxBody> {
    let status = response.status();
    let said = response.response().extensions().get::<Problem>().cloned();
    let of_kind = |kind: &[u8]| {
        response.headers().get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(kind))
    };
    // A page with a form's errors, or an answer for a machine.
    let is_ours = of_kind(b"text/html") || of_kind(b"application/json");
    if !(status.is_client_error() || status.is_server_error()) || (said.is_none() && is_ours) {
        return response;
    }
    let answer = error_page(said.unwrap_or_else(|| Problem::of_status(status)), status, id);
    let (request, _) = response.into_parts();
    ServiceResponse::new(request, answer)
}

fn error_page(problem: Problem, status: StatusCode, id: &RequestId) -> HttpResponse {
    let page = ErrorPage { problem, status: status.as_u16(), request_id: id.0.clone() };
    let mut answer = HttpResponse::build(status);
    answer.content_type("text/html; charset=utf-8").insert_header((header::CACHE_CONTROL, "no-store"));
    match page.render() {
        Ok(html) => answer.body(html),
        Err(_) => answer.body(format!("Error {status}. Request {}", id.0)),
    }
}

/// The address of who asks. `X-Forwarded-For` counts only when the peer is a proxy that the operator named.
pub(crate) fn client_ip(request: &actix_web::HttpRequest, config: &WebConfig) -> std::net::IpAddr {
    let peer = request.peer_addr().map_or(std::net::IpAddr::from([0, 0, 0, 0]), |addr| addr.ip());
    let is_ours = |ip: &std::net::IpAddr| config.trusted_proxies.iter().any(|net| net.contains(ip));
    if !is_ours(&peer) {
        return peer;
    }
    let forwarded = request.headers().get("x-forwarded-for").and_then(|value| value.to_str().ok()).unwrap_or_default();
    // From the right, because each proxy adds to the end: the first that is not one of ours is the client.
    let hops = forwarded.rsplit(',').filter_map(|hop| hop.trim().parse().ok());
    hops.into_iter().find(|hop| !is_ours(hop)).unwrap_or(peer)
}

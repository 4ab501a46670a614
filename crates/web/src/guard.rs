//! The guard stands before every page: it finds the route in the inventory, and lets in who may come with what he brings.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use actix_session::SessionExt;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::{Method, header};
use actix_web::middleware::Next;
use actix_web::web::{Bytes, BytesMut};
use actix_web::{Error, HttpMessage, HttpResponse, web};
use futures_util::StreamExt;
use tidings_store::UserId;

use crate::csrf::{self, field_of, is_same_origin};
use crate::inventory::{Access, Csrf, Entry};
use crate::problem::WebError;
use crate::session_store::key;
use crate::{WebState, Who, routes};

/// A form arrives within this time, or not at all.
const FORM_WITHIN: Duration = Duration::from_secs(30);

static BY_ROUTE: LazyLock<HashMap<(Method, &'static str), &'static Entry>> =
    LazyLock::new(|| routes::all().map(|entry| ((entry.method(), entry.path), entry)).collect());

/// What the guard found the request to be allowed as; the `Page` extractor reads it.
#[derive(Clone)]
pub(crate) struct Admitted(pub Option<Arc<Who>>);

/// What the guard decided.
enum Verdict {
    Pass,
    /// To sign in first; then back to where he wanted to go.
    SignIn,
    Refuse(WebError),
}

pub(crate) async fn guard(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let Some(entry) = entry_of(&request) else {
        return Ok(next.call(request).await?.map_into_boxed_body());
    };
    // The body of an upload is the handler's own; that of a form is read here, for the token in it.
    if entry.csrf == Csrf::Token
        && let Err(error) = read_form(&mut request, entry.body).await
    {
        return Ok(request.error_response(error));
    }
    let verdict = match check(&mut request, entry).await {
        Ok(verdict) => verdict,
        Err(error) => Verdict::Refuse(error),
    };
    match verdict {
        Verdict::Pass => {
            let mut response = next.call(request).await?.map_into_boxed_body();
            let headers = response.headers_mut();
            if !headers.contains_key(header::CACHE_CONTROL) {
                headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
            }
            Ok(response)
        }
        Verdict::SignIn => Ok(to_sign_in(request)),
        Verdict::Refuse(error) => Ok(request.error_response(error)),
    }
}

fn entry_of(request: &ServiceRequest) -> Option<&'static Entry> {
    let method = if request.method() == Method::HEAD { Method::GET } else { request.method().clone() };
    let pattern = request.match_pattern()?;
    // The key borrows for ever, so the pattern is looked up by scanning its method's bucket.
    BY_ROUTE.iter().find(|((m, path), _)| *m == method && *path == pattern).map(|(_, entry)| *entry)
}

async fn check(request: &mut ServiceRequest, entry: &Entry) -> Result<Verdict, WebError> {
    let state = request.app_data::<web::Data<WebState>>().cloned();
    let state = state.ok_or_else(|| WebError::Internal("the app has no state".to_owned()))?;
    let who = person(request, &state).await?.map(Arc::new);
    let verdict = match entry.access {
        Access::Public | Access::Anonymous => Verdict::Pass,
        Access::Setup if state.store.has_users().await? => Verdict::Refuse(WebError::NotFound),
        Access::Setup => Verdict::Pass,
        Access::SignedIn if who.is_some() => Verdict::Pass,
        Access::Admin if who.as_ref().is_some_and(|who| who.is_admin()) => Verdict::Pass,
        Access::Admin if who.is_some() => Verdict::Refuse(WebError::Forbidden("Only an admin can change this.")),
        Access::SignedIn | Access::Admin => Verdict::SignIn,
    };
    request.extensions_mut().insert(Admitted(who));
    let proven = match entry.csrf {
        Csrf::Safe | Csrf::ByDesign => true,
        Csrf::Token | Csrf::TokenBeside => is_proven(request, entry, &state),
    };
    // Who is not signed in learns that first, whatever he sent.
    Ok(if proven || matches!(verdict, Verdict::SignIn) { verdict } else { Verdict::Refuse(WebError::StaleForm) })
}

/// The person of the session. A session whose person is gone is nobody's.
async fn person(request: &ServiceRequest, state: &WebState) -> Result<Option<Who>, WebError> {
    let session = request.get_session();
    let Some(user) = session.get::<i64>(key::USER).ok().flatten() else { return Ok(None) };
    let hash = session.get::<String>(key::HASH).ok().flatten().unwrap_or_default();
    Ok(state.store.member(UserId(user)).await?.map(|member| Who::new(member, hash)))
}

fn is_proven(request: &ServiceRequest, entry: &Entry, state: &WebState) -> bool {
    if !is_same_origin(request.headers(), &state.config) {
        return false;
    }
    let in_header = request.headers().get(csrf::HEADER).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let beside = || match entry.csrf {
        Csrf::TokenBeside => field_of(request.query_string().as_bytes()),
        _ => request.extensions().get::<FormToken>().and_then(|token| token.0.clone()),
    };
    let presented = in_header.or_else(beside);
    csrf::is_right(presented.as_deref(), csrf::expected(request.request(), &state.config).as_deref())
}

/// The token found in the form's body.
struct FormToken(Option<String>);

/// Reads the form whole, takes the token out, and puts the body back for the handler.
async fn read_form(request: &mut ServiceRequest, limit: usize) -> Result<(), WebError> {
    let mut payload = request.take_payload();
    let read = async {
        let mut body = BytesMut::new();
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|error| WebError::BadRequest(error.to_string()))?;
            if body.len() + chunk.len() > limit {
                return Err(WebError::TooLarge(limit));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    };
    let body: Bytes = tokio::time::timeout(FORM_WITHIN, read).await.map_err(|_| WebError::TooSlow)??;
    request.extensions_mut().insert(FormToken(field_of(&body)));
    request.set_payload(Payload::from(body));
    Ok(())
}

fn to_sign_in(request: ServiceRequest) -> ServiceResponse<BoxBody> {
    let wanted = if request.method() == Method::GET { request.uri().path().to_owned() } else { String::new() };
    let target = if wanted.len() > 1 { format!("/sign-in?next={wanted}") } else { "/sign-in".to_owned() };
    let is_htmx = request.headers().contains_key("hx-request");
    // A fragment request cannot show the sign-in page in its place: the whole page goes there.
    let mut answer = if is_htmx { HttpResponse::Unauthorized() } else { HttpResponse::SeeOther() };
    let name = if is_htmx { "hx-redirect" } else { "location" };
    answer.insert_header((name, target)).insert_header((header::CACHE_CONTROL, "no-store"));
    let answer = answer.content_type("text/html; charset=utf-8").finish();
    request.into_response(answer)
}

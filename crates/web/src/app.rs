use std::collections::BTreeMap;
use std::sync::Arc;

use actix_session::config::{CookieContentSecurity, PersistentSession, TtlExtensionPolicy};
use actix_session::{SessionMiddleware, storage::SessionStore};
use actix_web::cookie::time::Duration as CookieDuration;
use actix_web::cookie::{Key, SameSite};
use actix_web::http::Method;
use actix_web::middleware::{Compress, from_fn};
use actix_web::{HttpResponse, guard as http_guard, web};
use tidings_store::Store;

use crate::guard::guard;
use crate::inventory::{Access, Entry};
use crate::session_store::{IDLE, SessionTable};
use crate::{WebConfig, WebState, routes};

/// The largest form that any route takes.
const LARGEST_FORM_OCTETS: usize = 8 * 1024 * 1024;

/// The name of the session's cookie. With `__Host-` no other host, and no page on plain HTTP, can set it.
pub(crate) fn session_cookie(config: &WebConfig) -> &'static str {
    if config.is_https() { "__Host-tidings" } else { "tidings" }
}

/// Puts every route of the inventory in its place. Public ones come first and have no session; all others stand behind
/// the session and the guard.
pub fn configure(state: web::Data<WebState>) -> impl FnOnce(&mut web::ServiceConfig) {
    move |config| {
        let sessions = sessions(state.store.clone(), cookie_key(&state), &state.config);
        config.app_data(web::Data::from(Arc::clone(&state.ops)));
        config.app_data(state);
        // The guard has held each route's own limit by the time a form is read.
        config.app_data(web::FormConfig::default().limit(LARGEST_FORM_OCTETS));
        for (path, entries) in by_path(|entry| entry.access == Access::Public) {
            config.service(resource(path, &entries).wrap(Compress::default()));
        }
        let mut pages = web::scope("").wrap(from_fn(guard)).wrap(sessions);
        for (path, entries) in by_path(|entry| entry.access != Access::Public) {
            pages = pages.service(resource(path, &entries));
        }
        // The scope takes every path that is left, so it comes last and answers for what is not there.
        config.service(pages.wrap(Compress::default()).default_service(web::to(HttpResponse::NotFound)));
    }
}

/// Routes by path in an order in which a fixed segment comes before a parameter (`{` sorts after all letters).
fn by_path(wanted: impl Fn(&Entry) -> bool) -> BTreeMap<&'static str, Vec<&'static Entry>> {
    let mut paths: BTreeMap<&'static str, Vec<&'static Entry>> = BTreeMap::new();
    for entry in routes::all().filter(|entry| wanted(entry)) {
        paths.entry(entry.path).or_default().push(entry);
    }
    paths
}

fn resource(path: &str, entries: &[&'static Entry]) -> actix_web::Resource {
    let mut resource = web::resource(path);
    for entry in entries {
        let route = (entry.handler)();
        let route = match entry.method() {
            Method::GET => route.guard(http_guard::Any(http_guard::Get()).or(http_guard::Head())),
            method => route.method(method),
        };
        resource = resource.route(route);
    }
    resource.default_service(web::to(HttpResponse::MethodNotAllowed))
}

/// Signs the session's cookie: the same in every process of the installation, and derived like all its keys.
fn cookie_key(state: &WebState) -> Key {
    Key::derive_from(state.keys.seal_secret("session cookie", "the key that signs session cookies").as_bytes())
}

fn sessions(store: Store, cookie_key: Key, config: &WebConfig) -> SessionMiddleware<impl SessionStore + 'static> {
    let ttl = CookieDuration::try_from(IDLE).unwrap_or(CookieDuration::WEEK);
    let lifecycle =
        PersistentSession::default().session_ttl(ttl).session_ttl_extension_policy(TtlExtensionPolicy::OnEveryRequest);
    SessionMiddleware::builder(SessionTable(store), cookie_key)
        .cookie_content_security(CookieContentSecurity::Signed)
        .cookie_name(session_cookie(config).to_owned())
        .cookie_secure(config.is_https())
        .cookie_http_only(true)
        .cookie_same_site(SameSite::Lax)
        .session_lifecycle(lifecycle)
        .build()
}

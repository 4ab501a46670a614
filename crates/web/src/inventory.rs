//! The shape of the route inventory. Each page file has a table of its routes; [`crate::routes::all`] joins them, the app is
//! configured from them, and the guard looks each request up in them. A route that is in no table does not exist.

use actix_web::Route;
use actix_web::http::Method;

/// Who may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anyone, without a session or cookie: links in mails, probes.
    Public,
    /// Anyone, with a form of ours: signing in.
    Anonymous,
    /// Only while there is no admin; not found for ever after.
    Setup,
    /// People; others are led to sign in.
    SignedIn,
    /// Admins of the workspace.
    Admin,
}

/// How a request that changes something proves that it comes from our own page. `Origin` or `Sec-Fetch-Site` is checked too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Csrf {
    /// It changes nothing (GET, HEAD).
    Safe,
    /// The token stands in the form's field `csrf` or in the header `X-CSRF-Token`.
    Token,
    /// The body is streamed, so the token stands in the query (`?csrf=…`) or in the header.
    TokenBeside,
    /// No proof: mailbox providers post here (RFC 8058). The path itself carries an authenticated token.
    ByDesign,
}

/// Forms are small: 256 KiB hold the longest of them but for a campaign's content, which names its own limit.
pub const FORM_OCTETS: usize = 256 * 1024;

/// One route.
#[derive(Clone, Copy)]
pub struct Entry {
    pub method: &'static str,
    pub path: &'static str,
    pub access: Access,
    pub csrf: Csrf,
    /// The largest body, in octets. The handler of a streamed body holds it; for all others the guard does.
    pub body: usize,
    pub handler: fn() -> Route,
}

impl Entry {
    /// A page for people.
    pub const fn page(path: &'static str, handler: fn() -> Route) -> Self {
        Self { method: "GET", path, access: Access::SignedIn, csrf: Csrf::Safe, body: 0, handler }
    }

    /// A form's action for people.
    pub const fn action(path: &'static str, handler: fn() -> Route) -> Self {
        Self { method: "POST", path, access: Access::SignedIn, csrf: Csrf::Token, body: FORM_OCTETS, handler }
    }

    /// An upload for people: the handler streams the body and stops at the limit.
    pub const fn upload(path: &'static str, octets: usize, handler: fn() -> Route) -> Self {
        Self { method: "POST", path, access: Access::SignedIn, csrf: Csrf::TokenBeside, body: octets, handler }
    }

    /// A link in a mail, without session and cookies.
    pub const fn public(path: &'static str, handler: fn() -> Route) -> Self {
        Self { method: "GET", path, access: Access::Public, csrf: Csrf::Safe, body: 0, handler }
    }

    /// What a mailbox provider or a reader without a session posts.
    pub const fn public_action(path: &'static str, handler: fn() -> Route) -> Self {
        Self { method: "POST", path, access: Access::Public, csrf: Csrf::ByDesign, body: FORM_OCTETS, handler }
    }

    #[must_use]
    pub const fn with_access(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    #[must_use]
    pub const fn with_body(mut self, octets: usize) -> Self {
        self.body = octets;
        self
    }

    #[must_use]
    pub fn method(&self) -> Method {
        // The constructors know these two; anything else would be a route that never matches.
        if self.method == "POST" { Method::POST } else { Method::GET }
    }
}

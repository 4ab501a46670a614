use std::future::{Ready, ready};
use std::sync::Arc;

use actix_session::SessionExt;
use actix_web::cookie::Cookie;
use actix_web::dev::Payload;
use actix_web::http::{StatusCode, header};
use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse, web};
use askama::Template;
use chrono_tz::Tz;
use tidings_domain::{Theme, UnixMs, Word};
use tidings_store::Workspace;

use crate::flash::{self, Flash};
use crate::guard::Admitted;
use crate::problem::{WebError, WebResult};
use crate::text::When;
use crate::{WebState, Who, csrf, disk, secret, text};

/// The entry of the navigation that is lit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Nav {
    #[default]
    None,
    Home,
    Campaigns,
    Lists,
    Subscribers,
    Imports,
    Suppressions,
    Bounces,
    DeadLetters,
    Deferred,
    Queues,
    Providers,
    Transport,
    Workers,
    Settings,
}

impl Nav {
    /// The word that the navigation's template knows it by.
    const fn word(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Home => "home",
            Self::Campaigns => "campaigns",
            Self::Lists => "lists",
            Self::Subscribers => "subscribers",
            Self::Imports => "imports",
            Self::Suppressions => "suppressions",
            Self::Bounces => "bounces",
            Self::DeadLetters => "dead-letters",
            Self::Deferred => "deferred",
            Self::Queues => "queues",
            Self::Providers => "providers",
            Self::Transport => "transport",
            Self::Workers => "workers",
            Self::Settings => "settings",
        }
    }
}

/// What every page knows. It is the first field (`page`) of each page struct, and an extractor:
///
/// ```text
/// async fn index(page: Page, state: web::Data<WebState>) -> WebResult<HttpResponse> {
///     let lists = page.data(&state)?.lists().await?;
///     ListsPage { page: page.titled("Lists", Nav::Lists), lists }.show()
/// }
/// ```
#[derive(Clone)]
pub struct Page {
    pub title: String,
    pub nav: Nav,
    pub who: Option<Arc<Who>>,
    /// The masked token: goes into the field `csrf` of every form and into `X-CSRF-Token`.
    pub csrf: String,
    pub flashes: Vec<Flash>,
    pub theme: Theme,
    pub now: UnixMs,
    pub zone: Tz,
    /// Passwords pass in the clear over a network.
    pub is_exposed: bool,
    /// Bytes left on the disk, when they are too few to go on.
    pub low_disk: Option<u64>,
    form_cookie: Option<Cookie<'static>>,
    is_fragment: bool,
}

/// The name of the cookie that keeps the theme of who is not signed in.
pub(crate) const THEME_COOKIE: &str = "tidings-theme";

impl Page {
    #[must_use]
    pub fn titled(mut self, title: impl Into<String>, nav: Nav) -> Self {
        self.title = title.into();
        self.nav = nav;
        self
    }

    /// The signed-in person. The guard has let only such people through to a page of [`crate::inventory::Access::SignedIn`].
    ///
    /// # Errors
    /// The route is open to others as well and nobody is signed in.
    pub fn who(&self) -> WebResult<&Who> {
        self.who.as_deref().ok_or(WebError::Forbidden("You are not signed in."))
    }

    /// Whether an admin looks at it.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.who.as_ref().is_some_and(|who| who.is_admin())
    }

    /// The data of the person's workspace.
    ///
    /// # Errors
    /// As [`Page::who`].
    pub fn data(&self, state: &WebState) -> WebResult<Workspace> {
        Ok(self.who()?.data(&state.store))
    }

    /// An instant in the workspace's zone.
    #[must_use]
    pub fn when(&self, at_ms: &i64) -> When {
        When::new(UnixMs(*at_ms), self.now, self.zone)
    }

    /// The time of day in the workspace's zone: `14:32`, with the date when it is another day.
    #[must_use]
    pub fn clock(&self, at: UnixMs) -> String {
        text::clock(at, self.now, self.zone)
    }

    /// The request came from htmx and wants a part of the page.
    #[must_use]
    pub fn is_fragment(&self) -> bool {
        self.is_fragment
    }

    #[must_use]
    pub fn is_lit(&self, nav: &str) -> bool {
        self.nav.word() == nav
    }

    #[must_use]
    pub fn theme_word(&self) -> &'static str {
        self.theme.as_str()
    }

    fn read(request: &HttpRequest) -> WebResult<Self> {
        let state = request.app_data::<web::Data<WebState>>();
        let state = state.ok_or_else(|| WebError::Internal("the app has no state".to_owned()))?;
        let who = request.extensions().get::<Admitted>().and_then(|admitted| admitted.0.clone());
        let (token, form_cookie) = match csrf::expected(request, &state.config) {
            Some(token) => (token, None),
            None => {
                let cookie = csrf::new_cookie(&state.config);
                (cookie.value().to_owned(), Some(cookie))
            }
        };
        let is_fragment = request.headers().contains_key("hx-request");
        // A fragment has no place for them: the next whole page shows them.
        let flashes = if is_fragment { Vec::new() } else { flash::take(&request.get_session()) };
        let chosen = request.cookie(THEME_COOKIE).and_then(|cookie| Theme::parse(cookie.value()).ok());
        Ok(Self {
            title: String::new(),
            nav: Nav::None,
            theme: who.as_ref().map(|who| who.theme).or(chosen).unwrap_or(Theme::Auto),
            zone: who.as_ref().map_or(Tz::UTC, |who| text::zone(&who.workspace.time_zone)),
            who,
            csrf: secret::mask(&token),
            flashes,
            now: state.now(),
            is_exposed: state.config.is_exposed(),
            low_disk: disk::low(&state.config.spool_dir),
            form_cookie,
            is_fragment,
        })
    }
}

impl FromRequest for Page {
    type Error = WebError;
    type Future = Ready<WebResult<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::read(request))
    }
}

/// A page struct: a template whose first field is `page`.
pub trait Show: Template {
    fn page(&self) -> &Page;

    /// The whole page.
    ///
    /// # Errors
    /// The template cannot be rendered.
    fn show(&self) -> WebResult<HttpResponse> {
        self.show_as(StatusCode::OK)
    }

    /// The page with a form's errors: 422, so that nobody takes it for done.
    ///
    /// # Errors
    /// The template cannot be rendered.
    fn show_errors(&self) -> WebResult<HttpResponse> {
        self.show_as(StatusCode::UNPROCESSABLE_ENTITY)
    }

    /// # Errors
    /// The template cannot be rendered.
    fn show_as(&self, status: StatusCode) -> WebResult<HttpResponse> {
        let html = self.render()?;
        let mut response = HttpResponse::build(status);
        if let Some(cookie) = &self.page().form_cookie {
            response.cookie(cookie.clone());
        }
        Ok(response.content_type("text/html; charset=utf-8").body(html))
    }
}

/// Says where a page struct has its [`Page`]: in the field `page`, as all do.
macro_rules! shows {
    ($($page:ident),+) => { $(impl $crate::page::Show for $page {
        fn page(&self) -> &$crate::page::Page {
            &self.page
        }
    })+ };
}
pub(crate) use shows;

/// A part of a page, for htmx.
///
/// # Errors
/// The template cannot be rendered.
pub fn fragment(part: &impl Template) -> WebResult<HttpResponse> {
    Ok(HttpResponse::Ok().content_type("text/html; charset=utf-8").body(part.render()?))
}

/// After a form has done its work: the browser goes on with a GET, so that reloading does not send it again.
#[must_use]
pub fn see_other(path: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, path.to_owned())).finish()
}

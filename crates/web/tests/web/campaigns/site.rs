//! The pages on a database of their own, and a browser that is signed in.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use actix_http::Request;
use actix_web::body::{BoxBody, MessageBody, to_bytes};
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::header::{self, HeaderMap};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::from_fn;
use actix_web::{App, Error, test, web};
use scraper::{Html, Selector};
use tidings_compose::Keys;
use tidings_domain::{EmailAddress, RouteKind, RouteTls, UnixMs};
use tidings_queue::{Queue, QueueOptions};
use tidings_store::{
    CampaignId, ListId, NewAdmin, NewRoute, NewSubscriber, Organisation, Store, StoreOptions, UserId, Workspace,
};
use tidings_testing::TestDatabase;
use tidings_web::{WebConfig, WebState, configure, envelope, sign_in_link};

const ORIGIN: &str = "http://127.0.0.1:8080";

/// An installation with one admin, a postal address and a relay.
pub struct Site {
    pub store: Store,
    pub data: Workspace,
    pub state: web::Data<WebState>,
    pub admin: UserId,
    _database: TestDatabase,
}

impl Site {
    pub async fn new() -> Self {
        Self::on(TestDatabase::sqlite()).await
    }

    pub async fn on(database: TestDatabase) -> Self {
        let store = Store::open(database.url(), StoreOptions::default()).await.expect("opens");
        let queue = Queue::embedded(QueueOptions::default());
        let config = WebConfig::new(ORIGIN, std::env::temp_dir());
        let state = WebState::new(store.clone(), queue, Arc::new(Keys::new(&[7; 32])), config);
        let admin = NewAdmin {
            email: "alex@acme.example".into(),
            name: "Alex Moreau".into(),
            password_hash: "none".into(),
            workspace_name: "Acme".into(),
        };
        let (admin, workspace) = store.add_admin(admin, UnixMs(1)).await.expect("an admin");
        let data = store.workspace(workspace);
        let organisation = Organisation {
            name: "Acme".into(),
            postal_address: "Keizersgracht 12, Amsterdam".into(),
            time_zone: "Europe/Amsterdam".into(),
        };
        data.save_organisation(organisation).await.expect("saved");
        data.save_sender("Acme".into(), "news@acme.example".into()).await.expect("saved");
        let site = Self { store, data, state: web::Data::new(state), admin, _database: database };
        site.add_route().await;
        site
    }

    async fn add_route(&self) {
        let relay = NewRoute {
            kind: RouteKind::Relay,
            host: "smtp.acme.example".into(),
            port: 587,
            tls: RouteTls::StartTls,
            ehlo_name: "mx.acme.example".into(),
            ..NewRoute::direct()
        };
        self.data.save_route(relay, UnixMs(1)).await.expect("saved");
    }

    /// A list with subscribers `{prefix}1@…` to `{prefix}n@…`.
    pub async fn list(&self, name: &str, prefix: &str, n: usize) -> ListId {
        let list = self.data.create_list(name.into(), String::new(), UnixMs(1)).await.expect("a list");
        for i in 1..=n {
            let person = NewSubscriber {
                email: EmailAddress::parse(&format!("{prefix}{i}@people.example")).expect("an address"),
                first_name: format!("Person {i}"),
                last_name: String::new(),
                lists: vec![list],
                source: "test".into(),
            };
            self.data.add_subscriber(person, UnixMs(1)).await.expect("added");
        }
        list
    }

    /// A browser that is signed in.
    pub async fn browser(&self) -> Browser<impl Service<Request, Response = ServiceResponse<BoxBody>, Error = Error>> {
        let app = test::init_service(App::new().wrap(from_fn(envelope)).configure(configure(self.state.clone()))).await;
        let browser = Browser { app, cookies: RefCell::default(), csrf: RefCell::default() };
        let link = sign_in_link(&self.state, self.admin).await.expect("a link");
        let path = link.strip_prefix(ORIGIN).expect("our own address");
        browser.get(path).await;
        let signed_in = browser.post(path, &[]).await;
        assert_eq!(signed_in.status, StatusCode::SEE_OTHER, "{}", signed_in.body);
        browser.get("/").await;
        browser
    }
}

/// Keeps cookies and the token of the last form that it saw.
pub struct Browser<S> {
    app: S,
    cookies: RefCell<BTreeMap<String, String>>,
    csrf: RefCell<String>,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl<S> Browser<S>
where
    S: Service<Request, Response = ServiceResponse<BoxBody>, Error = Error>,
{
    pub async fn get(&self, path: &str) -> Answer {
        self.read(self.send(Method::GET, path, None).await).await
    }

    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut form = vec![("csrf".to_owned(), self.csrf.borrow().clone())];
        form.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        self.read(self.send(Method::POST, path, Some(form)).await).await
    }

    /// The answer as it begins, its body unread: for streams.
    pub async fn open(&self, path: &str) -> ServiceResponse<BoxBody> {
        self.send(Method::GET, path, None).await
    }

    async fn send(&self, method: Method, path: &str, form: Option<Vec<(String, String)>>) -> ServiceResponse<BoxBody> {
        let cookies: Vec<String> =
            self.cookies.borrow().iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request = test::TestRequest::default()
            .method(method)
            .uri(path)
            .insert_header((header::COOKIE, cookies.join("; ")))
            .insert_header(("sec-fetch-site", "same-origin"));
        if let Some(form) = form {
            request = request.set_form(form);
        }
        let response = match self.app.call(request.to_request()).await {
            Ok(response) => response,
            Err(error) => panic!("{path}: {error}"),
        };
        for cookie in response.response().cookies() {
            self.cookies.borrow_mut().insert(cookie.name().to_owned(), cookie.value().to_owned());
        }
        response
    }

    async fn read(&self, response: ServiceResponse<BoxBody>) -> Answer {
        let (status, headers) = (response.status(), response.headers().clone());
        let octets = match to_bytes(response.into_body()).await {
            Ok(octets) => octets,
            Err(error) => panic!("a body that cannot be read: {error}"),
        };
        let body = String::from_utf8(octets.to_vec()).expect("text");
        if let Some(token) = Html::parse_document(&body).select(&select("input[name=csrf]")).next() {
            *self.csrf.borrow_mut() = token.attr("value").unwrap_or_default().to_owned();
        }
        Answer { status, headers, body }
    }
}

fn select(css: &str) -> Selector {
    Selector::parse(css).expect("a selector")
}

impl Answer {
    /// The texts of all elements that the selector finds, white space collapsed.
    pub fn texts(&self, css: &str) -> Vec<String> {
        let page = Html::parse_document(&self.body);
        page.select(&select(css)).map(|e| squeezed(&e.text().collect::<String>())).collect()
    }

    pub fn text(&self, css: &str) -> String {
        self.texts(css).into_iter().next().unwrap_or_default()
    }

    pub fn has(&self, css: &str) -> bool {
        Html::parse_document(&self.body).select(&select(css)).next().is_some()
    }

    pub fn attr(&self, css: &str, name: &str) -> String {
        let page = Html::parse_document(&self.body);
        page.select(&select(css)).next().and_then(|e| e.attr(name)).unwrap_or_default().to_owned()
    }

    pub fn location(&self) -> &str {
        self.headers.get(header::LOCATION).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The campaign's number out of `/campaigns/7`.
pub fn id_in(location: &str) -> CampaignId {
    let digits = location.trim_start_matches("/campaigns/");
    CampaignId(digits.parse().unwrap_or_else(|_| panic!("no campaign in {location:?}")))
}

/// The next chunk of a stream.
pub async fn next_chunk(body: &mut std::pin::Pin<Box<BoxBody>>) -> String {
    let chunk = std::future::poll_fn(|cx| body.as_mut().poll_next(cx)).await;
    let octets = chunk.expect("the stream goes on").unwrap_or_else(|e| panic!("{e}"));
    String::from_utf8(octets.to_vec()).expect("text")
}

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use actix_web::body::BoxBody;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::middleware::from_fn;
use actix_web::{App, Error, test, web};
use futures_util::future::BoxFuture;
use serde_json::Value;
use tidings_compose::{Keys, TokenKind};
use tidings_domain::{Service as Sender, UnixMs};
use tidings_queue::Queue;
use tidings_store::*;
use tidings_testing::TestDatabase;
use tidings_web::{Fetch, WebConfig, WebState, configure, envelope};

/// Addresses and what they answer; what was asked is written down.
#[derive(Default)]
pub struct Scripted {
    pub answers: Mutex<HashMap<String, Result<Vec<u8>, String>>>,
    pub asked: Mutex<Vec<String>>,
}

impl Fetch for Scripted {
    fn fetch(&self, url: String, most_bytes: usize) -> BoxFuture<'static, Result<Vec<u8>, String>> {
        let answer = self.answers.lock().unwrap().get(&url).cloned().unwrap_or(Err("nobody is there".to_owned()));
        self.asked.lock().unwrap().push(url);
        Box::pin(async move { answer.map(|octets| octets.into_iter().take(most_bytes).collect()) })
    }
}

pub struct Site {
    pub database: TestDatabase,
    pub state: web::Data<WebState>,
    pub internet: Arc<Scripted>,
    pub workspace: Workspace,
}

impl Site {
    pub async fn on(database: TestDatabase) -> Self {
        let store = Store::open(database.url(), StoreOptions::default()).await.unwrap();
        let admin = NewAdmin {
            email: "ana@bakery.example".into(),
            name: "Ana".into(),
            password_hash: String::new(),
            workspace_name: "Bakery".into(),
        };
        let (_, workspace) = store.add_admin(admin, UnixMs(1)).await.unwrap();
        let workspace = store.workspace(workspace);
        let internet = Arc::new(Scripted::default());
        let config = WebConfig::new("https://mail.example.org", "/nowhere");
        let state = WebState::new(store, Queue::embedded(Default::default()), Arc::new(Keys::new(&[7; 32])), config);
        let state = state.with_fetch(Arc::clone(&internet) as Arc<dyn Fetch>);
        Self { database, state: web::Data::new(state), internet, workspace }
    }

    pub async fn new() -> Self {
        Self::on(TestDatabase::sqlite()).await
    }

    pub async fn webhook(&self, service: Sender, key: &str) -> WebhookId {
        let context = Webhook::proof_context(self.workspace.id());
        let proof_sealed = if key.is_empty() { String::new() } else { self.state.keys.seal_secret(&context, key) };
        let new = NewWebhook { service, name: format!("{service} {key}"), proof_sealed, by: "Ana".into() };
        match self.workspace.add_webhook(new, UnixMs(1)).await.unwrap() {
            AddedWebhook::Yes(id) => id,
            other => panic!("{other:?}"),
        }
    }

    pub fn path(&self, service: Sender, webhook: WebhookId) -> String {
        format!("/hooks/{service}/{}", self.state.keys.seal(TokenKind::Webhook, webhook.0))
    }

    pub async fn service(
        &self,
    ) -> impl Service<actix_http::Request, Response = ServiceResponse<BoxBody>, Error = Error> + use<> {
        test::init_service(App::new().wrap(from_fn(envelope)).configure(configure(self.state.clone()))).await
    }

    /// Posts, and gives back the status and what the answer says.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)], body: impl Into<Vec<u8>>) -> (StatusCode, Value) {
        let app = self.service().await;
        let mut request = test::TestRequest::post().uri(path).set_payload(body.into());
        for (name, value) in fields {
            request = request.insert_header((*name, *value));
        }
        let response = test::call_service(&app, request.to_request()).await;
        let is_retried = matches!(response.status().as_u16(), 429 | 503);
        assert_eq!(response.headers().contains_key("retry-after"), is_retried);
        assert!(!response.headers().contains_key("set-cookie"));
        let status = response.status();
        (status, serde_json::from_slice(&test::read_body(response).await).unwrap_or_default())
    }

    pub async fn row(&self, webhook: WebhookId) -> Webhook {
        self.state.flush_responses().await;
        self.workspace.webhook(webhook).await.unwrap()
    }

    pub async fn reports(&self) -> Vec<ReportRow> {
        self.workspace.reports(ReportFilter::default(), None, 100).await.unwrap()
    }
}

/// Seconds since 1970, now.
pub fn seconds() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

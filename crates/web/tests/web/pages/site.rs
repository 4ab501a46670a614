use std::sync::Arc;

use actix_web::body::BoxBody;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::middleware::from_fn;
use actix_web::{App, Error, test, web};
use tidings_compose::Keys;
use tidings_domain::UnixMs;
use tidings_queue::{Queue, QueueOptions};
use tidings_store::{NewAdmin, Store, StoreOptions, UserId, Workspace, WorkspaceId};
use tidings_testing::TestDatabase;
use tidings_web::{Ops, WebConfig, WebState, configure, envelope};

pub const PUBLIC_URL: &str = "https://mail.example.org";

/// An instance with a database of its own.
pub struct Site {
    _database: TestDatabase,
    pub state: web::Data<WebState>,
}

impl Site {
    /// Nobody is set up yet.
    pub async fn fresh() -> Self {
        Self::on(TestDatabase::sqlite(), PUBLIC_URL).await
    }

    pub async fn on(database: TestDatabase, public_url: &str) -> Self {
        let store = Store::open(database.url(), StoreOptions::default()).await.expect("opens");
        let queue = Queue::embedded(QueueOptions::default());
        let config = WebConfig::new(public_url, std::env::temp_dir());
        let state = WebState::new(store, queue, Arc::new(Keys::new(&[7; 32])), config);
        Self { _database: database, state: web::Data::new(state) }
    }

    /// With Ana as its admin.
    pub async fn with_ana() -> (Self, UserId) {
        let site = Self::fresh().await;
        let (ana, _) = site.add_ana().await;
        (site, ana)
    }

    pub async fn add_ana(&self) -> (UserId, WorkspaceId) {
        let admin = NewAdmin {
            email: "ana@bakery.example".into(),
            name: "Ana Silva".into(),
            password_hash: String::new(),
            workspace_name: "Bakery North".into(),
        };
        self.state.store.add_admin(admin, UnixMs(1)).await.expect("is new")
    }

    pub async fn data(&self) -> Workspace {
        let first = self.state.store.first_workspace().await.expect("reads").expect("is there");
        self.state.store.workspace(first.id)
    }

    /// With probes of another process.
    pub async fn service_with(
        &self,
        ops: Ops,
    ) -> impl Service<actix_http::Request, Response = ServiceResponse<BoxBody>, Error = Error> + use<> {
        let state = WebState::new(
            self.state.store.clone(),
            self.state.queue.clone(),
            Arc::clone(&self.state.keys),
            self.state.config.clone(),
        );
        let state = web::Data::new(state.with_ops(Arc::new(ops)));
        test::init_service(App::new().wrap(from_fn(envelope)).configure(configure(state))).await
    }

    pub async fn service(
        &self,
    ) -> impl Service<actix_http::Request, Response = ServiceResponse<BoxBody>, Error = Error> + use<> {
        test::init_service(App::new().wrap(from_fn(envelope)).configure(configure(self.state.clone()))).await
    }
}

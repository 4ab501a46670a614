//! An installation in the middle of its work, made by hand: something of everything that a page can show. For the tests that look
//! at pages, which would else show their empty states.

mod campaign;
mod reports;
mod sending;
mod settings;
mod workers;

use std::net::TcpListener;
use std::sync::Arc;

use anyhow::Context;
use tidings_compose::Keys;
use tidings_domain::{ProcessRole, UnixMs};
use tidings_queue::{Queue, QueueOptions};
use tidings_store::{NewAdmin, Organisation, Store, StoreOptions, Workspace};
use tidings_testing::TestDatabase;
use tidings_web::{Ops, WebConfig, WebState, sign_in_link};
use tokio_util::sync::CancellationToken;

use crate::crash::pages::Pages;

/// The pages over a database and a queue that stand still: nobody sends, dispatches or reads.
pub struct Showcase {
    pub url: String,
    /// Good for one browser.
    pub sign_in: String,
    stop: CancellationToken,
    server: tokio::task::JoinHandle<std::io::Result<()>>,
    workers: tokio::task::JoinHandle<()>,
    _database: TestDatabase,
    _spool: tempfile::TempDir,
}

/// What fills it.
struct Scene {
    store: Store,
    queue: Queue,
    data: Workspace,
    pages: Pages,
    now: UnixMs,
}

impl Showcase {
    /// # Errors
    /// Something of it is not taken.
    pub async fn start() -> anyhow::Result<Self> {
        let (database, spool) = (TestDatabase::sqlite(), tempfile::tempdir()?);
        let store = Store::open(database.url(), StoreOptions::default()).await?;
        let queue = Queue::embedded(QueueOptions::default());
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let url = format!("http://{address}");
        let state = || {
            let ops = Ops::new(store.clone(), queue.clone(), ProcessRole::Web).sharing_queue(true);
            let config = WebConfig::new(&url, spool.path());
            let keys = Arc::new(Keys::new(&[7; 32]));
            WebState::new(store.clone(), queue.clone(), keys, config).with_ops(Arc::new(ops))
        };
        let (stop, links) = (CancellationToken::new(), state());
        let server = tokio::spawn(tidings_web::run(listener, state(), stop.clone()));
        let (admin, workspace) = store.add_admin(ana(), UnixMs(1)).await?;
        let link = async || sign_in_link(&links, admin).await.map_err(|error| anyhow::anyhow!("{error:?}"));
        let path = link().await?.strip_prefix(&url).context("our own address")?.to_owned();
        let pages = Pages::sign_in(vec![address], &path).await?;
        let data = store.workspace(workspace);
        Scene { store: store.clone(), queue: queue.clone(), data, pages, now: links.now() }.fill().await?;
        workers::beat(&store).await?;
        let workers = tokio::spawn(workers::live(store.clone(), stop.clone()));
        let sign_in = link().await?;
        Ok(Self { url, sign_in, stop, server, workers, _database: database, _spool: spool })
    }

    /// # Errors
    /// The server had stopped before.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.stop.cancel();
        self.workers.await?;
        Ok(self.server.await??)
    }
}

fn ana() -> NewAdmin {
    NewAdmin {
        email: "ana@harbour.example".into(),
        name: "Ana Silva".into(),
        password_hash: String::new(),
        workspace_name: "Harbour Shop".into(),
    }
}

impl Scene {
    async fn fill(self) -> anyhow::Result<()> {
        let organisation = Organisation {
            name: "Harbour Shop".into(),
            postal_address: "1 Harbour Street, Porto".into(),
            time_zone: "Europe/Lisbon".into(),
        };
        self.data.save_organisation(organisation).await?;
        self.data.save_sender("Harbour Shop".into(), "news@harbour.example".into()).await?;
        self.routes().await?;
        let sent = self.campaign().await?;
        self.queue_and_pace().await?;
        self.reports(&sent).await?;
        self.settings().await?;
        self.orders().await
    }

    async fn press(&self, path: &str, fields: &[(&str, &str)]) -> anyhow::Result<()> {
        let answer = self.pages.post(0, path, fields).await?;
        anyhow::ensure!(answer.is_redirection(), "{path} was answered with {answer}");
        Ok(())
    }

    fn ago(&self, ms: i64) -> UnixMs {
        UnixMs(self.now.0 - ms)
    }
}

//! An installation with routes, a receiver that writes down who comes, and both databases to play it on.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use tidings_bounce::ProviderBook;
use tidings_compose::Keys;
use tidings_delivery::{Resolver, ResolverOptions, StsOptions, TlsClients};
use tidings_domain::{
    CampaignState, EmailAddress, Lane, ProviderLimits, ProviderTable, RetryPolicy, RouteKind, RouteTls, Shared,
};
use tidings_queue::{Queue, QueueOptions};
use tidings_store::*;
use tidings_testing::{DnsScript, DnsServer, Received, SmtpScript, SmtpServer, TestDatabase};
use tidings_worker::{
    Dispatcher, DispatcherOptions, Sender, SenderOptions, SenderParts, SiteOptions, TargetOptions, now,
};
use tokio_util::sync::CancellationToken;

/// Longer than anything here takes.
pub const PATIENCE: Duration = Duration::from_secs(60);
pub const LOOK_EVERY: Duration = Duration::from_millis(20);
pub const KEY: [u8; 32] = [7; 32];

pub struct World {
    pub store: Store,
    pub data: Workspace,
    pub peer: SmtpServer,
    _dns: DnsServer,
    resolver: Resolver,
    book: Shared<ProviderBook>,
    stop: CancellationToken,
    _database: TestDatabase,
}

/// On both backends.
pub async fn each<F: AsyncFn(World)>(script: impl Fn() -> SmtpScript, test: F) {
    for database in TestDatabase::each() {
        test(World::new(database, script()).await).await;
    }
}

impl World {
    pub async fn new(database: TestDatabase, script: SmtpScript) -> Self {
        let store = Store::open(database.url(), StoreOptions::default()).await.expect("opens");
        let admin = NewAdmin {
            email: "alex@acme.example".into(),
            name: "Alex".into(),
            password_hash: "none".into(),
            workspace_name: "Acme".into(),
        };
        let (_, id) = store.add_admin(admin, now()).await.expect("an admin");
        let peer = script.start().await;
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let dns =
            DnsScript::new().mx("people.example", &[(10, "mx.people.example")]).address("mx.people.example", here);
        let dns = dns.start().await;
        let book = Shared::new(ProviderBook::of(quick_table()));
        let options = ResolverOptions {
            nameservers: vec![dns.addr],
            smtp_port: peer.addr.port(),
            allow_private_targets: true,
            ..ResolverOptions::default()
        };
        let resolver = Resolver::new(options, Arc::clone(&book.current().table)).expect("a resolver");
        let (data, stop) = (store.workspace(id), CancellationToken::new());
        Self { store, data, peer, _dns: dns, resolver, book, stop, _database: database }
    }

    pub async fn route(&self, name: &str, route: NewRoute) -> RouteId {
        match self.data.add_route(name.into(), route, now()).await.expect("adds") {
            SavedRoute::Yes(id) => id,
            other => panic!("{other:?}"),
        }
    }

    /// A direct route from `127.0.0.n`, which calls itself `mx-n.example`.
    pub async fn from(&self, n: u8, more: NewRoute) -> RouteId {
        let route = NewRoute { source_v4: format!("127.0.0.{n}"), ehlo_name: format!("mx-{n}.example"), ..more };
        self.route(&format!("From {n}"), route).await
    }

    pub async fn relay(&self, username: &str) -> RouteId {
        let password = Keys::new(&KEY).seal_secret(&Route::password_context(self.data.id()), "wrong");
        let relay = NewRoute {
            kind: RouteKind::Relay,
            host: "127.0.0.1".into(),
            port: self.peer.addr.port(),
            tls: RouteTls::None,
            username: username.into(),
            password_sealed: Some(password),
            // The first to sign in is the only one that tries.
            max_connections: 1,
            ..NewRoute::direct()
        };
        self.route("Relay", relay).await
    }

    pub async fn pool(&self, shares: &[(RouteId, i32)]) {
        let pool = NewPool { name: "All".into(), shares: shares.to_vec() };
        let SavedPool::Yes(id) = self.data.save_pool(None, pool, now()).await.expect("saves") else {
            panic!("not saved")
        };
        assert!(self.data.choose_default_way(Way::Pool(id)).await.expect("chooses"));
    }

    /// To `p1@people.example` and so on.
    pub async fn launch(&self, people: usize) -> CampaignId {
        let list = self.data.create_list("Readers".into(), String::new(), now()).await.expect("a list");
        for n in 1..=people {
            let person = NewSubscriber {
                email: EmailAddress::parse(&format!("p{n}@people.example")).expect("an address"),
                first_name: String::new(),
                last_name: String::new(),
                lists: vec![list],
                source: "test".into(),
            };
            self.data.add_subscriber(person, now()).await.expect("added");
        }
        let new = NewCampaign {
            details: CampaignDetails { name: "Spring".into(), ..CampaignDetails::default() },
            content: CampaignBody::default(),
        };
        let id = self.data.create_campaign(new, "alex", now()).await.expect("a draft");
        let version = self.data.campaign_head(id).await.expect("reads").version;
        self.data.save_recipients(id, version, vec![list], Vec::new(), "alex", now()).await.expect("saves");
        let content = FrozenContent {
            subject: "Hello".into(),
            from_email: "news@acme.example".into(),
            html: "<p>Hello</p>".into(),
            text: "Hello".into(),
            postal_address: "1 Test Road".into(),
            list_name: "Readers".into(),
            links: "[]".into(),
            ..FrozenContent::default()
        };
        let launch = Launch { content, route: None, expected_version: version + 1, by: "alex".into() };
        let launched = self.data.launch(id, launch, now()).await.expect("launches");
        assert!(matches!(launched, Launched::Yes { .. }), "{launched:?}");
        id
    }

    /// One process with a dispatcher and a worker.
    pub fn start(&self) -> Running {
        let queue = Queue::embedded(QueueOptions::default());
        let stop = self.stop.child_token();
        let dispatcher = Dispatcher::new(
            self.store.clone(),
            queue.clone(),
            self.resolver.clone(),
            self.book.clone(),
            DispatcherOptions { idle_rest: LOOK_EVERY, ..DispatcherOptions::default() },
        );
        let sender = Sender::new(SenderParts {
            store: self.store.clone(),
            queue: queue.clone(),
            resolver: self.resolver.clone(),
            keys: Arc::new(Keys::new(&KEY)),
            book: self.book.clone(),
            site: SiteOptions { public_url: "https://mail.acme.example".into(), bounce_domain: None },
            targets: TargetOptions {
                ehlo_name: "localhost".into(),
                source_ip: None,
                tls: TlsClients::new(&[]).expect("TLS"),
                sts: StsOptions::default(),
            },
            options: SenderOptions {
                retry: quick,
                longest_hold: Duration::from_millis(100),
                ..SenderOptions::new("w1".into(), 8)
            },
        });
        let tasks = vec![tokio::spawn(dispatcher.run(stop.clone())), tokio::spawn(sender.run(stop.clone()))];
        Running { queue, stop, tasks }
    }

    pub async fn beat(&self) {
        self.beat_as("w1").await;
    }

    pub async fn beat_as(&self, worker: &str) {
        let beat = Heartbeat {
            id: worker.into(),
            role: "serve".into(),
            host: "host".into(),
            version: "1".into(),
            started_at_ms: now().0,
            heartbeat_at_ms: now().plus(PATIENCE).0,
            connections: 0,
            attempts: 0,
            max_connections: 8,
            attempts_per_minute: 0,
            lanes: String::new(),
        };
        self.store.beat(beat).await.expect("beats");
    }

    pub async fn done(&self, id: CampaignId) -> Vec<Received> {
        until("the campaign is done", async || {
            self.data.campaign_head(id).await.expect("reads").state == CampaignState::Done
        })
        .await;
        self.peer.messages()
    }

    pub fn accepted(&self) -> usize {
        self.peer.messages().iter().filter(|message| message.accepted).count()
    }
}

/// What [`World::start`] started.
pub struct Running {
    pub queue: Queue,
    stop: CancellationToken,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Running {
    pub async fn end(self) {
        self.stop.cancel();
        for task in self.tasks {
            task.await.expect("ends");
        }
    }

    /// What the queue counts of the present day for a route, or for the destination of `people.example` on it.
    pub async fn used_today(&self, route: RouteId) -> u32 {
        let seen = self.queue.snapshot().await;
        let names = [destination(route), format!("relay:{route}")];
        let shards = seen.shards.iter().filter(|s| names.contains(&s.shard.name.to_string())).flat_map(|s| &s.windows);
        let routes = seen.routes.iter().filter(|r| r.route == route.to_string()).flat_map(|r| &r.windows);
        shards.chain(routes).map(|window| window.used).max().unwrap_or(0)
    }
}

pub fn destination(route: RouteId) -> String {
    format!("mx:people.example@{route}")
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A receiver that nobody has heard of takes two messages a second: nothing for a test to wait for.
pub fn quick_table() -> ProviderTable {
    let limits = ProviderLimits { per_second: 1_000.0, connections: 8, messages_per_connection: 100 };
    ProviderTable::builtin().and_then(|table| table.changed(Some(limits), &[])).expect("a table")
}

pub fn quick(lane: Lane) -> RetryPolicy {
    RetryPolicy { waits: vec![Duration::from_millis(50)], ..RetryPolicy::for_lane(lane) }
}

pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let looking = async {
        while !holds().await {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}"));
}

/// Everybody got one message.
pub fn check_once(messages: &[Received], people: usize) {
    let accepted: Vec<&str> = messages.iter().filter(|m| m.accepted).map(|m| m.rcpt_to.as_str()).collect();
    let different: BTreeSet<&str> = accepted.iter().copied().collect();
    assert_eq!((accepted.len(), different.len()), (people, people), "nothing lost and nothing doubled");
}

pub fn by_source(messages: &[Received]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for message in messages {
        let from = message.client.map(|ip| ip.to_string()).unwrap_or_default();
        *counts.entry(format!("{from} {}", message.hello)).or_default() += 1;
    }
    counts
}

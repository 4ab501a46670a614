//! Routes and pools from the launch to the wire: real databases, a scripted mail server that sees who comes, and routes that fail in the
//! middle of a campaign.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use tidings_bounce::ProviderBook;
use tidings_compose::Keys;
use tidings_delivery::{Resolver, ResolverOptions, StsOptions, TlsClients};
use tidings_domain::{
    CampaignState, EmailAddress, Lane, ProviderLimits, ProviderTable, RetryPolicy, RouteKind, RouteTls, Shared, UnixMs,
    WarmUpPlan,
};
use tidings_queue::{Queue, QueueOptions, Scope, Shard, Signal};
use tidings_store::*;
use tidings_testing::{Act, DnsScript, DnsServer, Received, SmtpScript, SmtpServer, TestDatabase};
use tidings_worker::{
    Dispatcher, DispatcherOptions, Sender, SenderOptions, SenderParts, SiteOptions, TargetOptions, now,
};
use tokio_util::sync::CancellationToken;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);
const KEY: [u8; 32] = [7; 32];

struct World {
    store: Store,
    data: Workspace,
    peer: SmtpServer,
    _dns: DnsServer,
    resolver: Resolver,
    book: Shared<ProviderBook>,
    stop: CancellationToken,
    _database: TestDatabase,
}

/// On both backends.
async fn each<F: AsyncFn(World)>(script: impl Fn() -> SmtpScript, test: F) {
    for database in TestDatabase::each() {
        test(World::new(database, script()).await).await;
    }
}

impl World {
    async fn new(database: TestDatabase, script: SmtpScript) -> Self {
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

    async fn route(&self, name: &str, route: NewRoute) -> RouteId {
        match self.data.add_route(name.into(), route, now()).await.expect("adds") {
            SavedRoute::Yes(id) => id,
            other => panic!("{other:?}"),
        }
    }

    /// A direct route from `127.0.0.n`, which calls itself `mx-n.example`.
    async fn from(&self, n: u8, more: NewRoute) -> RouteId {
        let route = NewRoute { source_v4: format!("127.0.0.{n}"), ehlo_name: format!("mx-{n}.example"), ..more };
        self.route(&format!("From {n}"), route).await
    }

    async fn relay(&self, username: &str) -> RouteId {
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

    async fn pool(&self, shares: &[(RouteId, i32)]) {
        let pool = NewPool { name: "All".into(), shares: shares.to_vec() };
        let SavedPool::Yes(id) = self.data.save_pool(None, pool, now()).await.expect("saves") else {
            panic!("not saved")
        };
        assert!(self.data.choose_default_way(Way::Pool(id)).await.expect("chooses"));
    }

    /// To `p1@people.example` and so on.
    async fn launch(&self, people: usize) -> CampaignId {
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
    fn start(&self) -> Running {
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

    async fn beat(&self) {
        self.beat_as("w1").await;
    }

    async fn beat_as(&self, worker: &str) {
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

    async fn done(&self, id: CampaignId) -> Vec<Received> {
        until("the campaign is done", async || {
            self.data.campaign_head(id).await.expect("reads").state == CampaignState::Done
        })
        .await;
        self.peer.messages()
    }

    fn accepted(&self) -> usize {
        self.peer.messages().len()
    }
}

/// What [`World::start`] started.
struct Running {
    queue: Queue,
    stop: CancellationToken,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Running {
    async fn end(self) {
        self.stop.cancel();
        for task in self.tasks {
            task.await.expect("ends");
        }
    }

    /// What the queue counts of the present day for the destination of `people.example` on a route.
    async fn used_today(&self, route: RouteId) -> u32 {
        let seen = self.queue.snapshot().await;
        let name = destination(route);
        let shard = seen.shards.iter().find(|status| *status.shard.name == *name);
        shard.map_or(0, |status| status.windows.iter().map(|window| window.used).max().unwrap_or(0))
    }
}

fn destination(route: RouteId) -> String {
    format!("mx:people.example@{route}")
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A receiver that nobody has heard of takes two messages a second: nothing for a test to wait for.
fn quick_table() -> ProviderTable {
    let limits = ProviderLimits { per_second: 1_000.0, connections: 8, messages_per_connection: 100 };
    ProviderTable::builtin().and_then(|table| table.changed(Some(limits), &[])).expect("a table")
}

fn quick(lane: Lane) -> RetryPolicy {
    RetryPolicy { waits: vec![Duration::from_millis(50)], ..RetryPolicy::for_lane(lane) }
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let looking = async {
        while !holds().await {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}"));
}

/// Everybody got one message.
fn check_once(messages: &[Received], people: usize) {
    let accepted: Vec<&str> = messages.iter().filter(|m| m.accepted).map(|m| m.rcpt_to.as_str()).collect();
    let different: BTreeSet<&str> = accepted.iter().copied().collect();
    assert_eq!((accepted.len(), different.len()), (people, people), "nothing lost and nothing doubled");
}

fn by_source(messages: &[Received]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for message in messages {
        let from = message.client.map(|ip| ip.to_string()).unwrap_or_default();
        *counts.entry(format!("{from} {}", message.hello)).or_default() += 1;
    }
    counts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn routes_share_a_campaign_by_weight_each_from_its_own_address_under_its_own_name() {
    const PEOPLE: usize = 200;
    each(SmtpScript::new, async |w: World| {
        w.beat().await;
        let (a, b) = (w.from(2, NewRoute::direct()).await, w.from(3, NewRoute::direct()).await);
        // Nobody has this address: it takes no part.
        let away = w.route("Away", NewRoute { source_v4: "192.0.2.1".into(), ..NewRoute::direct() }).await;
        w.pool(&[(a, 3), (b, 1), (away, 50)]).await;
        let id = w.launch(PEOPLE).await;
        w.start();
        let messages = w.done(id).await;
        check_once(&messages, PEOPLE);
        let sources = by_source(&messages);
        assert_eq!(sources.keys().collect::<Vec<_>>(), ["127.0.0.2 mx-2.example", "127.0.0.3 mx-3.example"]);
        let share = sources["127.0.0.2 mx-2.example"];
        assert!((120..=180).contains(&share), "three quarters, six standard deviations: {sources:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_route_has_not_sent_is_sent_by_another_when_it_is_switched_off() {
    const PEOPLE: usize = 120;
    each(SmtpScript::new, async |w: World| {
        w.beat().await;
        // Of these 20, a tenth are the first lane's.
        let a = w.from(2, NewRoute { max_per_day: 20, ..NewRoute::direct() }).await;
        let b = w.from(3, NewRoute::direct()).await;
        w.pool(&[(a, 1), (b, 1)]).await;
        let id = w.launch(PEOPLE).await;
        w.start();
        let from_a = || w.peer.messages().iter().filter(|m| m.hello == "mx-2.example").count();
        until("a has sent what it may", async || from_a() == 18).await;
        let waiting = w.store.queued_on_route(id, a, DeliveryId(0), 1_000).await.expect("reads").len();
        assert!(waiting > 10, "{waiting} wait for it");
        w.data.enable_route(a, false, now()).await.expect("switches off");
        let messages = w.done(id).await;
        check_once(&messages, PEOPLE);
        assert_eq!(from_a(), 18);
        let events = w.data.overview(id).await.expect("reads").events;
        let told: Vec<&str> = events.iter().map(|e| e.what.as_str()).filter(|what| what.contains("From 2")).collect();
        assert_eq!(told, ["what has not been sent leaves by other routes than “From 2”: it is switched off"]);
        assert_eq!(w.store.miscounts(id).await.expect("counts"), []);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_greylisted_delivery_comes_back_from_the_same_address() {
    const PEOPLE: usize = 40;
    let greylists =
        || (0..PEOPLE).fold(SmtpScript::new(), |script, _| script.once("RCPT", Act::reply("451 4.7.1 greylisted")));
    each(greylists, async |w: World| {
        w.beat().await;
        let (a, b) = (w.from(2, NewRoute::direct()).await, w.from(3, NewRoute::direct()).await);
        w.pool(&[(a, 1), (b, 1)]).await;
        let id = w.launch(PEOPLE).await;
        w.start();
        let messages = w.done(id).await;
        check_once(&messages, PEOPLE);
        let mut seen = BTreeMap::<String, BTreeSet<Option<IpAddr>>>::new();
        let attempts = w.peer.recipients();
        assert_eq!(attempts.len(), 2 * PEOPLE);
        for (client, recipient) in attempts {
            seen.entry(recipient).or_default().insert(client);
        }
        assert!(seen.values().all(|clients| clients.len() == 1), "{seen:?}");
        assert_eq!(by_source(&messages).len(), 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_opens_the_breaker_and_costs_nobody_an_attempt() {
    const PEOPLE: usize = 30;
    let refuses = || {
        SmtpScript::new()
            .capabilities(&["PIPELINING", "AUTH PLAIN LOGIN"])
            .once("AUTH", Act::reply("535 5.7.8 Authentication credentials invalid"))
    };
    each(refuses, async |w: World| {
        w.beat().await;
        let relay = w.relay("acme").await;
        let id = w.launch(PEOPLE).await;
        w.start();
        until("the breaker is open", async || {
            w.store.breakers().await.expect("reads").get(&relay).is_some_and(|known| known.breaker.opened_at.is_some())
        })
        .await;
        let known = w.store.breakers().await.expect("reads").remove(&relay).expect("is known");
        assert!(known.why.contains("535 5.7.8 Authentication credentials invalid"), "{}", known.why);
        let head = w.data.campaign_head(id).await.expect("reads");
        assert_eq!((head.paused_at_ms, w.accepted()), (None, 0));
        let open = w.store.open_jobs(DeliveryId(0), 100).await.expect("reads");
        assert!(open.iter().all(|open| open.job.attempt == 0 && open.due.is_none()), "queued, as if nothing had been");
        w.data.reset_breaker(relay).await.expect("resets");
        check_once(&w.done(id).await, PEOPLE);
        assert!(w.store.breakers().await.expect("reads").is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cold_route_sends_its_day_and_warm_ones_the_rest() {
    const PEOPLE: usize = 100;
    each(SmtpScript::new, async |w: World| {
        w.beat().await;
        let plan = WarmUpPlan { start: 20, growth_percent: 150, full: 1_000 };
        let cold = w.from(2, NewRoute { warm_up: Some(plan), ..NewRoute::direct() }).await;
        let warm = w.from(3, NewRoute::direct()).await;
        w.pool(&[(cold, 1), (warm, 1)]).await;
        let id = w.launch(PEOPLE).await;
        w.start();
        let messages = w.done(id).await;
        check_once(&messages, PEOPLE);
        let sources = by_source(&messages);
        let by_cold = sources.get("127.0.0.2 mx-2.example").copied().unwrap_or(0);
        assert!((10..=18).contains(&by_cold), "at most its day, without the first lane's tenth: {sources:?}");
        let standing = w.store.warm_ups().await.expect("reads");
        assert_eq!((standing.len(), standing[0].day), (1, 1));
        assert_eq!(standing[0].figures.accepted, u64::try_from(by_cold).expect("small"));
        assert_eq!(standing[0].date, UnixMs(now().0).utc_date());
    })
    .await;
}

/// A new process begins with an empty queue; what its forerunner sent today still counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_gives_a_cold_route_no_second_day() {
    const DAY: usize = 18;
    each(SmtpScript::new, async |w: World| {
        w.beat().await;
        let plan = WarmUpPlan { start: 20, growth_percent: 150, full: 1_000 };
        let cold = w.from(2, NewRoute { warm_up: Some(plan), ..NewRoute::direct() }).await;
        w.pool(&[(cold, 1)]).await;
        w.launch(60).await;
        let first = w.start();
        until("the day is used up", async || w.accepted() == DAY).await;
        first.end().await;
        let second = w.start();
        until("the queue knows of it", async || second.used_today(cold).await as usize >= DAY).await;
        second.end().await;
        assert_eq!(w.accepted(), DAY, "nothing more on this day");
    })
    .await;
}

/// The only worker with a route's address goes away in the middle of a campaign.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_route_without_worker_has_not_sent_is_sent_by_another() {
    const PEOPLE: usize = 60;
    each(SmtpScript::new, async |w: World| {
        w.beat().await;
        w.beat_as("w2").await;
        let a = w.route("Far", NewRoute { source_v4: "192.0.2.1".into(), ..NewRoute::direct() }).await;
        let b = w.from(3, NewRoute::direct()).await;
        w.pool(&[(a, 1), (b, 1)]).await;
        w.store.report_route_workers("w2", vec![(a, String::new())]).await.expect("reports");
        let id = w.launch(PEOPLE).await;
        w.start();
        until("all but the far route's are sent", async || {
            let far = w.store.queued_on_route(id, a, DeliveryId(0), 1_000).await.expect("reads").len();
            far > 10 && far + w.accepted() == PEOPLE
        })
        .await;
        w.store.report_route_workers("w2", vec![(a, "the address is gone".into())]).await.expect("reports");
        check_once(&w.done(id).await, PEOPLE);
        let events = w.data.overview(id).await.expect("reads").events;
        let told: Vec<&str> = events.iter().map(|e| e.what.as_str()).filter(|what| what.contains("Far")).collect();
        assert_eq!(told, ["what has not been sent leaves by other routes than “Far”: no worker has its address"]);
    })
    .await;
}

/// A receiver that holds one route for hours is reached by the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_route_held_for_long_has_not_sent_is_sent_by_another() {
    const PEOPLE: usize = 60;
    each(SmtpScript::new, async |w: World| {
        w.beat().await;
        let a = w.from(2, NewRoute { max_per_day: 10, ..NewRoute::direct() }).await;
        let b = w.from(3, NewRoute::direct()).await;
        w.pool(&[(a, 1), (b, 1)]).await;
        let id = w.launch(PEOPLE).await;
        let running = w.start();
        let from_a = || w.peer.messages().iter().filter(|m| m.hello == "mx-2.example").count();
        until("a has sent what it may", async || from_a() == 9).await;
        let hold = Signal::hold(Scope::Destination, Duration::from_secs(3_600), "421 4.7.0 come back later");
        running.queue.signal(&Shard::new(2, destination(a)), hold).await;
        check_once(&w.done(id).await, PEOPLE);
        assert_eq!(from_a(), 9);
        let events = w.data.overview(id).await.expect("reads").events;
        let told: Vec<&str> = events.iter().map(|e| e.what.as_str()).filter(|what| what.contains("From 2")).collect();
        let [told] = told[..] else { panic!("once: {told:?}") };
        assert!(told.ends_with("holds it: 421 4.7.0 come back later"), "{told}");
    })
    .await;
}

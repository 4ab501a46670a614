//! A workspace with a sending domain, and what sends its mail: a dispatcher and a worker. What stands in DNS of its keys is told.

use std::sync::Arc;
use std::time::Duration;

use tidings_bounce::ProviderBook;
use tidings_compose::{Keys, make_dkim_key};
use tidings_delivery::{Resolver, ResolverOptions, StsOptions, TlsClients};
use tidings_domain::{
    DkimAlgorithm, EmailAddress, KEY_MISSED_FOR, Lane, ProviderTable, RetryPolicy, SendingDomainName, Shared, UnixMs,
    dkim_host, dkim_value,
};
use tidings_queue::Queue;
use tidings_store::*;
use tidings_testing::TestDatabase;
use tidings_worker::{
    Dispatcher, DispatcherOptions, Looping, Sender, SenderOptions, SenderParts, SiteOptions, TargetOptions, now,
};
use tokio_util::sync::CancellationToken;

use crate::judges::Zone;

const DOMAIN: &str = "shop.example";
const WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Where mail goes from here.
pub struct Network {
    pub resolver: ResolverOptions,
    pub table: ProviderTable,
    /// At one time, to all together.
    pub connections: usize,
}

pub struct World {
    pub store: Store,
    pub workspace: Workspace,
    domain: SendingDomainId,
    keys: Arc<Keys>,
    route: RouteId,
    network: Network,
    campaigns: usize,
    _database: TestDatabase,
}

impl World {
    /// The keys have the selectors `r` and `e`, by their kind. The route is its only one.
    ///
    /// # Panics
    /// It cannot be made.
    pub async fn new(algorithms: &[DkimAlgorithm], route: NewRoute, network: Network) -> Self {
        let database = TestDatabase::sqlite();
        let store = Store::open(database.url(), StoreOptions::default()).await.expect("opens");
        let admin = NewAdmin {
            email: "a@shop.example".into(),
            name: "A".into(),
            password_hash: String::new(),
            workspace_name: "Shop".into(),
        };
        let (_, id) = store.add_admin(admin, now()).await.expect("an admin");
        let (workspace, keys) = (store.workspace(id), Arc::new(Keys::new(&[1; 32])));
        let route = workspace.save_route(route, now()).await.expect("saves");
        let new = algorithms
            .iter()
            .map(|kind| new_key(&keys, id, *kind, if *kind == DkimAlgorithm::Rsa2048 { "r" } else { "e" }));
        let name = SendingDomainName::parse(DOMAIN).expect("a domain");
        let added = workspace.add_sending_domain(name, new.collect(), "A".into(), now()).await.expect("adds");
        let AddedDomain::Yes(domain) = added else { panic!("it is new") };
        Self { store, workspace, domain, keys, route, network, campaigns: 0, _database: database }
    }

    /// A new key, that does not stand in DNS yet.
    ///
    /// # Panics
    /// It cannot be made.
    pub async fn prepare(&self, kind: DkimAlgorithm, selector: &str) {
        let key = new_key(&self.keys, self.workspace.id(), kind, selector);
        assert_eq!(self.workspace.prepare_keys(self.domain, vec![key], now()).await.expect("prepares"), KeyMade::Yes);
    }

    /// DNS is asked, and asked again after a while, and has these selectors.
    ///
    /// # Panics
    /// What it says cannot be kept.
    pub async fn look(&self, published: &[&str]) {
        self.look_at(published, now()).await;
        self.look_at(published, now().plus(KEY_MISSED_FOR)).await;
    }

    async fn look_at(&self, published: &[&str], at: UnixMs) {
        let keys = self.workspace.sending_domain(self.domain).await.expect("reads").keys;
        let seen = |key: &DkimKey| {
            let is_there = published.contains(&key.selector.as_str());
            (key.id, if is_there { KeySeen::Published } else { KeySeen::Withdrawn })
        };
        let keys = keys.iter().map(seen).collect();
        let check = DomainCheck {
            domain: self.domain,
            records: Vec::new(),
            keys,
            began_at: at,
            next_check_at: UnixMs(i64::MAX),
        };
        self.store.settle_domain_check(check, at).await.expect("settles");
    }

    /// What stands in DNS when these selectors do.
    ///
    /// # Panics
    /// The keys cannot be read.
    pub async fn published(&self, selectors: &[&str]) -> Zone {
        let keys = self.workspace.sending_domain(self.domain).await.expect("reads").keys;
        let keys = keys.iter().filter(|key| selectors.contains(&key.selector.as_str()));
        keys.map(|key| (dkim_host(&key.selector, DOMAIN), dkim_value(key.algorithm, &key.public_key))).collect()
    }

    /// All that were made.
    ///
    /// # Panics
    /// They cannot be read.
    pub async fn keys(&self) -> Vec<DkimKey> {
        self.workspace.sending_domain(self.domain).await.expect("reads").keys
    }

    /// Begins a campaign to these addresses, with names as they stand in lists.
    ///
    /// # Panics
    /// It cannot be begun.
    pub async fn launch(&mut self, from: &str, people: &[String]) -> CampaignId {
        self.campaigns += 1;
        let n = self.campaigns;
        let list = self.workspace.create_list(format!("L{n}"), String::new(), now()).await.expect("a list");
        for (person, address) in people.iter().enumerate() {
            let name = ["Ana  \t Ünal", "\"Bob\" <b@x>", "Zoë 😀😀😀", &"long ".repeat(30)][person % 4].to_owned();
            let new = NewSubscriber {
                email: EmailAddress::parse(address).expect("an address"),
                first_name: name,
                last_name: String::new(),
                lists: vec![list],
                source: String::new(),
            };
            self.workspace.add_subscriber(new, now()).await.expect("added");
        }
        let details = CampaignDetails { name: format!("C{n}"), ..CampaignDetails::default() };
        let new = NewCampaign { details, content: CampaignBody::default() };
        let campaign = self.workspace.create_campaign(new, "a", now()).await.expect("a draft");
        let version = self.workspace.campaign_head(campaign).await.expect("it").version;
        self.workspace.save_recipients(campaign, version, vec![list], Vec::new(), "a", now()).await.expect("saves");
        let expected_version = self.workspace.campaign_head(campaign).await.expect("it").version;
        let launch = Launch { content: content(from), route: Some(self.route), expected_version, by: "a".into() };
        assert!(matches!(
            self.workspace.launch(campaign, launch, now()).await.expect("launches"),
            Launched::Yes { .. }
        ));
        campaign
    }

    /// Dispatcher and sender run until it is so.
    ///
    /// # Panics
    /// It is not so within a minute.
    pub async fn run<T>(&self, mut is_so: impl AsyncFnMut(&Self) -> Option<T>) -> T {
        let book = Shared::new(ProviderBook::of(self.network.table.clone()));
        let resolver =
            Resolver::new(self.network.resolver.clone(), Arc::clone(book.current().base())).expect("a resolver");
        let queue = Queue::embedded(Default::default());
        let mut dispatcher = Dispatcher::new(
            self.store.clone(),
            queue.clone(),
            resolver.clone(),
            book.clone(),
            DispatcherOptions::default(),
        );
        let sender = Sender::new(SenderParts {
            store: self.store.clone(),
            queue,
            resolver,
            keys: Arc::clone(&self.keys),
            book,
            site: SiteOptions { public_url: "https://mail.shop.example".into(), bounce_domain: None },
            targets: TargetOptions {
                ehlo_name: "mail.shop.example".into(),
                source_ip: None,
                tls: TlsClients::new(&[]).expect("TLS"),
                sts: StsOptions::default(),
            },
            options: SenderOptions { retry: quick, ..SenderOptions::new("test".into(), self.network.connections) },
        });
        let stop = CancellationToken::new();
        let sending = tokio::spawn(sender.run(stop.clone()));
        let found = tokio::time::timeout(WITHIN, async {
            loop {
                dispatcher.step().await.expect("a step");
                if let Some(found) = is_so(self).await {
                    return found;
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        });
        let found = found.await.expect("in time");
        stop.cancel();
        sending.await.expect("it ends");
        found
    }
}

/// What is tried again is tried soon, but not in the same second, by which a receiver may count.
fn quick(lane: Lane) -> RetryPolicy {
    RetryPolicy { waits: vec![Duration::from_millis(1_500)], ..RetryPolicy::for_lane(lane) }
}

fn new_key(keys: &Keys, workspace: WorkspaceId, algorithm: DkimAlgorithm, selector: &str) -> NewDkimKey {
    let made = make_dkim_key(algorithm).expect("a key");
    let private_sealed = made.seal(keys, &DkimKey::seal_context(workspace, DOMAIN, selector));
    NewDkimKey { algorithm, selector: selector.to_owned(), public_key: made.public_key, private_sealed }
}

fn content(from: &str) -> FrozenContent {
    FrozenContent {
        subject: "{{ first_name }}, spring is here, with a subject that is long enough to be folded more than once"
            .into(),
        from_name: "Ana's Shöp".into(),
        from_email: from.into(),
        html: "<p>Hi {{ first_name }}, it is spring</p><a href=\"{{ unsubscribe_url }}\">Leave</a>".into(),
        text: "Hi {{ first_name }}  \n.\n\n it is spring\n{{ unsubscribe_url }}\n\n\n".into(),
        links: "[]".into(),
        list_name: "News".into(),
        ..FrozenContent::default()
    }
}

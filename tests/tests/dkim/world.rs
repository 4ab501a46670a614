//! A workspace with a sending domain, and a receiver: everything real but DNS, whose answers are told, and the peer's wire.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tidings_bounce::ProviderBook;
use tidings_compose::{Keys, make_dkim_key};
use tidings_delivery::{Resolver, ResolverOptions, StsOptions, TlsClients};
use tidings_domain::{
    DkimAlgorithm, EmailAddress, KEY_MISSED_FOR, RouteKind, RouteTls, SendingDomainName, Shared, UnixMs, dkim_host,
    dkim_value,
};
use tidings_queue::Queue;
use tidings_store::*;
use tidings_testing::{Received, SmtpScript, SmtpServer, TestDatabase};
use tidings_worker::{
    Dispatcher, DispatcherOptions, Looping, Sender, SenderOptions, SenderParts, SiteOptions, TargetOptions, now,
};
use tokio_util::sync::CancellationToken;

use crate::judges::Zone;

pub const DOMAIN: &str = "shop.example";
const WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(5);

pub struct World {
    store: Store,
    workspace: Workspace,
    domain: SendingDomainId,
    keys: Arc<Keys>,
    receiver: SmtpServer,
    route: RouteId,
    campaigns: usize,
    _database: TestDatabase,
}

impl World {
    /// The keys have the selectors `r` and `e`, by their kind.
    pub async fn new(algorithms: &[DkimAlgorithm]) -> Self {
        Self::at_pace(algorithms, 0).await
    }

    /// `per_second`: messages by its route; 0: as fast as they go.
    pub async fn at_pace(algorithms: &[DkimAlgorithm], per_second: i32) -> Self {
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
        let receiver = SmtpScript::new().capabilities(&["PIPELINING", "8BITMIME", "SMTPUTF8"]).start().await;
        let route = workspace
            .save_route(NewRoute { max_per_second: per_second, ..relay(receiver.addr) }, now())
            .await
            .expect("saves");
        let new = algorithms
            .iter()
            .map(|kind| new_key(&keys, id, *kind, if *kind == DkimAlgorithm::Rsa2048 { "r" } else { "e" }));
        let name = SendingDomainName::parse(DOMAIN).expect("a domain");
        let added = workspace.add_sending_domain(name, new.collect(), "A".into(), now()).await.expect("adds");
        let AddedDomain::Yes(domain) = added else { panic!("it is new") };
        Self { store, workspace, domain, keys, receiver, route, campaigns: 0, _database: database }
    }

    pub async fn prepare(&self, kind: DkimAlgorithm, selector: &str) {
        let key = new_key(&self.keys, self.workspace.id(), kind, selector);
        assert_eq!(self.workspace.prepare_keys(self.domain, vec![key], now()).await.expect("prepares"), KeyMade::Yes);
    }

    /// DNS is asked, and asked again after a while, and has these selectors.
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
    pub async fn published(&self, selectors: &[&str]) -> Zone {
        let keys = self.workspace.sending_domain(self.domain).await.expect("reads").keys;
        let keys = keys.iter().filter(|key| selectors.contains(&key.selector.as_str()));
        keys.map(|key| (dkim_host(&key.selector, DOMAIN), dkim_value(key.algorithm, &key.public_key))).collect()
    }

    /// Sends a campaign to so many people, and returns what the receiver got of it.
    pub async fn send(&mut self, from: &str, people: usize) -> Vec<Received> {
        let before = self.receiver.messages().len();
        self.launch(from, people).await;
        self.run(async |world: &Self| (world.receiver.messages().len() >= before + people).then_some(())).await;
        self.receiver.messages().split_off(before)
    }

    /// Sends a campaign that cannot be signed; returns why it was paused. Nothing of it reaches the receiver.
    pub async fn send_until_paused(&mut self, from: &str, people: usize) -> String {
        let before = self.receiver.messages().len();
        let campaign = self.launch(from, people).await;
        let reason = self
            .run(async |world: &Self| {
                let head = world.workspace.campaign_head(campaign).await.expect("reads");
                head.paused_at_ms.map(|_| head.pause_reason)
            })
            .await;
        assert_eq!(self.receiver.messages().len(), before);
        reason
    }

    /// Sends two campaigns side by side, to so many people each; when some of both have arrived, a new key is prepared, published and found.
    /// Returns how many messages had arrived by then, and all of them.
    pub async fn send_two_and_change_keys(&mut self, people: usize, selector: &str) -> (usize, Vec<Received>) {
        self.launch("letters@shop.example", people).await;
        self.launch("letters@shop.example", people).await;
        let mut changed_at = None;
        self.run(async |world: &Self| {
            let arrived = world.receiver.messages();
            if changed_at.is_none() && [1, 2].iter().all(|n| arrived.iter().any(|message| is_of(message, *n))) {
                world.prepare(DkimAlgorithm::Rsa2048, selector).await;
                let old: Vec<String> = world.keys().await.into_iter().map(|key| key.selector).collect();
                let published: Vec<&str> = old.iter().map(String::as_str).collect();
                changed_at = Some(world.receiver.messages().len());
                world.look(&published).await;
            }
            (arrived.len() >= 2 * people).then_some(())
        })
        .await;
        (changed_at.expect("both were under way"), self.receiver.messages())
    }

    async fn keys(&self) -> Vec<DkimKey> {
        self.workspace.sending_domain(self.domain).await.expect("reads").keys
    }

    async fn launch(&mut self, from: &str, people: usize) -> CampaignId {
        self.campaigns += 1;
        let n = self.campaigns;
        let list = self.workspace.create_list(format!("L{n}"), String::new(), now()).await.expect("a list");
        for person in 0..people {
            // Names as they stand in lists, and one address that needs SMTPUTF8.
            let local = if person == 0 { "ána".to_owned() } else { format!("p{person}") };
            let name = ["Ana  \t Ünal", "\"Bob\" <b@x>", "Zoë 😀😀😀", &"long ".repeat(30)][person % 4].to_owned();
            let new = NewSubscriber {
                email: EmailAddress::parse(&format!("{local}.{n}@receiver.example")).expect("an address"),
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
        let known = vec![("receiver.example".to_owned(), "mx:receiver.example".to_owned())];
        self.store.save_domain_providers(known, UnixMs(i64::MAX)).await.expect("saves");
        campaign
    }

    /// Dispatcher and sender run until it is so.
    async fn run<T>(&self, mut is_so: impl AsyncFnMut(&Self) -> Option<T>) -> T {
        let book = ProviderBook::builtin();
        let options = ResolverOptions { nameservers: vec![nowhere()], ..ResolverOptions::default() };
        let resolver = Resolver::new(options, Arc::clone(book.base())).expect("a resolver");
        let book = Shared::new(book);
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
            options: SenderOptions::new("test".into(), 2),
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

/// Of the world's campaign with this number.
pub fn is_of(message: &Received, campaign: usize) -> bool {
    message.rcpt_to.contains(&format!(".{campaign}@"))
}

fn nowhere() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 1))
}

fn relay(at: SocketAddr) -> NewRoute {
    NewRoute {
        kind: RouteKind::Relay,
        host: at.ip().to_string(),
        port: at.port(),
        tls: RouteTls::None,
        max_connections: 2,
        ..NewRoute::direct()
    }
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

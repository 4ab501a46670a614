//! From a service's post to the subscriber who is not mailed again: the endpoint, the store and the postmaster together.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tidings_compose::{Keys, TokenKind};
use tidings_domain::{DeliveryState, EmailAddress, Reply, Service, UnixMs};
use tidings_queue::Queue;
use tidings_store::*;
use tidings_testing::TestDatabase;
use tidings_web::{WebConfig, WebState};
use tidings_worker::Postmaster;
use tokio_util::sync::CancellationToken;

const WITHIN: Duration = Duration::from_secs(30);

struct World {
    store: Store,
    workspace: Workspace,
    campaign: CampaignId,
    keys: Arc<Keys>,
    url: String,
    stop: CancellationToken,
    database: TestDatabase,
}

fn now() -> UnixMs {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    UnixMs(i64::try_from(since.as_millis()).expect("this age"))
}

/// A campaign whose messages to Ana, Bob and Cleo were accepted by the service's relay; pages and postmaster run.
async fn world(database: TestDatabase) -> (World, Vec<DeliveryId>) {
    let store = Store::open(database.url(), StoreOptions::default()).await.expect("opens");
    let admin = NewAdmin {
        email: "a@b.example".into(),
        name: "A".into(),
        password_hash: String::new(),
        workspace_name: "Acme".into(),
    };
    let (_, id) = store.add_admin(admin, now()).await.expect("an admin");
    let workspace = store.workspace(id);
    let list = workspace.create_list("News".into(), String::new(), now()).await.expect("a list");
    for name in ["ana", "bob", "cleo"] {
        let email = EmailAddress::parse(&format!("{name}@example.org")).expect("an address");
        let new = NewSubscriber {
            email,
            first_name: String::new(),
            last_name: String::new(),
            lists: vec![list],
            source: String::new(),
        };
        workspace.add_subscriber(new, now()).await.expect("added");
    }
    let new = NewCampaign {
        details: CampaignDetails { name: "C".into(), ..Default::default() },
        content: Default::default(),
    };
    let campaign = workspace.create_campaign(new, "a", now()).await.expect("a draft");
    let version = workspace.campaign_head(campaign).await.expect("it").version;
    workspace.save_recipients(campaign, version, vec![list], Vec::new(), "a", now()).await.expect("saves");
    let expected_version = workspace.campaign_head(campaign).await.expect("it").version;
    let content = FrozenContent { from_email: "news@acme.example".into(), ..FrozenContent::default() };
    let launch = Launch { content, route: None, expected_version, by: "a".into() };
    assert!(matches!(workspace.launch(campaign, launch, now()).await.expect("launches"), Launched::Yes { .. }));
    while let FanOut::Chunk { .. } = store.fan_out(campaign, 100, now()).await.expect("fans out").0 {}
    store.save_domain_providers(vec![("example.org".into(), "example".into())], UnixMs(i64::MAX)).await.expect("saves");
    let jobs = store.queue_pending(campaign, 10, now()).await.expect("queues");
    accept(&store, &jobs).await;

    let (keys, stop) = (Arc::new(Keys::new(&[1; 32])), CancellationToken::new());
    let postmaster = Postmaster::new(store.clone(), Arc::clone(&keys), None);
    tokio::spawn(postmaster.run(stop.clone()));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("has one"));
    let config = WebConfig::new(url.clone(), std::env::temp_dir());
    let state = WebState::new(store.clone(), Queue::embedded(Default::default()), Arc::clone(&keys), config);
    tokio::spawn(tidings_web::run(listener, state, stop.clone()));
    let deliveries = jobs.iter().map(|job| job.delivery).collect();
    (World { store, workspace, campaign, keys, url, stop, database }, deliveries)
}

async fn accept(store: &Store, jobs: &[QueuedJob]) {
    let intents = jobs
        .iter()
        .map(|job| Intent { delivery: job.delivery, campaign: job.campaign, attempt: job.attempt })
        .collect();
    store.commit(LedgerBatch { intents, outcomes: Vec::new() }, now()).await.expect("commits");
    let outcome = |job: &QueuedJob| OutcomeRecord {
        delivery: job.delivery,
        campaign: job.campaign,
        attempt: job.attempt,
        settled: Settled::Accepted,
        reason: None,
        meaning: None,
        reply: Some(ReplyRecord::of(&Reply::from_text("250 ok", 0), String::new())),
        route: None,
        protection: None,
        facts: None,
    };
    let outcomes = jobs.iter().map(outcome).collect();
    store.commit(LedgerBatch { intents: Vec::new(), outcomes }, now()).await.expect("commits");
}

impl World {
    async fn webhook(&self, workspace: &Workspace) -> String {
        let new = NewWebhook {
            service: Service::Postmark,
            name: "Main".into(),
            proof_sealed: self.keys.seal_secret(&Webhook::proof_context(workspace.id()), "sesame"),
            by: "A".into(),
        };
        let AddedWebhook::Yes(id) = workspace.add_webhook(new, now()).await.expect("adds") else { panic!("it is new") };
        format!("{}/hooks/postmark/{}", self.url, self.keys.seal(TokenKind::Webhook, id.0))
    }

    /// What Postmark posts about a delivery: its own ids, and the token of our header field.
    fn event(&self, sort: &str, id: i64, delivery: DeliveryId) -> Value {
        json!({
            "RecordType": sort, "ID": id, "Type": "HardBounce", "MessageID": "pm-1", "Email": "whoever@example.org",
            "Details": "smtp;550 5.1.1 The email account that you tried to reach does not exist",
            "Metadata": {"tidings": self.keys.seal(TokenKind::Bounce, delivery.0)},
        })
    }

    async fn post(&self, url: &str, event: &Value) {
        let request = reqwest::Client::new().post(url).bearer_auth("sesame").body(event.to_string());
        assert_eq!(request.send().await.expect("answers").status(), reqwest::StatusCode::OK);
    }

    /// Until the postmaster has ended all that is kept. Each look is a query, so nothing spins.
    async fn read(&self) {
        let all = async { while self.store.unread_reports().await.expect("counts") > 0 {} };
        tokio::time::timeout(WITHIN, all).await.expect("the postmaster reads them");
    }

    async fn state(&self, delivery: DeliveryId) -> DeliveryState {
        self.workspace.delivery(self.campaign, delivery).await.expect("reads").person.state
    }

    async fn is_suppressed(&self, name: &str) -> bool {
        let entries = self.workspace.suppressions_of(format!("{name}@example.org"), now()).await.expect("reads");
        !entries.is_empty()
    }
}

#[tokio::test]
async fn what_a_service_posts_moves_the_delivery_and_marks_the_person() {
    for database in TestDatabase::each() {
        let (world, deliveries) = world(database).await;
        let [ana, bob, cleo] = deliveries[..] else { panic!("three people") };
        let ours = world.webhook(&world.workspace).await;
        world.post(&ours, &world.event("Bounce", 1, ana)).await;
        world.post(&ours, &world.event("Bounce", 1, ana)).await;
        world.post(&ours, &world.event("SpamComplaint", 2, bob)).await;
        // Another workspace's webhook, with a token that is genuine.
        world.database.execute("INSERT INTO workspaces (id, name, created_at_ms) VALUES (2, 'Other', 0)");
        let theirs = world.webhook(&world.store.workspace(WorkspaceId(2))).await;
        world.post(&theirs, &world.event("Bounce", 3, cleo)).await;
        world.read().await;

        assert_eq!(world.state(ana).await, DeliveryState::HardBounced);
        assert_eq!(world.state(bob).await, DeliveryState::Complained);
        assert_eq!(world.state(cleo).await, DeliveryState::Accepted);
        let suppressed = [("ana", true), ("bob", true), ("cleo", false), ("whoever", false)];
        for (name, expected) in suppressed {
            assert_eq!(world.is_suppressed(name).await, expected, "{name}");
        }
        let kept = world.workspace.reports(ReportFilter::default(), None, 10).await.expect("lists");
        let said: Vec<_> = kept.iter().map(|r| (r.source.as_str(), r.effect.as_str(), r.recipient.as_str())).collect();
        assert_eq!(
            said,
            [
                ("webhook:postmark", "complained", "bob@example.org"),
                ("webhook:postmark", "suppressed", "ana@example.org"),
            ]
        );
        let others =
            world.store.workspace(WorkspaceId(2)).reports(ReportFilter::default(), None, 10).await.expect("lists");
        assert_eq!(others.iter().map(|r| (r.effect.as_str(), r.delivery_id)).collect::<Vec<_>>(), [("not_ours", None)]);
        world.stop.cancel();
    }
}

//! What the links in mails do, on both backends, without a cookie.

use std::sync::Arc;

use actix_web::http::{Method, StatusCode, header};
use actix_web::middleware::from_fn;
use actix_web::{App, test, web};
use tidings_compose::{Content, Keys, TokenKind, freeze};
use tidings_domain::{EmailAddress, SubscriptionStatus, UnixMs};
use tidings_queue::Queue;
use tidings_store::*;
use tidings_testing::TestDatabase;
use tidings_web::{WebConfig, WebState, configure, envelope};

const NOW: UnixMs = UnixMs(1_000_000);
const CHROME: &str = "text/html,application/xhtml+xml";

struct World {
    state: web::Data<WebState>,
    workspace: Workspace,
    list: ListId,
    campaign: CampaignId,
    subscriber: SubscriberId,
    delivery: DeliveryId,
    _database: TestDatabase,
}

/// A launched campaign with one recipient, Ana of Oslo.
async fn world(database: TestDatabase) -> World {
    let store = Store::open(database.url(), StoreOptions::default()).await.expect("opens");
    let admin = NewAdmin {
        email: "a@b.example".into(),
        name: "A".into(),
        password_hash: String::new(),
        workspace_name: "Acme <Shoes>".into(),
    };
    let (_, id) = store.add_admin(admin, NOW).await.expect("an admin");
    let workspace = store.workspace(id);
    let list = workspace.create_list("Spring & News".into(), String::new(), NOW).await.expect("a list");
    let email = EmailAddress::parse("ana@example.org").expect("an address");
    let ana = NewSubscriber {
        email,
        first_name: "Ana <b>".into(),
        last_name: String::new(),
        lists: vec![list],
        source: String::new(),
    };
    let Added::Created(subscriber) = workspace.add_subscriber(ana, NOW).await.expect("added") else {
        panic!("she is new")
    };
    let campaign = workspace
        .create_campaign(
            NewCampaign {
                details: CampaignDetails { name: "C".into(), ..Default::default() },
                content: Default::default(),
            },
            "a",
            NOW,
        )
        .await
        .expect("a draft");
    let version = workspace.campaign_head(campaign).await.expect("a draft").version;
    workspace.save_recipients(campaign, version, vec![list], Vec::new(), "a", NOW).await.expect("saved");
    let version = workspace.campaign_head(campaign).await.expect("a draft").version;
    let launch = Launch { content: frozen(), route: None, expected_version: version, by: "a".into() };
    assert!(matches!(workspace.launch(campaign, launch, NOW).await.expect("launches"), Launched::Yes { .. }));
    while let FanOut::Chunk { .. } = store.fan_out(campaign, 100, NOW).await.expect("fans out").0 {}
    store.save_domain_providers(vec![("example.org".into(), "example".into())], UnixMs(i64::MAX)).await.expect("saves");
    let jobs = store.queue_pending(campaign, 10, NOW).await.expect("queues");
    let config = WebConfig::new("https://mail.acme.example", "/nowhere");
    let state = WebState::new(store, Queue::embedded(Default::default()), Arc::new(Keys::new(&[1; 32])), config);
    World {
        state: web::Data::new(state),
        workspace,
        list,
        campaign,
        subscriber,
        delivery: jobs[0].delivery,
        _database: database,
    }
}

fn frozen() -> FrozenContent {
    let content = Content {
        subject: "Hi".into(),
        from_email: "news@acme.example".into(),
        html: "<p>Hi {{ first_name }}<a href=\"https://shop.example/?n={{ first_name }}\">a</a><a href=\"https://other.example/\">b</a>\
               <a href=\"{{ unsubscribe_url }}\">u</a><script>alert(1)</script>"
            .into(),
        track_opens: true,
        track_clicks: true,
        list_name: "Spring & News".into(),
        ..Content::default()
    };
    let frozen = freeze(&content).expect("a good draft");
    FrozenContent {
        subject: frozen.content.subject,
        from_email: frozen.content.from_email,
        html: frozen.content.html,
        text: frozen.content.text,
        track_opens: true,
        track_clicks: true,
        list_name: frozen.content.list_name,
        links: serde_json::to_string(&frozen.links).expect("JSON"),
        ..FrozenContent::default()
    }
}

struct Answer {
    status: StatusCode,
    headers: header::HeaderMap,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

impl World {
    async fn ask(&self, request: test::TestRequest) -> Answer {
        let app = test::init_service(App::new().wrap(from_fn(envelope)).configure(configure(self.state.clone()))).await;
        let response = test::call_service(&app, request.to_request()).await;
        assert!(response.headers().get(header::SET_COOKIE).is_none(), "no cookie");
        let (status, headers) = (response.status(), response.headers().clone());
        assert!(!status.is_server_error(), "{status}");
        assert_eq!(headers.get(header::CACHE_CONTROL).and_then(|v| v.to_str().ok()), Some("no-store"));
        Answer { status, headers, body: String::from_utf8_lossy(&test::read_body(response).await).into_owned() }
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask(test::TestRequest::get().uri(path).insert_header((header::ACCEPT, CHROME))).await
    }

    async fn post(&self, path: &str, kind: &str, body: &str) -> Answer {
        let request = test::TestRequest::post().uri(path).set_payload(body.to_owned());
        self.ask(if kind.is_empty() { request } else { request.insert_header((header::CONTENT_TYPE, kind)) }).await
    }

    fn path(&self, prefix: &str, kind: TokenKind) -> String {
        format!("{prefix}{}", self.state.keys.seal(kind, self.delivery.0))
    }

    fn click(&self, link: u16) -> String {
        format!("/t/c/{}", self.state.keys.seal_click(self.delivery.0, link))
    }

    async fn responses(&self) -> (i64, i64, i64) {
        self.state.flush_responses().await;
        let overview = self.workspace.overview(self.campaign).await.expect("reads");
        (overview.responses.opened_unique, overview.responses.clicked_unique, overview.responses.unsubscribed)
    }

    async fn is_subscribed(&self) -> bool {
        let details = self.workspace.subscriber(self.subscriber, NOW).await.expect("reads");
        details.subscriptions.iter().any(|s| s.status == SubscriptionStatus::Subscribed)
    }
}

async fn each<F: AsyncFn(World)>(run: F) {
    for database in TestDatabase::each() {
        run(world(database).await).await;
    }
}

#[actix_web::test]
async fn an_open_is_counted_and_every_answer_is_the_same_point() {
    each(async |world| {
        let pixel = world.path("/t/o/", TokenKind::Open) + ".gif";
        let good = world.get(&pixel).await;
        assert_eq!((good.status, good.header("content-type")), (StatusCode::OK, "image/gif"));
        assert_eq!(good.header("cross-origin-resource-policy"), "cross-origin");
        assert!(good.body.starts_with("GIF89a"));
        world.get(&pixel).await;
        assert_eq!(world.responses().await, (1, 0, 0));
        let bad = world.get("/t/o/nonsense.gif").await;
        assert_eq!((bad.status, bad.body), (good.status, good.body));
        world.ask(test::TestRequest::default().method(Method::HEAD).uri(&pixel)).await;
        world.get(&(world.path("/t/o/", TokenKind::View) + ".gif")).await;
        assert_eq!(world.responses().await, (1, 0, 0));
    })
    .await;
}

#[actix_web::test]
async fn a_click_goes_where_the_revision_says_and_nowhere_else() {
    each(async |world| {
        let there = world.get(&world.click(0)).await;
        assert_eq!(
            (there.status, there.header("location")),
            (StatusCode::FOUND, "https://shop.example/?n=Ana%20%3Cb%3E")
        );
        assert_eq!(there.header("referrer-policy"), "no-referrer");
        assert_eq!(world.get(&world.click(1)).await.header("location"), "https://other.example/");
        assert_eq!(world.responses().await, (0, 1, 0));
        for path in [
            world.click(2),
            "/t/c/nonsense".into(),
            "/t/c/%00%ff".into(),
            world.path("/t/c/", TokenKind::Open),
            world.click(0) + "x",
        ] {
            let nowhere = world.get(&path).await;
            assert_eq!((nowhere.status, nowhere.header("location")), (StatusCode::NOT_FOUND, ""), "{path}");
            assert!(nowhere.body.contains("leads nowhere"));
        }
        let unknown = format!("/t/c/{}", world.state.keys.seal_click(4711, 0));
        assert_eq!(world.get(&unknown).await.status, StatusCode::NOT_FOUND);
    })
    .await;
}

#[actix_web::test]
async fn machines_that_look_ahead_are_led_on_and_not_counted() {
    each(async |world| {
        let head = world.ask(test::TestRequest::default().method(Method::HEAD).uri(&world.click(0))).await;
        assert_eq!(head.status, StatusCode::FOUND);
        let ahead = test::TestRequest::get().uri(&world.click(0)).insert_header(("sec-purpose", "prefetch;prerender"));
        assert_eq!(world.ask(ahead).await.status, StatusCode::FOUND);
        assert_eq!(world.responses().await, (0, 0, 0));
    })
    .await;
}

#[actix_web::test]
async fn looking_at_the_page_leaves_nothing() {
    each(async |world| {
        let path = world.path("/u/", TokenKind::Unsubscribe);
        let page = world.get(&path).await;
        assert_eq!(page.status, StatusCode::OK);
        assert!(page.body.contains("Spring &#38; News") && page.body.contains("Acme &#60;Shoes&#62;"), "{}", page.body);
        assert!(page.body.contains("a•••@example.org") && !page.body.contains("ana@"));
        assert!(page.body.contains(&format!("<form method=\"post\" action=\"{path}\">")));
        assert!(!page.body.contains("<script"));
        assert_eq!(
            world.ask(test::TestRequest::default().method(Method::HEAD).uri(&path)).await.status,
            StatusCode::OK
        );
        assert!(world.is_subscribed().await);
        assert_eq!(world.responses().await, (0, 0, 0));
    })
    .await;
}

#[actix_web::test]
async fn one_click_leaves_in_every_spelling_and_twice_is_once() {
    let multipart = "--x\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--x--\r\n";
    let spellings = [
        ("application/x-www-form-urlencoded", "List-Unsubscribe=One-Click".to_owned()),
        ("multipart/form-data; boundary=x", multipart.to_owned()),
        ("", String::new()),
        ("text/plain", "x".repeat(100_000)),
    ];
    for (kind, body) in &spellings {
        let world = world(TestDatabase::sqlite()).await;
        let path = world.path("/u/", TokenKind::Unsubscribe);
        for _ in 0..2 {
            let left = world.post(&path, kind, body).await;
            assert_eq!((left.status, left.header("location")), (StatusCode::OK, ""), "{kind}");
            assert!(left.body.contains("You are unsubscribed"), "{}", left.body);
        }
        assert!(!world.is_subscribed().await, "{kind}");
        assert_eq!(world.responses().await, (0, 0, 1));
        assert!(world.get(&path).await.body.contains("You are unsubscribed"));
    }
}

#[actix_web::test]
async fn everything_is_a_second_choice() {
    each(async |world| {
        let path = world.path("/u/", TokenKind::Unsubscribe);
        let left = world.post(&path, "application/x-www-form-urlencoded", "scope=everything").await;
        assert!(left.status == StatusCode::OK && left.body.contains("You get no more mail from us"), "{}", left.body);
        let entries = world.workspace.suppressions("ana@example.org", None, 10).await.expect("reads");
        assert_eq!(entries.len(), 1);
        assert!(!world.is_subscribed().await);
    })
    .await;
}

#[actix_web::test]
async fn leaving_works_when_the_list_is_gone() {
    each(async |world| {
        // The campaign is over: a list in use cannot be deleted.
        world.workspace.cancel(world.campaign, "a", NOW).await.expect("cancels");
        world.workspace.delete_list(world.list).await.expect("deletes");
        let path = world.path("/u/", TokenKind::Unsubscribe);
        assert!(world.get(&path).await.body.contains("does not exist any more"));
        let left = world.post(&path, "application/x-www-form-urlencoded", "List-Unsubscribe=One-Click").await;
        assert!(left.status == StatusCode::OK && left.body.contains("no more mail"), "{}", left.body);
    })
    .await;
}

#[actix_web::test]
async fn a_bad_token_changes_nothing() {
    each(async |world| {
        for path in [
            "/u/nonsense".to_owned(),
            world.path("/u/", TokenKind::View),
            world.path("/u/", TokenKind::Unsubscribe).to_lowercase(),
        ] {
            assert_eq!(world.get(&path).await.status, StatusCode::NOT_FOUND);
            assert_eq!(world.post(&path, "", "List-Unsubscribe=One-Click").await.status, StatusCode::NOT_FOUND);
        }
        assert!(world.is_subscribed().await);
    })
    .await;
}

#[actix_web::test]
async fn a_message_is_shown_without_power() {
    each(async |world| {
        let view = world.get(&world.path("/v/", TokenKind::View)).await;
        assert_eq!((view.status, view.header("content-type")), (StatusCode::OK, "text/html; charset=utf-8"));
        let policy = view.header("content-security-policy");
        assert!(
            policy.starts_with("sandbox") && policy.contains("default-src 'none'") && !policy.contains("script"),
            "{policy}"
        );
        assert!(view.body.contains("Hi Ana &lt;b&gt;"), "{}", view.body);
        assert!(view.body.contains(&format!("https://mail.acme.example{}", world.click(0))));
        assert_eq!(world.get("/v/nonsense").await.status, StatusCode::NOT_FOUND);
        assert_eq!(world.get(&world.path("/v/", TokenKind::Unsubscribe)).await.status, StatusCode::NOT_FOUND);
    })
    .await;
}

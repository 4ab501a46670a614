//! The probes: whether a process lives and can work, and what it measures. No address may leave by them.

use actix_web::http::StatusCode;
use actix_web::test::{TestRequest, call_service, read_body};
use tidings_domain::ProcessRole;
use tidings_queue::{Job, Shard};
use tidings_store::Heartbeat;
use tidings_testing::TestDatabase;
use tidings_web::Ops;

use super::browser::{Answer, Browser};
use super::site::Site;

fn json(answer: &Answer) -> serde_json::Value {
    serde_json::from_slice(&answer.body).expect("is JSON")
}

#[actix_web::test]
async fn live_and_ready_answer_without_a_session() {
    let site = Site::fresh().await;
    let mut monitor = Browser::new(site.service().await);
    assert_eq!(monitor.get("/health/live").await.status, StatusCode::OK);
    let ready = monitor.get("/health/ready").await;
    assert_eq!(ready.status, StatusCode::OK);
    let report = json(&ready);
    assert_eq!(report["ready"], true);
    let names: Vec<_> = report["checks"].as_array().expect("checks").iter().map(|c| c["name"].clone()).collect();
    assert_eq!(names, ["database", "queue", "dispatcher"]);
    assert!(monitor.cookies.is_empty());
}

#[actix_web::test]
async fn a_web_process_works_without_a_dispatcher_and_says_that_it_is_missing() {
    let site = Site::fresh().await;
    let (store, queue) = (site.state.store.clone(), site.state.queue.clone());
    let ops = Ops::new(store.clone(), queue, ProcessRole::Web).sharing_queue(true);
    let mut monitor = Browser::new(site.service_with(ops).await);
    let ready = monitor.get("/health/ready").await;
    assert_eq!(ready.status, StatusCode::OK, "unsubscribes are taken without it");
    assert!(ready.text().contains("none leads"), "{}", ready.text());
    let strict = monitor.get("/health/ready?strict").await;
    assert_eq!(strict.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(json(&strict)["ready"], false, "{}", strict.text());

    let now = site.state.now();
    assert!(store.hold_lease("dispatcher", "host-1", 60_000, now).await.expect("asks"));
    assert_eq!(monitor.get("/health/ready?strict").await.status, StatusCode::OK);
}

#[actix_web::test]
async fn at_its_end_a_process_lives_and_is_not_ready() {
    let site = Site::fresh().await;
    let stop = tokio_util::sync::CancellationToken::new();
    let ops = Ops::new(site.state.store.clone(), site.state.queue.clone(), ProcessRole::Serve);
    let mut monitor = Browser::new(site.service_with(ops.stopped_by(stop.clone())).await);
    assert_eq!(monitor.get("/health/ready").await.status, StatusCode::OK);
    stop.cancel();
    let ending = monitor.get("/health/ready").await;
    assert_eq!(ending.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(ending.text().contains("stopping"));
    assert_eq!(monitor.get("/health/live").await.status, StatusCode::OK, "it lives to its last request");
}

/// The metrics, as a client on this machine sees them.
async fn scrape(site: &Site) -> String {
    let service = site.service().await;
    let request = TestRequest::get().uri("/metrics").peer_addr(([127, 0, 0, 1], 50_000).into()).to_request();
    let answer = call_service(&service, request).await;
    assert_eq!(answer.status(), StatusCode::OK);
    String::from_utf8(read_body(answer).await.to_vec()).expect("is text")
}

#[actix_web::test]
async fn the_installation_is_measured_on_both_backends() {
    for database in TestDatabase::each() {
        let site = Site::on(database, super::site::PUBLIC_URL).await;
        site.add_ana().await;
        let beat = Heartbeat {
            id: "host-1".into(),
            role: "worker".into(),
            host: "host".into(),
            version: "0.1.0".into(),
            started_at_ms: 0,
            heartbeat_at_ms: site.state.now().0,
            connections: 3,
            attempts: 9,
            max_connections: 200,
            attempts_per_minute: 4,
            lanes: "automation, bulk".into(),
        };
        site.state.store.beat(beat).await.expect("beats");
        let text = scrape(&site).await;
        for line in [
            "tidings_build_info{version=",
            "tidings_database_up 1",
            "tidings_queue_up 1",
            "tidings_campaigns{state=\"sending\"} 0",
            "tidings_deliveries{state=\"in_doubt\"} 0",
            "tidings_queue_oldest_seconds{lane=\"bulk\"} 0",
            "tidings_processes{role=\"worker\",version=\"0.1.0\"} 1",
            "tidings_workers_connections 3",
            "tidings_lane_workers{lane=\"bulk\"} 1",
            "tidings_lane_workers{lane=\"transactional\"} 0",
            "process_resident_memory_bytes",
            "process_cpu_seconds_total",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        assert!(!text.contains('@'), "no address leaves by the metrics");
        assert!(text.ends_with("# EOF\n"));
    }
}

#[actix_web::test]
async fn a_destination_is_told_by_provider_and_route() {
    let site = Site::fresh().await;
    for (lane, name) in [(2, "google@3"), (2, "google@4"), (0, "relay:5"), (2, "mx:a.example")] {
        let job = Job { delivery: 1, campaign: 1, attempt: 0 };
        site.state.queue.push(&Shard::new(lane, name), 1, &[job]).await;
    }
    let text = scrape(&site).await;
    for (provider, route, lane) in [
        ("google", "3", "bulk"),
        ("google", "4", "bulk"),
        ("relay", "5", "transactional"),
        ("mx:a.example", "", "bulk"),
    ] {
        let of = format!("provider=\"{provider}\",route=\"{route}\"");
        let jobs = format!("tidings_queue_jobs{{lane=\"{lane}\",{of},state=\"ready\"}} 1");
        let budget = format!("tidings_provider_connections{{{of}}} 0");
        assert!(text.contains(&jobs) && text.contains(&budget), "{jobs}, {budget} in\n{text}");
    }
}

#[actix_web::test]
async fn requests_are_counted_by_pattern_and_never_by_path() {
    let site = Site::fresh().await;
    let mut browser = Browser::new(site.service().await);
    browser.get("/u/a-token-that-nobody-may-see").await;
    browser.get("/nothing/like/this").await;
    let text = scrape(&site).await;
    assert!(text.contains("tidings_http_requests_total{method=\"GET\",route=\"/u/{token}\",status="), "{text}");
    assert!(text.contains("route=\"none\",status=\"404\"") || text.contains("status=\"404\""), "{text}");
    assert!(!text.contains("a-token-that") && !text.contains("nothing/like"), "{text}");
}

#[actix_web::test]
async fn only_this_machine_or_the_token_may_scrape() {
    let site = Site::fresh().await;
    let service = site.service().await;
    let from = |ip: [u8; 4]| TestRequest::get().uri("/metrics").peer_addr((ip, 50_000).into());
    let status = async |request: TestRequest| call_service(&service, request.to_request()).await.status();
    assert_eq!(status(from([127, 0, 0, 1])).await, StatusCode::OK);
    assert_eq!(status(from([192, 0, 2, 7])).await, StatusCode::NOT_FOUND);
    let proxied = from([127, 0, 0, 1]).insert_header(("x-forwarded-for", "192.0.2.7"));
    assert_eq!(status(proxied).await, StatusCode::NOT_FOUND, "a proxy makes everybody local");

    let ops = Ops::new(site.state.store.clone(), site.state.queue.clone(), ProcessRole::Serve);
    let service = site.service_with(ops.with_token(Some("a-long-enough-token".into()))).await;
    let status = async |request: TestRequest| call_service(&service, request.to_request()).await.status();
    assert_eq!(status(from([127, 0, 0, 1])).await, StatusCode::NOT_FOUND, "with a token, all have to show it");
    let shown = |token: &str| from([192, 0, 2, 7]).insert_header(("authorization", format!("Bearer {token}")));
    assert_eq!(status(shown("a-long-enough-token")).await, StatusCode::OK);
    assert_eq!(status(shown("another-token-here")).await, StatusCode::NOT_FOUND);
}

#[actix_web::test]
async fn a_proxys_number_is_kept_if_it_is_sane() {
    let site = Site::fresh().await;
    let mut browser = Browser::new(site.service().await);
    let get = actix_web::http::Method::GET;
    let kept = browser.send(get.clone(), "/nothing", None, &[("x-request-id", "4bf92f35-77b3.4da6_a3ce")]).await;
    assert_eq!(kept.header("x-request-id"), "4bf92f35-77b3.4da6_a3ce");
    assert!(kept.text().contains("4bf92f35-77b3.4da6_a3ce"), "the error page shows it");
    for strange in ["short", "with spaces in it", "<script>alert(1)</script>", &"x".repeat(65)] {
        let made = browser.send(get.clone(), "/nothing", None, &[("x-request-id", strange)]).await;
        assert_eq!(made.header("x-request-id").len(), 16, "{strange}");
    }
}

//! The pages of operations: who lives, what waits, and who may see it.

use std::time::Duration;

use actix_web::http::StatusCode;
use tidings_queue::{Job, Scope, Shard, Signal};
use tidings_store::Heartbeat;

use super::browser::Browser;
use super::site::Site;

fn worker_for(site: &Site, lanes: &str) -> Heartbeat {
    Heartbeat {
        id: "host-1-2".into(),
        role: "worker".into(),
        host: "mail-2".into(),
        version: "9.8.7".into(),
        started_at_ms: site.state.now().0 - 7_200_000,
        heartbeat_at_ms: site.state.now().0,
        connections: 3,
        attempts: 9,
        max_connections: 200,
        attempts_per_minute: 1_234,
        lanes: lanes.to_owned(),
    }
}

#[actix_web::test]
async fn the_workers_page_says_when_none_is_running_and_who_is() {
    let (site, ana) = Site::with_ana().await;
    let mut browser = Browser::new(site.service().await);
    browser.sign_in(&site, ana).await;
    let none = browser.get("/workers").await;
    assert_eq!(none.status, StatusCode::OK);
    assert!(none.text().contains("No worker is running") && none.text().contains("tidings serve"), "{}", none.text());
    site.state.store.beat(worker_for(&site, "transactional")).await.expect("beats");
    let page = browser.get("/workers").await.text();
    for words in
        ["1 worker is enough", "mail-2", "Sends what is transactional", "9.8.7", "3 of 200", "1,234", "2 h ago"]
    {
        assert!(page.contains(words), "{words} is not in {page}");
    }
}

#[actix_web::test]
async fn the_queues_page_names_the_limit_and_shows_the_receivers_words() {
    let (site, ana) = Site::with_ana().await;
    let mut browser = Browser::new(site.service().await);
    browser.sign_in(&site, ana).await;
    assert!(browser.get("/queues").await.text().contains("Nothing waits"));
    let queue = &site.state.queue;
    let shard = Shard::new(2, "google");
    let jobs: Vec<Job> = (1..=1_500).map(|delivery| Job { delivery, campaign: 1, attempt: 0 }).collect();
    queue.push(&shard, 1, &jobs).await;
    let page = browser.get("/queues").await.text();
    assert!(page.contains("1,500") && page.contains("No limit is reached"), "{page}");
    let why = "421 4.7.28 <too> many messages".to_owned();
    queue.signal(&shard, Signal::hold(Scope::Destination, Duration::from_secs(600), why)).await;
    let page = browser.get("/queues").await.text();
    assert!(page.contains("Held") && page.contains("421 4.7.28 &#60;too&#62; many messages"), "{page}");
}

#[actix_web::test]
async fn what_waits_in_a_lane_without_a_worker_is_said_with_the_command_that_helps() {
    let (site, ana) = Site::with_ana().await;
    let mut browser = Browser::new(site.service().await);
    browser.sign_in(&site, ana).await;
    site.state.queue.push(&Shard::new(0, "google@3"), 1, &[Job { delivery: 1, campaign: 1, attempt: 0 }]).await;
    assert!(browser.get("/queues").await.text().contains("no worker is running"), "none at all");
    site.state.store.beat(worker_for(&site, "bulk")).await.expect("beats");
    let (words, command) = ("no worker that runs serves it", "tidings worker --lanes transactional");
    for path in ["/", "/queues", "/workers", "/queues/why?provider=google"] {
        let page = browser.get(path).await.text();
        assert!(page.contains(words) && page.contains(command), "{path} does not say it: {page}");
    }
    assert!(browser.get("/queues").await.text().contains("No worker serves it"), "the lane's row");
    let second = Heartbeat { id: "host-2-1".into(), ..worker_for(&site, "transactional, automation") };
    site.state.store.beat(second).await.expect("beats");
    for path in ["/", "/queues", "/workers", "/queues/why?provider=google"] {
        let page = browser.get(path).await.text();
        assert!(!page.contains(words), "{path}: {page}");
    }
}

#[test]
fn operations_are_for_admins() {
    for path in ["/queues", "/workers"] {
        let entry = tidings_web::routes().find(|entry| entry.path == path).expect("is a route");
        assert_eq!(entry.access, tidings_web::Access::Admin, "{path}");
    }
}

#[actix_web::test]
async fn a_restored_installation_is_unlocked_by_an_admin() {
    let (site, ana) = Site::with_ana().await;
    let store = &site.state.store;
    store.lock_sending("restored from a backup that was 3 h old".into()).await.expect("locks");
    let mut browser = Browser::new(site.service().await);
    browser.sign_in(&site, ana).await;
    let home = browser.get("/").await.text();
    assert!(home.contains("Sending is locked") && home.contains("3 h old"), "{home}");
    assert_eq!(browser.post("/sending/unlock", &[]).await.location(), "/");
    assert!(browser.get("/").await.text().contains("Sending is unlocked"));
    assert_eq!(store.sending_lock().await.expect("reads"), None);
}

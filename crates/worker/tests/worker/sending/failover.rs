//! Routes that drop out in the middle of a campaign.

use std::time::Duration;

use tidings_queue::{Scope, Shard, Signal};
use tidings_store::{DeliveryId, NewRoute};
use tidings_testing::{Act, SmtpScript};
use tidings_worker::now;

use super::world::*;

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

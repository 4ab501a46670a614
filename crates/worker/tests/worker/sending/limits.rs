//! What a route may send in a day, also through restarts.

use tidings_domain::{RouteKind, RouteTls, UnixMs, WarmUpPlan};
use tidings_store::{NewRoute, RouteId};
use tidings_testing::{Act, SmtpScript};
use tidings_worker::now;

use super::world::*;

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

const DAY: usize = 18;

/// Three ways to be given 20 messages a day, of which a tenth are the first lane's.
async fn each_limited_route(script: impl Fn() -> SmtpScript, test: impl AsyncFn(&World, RouteId)) {
    let plan = WarmUpPlan { start: 20, growth_percent: 150, full: 1_000 };
    let direct = NewRoute { max_per_day: 20, ..NewRoute::direct() };
    let relay = NewRoute { kind: RouteKind::Relay, host: "127.0.0.1".into(), tls: RouteTls::None, ..direct.clone() };
    for route in [NewRoute { warm_up: Some(plan), ..NewRoute::direct() }, direct, relay] {
        each(&script, async |w: World| {
            w.beat().await;
            let id = w.route("Main", NewRoute { port: w.peer.addr.port(), ..route.clone() }).await;
            w.pool(&[(id, 1)]).await;
            w.launch(60).await;
            test(&w, id).await;
        })
        .await;
    }
}

/// A new process begins with an empty queue; what its forerunner sent today still counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_gives_no_second_day() {
    each_limited_route(SmtpScript::new, async |w: &World, route| {
        let first = w.start();
        until("the day is used up", async || w.accepted() == DAY).await;
        first.end().await;
        let second = w.start();
        until("the queue knows of it", async || second.used_today(route).await as usize >= DAY).await;
        second.end().await;
        assert_eq!(w.accepted(), DAY, "nothing more on this day");
    })
    .await;
}

/// What nobody answered for may have arrived, and what was refused was asked for: both count.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_forgets_neither_doubts_nor_refusals_of_a_day() {
    const DOUBTS: usize = 4;
    const REFUSALS: usize = 3;
    let script = || {
        let doubts = (0..DOUBTS).fold(SmtpScript::new(), |script, _| script.once("DOT", Act::Drop));
        (0..REFUSALS).fold(doubts, |script, _| script.once("RCPT", Act::reply("550 5.1.1 no such user")))
    };
    each_limited_route(script, async |w: &World, route| {
        let first = w.start();
        until("the day is used up", async || w.accepted() == DAY - DOUBTS - REFUSALS).await;
        until("all is written down", async || first.used_today(route).await as usize == DAY).await;
        first.end().await;
        let second = w.start();
        until("the queue knows of it", async || second.used_today(route).await as usize >= DAY).await;
        second.end().await;
        assert_eq!(w.accepted(), DAY - DOUBTS - REFUSALS, "nothing more on this day");
    })
    .await;
}

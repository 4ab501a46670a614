//! Routes and pools: what refers to what, which way a campaign takes, who has which address, and who tries a route that failed.

use crate::ledger_world::*;
use tidings_domain::{RouteFault, RouteKind, UnixMs};
use tidings_store::*;

async fn direct(w: &World, name: &str) -> RouteId {
    match w.workspace.add_route(name.to_owned(), NewRoute::direct(), NOW).await.expect("adds") {
        SavedRoute::Yes(id) => id,
        other => panic!("{other:?}"),
    }
}

async fn pool(w: &World, name: &str, shares: &[(RouteId, i32)]) -> PoolId {
    let new = NewPool { name: name.to_owned(), shares: shares.to_vec() };
    match w.workspace.save_pool(None, new, NOW).await.expect("saves") {
        SavedPool::Yes(id) => id,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_route_goes_only_when_nothing_refers_to_it() {
    each(async |w: World| {
        let (a, b) = (direct(&w, "A").await, direct(&w, "B").await);
        let twice = w.workspace.add_route("A".into(), NewRoute::direct(), NOW).await.expect("adds");
        assert_eq!(twice, SavedRoute::NameTaken);
        let pool = pool(&w, "Both", &[(a, 3), (b, 1)]).await;
        assert!(w.workspace.choose_default_way(Way::Route(a)).await.expect("chooses"));
        let draft = w.draft(1, &[], &[]).await;
        let details = CampaignDetails { name: "Spring".into(), way: Some(Way::Route(a)), ..Default::default() };
        w.workspace.save_details(draft, 1, details, "ana", NOW).await.expect("saves");

        let used = RouteUse { pools: vec!["Both".into()], campaigns: vec!["Spring".into()], is_default: true };
        assert_eq!(w.workspace.delete_route(a).await.expect("tells"), DeletedRoute::InUse(used));
        w.sql("UPDATE campaigns SET state = 'cancelled' WHERE id = 1").await;
        assert!(w.workspace.choose_default_way(Way::Pool(pool)).await.expect("chooses"));
        assert_eq!(w.workspace.delete_pool(pool).await.expect("tells"), DeletedPool::IsDefault);
        w.workspace.choose_default_way(Way::Route(b)).await.expect("chooses");
        assert_eq!(w.workspace.delete_pool(pool).await.expect("deletes"), DeletedPool::Yes);
        assert_eq!(w.workspace.delete_route(a).await.expect("deletes"), DeletedRoute::Yes);
        assert_eq!(w.workspace.routes().await.expect("reads").len(), 1);
    })
    .await;
}

#[tokio::test]
async fn another_workspace_has_no_part_in_it() {
    each(async |w: World| {
        let a = direct(&w, "A").await;
        let other = w.store.workspace(WorkspaceId(2));
        assert!(matches!(other.route_of(a).await, Err(StoreError::NotFound)));
        assert!(matches!(other.enable_route(a, false, NOW).await, Err(StoreError::NotFound)));
        assert!(matches!(other.delete_route(a).await, Err(StoreError::NotFound)));
        assert!(matches!(other.ask_route_check(a, NOW).await, Err(StoreError::NotFound)));
        assert!(matches!(
            other.change_route(a, "Mine".into(), NewRoute::direct(), NOW).await,
            Err(StoreError::NotFound)
        ));
        assert!(!other.choose_default_way(Way::Route(a)).await.expect("refuses"));
        let stolen = NewPool { name: "Theirs".into(), shares: vec![(a, 1)] };
        assert_eq!(other.save_pool(None, stolen, NOW).await.expect("refuses"), SavedPool::NoRoutes);
        assert!(other.routes().await.expect("reads").is_empty());
    })
    .await;
}

#[tokio::test]
async fn the_way_is_frozen_at_the_launch() {
    each(async |w: World| {
        let (a, b) = (direct(&w, "A").await, direct(&w, "B").await);
        let pool = pool(&w, "Both", &[(a, 1), (b, 1)]).await;
        w.list(1, 1..=4).await;
        let way = async |id: CampaignId| {
            let head = w.workspace.campaign_head(id).await.expect("reads");
            Way::of(head.route_id, head.pool_id)
        };
        let (first, _) = w.launched(101, &[1], &[]).await;
        assert_eq!(way(first).await, Some(Way::Route(a)), "the workspace's first route, as long as nobody chose");
        w.workspace.choose_default_way(Way::Pool(pool)).await.expect("chooses");
        let (second, jobs) = w.launched(102, &[1], &[]).await;
        assert_eq!(way(second).await, Some(Way::Pool(pool)));
        assert!(jobs.iter().all(|job| job.pool == Some(pool) && job.route.is_none()), "{jobs:?}");
        w.workspace.choose_default_way(Way::Route(b)).await.expect("chooses");
        assert_eq!((way(first).await, way(second).await), (Some(Way::Route(a)), Some(Way::Pool(pool))));
        let copy = w.workspace.duplicate_campaign(second, "ana", NOW).await.expect("copies");
        assert_eq!(way(copy).await, Some(Way::Pool(pool)), "not the workspace's any more, so somebody's choice");
    })
    .await;
}

#[tokio::test]
async fn a_queued_row_takes_its_route_and_keeps_it_over_retries() {
    each(async |w: World| {
        let (a, b) = (direct(&w, "A").await, direct(&w, "B").await);
        let pool = pool(&w, "Both", &[(a, 1), (b, 1)]).await;
        w.workspace.choose_default_way(Way::Pool(pool)).await.expect("chooses");
        w.list(1, 1..=4).await;
        let (campaign, jobs) = w.launched(1, &[1], &[]).await;
        let given = vec![(jobs[0].delivery, a), (jobs[1].delivery, b), (jobs[2].delivery, b)];
        assert_eq!(w.store.assign_routes(given).await.expect("assigns").len(), 3);
        let on_b = w.store.queued_on_route(campaign, b, DeliveryId(0), 10).await.expect("reads");
        assert_eq!(on_b.iter().map(|job| job.delivery).collect::<Vec<_>>(), [jobs[1].delivery, jobs[2].delivery]);

        let deferred = Settled::Deferred { until: UnixMs(NOW.0 + 1), costs_attempt: true };
        let greylisted = OutcomeRecord { route: Some(b), ..outcome(&jobs[1], deferred, "451 4.7.1 greylisted") };
        w.settle(vec![greylisted]).await;
        assert_eq!(w.store.assign_routes(vec![(jobs[1].delivery, a)]).await.expect("refuses"), [], "it is not queued");
        let due = w.store.take_due(LATER, 10).await.expect("takes");
        assert_eq!((due.len(), due[0].route, due[0].attempt), (1, Some(b), 1));
        w.check_books(campaign).await;
    })
    .await;
}

#[tokio::test]
async fn the_history_tells_of_a_new_way_once() {
    each(async |w: World| {
        w.list(1, 1..=2).await;
        let (campaign, _) = w.launched(1, &[1], &[]).await;
        for at in [NOW, UnixMs(NOW.0 + 1_000), UnixMs(NOW.0 + UnixMs::DAY)] {
            w.store.note_rerouted(campaign, "by B instead of A", at).await.expect("notes");
        }
        let said = w.number("SELECT COUNT(*) FROM campaign_events WHERE what = 'by B instead of A'").await;
        assert_eq!(said, 2, "once, and again when it happens another day");
    })
    .await;
}

#[tokio::test]
async fn one_breaker_for_all_workers_and_one_of_them_tries() {
    each(async |w: World| {
        let a = direct(&w, "A").await;
        let fail = async |fault, at| w.store.route_failed(a, fault, "535 no", at).await.expect("counts");
        assert!(!fail(RouteFault::Relay, UnixMs(NOW.0 - 9_000)).await.1);
        assert!(!fail(RouteFault::Relay, UnixMs(NOW.0 - 5_000)).await.1);
        let (breaker, opened) = fail(RouteFault::Relay, NOW).await;
        assert!(opened);
        let until = breaker.probe_at.expect("a time");
        assert!(!w.store.probe_route(a, NOW).await.expect("asks"), "too early");
        let (one, two) = tokio::join!(w.store.probe_route(a, until), w.store.probe_route(a, until));
        assert!(one.expect("asks") != two.expect("asks"), "one tries, the other does not");
        assert!(!fail(RouteFault::Credentials, until).await.1, "it was open already");
        let known = w.store.breakers().await.expect("reads").remove(&a).expect("is known");
        assert_eq!((known.breaker.probes, known.why.as_str()), (1, "535 no"));
        assert!(w.store.route_works(a).await.expect("forgets"));
        assert!(w.store.breakers().await.expect("reads").is_empty());
        assert!(!w.store.route_works(a).await.expect("nothing to forget"));
    })
    .await;
}

#[tokio::test]
async fn who_cannot_take_an_address_says_so_as_long_as_it_lives() {
    each(async |w: World| {
        let a = direct(&w, "A").await;
        let beat = |id: &str| Heartbeat {
            id: id.into(),
            role: "worker".into(),
            host: "host".into(),
            version: "1".into(),
            started_at_ms: NOW.0,
            heartbeat_at_ms: NOW.0,
            connections: 0,
            attempts: 0,
            max_connections: 1,
            attempts_per_minute: 0,
            lanes: String::new(),
        };
        for (id, problem) in [("w1", ""), ("w2", "no such address")] {
            w.store.beat(beat(id)).await.expect("beats");
            w.store.report_route_workers(id, vec![(a, problem.into())]).await.expect("reports");
        }
        let seen = async |since| w.store.route_workers(since).await.expect("reads");
        assert_eq!(seen(NOW).await.iter().map(|w| w.problem.as_str()).collect::<Vec<_>>(), ["", "no such address"]);
        assert_eq!(seen(LATER).await, [], "silent ones are not counted on");
        w.store.report_route_workers("w2", vec![]).await.expect("reports");
        w.store.remove_worker("w1").await.expect("goes");
        assert_eq!(seen(NOW).await, []);
    })
    .await;
}

#[tokio::test]
async fn a_check_is_done_by_one_worker_that_can() {
    each(async |w: World| {
        let a = direct(&w, "A").await;
        w.workspace.ask_route_check(a, NOW).await.expect("asks");
        let take = async |worker: &str, cannot: &[RouteId], stale| {
            w.store.take_route_check(worker, cannot, stale, UnixMs(NOW.0 + 5)).await.expect("takes")
        };
        assert!(w.store.route_checks_wait().await.expect("reads"));
        assert_eq!(take("w1", &[a], NOW).await, None);
        assert_eq!(take("w2", &[], NOW).await, Some(a));
        assert_eq!(take("w3", &[], NOW).await, None, "it is being done");
        assert_eq!(take("w3", &[], LATER).await, Some(a), "its worker vanished");
        let finish = async |worker: &str, words: &str| {
            w.store.finish_route_check(a, worker, (true, words.into()), LATER).await.expect("finishes");
        };
        finish("w2", "late").await;
        finish("w3", "220 hello").await;
        let check = w.workspace.route_check(a).await.expect("reads").expect("is there");
        assert_eq!((check.good, check.words.as_str(), check.done_at_ms), (true, "220 hello", Some(LATER.0)));
        w.workspace.ask_route_check(a, LATER).await.expect("asks again");
        let check = w.workspace.route_check(a).await.expect("reads").expect("is there");
        assert_eq!((check.done_at_ms, check.words.as_str()), (None, ""));
    })
    .await;
}

#[tokio::test]
async fn a_routes_own_settings_come_back_as_they_were() {
    each(async |w: World| {
        let a = direct(&w, "A").await;
        let plan = tidings_domain::WarmUpPlan::default();
        let new = NewRoute {
            source_v4: "192.0.2.7".into(),
            source_v6: "2001:db8::7".into(),
            ehlo_name: "mx7.example".into(),
            ehlo_name_v6: "mx7-6.example".into(),
            max_per_minute: 60,
            max_per_hour: 1_000,
            max_per_day: 10_000,
            warm_up: Some(plan),
            ..NewRoute::direct()
        };
        w.workspace.change_route(a, "Seven".into(), new, LATER).await.expect("changes");
        w.workspace.enable_route(a, false, LATER).await.expect("switches off");
        let route = w.workspace.route_of(a).await.expect("reads");
        assert_eq!((route.name.as_str(), route.kind, route.enabled), ("Seven", RouteKind::Direct, false));
        assert_eq!((route.source_v4.as_str(), route.ehlo_name_v6.as_str()), ("192.0.2.7", "mx7-6.example"));
        assert_eq!((route.max_per_minute, route.max_per_hour, route.max_per_day), (60, 1_000, 10_000));
        assert_eq!((route.warm_up(), route.has_source()), (Some(plan), true));
    })
    .await;
}

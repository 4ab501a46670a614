//! Warm-up: what a route did is counted in the outcome's own transaction, and the plan moves on by these figures.

use crate::ledger_world::*;
use tidings_domain::{ReportKind, UnixMs, WarmUpPlan};
use tidings_store::*;

const TOMORROW: UnixMs = UnixMs(NOW.0 + UnixMs::DAY);
const PLAN: WarmUpPlan = WarmUpPlan { start: 4, growth_percent: 200, full: 100 };

async fn world(w: &World) -> (RouteId, Vec<QueuedJob>) {
    let new = NewRoute { warm_up: Some(PLAN), ..NewRoute::direct() };
    let SavedRoute::Yes(route) = w.workspace.add_route("Cold".into(), new, NOW).await.expect("adds") else {
        panic!("not added")
    };
    // All at google.
    w.list(1, (1..=4).map(|n| n * 4)).await;
    let (_, jobs) = w.launched(1, &[1], &[]).await;
    w.store.begin_warm_ups(route, vec!["google".into(), "nobody".into()], NOW).await.expect("begins");
    (route, jobs)
}

async fn settle(w: &World, route: RouteId, job: &QueuedJob, settled: Settled, reply: &str) {
    let answers = w.settle(vec![OutcomeRecord { route: Some(route), ..outcome(job, settled, reply) }]).await;
    assert_eq!(answers, [OutcomeAnswer::Recorded]);
}

async fn standing(w: &World) -> WarmUpStanding {
    let mut all = w.store.warm_ups().await.expect("reads");
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

#[tokio::test]
async fn a_day_of_good_mail_is_a_step() {
    each(async |w: World| {
        let (route, jobs) = world(&w).await;
        w.intend(&jobs.iter().collect::<Vec<_>>()).await;
        for job in &jobs {
            settle(&w, route, job, Settled::Accepted, "250 ok").await;
        }
        let today = standing(&w).await;
        assert_eq!((today.day, today.figures.accepted, today.provider.as_str()), (1, 4, "google"));
        assert_eq!(w.store.advance_warm_ups(NOW).await.expect("looks"), 0, "the day is not over");
        assert_eq!(w.store.advance_warm_ups(TOMORROW).await.expect("advances"), 1);
        assert_eq!(w.store.advance_warm_ups(TOMORROW).await.expect("looks"), 0);
        let next = standing(&w).await;
        assert_eq!((next.day, next.figures.used(), next.stays.as_str()), (2, 0, ""));
        let days = w.workspace.route_days(route, 0).await.expect("reads");
        assert_eq!(days[&NOW.utc_date()].accepted, 4);
        assert!(w.store.workspace(WorkspaceId(2)).route_days(route, 0).await.expect("reads").is_empty());
    })
    .await;
}

#[tokio::test]
async fn what_was_taken_badly_holds_the_plan_and_says_why() {
    each(async |w: World| {
        let (route, jobs) = world(&w).await;
        w.intend(&[&jobs[0], &jobs[1]]).await;
        settle(&w, route, &jobs[0], Settled::Accepted, "250 ok").await;
        settle(&w, route, &jobs[1], Settled::Accepted, "250 ok").await;
        let deferred = Settled::Deferred { until: LATER, costs_attempt: true };
        settle(&w, route, &jobs[2], deferred, "451 4.7.1 later").await;
        settle(&w, route, &jobs[3], Settled::HardBounced, "550 5.1.1 unknown").await;
        let figures = standing(&w).await.figures;
        assert_eq!((figures.accepted, figures.deferred, figures.unknown_users, figures.used()), (2, 1, 1, 4));
        w.store.advance_warm_ups(TOMORROW).await.expect("looks");
        let next = standing(&w).await;
        assert_eq!((next.day, next.stays.as_str()), (1, "1 of 4 were unknown there; it must be fewer than 2 %"));
        w.workspace.restart_warm_up(route).await.expect("restarts");
        assert!(w.store.warm_ups().await.expect("reads").is_empty());
    })
    .await;
}

fn complaint() -> NewReport {
    NewReport {
        received_at: LATER,
        source: "smtp".into(),
        source_name: "192.0.2.1".into(),
        dedup_key: None,
        mail_from: String::new(),
        rcpt_to: "fbl@bounces.example".into(),
        size_bytes: 9,
        raw: b"Subject: x".to_vec(),
        workspace: None,
    }
}

#[tokio::test]
async fn a_complaint_that_comes_later_counts_too() {
    each(async |w: World| {
        let (route, jobs) = world(&w).await;
        w.intend(&jobs.iter().collect::<Vec<_>>()).await;
        for job in &jobs {
            settle(&w, route, job, Settled::Accepted, "250 ok").await;
        }
        w.store.keep_reports(vec![complaint()]).await.expect("keeps");
        let report = w.store.begin_reading(10, LATER).await.expect("reads").pop().expect("the newest").id;
        let finding = Finding {
            report,
            delivery: Some(jobs[0].delivery),
            kind: ReportKind::Feedback,
            what: LateNews::Complaint,
            rule: String::new(),
            text: "abuse".into(),
            text_key: String::new(),
            source: "feedback report".into(),
            recipient: String::new(),
        };
        w.store.settle_reports(vec![finding], NOW).await.expect("settles");
        assert_eq!(standing(&w).await.figures.complained, 1);
    })
    .await;
}

#[tokio::test]
async fn what_a_relay_does_is_not_counted() {
    each(async |w: World| {
        let (route, jobs) = world(&w).await;
        w.sql("UPDATE routes SET kind = 'relay'").await;
        settle(&w, route, &jobs[0], Settled::HardBounced, "550 5.1.1 unknown").await;
        assert_eq!(w.number("SELECT COUNT(*) FROM route_counts").await, 0);
    })
    .await;
}

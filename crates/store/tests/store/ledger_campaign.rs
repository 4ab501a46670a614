//! A campaign's own states: launch, the way to done, cancel, resend, recovery, workers.

use crate::ledger_world::*;
use tidings_domain::{CampaignTransition, UnixMs};
use tidings_store::*;

#[tokio::test]
async fn of_two_launches_at_once_one_wins() {
    each(async |w: World| {
        w.list(1, 1..=3).await;
        let c = w.draft(1, &[1], &[]).await;
        let (one, two, three) = tokio::join!(w.launch(c), w.launch(c), w.launch(c));
        let won = [one, two, three].iter().filter(|l| matches!(l, Launched::Yes { .. })).count();
        assert_eq!(won, 1, "{one:?} {two:?} {three:?}");
        assert_eq!(w.number("SELECT COUNT(*) FROM revisions").await, 1);
        assert_eq!(w.number("SELECT COUNT(*) FROM fanouts WHERE last_subscriber_id = 3").await, 1);
        assert_eq!(w.number("SELECT COUNT(*) FROM campaign_responses").await, 1);
        let event = w.value("SELECT actor || ': ' || what AS v FROM campaign_events").await;
        assert_eq!(event.as_deref(), Some("ana: launched"));
    })
    .await;
}

#[tokio::test]
async fn a_launch_of_what_was_edited_or_is_not_ours_changes_nothing() {
    each(async |w: World| {
        let c = w.draft(1, &[], &[]).await;
        let launch = Launch { content: content(), route: None, expected_version: 7, by: "ana".into() };
        assert_eq!(w.workspace.launch(c, launch.clone(), NOW).await.expect("looks"), Launched::Stale);
        let other = w.store.workspace(WorkspaceId(2));
        let launch = Launch { expected_version: 1, ..launch };
        assert_eq!(other.launch(c, launch, NOW).await.expect("looks"), Launched::LostRace);
        assert_eq!(other.cancel(c, "eve", NOW).await.expect("looks"), Applied::LostRace);
        assert_eq!(other.pause(c, "eve", "", NOW).await.expect("looks"), Applied::LostRace);
        assert_eq!(w.value("SELECT state AS v FROM campaigns").await.as_deref(), Some("draft"));
        assert_eq!(w.number("SELECT COUNT(*) FROM revisions").await, 0);
        assert_eq!(w.number("SELECT COUNT(*) FROM campaign_events").await, 0);
        assert_eq!(
            w.workspace.pause(c, "ana", "", NOW).await.expect("looks"),
            Applied::LostRace,
            "a draft does not run"
        );
    })
    .await;
}

#[tokio::test]
async fn done_is_proven_by_the_rows() {
    each(async |w: World| {
        w.list(1, 1..=2).await;
        let (c, jobs) = w.launched(1, &[1], &[]).await;
        assert_eq!(w.store.active_campaigns().await.expect("reads").len(), 1);
        assert!(!w.store.finish_if_drained(c, NOW).await.expect("looks"));
        w.intend(&[&jobs[0]]).await;
        w.settle(vec![outcome(&jobs[0], Settled::Accepted, "250 ok")]).await;
        let wait = Settled::Deferred { until: UnixMs(5_000), costs_attempt: true };
        w.settle(vec![outcome(&jobs[1], wait, "450 no")]).await;
        assert!(!w.store.finish_if_drained(c, NOW).await.expect("looks"), "one is deferred");
        let due = w.store.take_due(UnixMs(5_000), 9).await.expect("takes");
        w.settle(vec![outcome(&due[0], Settled::SoftBounced, "450 no")]).await;
        assert!(w.store.finish_if_drained(c, NOW).await.expect("looks"));
        assert!(!w.store.finish_if_drained(c, NOW).await.expect("looks"), "only once");
        assert_eq!(w.store.active_campaigns().await.expect("reads"), vec![]);
        assert_eq!(w.number("SELECT COUNT(*) FROM campaign_events").await, 4);
        assert_eq!(w.number("SELECT done_at_ms FROM campaigns").await, NOW.0);
    })
    .await;
}

#[tokio::test]
async fn attempts_may_begin_before_the_last_row_is_queued() {
    each(async |w: World| {
        w.list(1, 1..=2).await;
        let c = w.draft(1, &[1], &[]).await;
        w.launch(c).await;
        let early = w.store.apply(c, CampaignTransition::FinishQueuing, NOW).await.expect("looks");
        assert_eq!(early, Applied::LostRace, "fan-out has not finished");
        w.store.fan_out(c, 100, NOW).await.expect("fans out");
        w.resolve(c).await;
        let first = w.store.queue_pending(c, 1, NOW).await.expect("queues");
        assert_eq!(w.intend(&[&first[0]]).await, [IntentAnswer::Go]);
        assert_eq!(w.store.active_campaigns().await.expect("reads")[0].state.to_string(), "queuing");
        w.store.queue_pending(c, 9, NOW).await.expect("queues");
        assert_eq!(w.store.apply(c, CampaignTransition::FinishQueuing, NOW).await.expect("applies"), Applied::Yes);
        assert_eq!(w.value("SELECT state AS v FROM campaigns").await.as_deref(), Some("sending"));
    })
    .await;
}

#[tokio::test]
async fn cancelling_sweeps_the_rows_in_steps() {
    each(async |w: World| {
        w.list(1, 1..=9).await;
        let (c, jobs) = w.launched(1, &[1], &[]).await;
        let wait = Settled::Deferred { until: UnixMs(5_000), costs_attempt: true };
        w.settle(vec![outcome(&jobs[0], wait, "450 no")]).await;
        w.intend(&[&jobs[1]]).await;
        assert_eq!(w.store.cancel_rows(c, 100, NOW).await.expect("looks"), 0, "not cancelled yet");
        w.workspace.cancel(c, "bo", NOW).await.expect("cancels");
        assert_eq!(w.workspace.cancel(c, "bo", NOW).await.expect("looks"), Applied::LostRace);
        assert_eq!(w.store.cancelled_with_rows(10).await.expect("reads"), [c]);
        assert_eq!(w.store.cancel_rows(c, 5, NOW).await.expect("cancels"), 5);
        w.check_books(c).await;
        assert_eq!(w.store.cancel_rows(c, 5, NOW).await.expect("cancels"), 3);
        assert_eq!(w.store.cancel_rows(c, 5, NOW).await.expect("cancels"), 0);
        assert_eq!(w.store.cancelled_with_rows(10).await.expect("reads"), []);
        assert_eq!(w.counters(c).await, "2:=1 16:=8");
        assert_eq!(w.store.cancelled_in_flight(10).await.expect("reads"), [c]);
        w.settle(vec![outcome(&jobs[1], Settled::Accepted, "250 ok")]).await;
        assert_eq!(w.store.cancelled_in_flight(10).await.expect("reads"), []);
        assert_eq!(w.counters(c).await, "10:=1 16:=8");
        w.check_books(c).await;
    })
    .await;
}

#[tokio::test]
async fn what_was_in_flight_at_a_kill_is_in_doubt_until_somebody_sends_it_again() {
    each(async |w: World| {
        w.list(1, 1..=3).await;
        let (c, jobs) = w.launched(1, &[1], &[]).await;
        w.intend(&jobs.iter().collect::<Vec<_>>()).await;
        w.settle(vec![outcome(&jobs[2], Settled::Accepted, "250 ok")]).await;
        assert_eq!(w.store.recover(NOW).await.expect("recovers"), Recovered { in_doubt: 2 });
        assert_eq!(w.store.recover(NOW).await.expect("recovers"), Recovered { in_doubt: 0 });
        assert!(w.row(jobs[0].delivery).await.reason.expect("has one").starts_with("interrupted"));
        assert_eq!(w.counters(c).await, "10:=1 14:=2");
        assert!(w.store.finish_if_drained(c, NOW).await.expect("looks"));

        assert_eq!(w.workspace.resend_in_doubt(c, "ana", NOW).await.expect("resends"), Resent::Rows(2));
        assert_eq!(w.workspace.resend_in_doubt(c, "ana", NOW).await.expect("resends"), Resent::Rows(0));
        assert_eq!(w.value("SELECT state AS v FROM campaigns").await.as_deref(), Some("sending"));
        assert!(!w.store.finish_if_drained(c, NOW).await.expect("looks"));
        let due = w.store.take_due(NOW, 10).await.expect("takes");
        assert_eq!(due.iter().map(|j| j.attempt).collect::<Vec<_>>(), [1, 1]);
        w.intend(&due.iter().collect::<Vec<_>>()).await;
        w.settle(due.iter().map(|j| outcome(j, Settled::Accepted, "250 ok")).collect()).await;
        assert!(w.store.finish_if_drained(c, NOW).await.expect("looks"));
        w.workspace.cancel(c, "bo", NOW).await.expect("looks");
        assert_eq!(w.counters(c).await, "10:=3");
        w.check_books(c).await;
    })
    .await;
}

#[tokio::test]
async fn workers_are_seen_while_they_speak() {
    each(async |w: World| {
        let beat = |id: &str, at: i64| Heartbeat {
            id: id.into(),
            role: "worker".into(),
            host: "h".into(),
            version: "1".into(),
            started_at_ms: 5,
            heartbeat_at_ms: at,
            connections: 3,
            attempts: 4,
            max_connections: 200,
            attempts_per_minute: 60,
            lanes: String::new(),
        };
        for (id, at) in [("a", 10), ("b", 20), ("a", 30), ("c", 40)] {
            w.store.beat(beat(id, at)).await.expect("beats");
        }
        assert_eq!(w.store.workers().await.expect("reads"), [beat("a", 30), beat("b", 20), beat("c", 40)]);
        assert_eq!(w.store.forget_silent_workers(UnixMs(30)).await.expect("forgets"), 1);
        w.store.remove_worker("c").await.expect("removes");
        assert_eq!(w.store.workers().await.expect("reads"), [beat("a", 30)]);
    })
    .await;
}

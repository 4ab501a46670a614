//! What an operator does to deliveries by hand: each operation moves exactly what fits, the books agree, and nobody is sent to twice.

use crate::ledger_world::*;
use tidings_domain::{DeliveryState, UnixMs};
use tidings_store::*;

const T1: UnixMs = UnixMs(NOW.0 + 1_000);
const WAIT: i64 = 600_000;

/// Eight people, a quarter of them at google, all queued.
async fn queued(w: &World) -> (CampaignId, Vec<QueuedJob>) {
    w.list(1, 1..=8).await;
    w.launched(1, &[1], &[]).await
}

async fn operate(w: &World, operation: Operation, campaign: CampaignId, filter: &QueueFilter) -> i64 {
    let would = w.store.would_operate(operation, campaign, filter.clone(), T1).await.expect("counts");
    let mut moved = 0;
    loop {
        match w.store.operate(operation, campaign, filter.clone(), "ana", T1).await.expect("operates") {
            Operated::Rows(0) => break,
            Operated::Rows(n) => moved += n,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(would, moved, "{operation:?}: a dry run says what happens");
    w.check_books(campaign).await;
    moved
}

fn at(provider: &str) -> QueueFilter {
    QueueFilter { provider: Some(provider.to_owned()), ..QueueFilter::default() }
}

fn only(delivery: DeliveryId) -> QueueFilter {
    QueueFilter { delivery: Some(delivery), ..QueueFilter::default() }
}

#[tokio::test]
async fn a_hold_keeps_rows_back_until_the_release_and_forgets_nothing() {
    each(async |w: World| {
        let (campaign, jobs) = queued(&w).await;
        let until = UnixMs(NOW.0 + WAIT);
        let deferred = Settled::Deferred { until, costs_attempt: true };
        w.settle(vec![outcome(&jobs[0], deferred, "451 4.3.0 later")]).await;
        assert_eq!(operate(&w, Operation::Hold, campaign, &QueueFilter::default()).await, 8);
        assert_eq!(w.counters(campaign).await, "3:=8");
        assert_eq!(w.intend(&[&jobs[1]]).await, [IntentAnswer::Lost], "a job that the queue still has does nothing");
        assert_eq!(w.store.take_due(UnixMs(NOW.0 + 400 * UnixMs::DAY), 100).await.expect("reads"), vec![]);
        assert!(!w.store.finish_if_drained(campaign, T1).await.expect("looks"), "held rows keep it open");
        let row = w.store.queue_row(jobs[0].delivery).await.expect("reads").expect("is there");
        assert!(row.is_held() && row.due().is_none() && row.reply.is_some());
        assert_eq!(w.workspace.overview(campaign).await.expect("reads").next_due_at_ms, None, "no date is promised");

        assert_eq!(operate(&w, Operation::Flush, campaign, &QueueFilter::default()).await, 0, "held means held");
        assert_eq!(operate(&w, Operation::Release, campaign, &QueueFilter::default()).await, 8);
        let row = w.store.queue_row(jobs[0].delivery).await.expect("reads").expect("is there");
        assert_eq!(row.next_at_ms, Some(until.0), "its next try is the old one");
        assert_eq!(w.store.take_due(T1, 100).await.expect("takes").len(), 7, "what was queued is due at once");
        let told = w.workspace.overview(campaign).await.expect("reads").events;
        assert!(told.iter().any(|e| e.what == "8 held until they are released" && e.actor == "ana"), "{told:?}");
    })
    .await;
}

#[tokio::test]
async fn filters_pick_by_provider_reason_and_number() {
    each(async |w: World| {
        let (campaign, jobs) = queued(&w).await;
        let deferred = Settled::Deferred { until: UnixMs(NOW.0 + WAIT), costs_attempt: true };
        w.settle(vec![outcome(&jobs[0], deferred, "451 4.3.0 later")]).await;
        assert_eq!(operate(&w, Operation::Hold, campaign, &at("google")).await, 2);
        assert_eq!(operate(&w, Operation::Hold, campaign, &at("nobody")).await, 0);
        let reason = QueueFilter { reason: Some("bad_address".into()), ..QueueFilter::default() };
        assert_eq!(operate(&w, Operation::Hold, campaign, &reason).await, 1);
        assert_eq!(operate(&w, Operation::Hold, campaign, &only(jobs[1].delivery)).await, 1);
        let rows = async |filter: QueueFilter| {
            let rows = w.store.queue_rows(campaign, QueueSide::Open, filter, DeliveryId(0), 100).await;
            rows.expect("reads").into_iter().filter(QueueRow::is_held).count()
        };
        assert_eq!(rows(at("google")).await, 2);
        assert_eq!(rows(QueueFilter::default()).await, 4);
    })
    .await;
}

#[tokio::test]
async fn a_flush_makes_deferred_rows_due_and_no_attempt_is_lost_by_it() {
    each(async |w: World| {
        let (campaign, jobs) = queued(&w).await;
        let deferred = Settled::Deferred { until: UnixMs(NOW.0 + WAIT), costs_attempt: true };
        w.settle(vec![outcome(&jobs[0], deferred, "451 4.3.0 later")]).await;
        assert_eq!(operate(&w, Operation::Flush, campaign, &QueueFilter::default()).await, 1);
        let due = w.store.take_due(T1, 100).await.expect("takes");
        assert_eq!((due.len(), due[0].delivery, due[0].attempt), (1, jobs[0].delivery, 1));
    })
    .await;
}

#[tokio::test]
async fn dead_letters_are_tried_again_even_after_the_end() {
    each(async |w: World| {
        let (campaign, jobs) = queued(&w).await;
        w.intend(&jobs.iter().collect::<Vec<_>>()).await;
        let settled = |i: usize| match i {
            0 => Settled::SoftBounced,
            1 => Settled::Failed,
            2 => Settled::HardBounced,
            _ => Settled::Accepted,
        };
        let outcomes = jobs.iter().enumerate().map(|(i, job)| outcome(job, settled(i), "550 5.0.0 no")).collect();
        w.settle(outcomes).await;
        assert!(w.store.finish_if_drained(campaign, T1).await.expect("looks"));
        let dead = w.store.queue_rows(campaign, QueueSide::Dead, QueueFilter::default(), DeliveryId(0), 9).await;
        assert_eq!(dead.expect("reads").len(), 2);
        assert_eq!(operate(&w, Operation::Retry, campaign, &QueueFilter::default()).await, 2);
        let heads = w.store.operated_campaigns(Some(campaign)).await.expect("reads");
        assert_eq!(heads[0].state, tidings_domain::CampaignState::Sending, "it is open again");
        let due = w.store.take_due(T1, 100).await.expect("takes");
        assert_eq!(due.len(), 2);
        let row = w.store.queue_row(jobs[0].delivery).await.expect("reads").expect("is there");
        assert_eq!((row.state, row.first_attempt_at_ms), (DeliveryState::Queued, None), "a new retry window");
        assert_eq!(w.row(jobs[2].delivery).await.state, 11, "a hard bounce stays");
        let stale = w.settle(vec![outcome(&jobs[0], Settled::Accepted, "250 ok")]).await;
        assert_eq!(stale, [OutcomeAnswer::Lost], "an attempt of before has no say");
    })
    .await;
}

#[tokio::test]
async fn open_rows_leave_by_another_route_of_their_workspace() {
    each(async |w: World| {
        let (campaign, jobs) = queued(&w).await;
        w.sql(
            "INSERT INTO routes (id, workspace_id, name, kind, host, port, tls, username, password_sealed, ehlo_name, \
             max_connections, max_per_second, created_at_ms, updated_at_ms) VALUES \
             (7, 1, 'relay', 'relay', 'smtp.example', 25, 'none', '', '', '', 0, 0, 0, 0), \
             (8, 2, 'theirs', 'relay', 'smtp.example', 25, 'none', '', '', '', 0, 0, 0, 0)",
        )
        .await;
        let theirs = w.store.operate(Operation::Move(RouteId(8)), campaign, QueueFilter::default(), "ana", T1).await;
        assert_eq!(theirs.expect("asks"), Operated::NoSuchRoute);
        assert_eq!(operate(&w, Operation::Move(RouteId(7)), campaign, &QueueFilter::default()).await, 8);
        let due = w.store.take_due(T1, 100).await.expect("takes");
        assert_eq!(due.len(), 8);
        assert!(due.iter().all(|job| job.route == Some(RouteId(7))), "{due:?}");
        assert_eq!(w.intend(&[&jobs[0]]).await, [IntentAnswer::Go], "one of its two jobs may go");
        assert_eq!(w.intend(&[&due[0]]).await, [IntentAnswer::Lost], "and then the other may not");
    })
    .await;
}

#[tokio::test]
async fn a_delete_cancels_what_is_not_in_flight_and_the_campaign_ends() {
    each(async |w: World| {
        let (campaign, jobs) = queued(&w).await;
        w.intend(&[&jobs[0]]).await;
        assert_eq!(operate(&w, Operation::Delete, campaign, &QueueFilter::default()).await, 7);
        assert_eq!(w.counters(campaign).await, "2:=1 16:=7");
        w.settle(vec![outcome(&jobs[0], Settled::Accepted, "250 ok")]).await;
        assert!(w.store.finish_if_drained(campaign, T1).await.expect("looks"));
        let late = w.store.operate(Operation::Delete, campaign, QueueFilter::default(), "ana", T1).await;
        assert_eq!(late.expect("asks"), Operated::NotNow(tidings_domain::CampaignState::Done));
        let nobody = w.store.operate(Operation::Hold, CampaignId(99), QueueFilter::default(), "ana", T1).await;
        assert_eq!(nobody.expect("asks"), Operated::NoSuchCampaign);
    })
    .await;
}

#[tokio::test]
async fn while_sending_is_locked_no_intent_is_granted() {
    each(async |w: World| {
        let (campaign, jobs) = queued(&w).await;
        w.store.lock_sending("restored".into()).await.expect("locks");
        assert_eq!(w.intend(&[&jobs[0]]).await, [IntentAnswer::Paused]);
        assert_eq!(w.counters(campaign).await, "1:=8", "nothing moved");
        assert_eq!(w.store.sending_lock().await.expect("reads").as_deref(), Some("restored"));
        assert!(w.store.unlock_sending().await.expect("unlocks"));
        assert!(!w.store.unlock_sending().await.expect("is unlocked"));
        assert_eq!(w.intend(&[&jobs[0]]).await, [IntentAnswer::Go]);
    })
    .await;
}

#[tokio::test]
async fn the_database_tells_its_condition_and_sqlite_copies_itself() {
    each(async |w: World| {
        let condition = w.store.condition().await.expect("reads");
        assert!(condition.version.contains(if w.store.is_embedded() { "SQLite 3." } else { "PostgreSQL 1" }));
        assert_eq!(w.store.damage().await.expect("looks"), Vec::<String>::new());
        let folder = tempfile::tempdir().expect("a folder");
        let copy = folder.path().join("it's a copy.sqlite3").to_string_lossy().into_owned();
        let copied = w.store.copy_into(&copy).await;
        assert_eq!(copied.is_ok(), w.store.is_embedded());
        if w.store.is_embedded() {
            Store::open(&copy, StoreOptions::default()).await.expect("is whole");
        }
    })
    .await;
}

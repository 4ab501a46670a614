//! The group commit: who may go, and what each outcome leaves behind.

use crate::ledger_world::*;
use tidings_domain::{SkipReason, UnixMs};
use tidings_store::*;

const DEFER: Settled = Settled::Deferred { until: UnixMs(5_000), costs_attempt: true };
const SNOOZE: Settled = Settled::Deferred { until: UnixMs(5_000), costs_attempt: false };

#[tokio::test]
async fn an_intent_is_granted_once() {
    each(async |w: World| {
        w.list(1, 1..=3).await;
        let (c, jobs) = w.launched(1, &[1], &[]).await;
        let report = w
            .store
            .commit(
                LedgerBatch { intents: vec![intent(&jobs[0]), intent(&jobs[0]), intent(&jobs[1])], outcomes: vec![] },
                NOW,
            )
            .await
            .expect("commits");
        assert_eq!(report.intents, [IntentAnswer::Go, IntentAnswer::Lost, IntentAnswer::Go]);
        assert_eq!(report.started, [c]);
        assert_eq!(w.value("SELECT state AS v FROM campaigns").await.as_deref(), Some("sending"));
        assert_eq!(w.intend(&[&jobs[0]]).await, [IntentAnswer::Lost]);
        let stranger = QueuedJob { campaign: CampaignId(99), ..jobs[2].clone() };
        let stale = QueuedJob { attempt: 4, ..jobs[2].clone() };
        assert_eq!(w.intend(&[&stranger, &stale]).await, [IntentAnswer::Lost, IntentAnswer::Lost]);
        assert_eq!((w.row(jobs[0].delivery).await.attempt, w.row(jobs[2].delivery).await.attempt), (1, 0));
        assert_eq!(w.counters(c).await, "1:=1 2:=2");
        w.check_books(c).await;
    })
    .await;
}

#[tokio::test]
async fn pause_is_a_barrier_and_cancel_an_end() {
    each(async |w: World| {
        w.list(1, 1..=3).await;
        let (c, jobs) = w.launched(1, &[1], &[]).await;
        assert_eq!(w.workspace.pause(c, "ana", "a typo", NOW).await.expect("pauses"), Applied::Yes);
        assert_eq!(w.workspace.pause(c, "bo", "", NOW).await.expect("looks"), Applied::LostRace);
        assert_eq!(w.intend(&[&jobs[0]]).await, [IntentAnswer::Paused]);
        assert_eq!(w.counters(c).await, "1:=3");
        assert_eq!(w.workspace.resume(c, "ana", NOW).await.expect("resumes"), Applied::Yes);
        assert_eq!(w.intend(&[&jobs[0]]).await, [IntentAnswer::Go]);
        assert_eq!(w.workspace.cancel(c, "ana", NOW).await.expect("cancels"), Applied::Yes);
        assert_eq!(w.intend(&[&jobs[1]]).await, [IntentAnswer::Cancelled]);
        // What was in flight ends by itself; a deferral of it must not come back.
        w.settle(vec![outcome(&jobs[0], DEFER, "451 later")]).await;
        assert_eq!(w.store.take_due(UnixMs(90_000), 10).await.expect("takes"), vec![]);
        assert_eq!(w.counters(c).await, "1:=1 16:=2");
        w.check_books(c).await;
    })
    .await;
}

#[tokio::test]
async fn whoever_left_since_is_not_sent_to() {
    each(async |w: World| {
        w.list(1, 1..=12).await;
        w.list(2, [7]).await;
        let (c, jobs) = w.launched(1, &[1, 2], &[]).await;
        w.suppress("address", "p1@d1.example", "complaint", None).await;
        w.suppress("domain", "d2.example", "blocklist", None).await;
        w.suppress("address", "p3@d3.example", "hard_bounce", Some(NOW.0)).await;
        w.suppress("address", "p4@d0.example", "on_hold", Some(NOW.0 + 1)).await;
        w.sql(
            "UPDATE subscriptions SET status = 'unsubscribed' WHERE subscriber_id IN (5, 7) AND list_id = 1; \
             DELETE FROM subscribers WHERE id = 8; UPDATE subscribers SET status = 'bounced' WHERE id = 9; \
             UPDATE subscribers SET status = 'complained' WHERE id = 11; \
             UPDATE subscribers SET status = 'on_hold' WHERE id = 12; \
             INSERT INTO suppressions (workspace_id, kind, value, reason, created_at_ms) \
             VALUES (2, 'address', 'p3@d3.example', 'complaint', 0)",
        )
        .await;
        let answers = w.intend(&jobs.iter().collect::<Vec<_>>()).await;
        use IntentAnswer::{Go, Skipped};
        use SkipReason as R;
        assert_eq!(
            answers,
            [
                Skipped(R::Complaint),
                Skipped(R::Blocklist),
                Go,
                Skipped(R::OnHold),
                Skipped(R::Unsubscribed),
                Skipped(R::Blocklist),
                Go,
                Skipped(R::Deleted),
                Skipped(R::HardBounce),
                Skipped(R::Blocklist),
                Skipped(R::Complaint),
                Skipped(R::OnHold),
            ]
        );
        assert_eq!(w.row(jobs[7].delivery).await.reason.as_deref(), Some("deleted"));
        w.check_books(c).await;
    })
    .await;
}

#[tokio::test]
async fn a_list_deleted_during_the_send_leaves_an_account_of_everyone() {
    each(async |w: World| {
        w.list(1, 1..=4).await;
        w.list(2, 3..=6).await;
        let (c, jobs) = w.launched(1, &[1, 2], &[]).await;
        w.sql("DELETE FROM lists WHERE id = 1").await;
        let answers = w.intend(&jobs.iter().collect::<Vec<_>>()).await;
        let gone = IntentAnswer::Skipped(SkipReason::Unsubscribed);
        assert_eq!(answers, [gone, gone, IntentAnswer::Go, IntentAnswer::Go, IntentAnswer::Go, IntentAnswer::Go]);
        assert_eq!(w.counters(c).await, "2:=4 15:unsubscribed=2");
        w.check_books(c).await;
    })
    .await;
}

#[tokio::test]
async fn a_hard_bounce_marks_suppresses_and_stops_the_intent_beside_it() {
    each(async |w: World| {
        w.list(1, 1..=3).await;
        let (a, first) = w.launched(1, &[1], &[]).await;
        let (b, second) = w.launched(2, &[1], &[]).await;
        w.suppress("address", "p2@d2.example", "complaint", None).await;
        w.suppress("address", "p3@d3.example", "on_hold", Some(1)).await;
        let words = "550-5.1.1 who?\n550 5.1.1 nobody";
        let outcomes = first.iter().map(|job| outcome(job, Settled::HardBounced, words)).collect();
        let intents = second.iter().map(intent).collect();
        let report = w.store.commit(LedgerBatch { intents, outcomes }, NOW).await.expect("commits");
        assert_eq!(report.outcomes, [OutcomeAnswer::Recorded; 3]);
        use IntentAnswer::Skipped;
        let (bounce, complaint) = (Skipped(SkipReason::HardBounce), Skipped(SkipReason::Complaint));
        assert_eq!(report.intents, [bounce, complaint, bounce]);
        assert_eq!(w.number("SELECT COUNT(*) FROM subscribers WHERE status = 'bounced'").await, 3);
        let evidence = w.value("SELECT evidence AS v FROM suppressions WHERE value = 'p1@d1.example'").await;
        assert_eq!(evidence.as_deref(), Some(words));
        let kept = w.value("SELECT reason AS v FROM suppressions WHERE value = 'p2@d2.example'").await;
        assert_eq!(kept.as_deref(), Some("complaint"), "never weakened");
        assert_eq!(w.number("SELECT COUNT(*) FROM suppressions WHERE expires_at_ms IS NULL").await, 3);
        assert_eq!(
            (w.counters(a).await.as_str(), w.number("SELECT COUNT(*) FROM attempts").await),
            ("11:bad_address=3", 3)
        );
        w.check_books(a).await;
        w.check_books(b).await;
    })
    .await;
}

/// One campaign to both people of list 1, who end so.
async fn soft_then(w: &World, campaign: i64, ends: [Settled; 2], at: UnixMs) -> CampaignId {
    let (c, jobs) = w.launched(campaign, &[1], &[]).await;
    w.intend(&[&jobs[0], &jobs[1]]).await;
    let words = |end| if end == Settled::Accepted { "250 2.0.0 ok" } else { "452 4.2.2 full" };
    let outcomes = (0..2)
        .map(|i| OutcomeRecord { reason: Some("mailbox_full".into()), ..outcome(&jobs[i], ends[i], words(ends[i])) });
    w.store.commit(LedgerBatch { intents: vec![], outcomes: outcomes.collect() }, at).await.expect("commits");
    c
}

#[tokio::test]
async fn soft_bounces_in_a_row_put_an_address_on_hold_and_a_delivery_between_begins_a_new_row() {
    use Settled::{Accepted, SoftBounced};
    each(async |w: World| {
        w.list(1, 1..=2).await;
        let day = |n: i64| UnixMs(NOW.0 + n * UnixMs::DAY);
        let soft = |id: i64| format!("SELECT soft_bounces FROM subscribers WHERE id = {id}");
        let one = soft_then(&w, 1, [SoftBounced, SoftBounced], day(1)).await;
        soft_then(&w, 2, [SoftBounced, SoftBounced], day(12)).await;
        soft_then(&w, 3, [SoftBounced, Accepted], day(20)).await;
        assert_eq!((w.number(&soft(1)).await, w.number(&soft(2)).await), (3, 2));
        assert_eq!(w.number("SELECT COUNT(*) FROM suppressions").await, 0, "three, but within 19 days");
        soft_then(&w, 4, [SoftBounced, SoftBounced], day(32)).await;
        assert_eq!(
            (w.number(&soft(1)).await, w.number(&soft(2)).await),
            (4, 1),
            "the second was delivered to on day 20"
        );
        assert_eq!(w.number("SELECT COUNT(*) FROM suppressions WHERE reason = 'on_hold'").await, 1);
        assert_eq!(w.value("SELECT status AS v FROM subscribers WHERE id = 1").await.as_deref(), Some("on_hold"));
        assert_eq!(w.value("SELECT status AS v FROM subscribers WHERE id = 2").await.as_deref(), Some("active"));
        assert_eq!(
            w.number(&format!(
                "SELECT COUNT(*) FROM attempts a JOIN deliveries d ON d.id = a.delivery_id WHERE d.campaign_id = {one}"
            ))
            .await,
            2
        );
        w.check_books(one).await;
    })
    .await;
}

#[tokio::test]
async fn a_doubt_about_an_address_needs_a_second_one() {
    each(async |w: World| {
        w.list(1, 1..=3).await;
        let doubtful = |job: &QueuedJob| OutcomeRecord {
            reason: Some("mailbox_disabled".into()),
            ..outcome(job, Settled::SoftBounced, "550 5.2.1 mailbox disabled")
        };
        for (campaign, at) in [(1, NOW), (2, UnixMs(NOW.0 + 8 * UnixMs::DAY))] {
            let (_, jobs) = w.launched(campaign, &[1], &[]).await;
            // The third is doubted only once; the second is delivered to between.
            let outcomes = match campaign {
                1 => vec![doubtful(&jobs[0]), doubtful(&jobs[1]), doubtful(&jobs[2])],
                _ => vec![doubtful(&jobs[0])],
            };
            w.store.commit(LedgerBatch { intents: vec![], outcomes }, at).await.expect("commits");
        }
        assert_eq!(w.number("SELECT COUNT(*) FROM subscribers WHERE status = 'bounced'").await, 1);
        assert_eq!(
            w.value("SELECT value AS v FROM suppressions WHERE reason = 'hard_bounce'").await.as_deref(),
            Some("p1@d1.example")
        );
        let much_later = UnixMs(NOW.0 + 60 * UnixMs::DAY);
        let (_, jobs) = w.launched(3, &[1], &[]).await;
        w.store
            .commit(LedgerBatch { intents: vec![], outcomes: vec![doubtful(&jobs[1])] }, much_later)
            .await
            .expect("commits");
        assert_eq!(
            w.number("SELECT COUNT(*) FROM suppressions").await,
            1,
            "after two months it is a first doubt again"
        );
    })
    .await;
}

#[tokio::test]
async fn a_workspaces_own_rules_and_labels_are_followed() {
    use tidings_domain::{BounceAction, BounceClass};
    each(async |w: World| {
        w.list(1, 1..=2).await;
        let choose = w.workspace.choose_bounce_action(BounceClass::MailboxFull, BounceAction::Suppress, "ana", NOW);
        assert!(choose.await.expect("chooses"));
        let forbidden = w.workspace.choose_bounce_action(BounceClass::IpBlocked, BounceAction::Suppress, "ana", NOW);
        assert!(!forbidden.await.expect("answers"), "nobody is punished for the sender's fault");
        w.workspace.label_bounce_text("gone fishing", Some(BounceClass::BadAddress), "ana", NOW).await.expect("labels");
        let (c, jobs) = w.launched(1, &[1], &[]).await;
        let full = OutcomeRecord {
            reason: Some("mailbox_full".into()),
            ..outcome(&jobs[0], Settled::SoftBounced, "552 5.2.2 full")
        };
        let mut unknown = OutcomeRecord {
            reason: Some("undetermined".into()),
            ..outcome(&jobs[1], Settled::SoftBounced, "550 gone fishing")
        };
        unknown.reply.as_mut().expect("a reply").key = "gone fishing".into();
        w.settle(vec![full, unknown]).await;
        assert_eq!(w.counters(c).await, "11:bad_address=1 12:mailbox_full=1");
        assert_eq!(w.number("SELECT COUNT(*) FROM suppressions WHERE reason = 'hard_bounce'").await, 2);
        assert_eq!(w.row(jobs[1].delivery).await.reason.as_deref(), Some("bad_address"));
        w.check_books(c).await;
    })
    .await;
}

#[tokio::test]
async fn a_deferral_costs_an_attempt_and_a_snooze_does_not() {
    each(async |w: World| {
        w.list(1, 1..=2).await;
        let (c, jobs) = w.launched(1, &[1], &[]).await;
        w.settle(vec![outcome(&jobs[0], DEFER, "451 4.2.1 a"), outcome(&jobs[1], SNOOZE, "421 4.7.28 b")]).await;
        assert_eq!((w.row(jobs[0].delivery).await.attempt, w.row(jobs[1].delivery).await.attempt), (1, 0));
        let due = w.store.take_due(UnixMs(5_000), 10).await.expect("takes");
        w.settle(due.iter().map(|job| outcome(job, SNOOZE, "421 4.7.28 c")).collect()).await;
        let last = w.store.take_due(UnixMs(5_000), 10).await.expect("takes");
        // After an intent the number is spent, whatever the reply was.
        w.intend(&last.iter().collect::<Vec<_>>()).await;
        w.settle(last.iter().map(|job| outcome(job, SNOOZE, "421 4.7.28 d")).collect()).await;
        assert_eq!((w.row(jobs[0].delivery).await.attempt, w.row(jobs[1].delivery).await.attempt), (2, 1));
        let history = "SELECT COUNT(*) FROM attempts WHERE delivery_id = ";
        assert_eq!(w.number(&format!("{history}{}", jobs[0].delivery)).await, 2);
        assert_eq!(
            w.number(&format!("{history}{}", jobs[1].delivery)).await,
            1,
            "the latest words replace the earlier"
        );
        let first =
            w.number(&format!("SELECT first_attempt_at_ms FROM deliveries WHERE id = {}", jobs[0].delivery)).await;
        assert_eq!(first, NOW.0);
        w.check_books(c).await;
    })
    .await;
}

#[tokio::test]
async fn replies_are_kept_as_last_words_and_in_groups() {
    each(async |w: World| {
        w.list(1, [4, 8, 1]).await;
        let (c, jobs) = w.launched(1, &[1], &[]).await;
        w.intend(&jobs.iter().collect::<Vec<_>>()).await;
        w.settle(jobs.iter().map(|job| outcome(job, DEFER, "450 4.2.1 a\u{0}b")).collect()).await;
        let groups = "SELECT COUNT(*) FROM reply_groups";
        assert_eq!((w.number(groups).await, w.number("SELECT MAX(n) FROM reply_groups").await), (2, 2));
        let due = w.store.take_due(UnixMs(5_000), 10).await.expect("takes");
        w.intend(&due.iter().collect::<Vec<_>>()).await;
        w.settle(due.iter().map(|job| outcome(job, Settled::Accepted, "250 2.0.0 queued as 7")).collect()).await;
        assert_eq!((w.number(groups).await, w.number("SELECT SUM(n) FROM reply_groups").await), (2, 3));
        let last = w.value("SELECT reply AS v FROM provider_replies").await;
        assert_eq!(last.as_deref(), Some("250 2.0.0 queued as 7"));
        assert_eq!(w.counters(c).await, "10:=3");
        w.check_books(c).await;
    })
    .await;
}

#[tokio::test]
async fn an_outcome_of_another_attempt_is_lost_and_late_evidence_is_not() {
    each(async |w: World| {
        w.list(1, 1..=3).await;
        let (c, jobs) = w.launched(1, &[1], &[]).await;
        let accept = |job: &QueuedJob| outcome(job, Settled::Accepted, "250 ok");
        assert_eq!(w.settle(vec![accept(&jobs[0])]).await, [OutcomeAnswer::Lost], "no intent, no acceptance");
        w.intend(&jobs.iter().collect::<Vec<_>>()).await;
        let stale = QueuedJob { attempt: 3, ..jobs[0].clone() };
        assert_eq!(w.settle(vec![accept(&stale)]).await, [OutcomeAnswer::Lost]);
        assert_eq!(
            w.settle(vec![accept(&jobs[0]), accept(&jobs[0])]).await,
            [OutcomeAnswer::Recorded, OutcomeAnswer::Lost]
        );
        let lost_sight = outcome(&jobs[1], Settled::InDoubt, "0 connection lost");
        w.settle(vec![lost_sight]).await;
        assert_eq!(w.counters(c).await, "2:=1 10:=1 14:=1");
        assert_eq!(w.settle(vec![accept(&jobs[1])]).await, [OutcomeAnswer::Recorded], "it did arrive");
        let failed = outcome(&jobs[2], Settled::Failed, "554 5.7.1 no");
        assert_eq!(w.settle(vec![failed]).await, [OutcomeAnswer::Recorded]);
        assert_eq!(w.number("SELECT COUNT(*) FROM suppressions").await, 0, "our fault is not the recipient's");
        assert_eq!(w.counters(c).await, "10:=2 13:bad_address=1");
        w.check_books(c).await;
    })
    .await;
}

//! Reports that come back after the acceptance move their row once, mark one person, and nobody else.

use crate::ledger_world::*;
use tidings_domain::{BounceClass, DeliveryState, ReportEffect, ReportKind, UnixMs};
use tidings_store::*;

const HARD: LateNews = LateNews::Bounce { class: BounceClass::BadAddress, end: DeliveryState::HardBounced };
const FULL: LateNews = LateNews::Bounce { class: BounceClass::MailboxFull, end: DeliveryState::SoftBounced };

fn new_report(key: Option<&str>) -> NewReport {
    NewReport {
        received_at: LATER,
        source: "smtp".into(),
        source_name: "192.0.2.1".into(),
        dedup_key: key.map(str::to_owned),
        mail_from: String::new(),
        rcpt_to: "b-x@bounces.example".into(),
        size_bytes: 9,
        raw: b"Subject: x".to_vec(),
        workspace: None,
    }
}

/// Keeps a report, begins to read it, and says what it was found to say.
async fn finding(w: &World, delivery: Option<DeliveryId>, what: LateNews) -> Finding {
    w.store.keep_reports(vec![new_report(None)]).await.expect("keeps");
    let report = w.store.begin_reading(10, LATER).await.expect("reads").pop().expect("the newest").id;
    Finding {
        report,
        delivery,
        kind: ReportKind::Bounce,
        what,
        rule: "text:unknown".into(),
        text: "550 5.1.1 no such user".into(),
        text_key: "550 5.1.1 no such user".into(),
        source: "bounce mail".into(),
        recipient: String::new(),
    }
}

async fn tell(w: &World, delivery: DeliveryId, what: LateNews) -> Option<ReportEffect> {
    let finding = finding(w, Some(delivery), what).await;
    w.store.settle_reports(vec![finding], LATER).await.expect("settles")[0]
}

async fn shown_id(w: &World) -> ReportId {
    w.workspace.reports(ReportFilter::default(), None, 1).await.expect("lists")[0].id
}

/// Two accepted deliveries of three, with their ids.
async fn world(w: &World) -> (CampaignId, Vec<QueuedJob>) {
    w.list(1, 1..=3).await;
    let (campaign, jobs) = w.launched(1, &[1], &[]).await;
    w.intend(&[&jobs[0], &jobs[1]]).await;
    w.settle(vec![outcome(&jobs[0], Settled::Accepted, "250 ok"), outcome(&jobs[1], Settled::Accepted, "250 ok")])
        .await;
    (campaign, jobs)
}

#[tokio::test]
async fn a_bounce_that_comes_late_counts_once() {
    each(async |w: World| {
        let (campaign, jobs) = world(&w).await;
        assert_eq!(tell(&w, jobs[0].delivery, HARD).await, Some(ReportEffect::Suppressed));
        w.check_books(campaign).await;
        assert_eq!(tell(&w, jobs[0].delivery, HARD).await, Some(ReportEffect::Known));
        let early = tell(&w, jobs[2].delivery, HARD).await;
        assert_eq!(early, Some(ReportEffect::Known), "still queued: a forgery or a mix-up");
        assert_eq!(tell(&w, DeliveryId(9_999), HARD).await, Some(ReportEffect::Gone));
        let forged = finding(&w, None, HARD).await;
        assert_eq!(w.store.settle_reports(vec![forged], LATER).await.expect("settles"), [Some(ReportEffect::NotOurs)]);
        w.check_books(campaign).await;
        assert_eq!(w.number("SELECT COUNT(*) FROM subscribers WHERE status = 'bounced'").await, 1);
        assert_eq!(
            w.number("SELECT COUNT(*) FROM suppressions WHERE reason = 'hard_bounce' AND source = 'bounce mail'").await,
            1
        );
        assert_eq!(w.row(jobs[0].delivery).await.reason.as_deref(), Some("bad_address"));
        assert_eq!(w.number("SELECT COUNT(*) FROM reports WHERE state = 'done'").await, 5);
        let shown = w.workspace.reports(ReportFilter::default(), None, 10).await.expect("lists");
        assert_eq!(shown.len(), 3, "nobody's reports belong to no workspace");
        w.store.keep_reports(vec![new_report(None)]).await.expect("keeps");
        let strangers = w.store.strangers_reports(None, 10).await.expect("lists");
        assert_eq!(strangers.len(), 2, "what nobody has read yet may be somebody's");
        assert_eq!(w.store.count_strangers(10).await.expect("counts"), 2);
        assert_eq!(w.store.count_strangers(1).await.expect("counts"), 1, "no further");
        assert!(w.store.read_stranger_again(strangers[0].id).await.expect("marks"));
        assert!(!w.store.read_stranger_again(shown_id(&w).await).await.expect("marks"), "it is a workspace's");
        let others = w.store.workspace(WorkspaceId(2));
        assert!(others.reports(ReportFilter::default(), None, 10).await.expect("lists").is_empty());
        assert!(others.report(shown[0].id).await.expect("reads").is_none());
    })
    .await;
}

#[tokio::test]
async fn what_the_receiver_gave_up_on_ends_and_is_counted() {
    each(async |w: World| {
        let (campaign, jobs) = world(&w).await;
        let blocked = LateNews::Bounce { class: BounceClass::ContentBlocked, end: DeliveryState::Failed };
        assert_eq!(tell(&w, jobs[0].delivery, FULL).await, Some(ReportEffect::Counted));
        assert_eq!(tell(&w, jobs[1].delivery, blocked).await, Some(ReportEffect::Recorded));
        assert_eq!(w.counters(campaign).await, "1:=1 12:mailbox_full=1 13:content_blocked=1");
        assert_eq!(w.number("SELECT COUNT(*) FROM suppressions").await, 0);
        assert_eq!(w.number("SELECT COUNT(*) FROM subscribers WHERE status <> 'active'").await, 0);
        assert_eq!(w.number("SELECT COUNT(*) FROM reply_groups WHERE class = 'mailbox_full'").await, 1);
        w.check_books(campaign).await;
    })
    .await;
}

#[tokio::test]
async fn a_bounce_that_overtakes_its_acceptance_waits_for_it() {
    each(async |w: World| {
        let (campaign, jobs) = world(&w).await;
        w.intend(&[&jobs[2]]).await;
        assert_eq!(tell(&w, jobs[2].delivery, HARD).await, None);
        assert!(w.store.begin_reading(10, LATER).await.expect("reads").is_empty(), "not at once again");
        w.settle(vec![outcome(&jobs[2], Settled::Accepted, "250 ok")]).await;
        let soon = UnixMs(LATER.0 + UnixMs::MINUTE);
        let again = w.store.begin_reading(10, soon).await.expect("reads").pop().expect("it is back");
        let told = Finding { report: again.id, ..finding(&w, Some(jobs[2].delivery), HARD).await };
        assert_eq!(w.store.settle_reports(vec![told], soon).await.expect("settles"), [Some(ReportEffect::Suppressed)]);
        w.check_books(campaign).await;
    })
    .await;
}

#[tokio::test]
async fn a_complaint_is_stronger_than_anything_and_ends_subscriptions() {
    each(async |w: World| {
        let (campaign, jobs) = world(&w).await;
        let who = format!("SELECT recipient AS v FROM deliveries WHERE id = {}", jobs[1].delivery);
        let email = w.value(&who).await.expect("it");
        w.suppress("address", &email, "hard_bounce", None).await;
        assert_eq!(tell(&w, jobs[1].delivery, LateNews::Complaint).await, Some(ReportEffect::Complained));
        assert_eq!(w.number("SELECT COUNT(*) FROM suppressions WHERE reason = 'complaint'").await, 1);
        assert_eq!(w.number("SELECT COUNT(*) FROM subscribers WHERE status = 'complained'").await, 1);
        assert_eq!(w.number("SELECT COUNT(*) FROM subscriptions WHERE status = 'unsubscribed'").await, 1);
        assert_eq!(tell(&w, jobs[1].delivery, LateNews::Complaint).await, Some(ReportEffect::Known));
        assert_eq!(w.number("SELECT SUM(unsubscribed) FROM campaign_responses").await, 1);
        assert_eq!(tell(&w, jobs[0].delivery, LateNews::Unsubscribe).await, Some(ReportEffect::Unsubscribed));
        assert_eq!(w.number("SELECT SUM(unsubscribed) FROM campaign_responses").await, 2);
        w.check_books(campaign).await;
    })
    .await;
}

#[tokio::test]
async fn a_bounce_of_last_year_is_not_believed() {
    each(async |w: World| {
        let (_, jobs) = world(&w).await;
        let told = finding(&w, Some(jobs[0].delivery), HARD).await;
        let late = UnixMs(LATER.0 + 40 * UnixMs::DAY);
        assert_eq!(w.store.settle_reports(vec![told], late).await.expect("settles"), [Some(ReportEffect::TooLate)]);
        assert_eq!(w.number("SELECT COUNT(*) FROM suppressions").await, 0);
    })
    .await;
}

#[tokio::test]
async fn read_again_by_better_rules_the_first_judgement_is_taken_back() {
    each(async |w: World| {
        let (campaign, jobs) = world(&w).await;
        let first = finding(&w, Some(jobs[0].delivery), HARD).await;
        w.store.settle_reports(vec![first.clone()], LATER).await.expect("settles");
        let chosen =
            w.workspace.read_reports_again(ReportFilter::default(), Some(first.report)).await.expect("chooses");
        assert_eq!(chosen, 1);
        assert_eq!(w.store.begin_reading(10, LATER).await.expect("reads").len(), 1);
        let again = Finding { what: FULL, ..first.clone() };
        assert_eq!(w.store.settle_reports(vec![again], LATER).await.expect("settles"), [Some(ReportEffect::Counted)]);
        assert_eq!(w.number("SELECT COUNT(*) FROM suppressions").await, 0);
        assert_eq!(w.number("SELECT COUNT(*) FROM subscribers WHERE status <> 'active'").await, 0);
        assert_eq!(w.counters(campaign).await, "1:=1 10:=1 12:mailbox_full=1");
        w.check_books(campaign).await;
        w.workspace.read_reports_again(ReportFilter::default(), Some(first.report)).await.expect("chooses");
        assert_eq!(
            w.store.settle_reports(vec![first], LATER).await.expect("settles"),
            [Some(ReportEffect::Suppressed)]
        );
        assert_eq!(w.counters(campaign).await, "1:=1 10:=1 11:bad_address=1");
        assert_eq!(w.number("SELECT soft_bounces FROM subscribers ORDER BY soft_bounces DESC LIMIT 1").await, 0);
        w.check_books(campaign).await;
    })
    .await;
}

#[tokio::test]
async fn read_again_after_months_an_old_bounce_is_still_believed() {
    each(async |w: World| {
        let (_, jobs) = world(&w).await;
        let first = finding(&w, Some(jobs[0].delivery), HARD).await;
        w.store.settle_reports(vec![first.clone()], LATER).await.expect("settles");
        let months_later = UnixMs(LATER.0 + 80 * UnixMs::DAY);
        w.workspace.read_reports_again(ReportFilter::default(), None).await.expect("chooses");
        let again = w.store.settle_reports(vec![first], months_later).await.expect("settles");
        assert_eq!(again, [Some(ReportEffect::Suppressed)]);
        assert_eq!(w.number("SELECT COUNT(*) FROM suppressions").await, 1);
    })
    .await;
}

#[tokio::test]
async fn a_report_that_is_fetched_twice_is_kept_once() {
    each(async |w: World| {
        let twice =
            vec![new_report(Some("imap:1:7")), new_report(Some("imap:1:7")), new_report(None), new_report(None)];
        assert_eq!(w.store.keep_reports(twice).await.expect("keeps"), 3);
        assert_eq!(w.store.keep_reports(vec![new_report(Some("imap:1:7"))]).await.expect("keeps"), 0);
        let known = w.store.known_reports(vec!["imap:1:7".into(), "imap:1:8".into()]).await.expect("asks");
        assert_eq!(known, ["imap:1:7"]);
    })
    .await;
}

#[tokio::test]
async fn a_report_that_ends_its_reader_again_and_again_is_set_aside_and_holds_up_nobody() {
    each(async |w: World| {
        w.store.keep_reports(vec![new_report(None), new_report(None)]).await.expect("keeps");
        // Two readers die with both in hand, and then the poisoned one is alone.
        for expected in [2, 2, 1, 1, 1, 0] {
            assert_eq!(w.store.begin_reading(10, LATER).await.expect("reads").len(), expected);
        }
        assert_eq!(w.number("SELECT COUNT(*) FROM reports WHERE state = 'set_aside'").await, 1);
        assert_eq!(w.store.begin_reading(10, LATER).await.expect("reads").len(), 1, "its neighbour is read");
    })
    .await;
}

#[tokio::test]
async fn old_reports_are_forgotten_and_what_they_proved_is_not() {
    each(async |w: World| {
        let (_, jobs) = world(&w).await;
        tell(&w, jobs[0].delivery, HARD).await;
        let forged = finding(&w, None, HARD).await;
        w.store.settle_reports(vec![forged], LATER).await.expect("settles");
        assert_eq!(w.store.forget_reports(LATER, 100).await.expect("forgets"), 0, "not old enough");
        assert_eq!(w.store.forget_reports(UnixMs(LATER.0 + 1), 100).await.expect("forgets"), 2);
        let left = w.workspace.reports(ReportFilter::default(), None, 10).await.expect("lists");
        let (row, raw) = w.workspace.report(left[0].id).await.expect("reads").expect("it");
        assert_eq!((row.effect.as_str(), raw.len()), ("suppressed", 0));
        assert!(w.store.strangers_reports(None, 10).await.expect("lists").is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_campaign_that_bounces_too_much_is_paused_and_may_go_on_once_somebody_looked() {
    each(async |w: World| {
        w.list(1, 1..=40).await;
        let (campaign, jobs) = w.launched(1, &[1], &[]).await;
        let bounced = |job: &QueuedJob| outcome(job, Settled::HardBounced, "550 5.1.1 unknown");
        w.settle(jobs[..11].iter().map(bounced).collect()).await;
        let alarms = w.store.watch_campaigns(LATER).await.expect("watches");
        assert_eq!(alarms.len(), 1, "{alarms:?}");
        assert_eq!(
            w.number("SELECT COUNT(*) FROM campaigns WHERE paused_at_ms IS NOT NULL AND attention <> ''").await,
            1
        );
        assert!(w.store.watch_campaigns(LATER).await.expect("watches").is_empty(), "told once");
        w.workspace.resume(campaign, "ana", LATER).await.expect("resumes");
        assert!(w.store.watch_campaigns(LATER).await.expect("watches").is_empty(), "what was before is forgiven");
        w.settle(jobs[11..22].iter().map(bounced).collect()).await;
        assert_eq!(w.store.watch_campaigns(LATER).await.expect("watches").len(), 1, "what came since is not");
    })
    .await;
}

//! What the pages about bounces read: filters, sums by class, the whole story of one person, and who changed which rule.

use crate::ledger_world::*;
use tidings_domain::{BounceAction, BounceClass, BounceLimits, DeliveryState, ReportEffect, ReportKind, UnixMs};
use tidings_store::*;

const FULL: LateNews = LateNews::Bounce { class: BounceClass::MailboxFull, end: DeliveryState::SoftBounced };

async fn tell(w: &World, delivery: DeliveryId, what: LateNews, text: &str, at: UnixMs) -> ReportId {
    let new = NewReport {
        received_at: at,
        source: "smtp".into(),
        source_name: "192.0.2.1".into(),
        dedup_key: None,
        mail_from: String::new(),
        rcpt_to: String::new(),
        size_bytes: 4,
        raw: b"mail".to_vec(),
        workspace: None,
    };
    w.store.keep_reports(vec![new]).await.expect("keeps");
    let report = w.store.begin_reading(10, at).await.expect("reads").pop().expect("the newest").id;
    let finding = Finding {
        report,
        delivery: Some(delivery),
        kind: if what == LateNews::Complaint { ReportKind::Feedback } else { ReportKind::Bounce },
        what,
        rule: "text".into(),
        text: text.into(),
        text_key: text.to_lowercase(),
        source: "bounce mail".into(),
        recipient: String::new(),
    };
    w.store.settle_reports(vec![finding], at).await.expect("settles");
    report
}

async fn sent(w: &World, campaign: i64, list: i64) -> (CampaignId, Vec<QueuedJob>) {
    let (id, jobs) = w.launched(campaign, &[list], &[]).await;
    w.intend(&jobs.iter().collect::<Vec<_>>()).await;
    w.settle(jobs.iter().map(|job| outcome(job, Settled::Accepted, "250 ok")).collect()).await;
    (id, jobs)
}

#[tokio::test]
async fn each_filter_finds_its_reports_and_nobody_elses() {
    each(async |w: World| {
        w.list(1, 1..=4).await;
        let (a, jobs) = sent(&w, 1, 1).await;
        let (b, others) = sent(&w, 2, 1).await;
        let full = tell(&w, jobs[0].delivery, FULL, "452 Full", LATER).await;
        let complaint = tell(&w, jobs[1].delivery, LateNews::Complaint, "marked as spam", LATER).await;
        let later = UnixMs(LATER.0 + UnixMs::DAY);
        let second = tell(&w, others[0].delivery, FULL, "552 Over quota", later).await;
        let first_recipient =
            w.value("SELECT recipient AS v FROM deliveries WHERE campaign_id = 1 ORDER BY id LIMIT 1");
        let who = first_recipient.await.expect("a recipient");
        let all = ReportFilter::default;
        for (filter, expected) in [
            (all(), vec![second, complaint, full]),
            (ReportFilter { kind: Some(ReportKind::Feedback), ..all() }, vec![complaint]),
            (ReportFilter { class: Some(BounceClass::MailboxFull), ..all() }, vec![second, full]),
            (ReportFilter { effect: Some(ReportEffect::Complained), ..all() }, vec![complaint]),
            (ReportFilter { campaign: Some(b), ..all() }, vec![second]),
            (ReportFilter { recipient: Some(who.clone()), ..all() }, vec![second, full]),
            (ReportFilter { text_key: Some("452 full".into()), ..all() }, vec![full]),
            (ReportFilter { since: Some(later), ..all() }, vec![second]),
            (ReportFilter { campaign: Some(a), class: Some(BounceClass::BadDomain), ..all() }, vec![]),
        ] {
            let found = w.workspace.reports(filter.clone(), None, 10).await.expect("lists");
            assert_eq!(found.iter().map(|row| row.id).collect::<Vec<_>>(), expected, "{filter:?}");
            assert_eq!(w.workspace.count_reports(filter.clone(), 10).await.expect("counts"), expected.len());
            let others = w.store.workspace(WorkspaceId(2));
            assert!(others.reports(filter, None, 10).await.expect("lists").is_empty());
        }
        let rows = w.workspace.reports(all(), None, 10).await.expect("lists");
        let names = w.workspace.report_names(&rows).await.expect("reads");
        assert_eq!((names.campaigns[&a].as_str(), names.campaigns[&b].as_str()), ("C1", "C2"));
        assert_eq!(names.providers[&rows[0].provider_id], "mx:other.example");
        assert!(w.store.workspace(WorkspaceId(2)).report_names(&rows).await.expect("reads").campaigns.is_empty());
        let since = ReportFilter { since: Some(later), ..all() };
        assert_eq!(w.workspace.read_reports_again(since, None).await.expect("marks"), 1);
        assert_eq!(w.workspace.read_reports_again(all(), None).await.expect("marks"), 2, "the third waits already");
    })
    .await;
}

#[tokio::test]
async fn what_came_back_is_counted_by_class_and_provider_and_goes_when_it_is_tried_again() {
    each(async |w: World| {
        w.list(1, 1..=8).await;
        let (id, jobs) = w.launched(1, &[1], &[]).await;
        let refused = |at: usize, settled, reason: &str| OutcomeRecord {
            reason: Some(reason.to_owned()),
            ..outcome(&jobs[at], settled, "550 5.1.1 no")
        };
        w.intend(&[&jobs[4], &jobs[5]]).await;
        w.settle(vec![
            refused(0, Settled::HardBounced, "bad_address"),
            refused(1, Settled::HardBounced, "bad_address"),
            refused(2, Settled::SoftBounced, "mailbox_full"),
            refused(3, Settled::Failed, "disk full"),
            outcome(&jobs[4], Settled::Accepted, "250 ok"),
            outcome(&jobs[5], Settled::Accepted, "250 ok"),
        ])
        .await;
        tell(&w, jobs[4].delivery, FULL, "552 full", LATER).await;
        tell(&w, jobs[5].delivery, LateNews::Complaint, "spam", LATER).await;
        w.check_books(id).await;
        let found = w.workspace.campaign_bounces(id, 10).await.expect("reads");
        let classes: Vec<_> = found.classes.iter().map(|c| (c.class, c.hard, c.soft, c.failed)).collect();
        let expected =
            [(Some(BounceClass::BadAddress), 2, 0, 0), (Some(BounceClass::MailboxFull), 0, 2, 0), (None, 0, 0, 1)];
        assert_eq!(classes, expected);
        assert_eq!(found.classes[1].samples[0].text, "552 full");
        let by_provider: i64 = found.providers.iter().map(ProviderBounces::bounced).sum();
        assert_eq!(by_provider, 5);
        assert!(found.providers.iter().all(|provider| !provider.name.is_empty()));
        assert_eq!(w.workspace.campaign_bounces(id, 1).await.expect("reads").providers.len(), 1);

        let dead = QueueFilter { reason: Some("mailbox_full".into()), ..QueueFilter::default() };
        assert_eq!(w.store.operate(Operation::Retry, id, dead, "ana", LATER).await.expect("works"), Operated::Rows(2));
        w.check_books(id).await;
        let left = w.workspace.campaign_bounces(id, 10).await.expect("reads");
        assert!(left.classes.iter().all(|class| class.class != Some(BounceClass::MailboxFull)), "{:?}", left.classes);
        assert!(w.store.workspace(WorkspaceId(2)).campaign_bounces(id, 10).await.is_err(), "another's");
    })
    .await;
}

#[tokio::test]
async fn a_person_s_story_comes_in_pieces_that_miss_nothing_and_repeat_nothing() {
    each(async |w: World| {
        w.list(1, 1..=1).await;
        let (_, jobs) = sent(&w, 1, 1).await;
        tell(&w, jobs[0].delivery, FULL, "552 full", LATER).await;
        w.sql(
            "INSERT INTO engagements (delivery_id, kind, link, workspace_id, campaign_id, n, first_at_ms, last_at_ms) \
             SELECT id, 'open', -1, 1, 1, 2, 9000001, 9000002 FROM deliveries",
        )
        .await;
        // A year of campaigns, each a day after the other; the first stays the oldest.
        let mut years = String::new();
        for n in 2..=70 {
            let at = n * UnixMs::DAY;
            years += &format!(
                "INSERT INTO campaigns (id, workspace_id, name, state, revision_id, audience_total, done_at_ms, queuing_at_ms, created_at_ms, updated_at_ms) \
                 VALUES ({n}, 1, 'C{n}', 'done', 1, 1, {at}, {at}, 0, 0); \
                 INSERT INTO deliveries (workspace_id, campaign_id, kind, subscriber_id, recipient, provider_id, revision_id, state, updated_at_ms) \
                 VALUES (1, {n}, 0, 1, 'p1@d1.example', 0, 1, 10, {at});"
            );
        }
        w.sql(&years).await;
        let (mut before, mut seen, mut reports, mut opens, mut pieces) = (None, Vec::new(), 0, 0, 0);
        loop {
            let piece = w.workspace.timeline(SubscriberId(1), before).await.expect("reads");
            pieces += 1;
            seen.extend(piece.sent.iter().map(|sent| sent.campaign.0));
            reports += piece.reports.len();
            opens += piece.sent.iter().map(|sent| sent.engagements.len()).sum::<usize>();
            assert_eq!(piece.covers(piece.added_at_ms), piece.older.is_none(), "added before all");
            match piece.older {
                Some(at) => before = Some(UnixMs(at)),
                None => break,
            }
        }
        seen.sort_unstable();
        assert_eq!(seen, (1..=70).collect::<Vec<i64>>());
        assert_eq!((reports, opens, pieces), (1, 1, 3));
        let standing = w.workspace.bounce_standing(SubscriberId(1)).await.expect("reads");
        assert_eq!((standing.soft_bounces, standing.soft_since_ms), (1, Some(LATER.0)));
        let others = w.store.workspace(WorkspaceId(2));
        assert!(others.timeline(SubscriberId(1), None).await.is_err());
        assert!(others.bounce_standing(SubscriberId(1)).await.is_err());
    })
    .await;
}

#[tokio::test]
async fn every_change_of_a_rule_names_who_made_it_and_how_it_was() {
    each(async |w: World| {
        let (ws, class) = (&w.workspace, BounceClass::MailboxFull);
        assert!(ws.choose_bounce_action(class, BounceAction::Suppress, "Ana", UnixMs(1)).await.expect("chooses"));
        assert!(ws.choose_bounce_action(class, BounceAction::Suppress, "Bo", UnixMs(2)).await.expect("chooses"));
        assert!(ws.choose_bounce_action(class, class.default_action(), "Bo", UnixMs(3)).await.expect("chooses"));
        assert!(
            !ws.choose_bounce_action(BounceClass::Throttled, BounceAction::Count, "Bo", UnixMs(4)).await.expect("no")
        );
        let limits = BounceLimits { hold_after: 5, warn_complaints: 0, ..BounceLimits::default() };
        ws.set_bounce_limits(limits, "Ana", UnixMs(5)).await.expect("sets");
        ws.label_bounce_text("go away", Some(BounceClass::Policy), "Ana", UnixMs(6)).await.expect("labels");
        ws.label_bounce_text("go away", None, "Bo", UnixMs(7)).await.expect("takes back");
        let changes = ws.bounce_changes(10).await.expect("lists");
        let told: Vec<_> = changes.iter().map(|c| (c.by.as_str(), c.was.as_str(), c.becomes.as_str())).collect();
        let expected = [
            ("Bo", "policy", ""),
            ("Ana", "", "policy"),
            ("Ana", "10", "0"),
            ("Ana", "3", "5"),
            ("Bo", "suppress", "count"),
            ("Ana", "count", "suppress"),
        ];
        assert_eq!(told, expected);
        assert_eq!(changes[3].subject, BounceSubject::Limit(BounceLimit::HoldAfter));
        assert!(w.store.workspace(WorkspaceId(2)).bounce_changes(10).await.expect("lists").is_empty());
    })
    .await;
}

#[tokio::test]
async fn campaigns_that_need_somebody_are_named_while_it_matters() {
    each(async |w: World| {
        for id in 1..=4 {
            w.draft(id, &[], &[]).await;
        }
        w.sql(
            "UPDATE campaigns SET attention = 'look', revision_id = 1, audience_total = 1 WHERE id < 4; \
               UPDATE campaigns SET state = 'sending' WHERE id = 1; \
               UPDATE campaigns SET state = 'done', done_at_ms = 50 WHERE id = 2; \
               UPDATE campaigns SET state = 'done', done_at_ms = 500 WHERE id = 3",
        )
        .await;
        let found = w.workspace.campaigns_needing_attention(UnixMs(100), 10).await.expect("reads");
        assert_eq!(found.iter().map(|head| head.id.0).collect::<Vec<_>>(), [3, 1]);
        assert!(
            w.store
                .workspace(WorkspaceId(2))
                .campaigns_needing_attention(UnixMs(0), 10)
                .await
                .expect("reads")
                .is_empty()
        );
    })
    .await;
}

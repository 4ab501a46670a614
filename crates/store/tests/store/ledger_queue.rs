//! From pending to queued and back from deferred: providers, jobs, and the rebuilt queue.

use std::collections::BTreeSet;

use crate::ledger_world::*;
use tidings_domain::{CampaignTransition, DeliveryState, EmailAddress, Lane, UnixMs};
use tidings_store::*;

#[tokio::test]
async fn rows_are_queued_as_their_domains_become_known() {
    each(async |w: World| {
        w.list(1, 1..=12).await;
        let c = w.draft(1, &[1], &[]).await;
        w.launch(c).await;
        w.store.fan_out(c, 100, NOW).await.expect("fans out");
        let domains = w.store.domains_to_resolve(c, 100, NOW).await.expect("reads");
        assert_eq!(domains, ["d0.example", "d1.example", "d2.example", "d3.example"]);
        assert_eq!(w.store.queue_pending(c, 100, NOW).await.expect("queues"), vec![]);

        let known = vec![("d0.example".into(), "google".into()), ("d1.example".into(), "google".into())];
        w.store.save_domain_providers(known, LATER).await.expect("saves");
        let jobs = w.store.queue_pending(c, 100, NOW).await.expect("queues");
        assert_eq!(jobs.len(), 6);
        assert!(jobs.iter().all(|j| &*j.provider == "google" && j.lane == Lane::Bulk && j.attempt == 0));
        assert!(jobs.is_sorted_by_key(|j| j.delivery));
        assert_eq!(w.counters(c).await, "0:=6 1:=6");
        assert_eq!(w.number("SELECT SUM(n) FROM delivery_counts WHERE provider_id = 0").await, 6);
        w.check_books(c).await;

        let rest = w.store.domains_to_resolve(c, 100, NOW).await.expect("reads");
        assert_eq!(rest, ["d2.example", "d3.example"]);
        let known = rest.into_iter().map(|d| (d, "mx:b.example".to_owned())).collect();
        w.store.save_domain_providers(known, LATER).await.expect("saves");
        assert_eq!(w.store.queue_pending(c, 2, NOW).await.expect("queues").len(), 2);
        assert_eq!(w.store.queue_pending(c, 100, NOW).await.expect("queues").len(), 4);
        assert_eq!(w.counters(c).await, "1:=12");
        w.check_books(c).await;
    })
    .await;
}

#[tokio::test]
async fn what_dns_said_grows_old() {
    each(async |w: World| {
        w.list(1, 1..=4).await;
        let c = w.draft(1, &[1], &[]).await;
        w.launch(c).await;
        w.store.fan_out(c, 100, NOW).await.expect("fans out");
        w.resolve(c).await;
        assert_eq!(w.store.domains_to_resolve(c, 100, LATER).await.expect("reads").len(), 4);
        assert_eq!(w.store.queue_pending(c, 100, LATER).await.expect("queues"), vec![]);
        let newer = vec![("d1.example".into(), "yahoo".into()), ("d1.example".into(), "microsoft".into())];
        w.store.save_domain_providers(newer, UnixMs(LATER.0 + 5)).await.expect("a domain twice is no error");
        let jobs = w.store.queue_pending(c, 100, LATER).await.expect("queues");
        assert_eq!(jobs.iter().map(|j| &*j.provider).collect::<Vec<_>>(), ["microsoft"]);
    })
    .await;
}

#[tokio::test]
async fn deferred_rows_come_back_when_due_and_the_queue_can_be_rebuilt() {
    each(async |w: World| {
        w.list(1, 1..=6).await;
        let (c, jobs) = w.launched(1, &[1], &[]).await;
        let defer = |job: &QueuedJob, at| {
            outcome(job, Settled::Deferred { until: UnixMs(at), costs_attempt: true }, "451 4.7.1 later")
        };
        w.settle(vec![defer(&jobs[0], 3_000), defer(&jobs[1], 2_000), defer(&jobs[2], 8_000)]).await;
        assert_eq!(w.counters(c).await, "1:=3 3:=3");

        let mut found = Vec::new();
        let mut after = DeliveryId(0);
        loop {
            let page = w.store.open_jobs(after, 2).await.expect("reads");
            let Some(last) = page.last() else { break };
            after = last.job.delivery;
            found.extend(page);
        }
        let dues: Vec<Option<i64>> = found.iter().map(|open| open.due.map(|d| d.0)).collect();
        assert_eq!(dues, [Some(3_000), Some(2_000), Some(8_000), None, None, None]);
        assert_eq!(found[0].job.attempt, 1);

        assert_eq!(w.store.take_due(UnixMs(1_999), 10).await.expect("takes"), vec![]);
        let first = w.store.take_due(UnixMs(5_000), 1).await.expect("takes");
        assert_eq!(first.iter().map(|j| j.delivery).collect::<Vec<_>>(), [jobs[1].delivery]);
        assert_eq!(first[0].provider, jobs[1].provider);
        assert_eq!(w.store.take_due(UnixMs(5_000), 10).await.expect("takes").len(), 1);
        assert_eq!(w.counters(c).await, "1:=5 3:=1");
        w.check_books(c).await;
        // The new job's number is the row's; the old one's is spent.
        assert_eq!(w.intend(&[&jobs[1], &first[0]]).await, [IntentAnswer::Lost, IntentAnswer::Go]);
    })
    .await;
}

#[tokio::test]
async fn work_is_loaded_in_the_order_asked_and_only_while_queued() {
    each(async |w: World| {
        w.list(1, 1..=4).await;
        w.sql("UPDATE subscribers SET first_name = 'Ana', attributes = '{\"city\":\"Bern\"}' WHERE id = 3").await;
        let (c, jobs) = w.launched(1, &[1], &[]).await;
        w.sql("DELETE FROM subscribers WHERE id = 2").await;
        w.intend(&[&jobs[0]]).await;
        let asked = [2, 1, 0, 3].map(|i: usize| jobs[i].delivery);
        let work = w.store.load_work(asked.to_vec()).await.expect("loads");
        assert_eq!(work.iter().map(|x| x.delivery).collect::<Vec<_>>(), [asked[0], asked[1], asked[3]]);
        let ana = work[0].subscriber.as_ref().expect("is there");
        assert_eq!((ana.first_name.as_str(), ana.attributes.as_str()), ("Ana", "{\"city\":\"Bern\"}"));
        assert_eq!((work[0].recipient.as_str(), &*work[0].provider), ("p3@d3.example", "mx:other.example"));
        assert!(work[1].is_deleted() && !work[0].is_deleted());
        assert_eq!((work[0].campaign, work[0].attempt, work[0].first_attempt_at), (c, 0, None));
        assert_eq!(w.store.revision(work[0].revision).await.expect("reads").expect("is there").content, content());
    })
    .await;
}

#[tokio::test]
async fn a_test_message_takes_its_own_way_and_is_never_counted() {
    each(async |w: World| {
        w.list(1, 1..=2).await;
        let c = w.draft(1, &[1], &[]).await;
        let to = ["me@mine.example", "you@yours.example"].map(|a| EmailAddress::parse(a).expect("parses")).to_vec();
        let test = TestMessage { content: content(), to, as_subscriber: Some(SubscriberId(2)), route: None };
        let ids = w.workspace.send_test(c, test.clone(), NOW).await.expect("writes");
        assert_eq!(ids.len(), 2);
        let other = w.store.workspace(WorkspaceId(2)).send_test(c, test, NOW).await;
        assert!(matches!(other, Err(StoreError::NotFound)));

        assert_eq!(w.store.test_domains_to_resolve(10, NOW).await.expect("reads"), ["mine.example", "yours.example"]);
        let known = vec![("mine.example".into(), "google".into()), ("yours.example".into(), "google".into())];
        w.store.save_domain_providers(known, LATER).await.expect("saves");
        let jobs = w.store.queue_tests(10, NOW).await.expect("queues");
        assert_eq!(jobs.iter().map(|j| (j.delivery, j.lane)).collect::<BTreeSet<_>>().len(), 2);
        assert!(jobs.iter().all(|j| j.lane == Lane::Transactional));
        let work = w.store.load_work(ids.clone()).await.expect("loads");
        assert_eq!(work[0].subscriber.as_ref().map(|s| s.id), Some(SubscriberId(2)));

        w.suppress("address", "you@yours.example", "unsubscribe", None).await;
        let answers = w.intend(&[&jobs[0], &jobs[1]]).await;
        let skipped = IntentAnswer::Skipped(tidings_domain::SkipReason::Unsubscribed);
        assert_eq!(answers, [IntentAnswer::Go, skipped], "a draft is no obstacle, a suppression is");
        w.settle(vec![outcome(&jobs[0], Settled::HardBounced, "550 5.1.1 no such user")]).await;
        let standings = w.workspace.test_standings(ids).await.expect("reads");
        assert_eq!(standings[0].reply.as_deref(), Some("550 5.1.1 no such user"));
        assert_eq!(
            standings.iter().map(|s| s.state).collect::<Vec<_>>(),
            [DeliveryState::HardBounced, DeliveryState::Skipped]
        );
        assert_eq!(w.counters(c).await, "");
        assert_eq!(w.number("SELECT COUNT(*) FROM suppressions WHERE reason = 'hard_bounce'").await, 0);
        assert_eq!(w.number("SELECT COUNT(*) FROM subscribers WHERE status <> 'active'").await, 0);
        assert_eq!(w.number("SELECT COUNT(*) FROM provider_replies").await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_test_of_a_queued_campaign_does_not_start_it_nor_keep_it_open() {
    each(async |w: World| {
        let (c, _) = w.launched(1, &[], &[]).await;
        let to = vec![EmailAddress::parse("me@d0.example").expect("parses")];
        let test = TestMessage { content: content(), to, as_subscriber: None, route: None };
        w.workspace.send_test(c, test, NOW).await.expect("writes");
        w.store.save_domain_providers(vec![("d0.example".into(), "google".into())], LATER).await.expect("saves");
        let jobs = w.store.queue_tests(10, NOW).await.expect("queues");
        assert_eq!(w.intend(&[&jobs[0]]).await, [IntentAnswer::Go]);
        assert_eq!(w.value("SELECT state AS v FROM campaigns").await.as_deref(), Some("queued"));
        assert!(w.store.finish_if_drained(c, NOW).await.expect("looks"));
        assert_eq!(w.store.apply(c, CampaignTransition::Finish, NOW).await.expect("applies"), Applied::LostRace);
    })
    .await;
}

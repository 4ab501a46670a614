//! Fan-out: who is in the audience, why not, and that a kill repeats nothing.

use crate::ledger_world::*;
use tidings_domain::UnixMs;
use tidings_store::*;

#[tokio::test]
async fn every_member_has_one_row_and_every_absence_its_reason() {
    each(async |w: World| {
        w.list(1, 1..=10).await;
        w.list(2, 8..=14).await;
        w.list(3, [2]).await;
        w.sql(
            "UPDATE subscriptions SET status = 'unsubscribed' WHERE list_id = 1 AND subscriber_id = 1; \
             UPDATE subscriptions SET status = 'unsubscribed' WHERE list_id = 2 AND subscriber_id = 8; \
             UPDATE subscribers SET status = 'bounced' WHERE id = 4; UPDATE subscribers SET status = 'on_hold' WHERE id = 9; \
             UPDATE subscribers SET domain = 'blocked.example', email = 'x@blocked.example' WHERE id = 5",
        )
        .await;
        w.suppress("address", "p2@d2.example", "complaint", None).await;
        w.suppress("address", "p3@d3.example", "unsubscribe", None).await;
        w.suppress("address", "p6@d2.example", "blocklist", Some(NOW.0 - 1)).await;
        w.suppress("domain", "blocked.example", "blocklist", None).await;
        let c = w.draft(1, &[1, 2], &[3]).await;
        w.launch(c).await;
        let done = w.store.fan_out(c, 100, NOW).await.expect("fans out").0;
        // 13 people: 1 left his only list, 8 is still on one of two, 9 and 10 are on both.
        assert_eq!(done, FanOut::Finished { audience_total: 13, to_send: 8 });
        assert_eq!(
            w.counters(c).await,
            "0:=8 15:blocklist=1 15:excluded=1 15:hard_bounce=1 15:on_hold=1 15:unsubscribed=1"
        );
        assert_eq!(w.number("SELECT duplicates FROM fanouts").await, 2);
        assert_eq!(w.number("SELECT audience_total FROM campaigns").await, 13);
        assert_eq!(w.rows("subscriber_id = 2").await[0].reason.as_deref(), Some("excluded"));
        assert_eq!(w.rows("subscriber_id = 6").await[0].state, 0, "an expired suppression does not count");
        w.check_books(c).await;
    })
    .await;
}

#[tokio::test]
async fn chunks_are_bounded_and_add_up() {
    each(async |w: World| {
        w.list(1, (1..=50).map(|n| n * 3)).await;
        w.list(2, 1..=40).await;
        let c = w.draft(1, &[1, 2], &[]).await;
        w.launch(c).await;
        let mut chunks = 0;
        loop {
            match w.store.fan_out(c, 7, NOW).await.expect("fans out").0 {
                FanOut::Chunk { rows } => assert!((1..=14).contains(&rows), "{rows}"),
                FanOut::Finished { audience_total, to_send } => {
                    assert_eq!((audience_total, to_send), (77, 77));
                    break;
                }
                FanOut::NotQueuing => panic!("it is queuing"),
            }
            chunks += 1;
            w.check_books(c).await;
        }
        assert!(chunks >= 8, "{chunks}");
        assert_eq!(w.number("SELECT COUNT(*) - COUNT(DISTINCT subscriber_id) FROM deliveries").await, 0);
        assert_eq!(w.number("SELECT duplicates FROM fanouts").await, 13);
        let again = w.store.fan_out(c, 7, NOW).await.expect("says so again").0;
        assert_eq!(again, FanOut::Finished { audience_total: 77, to_send: 77 });
    })
    .await;
}

/// The cursor and the rows that it stands for are one transaction: a kill between the two would lose the chunk.
#[tokio::test]
async fn a_chunk_whose_rows_cannot_be_written_moves_nothing() {
    each(async |w: World| {
        w.list(1, 1..=20).await;
        let c = w.draft(1, &[1], &[]).await;
        w.launch(c).await;
        w.store.fan_out(c, 8, NOW).await.expect("fans out");
        let (refuse, take_again) = if w.store.is_embedded() {
            (
                "CREATE TRIGGER full BEFORE INSERT ON deliveries BEGIN SELECT RAISE(ABORT, 'no room'); END",
                "DROP TRIGGER full",
            )
        } else {
            (
                "ALTER TABLE deliveries ADD CONSTRAINT full_now CHECK (id < 0) NOT VALID",
                "ALTER TABLE deliveries DROP CONSTRAINT full_now",
            )
        };
        let known = async || w.value("SELECT CAST(cursor_subscriber_id AS TEXT) AS v FROM fanouts").await;
        let before = (known().await, w.counters(c).await);
        w.sql(refuse).await;
        w.store.fan_out(c, 8, NOW).await.expect_err("no row can be written");
        assert_eq!((known().await, w.counters(c).await), before);
        w.sql(take_again).await;
        while !matches!(w.store.fan_out(c, 8, NOW).await.expect("goes on").0, FanOut::Finished { .. }) {}
        assert_eq!(w.number("SELECT COUNT(DISTINCT subscriber_id) FROM deliveries").await, 20);
        w.check_books(c).await;
    })
    .await;
}

#[tokio::test]
async fn a_repeated_chunk_adds_nothing() {
    each(async |w: World| {
        w.list(1, 1..=20).await;
        let c = w.draft(1, &[1], &[]).await;
        w.launch(c).await;
        w.store.fan_out(c, 8, NOW).await.expect("fans out");
        // Worse than any kill can do: the cursor is lost while the rows stay.
        w.sql("UPDATE fanouts SET cursor_subscriber_id = 0").await;
        assert_eq!(w.store.fan_out(c, 8, NOW).await.expect("fans out").0, FanOut::Chunk { rows: 0 });
        while let FanOut::Chunk { .. } = w.store.fan_out(c, 8, NOW).await.expect("fans out").0 {}
        assert_eq!(w.counters(c).await, "0:=20");
        w.check_books(c).await;
    })
    .await;
}

#[tokio::test]
async fn who_joins_after_the_launch_is_not_in_it() {
    each(async |w: World| {
        w.list(1, 1..=5).await;
        let c = w.draft(1, &[1], &[]).await;
        w.launch(c).await;
        w.list(2, [6]).await;
        w.sql("UPDATE subscriptions SET list_id = 1 WHERE subscriber_id = 6").await;
        let done = w.store.fan_out(c, 100, NOW).await.expect("fans out").0;
        assert_eq!(done, FanOut::Finished { audience_total: 5, to_send: 5 });
    })
    .await;
}

#[tokio::test]
async fn an_empty_audience_and_a_cancelled_campaign_end_well() {
    each(async |w: World| {
        let c = w.draft(1, &[], &[]).await;
        assert_eq!(w.store.fan_out(c, 100, NOW).await.expect("looks").0, FanOut::NotQueuing);
        w.launch(c).await;
        let done = w.store.fan_out(c, 100, NOW).await.expect("fans out").0;
        assert_eq!(done, FanOut::Finished { audience_total: 0, to_send: 0 });

        w.list(1, 1..=20).await;
        let d = w.draft(2, &[1], &[]).await;
        w.launch(d).await;
        w.store.fan_out(d, 5, NOW).await.expect("fans out");
        assert_eq!(w.workspace.cancel(d, "bo", UnixMs(7)).await.expect("cancels"), Applied::Yes);
        assert_eq!(w.store.fan_out(d, 5, NOW).await.expect("looks").0, FanOut::NotQueuing);
        assert_eq!(w.number("SELECT audience_total FROM campaigns WHERE id = 2").await, 5);
        w.check_books(d).await;
    })
    .await;
}

#[tokio::test]
async fn rows_of_known_domains_are_queued_at_once() {
    each(async |w: World| {
        w.list(1, 1..=8).await;
        w.launched(1, &[1], &[]).await;
        // d0 and d1 are known for long, d2 no longer, d3 not at all.
        w.sql(
            "UPDATE recipient_domains SET expires_at_ms = 1 WHERE domain = 'd2.example'; \
             DELETE FROM recipient_domains WHERE domain = 'd3.example'",
        )
        .await;
        w.suppress("address", "p4@d0.example", "complaint", None).await;
        let c = w.draft(2, &[1], &[]).await;
        w.launch(c).await;
        let (done, jobs) = w.store.fan_out(c, 100, NOW).await.expect("fans out");
        assert_eq!(done, FanOut::Finished { audience_total: 8, to_send: 7 });
        assert_eq!(w.counters(c).await, "0:=4 1:=3 15:complaint=1");
        w.check_books(c).await;
        let queued = w.rows(&format!("campaign_id = {c} AND state = 1")).await;
        assert_eq!(
            jobs.iter().map(|job| job.delivery.0).collect::<Vec<_>>(),
            queued.iter().map(|r| r.id).collect::<Vec<_>>()
        );
        assert!(jobs.iter().all(|job| job.attempt == 0 && job.campaign == c));
        let providers: Vec<&str> = jobs.iter().map(|job| &*job.provider).collect();
        assert_eq!(providers, ["mx:other.example", "mx:other.example", "google"]);
        w.resolve(c).await;
        assert_eq!(w.store.queue_pending(c, 100, NOW).await.expect("queues").len(), 4, "the others follow");
        assert_eq!(w.store.load_work(jobs.iter().map(|job| job.delivery).collect()).await.expect("loads").len(), 3);
    })
    .await;
}

#[tokio::test]
async fn no_row_is_queued_before_patterns_had_their_say() {
    each(async |w: World| {
        w.list(1, 1..=8).await;
        w.launched(1, &[1], &[]).await;
        w.suppress("pattern", "p1@*", "blocklist", None).await;
        w.sql("INSERT INTO suppression_specials (workspace_id, kind) VALUES (1, 'pattern')").await;
        let c = w.draft(2, &[1], &[]).await;
        w.launch(c).await;
        let (done, jobs) = w.store.fan_out(c, 100, NOW).await.expect("fans out");
        assert_eq!(done, FanOut::Finished { audience_total: 8, to_send: 7 });
        assert_eq!(jobs, vec![]);
        assert_eq!(w.counters(c).await, "0:=7 15:blocklist=1");
        w.check_books(c).await;
    })
    .await;
}

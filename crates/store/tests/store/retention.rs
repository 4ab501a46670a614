//! The rows of old campaigns go, on both backends; sums and links stay.

use crate::ledger_world::*;
use tidings_domain::UnixMs;
use tidings_store::*;

/// The months for which rows are kept here.
const KEPT: u32 = 3;
/// In March of 2020: the ledger's months begin with that year, and [`NOW`] counts as its second.
const SOON: UnixMs = UnixMs(1_583_107_200_000);
/// In November of 2026.
const LATE: UnixMs = UnixMs(1_795_000_000_000);

async fn finished(w: &World, id: i64, list: i64) -> (CampaignId, Vec<QueuedJob>) {
    let (c, jobs) = w.launched(id, &[list], &[]).await;
    w.intend(&jobs.iter().collect::<Vec<_>>()).await;
    let mut said: Vec<OutcomeRecord> = jobs.iter().map(|job| outcome(job, Settled::Accepted, "250 2.0.0 ok")).collect();
    said[0] = outcome(&jobs[0], Settled::HardBounced, "550 5.1.1 no such user");
    w.settle(said).await;
    assert!(w.store.finish_if_drained(c, NOW).await.expect("finishes"));
    (c, jobs)
}

async fn remove(w: &World, now: UnixMs) -> usize {
    let mut removed = 0;
    loop {
        match w.store.remove_old_rows(KEPT, now).await.expect("removes") {
            Retention::Nothing => return removed,
            Retention::Removed(campaigns) => removed += campaigns,
            Retention::Step(rows) => assert!(rows > 0),
        }
    }
}

#[tokio::test]
async fn old_rows_go_and_their_sums_and_links_stay() {
    each(async |w: World| {
        w.list(1, 1..=6).await;
        let (c, jobs) = finished(&w, 1, 1).await;
        let before = w.counters(c).await;
        assert_eq!(remove(&w, SOON).await, 0, "it is not old yet");
        assert_eq!(remove(&w, LATE).await, 1);
        assert_eq!(remove(&w, LATE).await, 0, "once is enough");

        assert_eq!(w.number("SELECT COUNT(*) FROM deliveries").await, 0);
        assert_eq!(w.number("SELECT COUNT(*) FROM attempts").await, 0);
        assert_eq!(w.counters(c).await, before);
        w.check_books(c).await;
        let people = w.workspace.people(c, PeopleFilter::default(), None, 10).await.expect("reads");
        assert!(people.people.is_empty());
        assert_eq!(people.removed_at_ms, Some(LATE.0));
        assert!(
            w.value("SELECT what AS v FROM campaign_events ORDER BY id DESC").await.expect("told").contains("removed")
        );

        let sent = w.store.sent(jobs[1].delivery).await.expect("reads").expect("still known");
        assert_eq!((sent.campaign, sent.recipient.as_str()), (c, "p2@d2.example"));
        assert!(w.store.sent(jobs[0].delivery).await.expect("reads").is_none(), "it never arrived");
        let left = w.store.unsubscribe(jobs[1].delivery, Leaving::Lists, LATE).await.expect("leaves").expect("known");
        assert_eq!(left.lists, vec![("L1".to_owned(), false)]);
        assert_eq!(w.number("SELECT unsubscribed FROM campaign_responses").await, 1);
    })
    .await;
}

#[tokio::test]
async fn what_still_moves_keeps_its_month() {
    each(async |w: World| {
        w.list(1, 1..=3).await;
        finished(&w, 1, 1).await;
        let (open, _) = w.launched(2, &[1], &[]).await;
        let removed = remove(&w, LATE).await;
        // SQLite has no months: there each campaign goes by itself.
        assert_eq!(removed, usize::from(w.store.is_embedded()));
        assert_eq!(w.number(&format!("SELECT COUNT(*) FROM deliveries WHERE campaign_id = {open}")).await, 3);
        w.check_books(open).await;
    })
    .await;
}

/// The campaign has ended, and one of its attempts has not: its outcome still needs its row.
#[tokio::test]
async fn what_is_in_flight_of_a_cancelled_campaign_keeps_its_rows() {
    each(async |w: World| {
        w.list(1, 1..=3).await;
        let (id, jobs) = w.launched(1, &[1], &[]).await;
        w.intend(&[&jobs[0]]).await;
        w.workspace.cancel(id, "ana", NOW).await.expect("cancels");
        while w.store.cancel_rows(id, 10, NOW).await.expect("cancels") > 0 {}
        assert_eq!(remove(&w, LATE).await, 0);
        w.settle(vec![outcome(&jobs[0], Settled::Accepted, "250 ok")]).await;
        w.check_books(id).await;
        assert_eq!(remove(&w, LATE).await, 1);
    })
    .await;
}

#[tokio::test]
async fn a_deleted_person_stays_unknown() {
    each(async |w: World| {
        w.list(1, 1..=3).await;
        let (_, jobs) = finished(&w, 1, 1).await;
        remove(&w, LATE).await;
        w.sql("DELETE FROM subscribers WHERE id = 2").await;
        assert!(w.store.leaver(jobs[1].delivery, LATER).await.expect("reads").is_none());
        assert!(w.store.leaver(jobs[2].delivery, LATER).await.expect("reads").is_some());
    })
    .await;
}

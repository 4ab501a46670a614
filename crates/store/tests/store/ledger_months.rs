//! The parts of the ledger on PostgreSQL: who lies where, and what a plan reads.

use crate::ledger_world::*;
use diesel::prelude::*;
use diesel::sql_types::Text;
use tidings_domain::{EmailAddress, UnixMs};
use tidings_store::*;
use tidings_testing::TestDatabase;

/// In November of 2026 and in January of 2027.
const NOVEMBER: UnixMs = UnixMs(1_795_000_000_000);
const JANUARY: UnixMs = UnixMs(1_799_500_000_000);

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    #[diesel(column_name = "QUERY PLAN")]
    text: String,
}

async fn launch_in(w: &World, campaign: CampaignId, at: UnixMs) {
    let launch = Launch { content: content(), route: None, expected_version: 1, by: "ana".into() };
    let launched = w.workspace.launch(campaign, launch, at).await.expect("launches");
    assert!(matches!(launched, Launched::Yes { .. }));
    while let FanOut::Chunk { .. } = w.store.fan_out(campaign, 100, at).await.expect("fans out").0 {}
}

async fn parts_of(w: &World, campaign: CampaignId) -> Option<String> {
    let text = "SELECT string_agg(DISTINCT CAST(CAST(tableoid AS regclass) AS TEXT), ' ') AS v FROM deliveries";
    w.value(&format!("{text} WHERE campaign_id = {campaign} AND kind = 0")).await
}

#[tokio::test]
async fn each_campaign_lies_in_the_month_of_its_launch() {
    let database = TestDatabase::postgres();
    let w = World::new(&database).await;
    w.list(1, 1..=5).await;
    let (one, other) = (w.draft(1, &[1], &[]).await, w.draft(2, &[1], &[]).await);
    // Neither month has its part before: a launch makes it.
    launch_in(&w, one, JANUARY).await;
    launch_in(&w, other, NOVEMBER).await;
    assert_eq!(parts_of(&w, one).await.as_deref(), Some("deliveries_2027_01"));
    assert_eq!(parts_of(&w, other).await.as_deref(), Some("deliveries_2026_11"));
    let test = TestMessage {
        content: content(),
        to: vec![EmailAddress::parse("ana@acme.example").expect("an address")],
        as_subscriber: None,
        route: None,
    };
    let sent = w.workspace.send_test(other, test, JANUARY).await.expect("sends");
    assert_eq!(w.store.test_domains_to_resolve(10, JANUARY).await.expect("reads"), ["acme.example"]);
    assert_eq!(w.workspace.test_standings(sent).await.expect("reads").len(), 1);
    w.check_books(one).await;
    w.check_books(other).await;
    assert_eq!(w.workspace.people(one, PeopleFilter::default(), None, 10).await.expect("reads").people.len(), 5);
}

#[tokio::test]
async fn nobody_gets_a_campaign_twice_whatever_wrote_it() {
    let database = TestDatabase::postgres();
    let w = World::new(&database).await;
    w.list(1, 1..=2).await;
    let c = w.draft(1, &[1], &[]).await;
    launch_in(&w, c, NOVEMBER).await;
    let again = "INSERT INTO deliveries (id, workspace_id, campaign_id, revision_id, subscriber_id, recipient, state, updated_at_ms) \
                 SELECT id + 1000, workspace_id, campaign_id, revision_id, subscriber_id, recipient, state, updated_at_ms FROM deliveries";
    let refused = w.store.write(move |conn| Ok(diesel::sql_query(again).execute(conn)?)).await;
    assert!(matches!(refused, Err(StoreError::Exists(_))), "{refused:?}");
}

#[tokio::test]
async fn a_kept_plan_reads_the_month_that_is_meant() {
    let database = TestDatabase::postgres();
    let w = World::new(&database).await;
    w.store.prepare_months(NOVEMBER).await.expect("makes the parts");
    assert!(!w.store.prepare_months(NOVEMBER).await.expect("looks"), "once is enough");
    let plan: Vec<Line> = w
        .store
        .read(|conn| {
            for text in [
                "SET plan_cache_mode = force_generic_plan",
                "PREPARE rows (BIGINT[], BIGINT, BIGINT) AS SELECT state FROM deliveries WHERE id = ANY($1) AND id BETWEEN $2 AND $3",
            ] {
                diesel::sql_query(text).execute(conn)?;
            }
            let first = 82_i64 << 40;
            let text = format!("EXPLAIN (COSTS OFF) EXECUTE rows (ARRAY[{0}, {1}], {0}, {1})", first + 1, first + 2);
            Ok(diesel::sql_query(text).load(conn)?)
        })
        .await
        .expect("explains");
    let plan: String = plan.into_iter().map(|line| line.text + "\n").collect();
    assert!(plan.contains("Subplans Removed") && plan.contains("deliveries_2026_11"), "{plan}");
    assert!(!plan.contains("deliveries_2026_12"), "{plan}");
}

//! The overview's sums and the pages of people.

use crate::seed::{delivery, open, sql};
use tidings_domain::{DeliveryState, UnixMs};
use tidings_store::{
    CampaignId, DeliveryId, NewCampaign, PeopleCursor, PeopleFilter, ProviderId, Store, StoreError, Workspace,
    WorkspaceId,
};
use tidings_testing::TestDatabase;

const GOOGLE: i64 = 1;
const TINY: i64 = 2;

/// Seven rows: 3 accepted and 1 deferred at google, 1 hard bounce at the other, 1 skipped and 1 pending nowhere yet.
async fn campaign(store: &Store, ws: &Workspace) -> CampaignId {
    sql(store, "INSERT INTO providers (id, name) VALUES (1, 'google'), (2, 'mx:tiny.example')").await;
    let id = ws.create_campaign(NewCampaign::default(), "ana", UnixMs(1)).await.expect("created");
    let people = "INSERT INTO subscribers (id, workspace_id, email, domain, created_at_ms, updated_at_ms) VALUES \
                  (4, 1, 'p4@d0.example', 'd0.example', 0, 0)";
    sql(store, people).await;
    for (person, provider, state, detail) in [
        (1, GOOGLE, 10, ""),
        (2, GOOGLE, 10, ""),
        (3, GOOGLE, 10, ""),
        (4, GOOGLE, 3, ""),
        (5, TINY, 11, ""),
        (6, 0, 15, "complaint"),
        (7, 0, 0, ""),
    ] {
        delivery(store, id, person, provider, state, detail).await;
    }
    id
}

#[tokio::test]
async fn the_overview_sums_to_the_audience() {
    for database in TestDatabase::each() {
        let (store, ws) = open(&database).await;
        let id = campaign(&store, &ws).await;
        sql(
            &store,
            &format!(
                "INSERT INTO provider_replies (campaign_id, provider_id, workspace_id, reply, at_ms) \
                 VALUES ({id}, 1, 1, '250 2.0.0 OK', 77); \
                 INSERT INTO reply_groups (campaign_id, provider_id, text_key, workspace_id, class, reply_code, enhanced, sample, n, \
                 first_at_ms, last_at_ms) VALUES ({id}, 2, 'k', 1, 'bad_address', 550, '5.1.1', '550 5.1.1 no', 1, 5, 6); \
                 INSERT INTO workers (id, role, host, version, started_at_ms, heartbeat_at_ms) VALUES ('w', 'all', 'mx-1', '0', 0, 9)"
            ),
        )
        .await;
        let overview = ws.overview(id).await.expect("read");
        assert_eq!(overview.counts.values().sum::<i64>(), 7);
        assert_eq!(overview.counts[&DeliveryState::Accepted], 3);
        assert_eq!(overview.skipped["complaint"], 1);
        assert_eq!(overview.providers[0].name, "google");
        assert_eq!(overview.providers[0].last_reply.as_ref().map(|r| r.text.as_str()), Some("250 2.0.0 OK"));
        assert_eq!(overview.groups[0].sample, "550 5.1.1 no");
        assert_eq!(overview.next_due_at_ms, Some(5000));
        assert_eq!(overview.workers[0].host, "mx-1");
        assert_eq!(overview.events[0].what, "Created the campaign");
        assert!(overview.smaller_providers.is_none());
        assert!(matches!(store.workspace(WorkspaceId(2)).overview(id).await, Err(StoreError::NotFound)));
    }
}

#[tokio::test]
async fn many_small_providers_are_one_row() {
    for database in TestDatabase::each() {
        let (store, ws) = open(&database).await;
        let id = campaign(&store, &ws).await;
        let rows: Vec<String> = (10..50).map(|p| format!("({id}, {p}, 10, '', 1, 1)")).collect();
        sql(
            &store,
            &format!(
                "INSERT INTO delivery_counts (campaign_id, provider_id, state, detail, workspace_id, n) VALUES {}",
                rows.join(", ")
            ),
        )
        .await;
        let overview = ws.overview(id).await.expect("read");
        let (others, counts) = overview.smaller_providers.expect("a rest");
        let shown: i64 = overview.providers.iter().flat_map(|p| p.counts.values()).sum();
        assert_eq!(others + i64::try_from(overview.providers.len()).expect("few"), 43);
        assert_eq!(shown + counts.values().sum::<i64>(), overview.counts.values().sum::<i64>());
    }
}

async fn walk(ws: &Workspace, id: CampaignId, filter: &PeopleFilter) -> Vec<String> {
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = ws.people(id, filter.clone(), after, 2).await.expect("read");
        assert!(page.people.len() <= 2);
        seen.extend(page.people.into_iter().map(|p| p.recipient));
        match page.next {
            // Through text, as it goes through a URL.
            Some(next) => after = PeopleCursor::parse(&next.to_string()),
            None => return seen,
        }
    }
}

#[tokio::test]
async fn a_walk_meets_everybody_once_also_those_deleted_since() {
    for database in TestDatabase::each() {
        let (store, ws) = open(&database).await;
        let id = campaign(&store, &ws).await;
        sql(&store, "UPDATE deliveries SET subscriber_id = NULL WHERE subscriber_id IN (2, 5)").await;
        let everybody = walk(&ws, id, &PeopleFilter::default()).await;
        let short: Vec<&str> = everybody.iter().map(|r| &r[..2]).collect();
        assert_eq!(short, ["p1", "p3", "p4", "p6", "p7", "p2", "p5"]);
        assert!(walk(&store.workspace(WorkspaceId(2)), id, &PeopleFilter::default()).await.is_empty());
    }
}

#[tokio::test]
async fn filters_by_state_provider_and_address() {
    for database in TestDatabase::each() {
        let (store, ws) = open(&database).await;
        let id = campaign(&store, &ws).await;
        let state = |state| PeopleFilter { state: Some(state), ..PeopleFilter::default() };
        assert_eq!(walk(&ws, id, &state(DeliveryState::Accepted)).await.len(), 3);
        assert_eq!(walk(&ws, id, &state(DeliveryState::Deferred)).await, ["p4@d0.example"]);
        assert_eq!(walk(&ws, id, &state(DeliveryState::Skipped)).await, ["p6@d0.example"]);
        let google = PeopleFilter { provider: Some(ProviderId(GOOGLE)), ..PeopleFilter::default() };
        assert_eq!(walk(&ws, id, &google).await.len(), 4);
        let search = |text: &str| PeopleFilter { search: text.into(), ..PeopleFilter::default() };
        assert_eq!(walk(&ws, id, &search("P4@d0.example")).await, ["p4@d0.example"], "a subscriber, by his index");
        assert_eq!(walk(&ws, id, &search("p5@d1.example")).await, ["p5@d1.example"], "deleted, yet found");
        assert_eq!(walk(&ws, id, &search("d1.ex")).await.len(), 4);
        assert!(walk(&ws, id, &search("%")).await.is_empty());
    }
}

#[tokio::test]
async fn a_delivery_tells_its_whole_history() {
    for database in TestDatabase::each() {
        let (store, ws) = open(&database).await;
        let id = campaign(&store, &ws).await;
        let page = ws
            .people(id, PeopleFilter { search: "p4".into(), ..PeopleFilter::default() }, None, 9)
            .await
            .expect("read");
        let delivery = page.people[0].id;
        sql(
            &store,
            &format!(
                "INSERT INTO attempts (delivery_id, number, workspace_id, at_ms, duration_ms, host, ip, tls, phase, class, reply) \
                 VALUES ({delivery}, 1, 1, 10, 20, 'mx.example', '127.0.0.1', 'none', 'rcpt', 'greylist', '450 wait'); \
                 INSERT INTO engagements (delivery_id, kind, link, workspace_id, campaign_id, n, first_at_ms, last_at_ms) \
                 VALUES ({delivery}, 'open', -1, 1, {id}, 2, 30, 40)"
            ),
        )
        .await;
        let history = ws.delivery(id, delivery).await.expect("read");
        assert_eq!((history.provider.as_str(), history.attempts[0].reply.as_str()), ("google", "450 wait"));
        assert_eq!(history.engagements[0].n, 2);
        assert!(matches!(ws.delivery(CampaignId(99), delivery).await, Err(StoreError::NotFound)));
        assert!(matches!(ws.delivery(id, DeliveryId(9_999)).await, Err(StoreError::NotFound)));
    }
}

#[tokio::test]
async fn the_preview_offers_the_newest_or_who_begins_with_the_words() {
    for database in TestDatabase::each() {
        let (store, ws) = open(&database).await;
        sql(
            &store,
            "INSERT INTO subscribers (workspace_id, email, domain, created_at_ms, updated_at_ms) VALUES \
             (1, 'zoe@x.example', 'x.example', 0, 0), (1, 'ana@x.example', 'x.example', 0, 0), \
             (1, 'anna@x.example', 'x.example', 0, 0), (2, 'ana2@x.example', 'x.example', 0, 0)",
        )
        .await;
        let offered = async |words: &str| -> Vec<String> {
            ws.preview_people(words, 2).await.expect("read").into_iter().map(|p| p.email).collect()
        };
        assert_eq!(offered("").await, ["anna@x.example", "ana@x.example"]);
        assert_eq!(offered(" AN").await, ["ana@x.example", "anna@x.example"]);
        assert!(offered("nobody").await.is_empty());
        let found = ws.preview_person_by_email("<Zoe@x.example>").await.expect("read").expect("there");
        assert_eq!(ws.preview_person(found.id).await.expect("read").email, "zoe@x.example");
        assert!(ws.preview_person_by_email("ana2@x.example").await.expect("read").is_none(), "another tenant's");
    }
}

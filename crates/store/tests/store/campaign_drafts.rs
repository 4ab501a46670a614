//! Writing, listing, copying and deleting drafts.

use crate::seed::{lists, open, sql};
use tidings_domain::UnixMs;
use tidings_store::{
    CampaignBody, CampaignDetails, CampaignId, CampaignTab, Edited, ListId, NewCampaign, StoreError, WorkspaceId,
};
use tidings_testing::TestDatabase;

fn named(name: &str) -> NewCampaign {
    NewCampaign {
        details: CampaignDetails { name: name.to_owned(), ..CampaignDetails::default() },
        ..NewCampaign::default()
    }
}

#[tokio::test]
async fn an_edit_of_an_older_version_is_refused_and_says_who_was_first() {
    for database in TestDatabase::each() {
        let (_store, ws) = open(&database).await;
        let id = ws.create_campaign(named("Spring"), "ana", UnixMs(1)).await.expect("created");
        let details = |subject: &str| CampaignDetails { subject: subject.into(), ..CampaignDetails::default() };

        let first = ws.save_details(id, 1, details("mine"), "ana", UnixMs(2)).await.expect("saved");
        assert!(matches!(first, Edited::Saved { version: 2 }));
        let late = ws.save_content(id, 1, CampaignBody::default(), "bo", UnixMs(3)).await.expect("answered");
        let Edited::Conflict { by, current } = late else { panic!("{late:?}") };
        assert_eq!((by.as_str(), current.head.subject.as_str(), current.head.version), ("ana", "mine", 2));
    }
}

#[tokio::test]
async fn what_was_launched_is_frozen() {
    for database in TestDatabase::each() {
        let (store, ws) = open(&database).await;
        let id = ws.create_campaign(named("Spring"), "ana", UnixMs(1)).await.expect("created");
        sql(&store, &format!("UPDATE campaigns SET state = 'queuing', revision_id = 1 WHERE id = {id}")).await;
        let edit = ws.save_recipients(id, 1, vec![], vec![], "ana", UnixMs(2)).await.expect("answered");
        assert!(matches!(edit, Edited::NotDraft));
        assert!(!ws.delete_draft(id).await.expect("answered"), "a launched campaign stays");
    }
}

#[tokio::test]
async fn lists_are_replaced_leaving_out_wins_and_foreign_lists_are_dropped() {
    for database in TestDatabase::each() {
        let (store, ws) = open(&database).await;
        lists(&store, &[2, 1]).await;
        sql(&store, "INSERT INTO lists (id, workspace_id, name, created_at_ms) VALUES (9, 2, 'Theirs', 0)").await;
        let id = ws.create_campaign(named("Spring"), "ana", UnixMs(1)).await.expect("created");
        let chosen = vec![ListId(1), ListId(2), ListId(9)];
        ws.save_recipients(id, 1, chosen, vec![ListId(2)], "ana", UnixMs(2)).await.expect("saved");
        let lists = ws.campaign_lists(id).await.expect("read");
        let seen: Vec<_> = lists.iter().map(|l| (l.list_name.as_str(), l.is_included())).collect();
        assert_eq!(seen, [("List 1", true), ("List 2", false)]);

        let copy = ws.duplicate_campaign(id, "bo", UnixMs(3)).await.expect("copied");
        assert_eq!(ws.campaign_lists(copy).await.expect("read"), lists);
        assert_eq!(ws.campaign_head(copy).await.expect("read").name, "Spring (copy)");
    }
}

#[tokio::test]
async fn the_list_is_paged_filtered_and_a_tenants_own() {
    for database in TestDatabase::each() {
        let (store, ws) = open(&database).await;
        for name in ["Alpha", "Beta 100%", "Gamma"] {
            ws.create_campaign(named(name), "ana", UnixMs(1)).await.expect("created");
        }
        let done = ws.create_campaign(named("Over"), "ana", UnixMs(1)).await.expect("created");
        sql(
            &store,
            &format!(
                "UPDATE campaigns SET state = 'done', revision_id = 1, audience_total = 3, done_at_ms = 9 WHERE id = {done}; \
                 INSERT INTO delivery_counts (campaign_id, provider_id, state, detail, workspace_id, n) \
                 VALUES ({done}, 1, 10, '', 1, 2), ({done}, 2, 10, '', 1, 1)"
            ),
        )
        .await;
        let names =
            |rows: Vec<tidings_store::CampaignRow>| -> Vec<String> { rows.into_iter().map(|r| r.head.name).collect() };

        let all = ws.campaigns(CampaignTab::All, "", None, 2).await.expect("read");
        assert_eq!(all[0].counts.values().sum::<i64>(), 3, "sums over providers");
        let before = Some(all[1].head.id);
        assert_eq!(names(all), ["Over", "Gamma"]);
        assert_eq!(names(ws.campaigns(CampaignTab::All, "", before, 9).await.expect("read")), ["Beta 100%", "Alpha"]);
        assert_eq!(names(ws.campaigns(CampaignTab::Draft, "0%", None, 9).await.expect("read")), ["Beta 100%"]);
        assert_eq!(names(ws.campaigns(CampaignTab::Done, "", None, 9).await.expect("read")), ["Over"]);
        assert!(ws.campaigns(CampaignTab::Sending, "", None, 9).await.expect("read").is_empty());

        let other = store.workspace(WorkspaceId(2));
        assert!(other.campaigns(CampaignTab::All, "", None, 9).await.expect("read").is_empty());
        assert!(matches!(other.campaign(done).await, Err(StoreError::NotFound)));
    }
}

#[tokio::test]
async fn a_deleted_draft_takes_its_test_messages_along() {
    for database in TestDatabase::each() {
        let (store, ws) = open(&database).await;
        let id = ws.create_campaign(named("Spring"), "ana", UnixMs(1)).await.expect("created");
        sql(
            &store,
            &format!(
                "INSERT INTO deliveries (workspace_id, campaign_id, revision_id, recipient, kind, lane, state, updated_at_ms) \
                 VALUES (1, {id}, 1, 'me@example.org', 1, 0, 10, 5)"
            ),
        )
        .await;
        assert_eq!(ws.test_messages(id, 10).await.expect("read").len(), 1);
        assert!(ws.delete_draft(id).await.expect("deleted"));
        assert!(ws.test_messages(id, 10).await.expect("read").is_empty());
        assert!(matches!(ws.campaign(CampaignId(id.0)).await, Err(StoreError::NotFound)));
    }
}

//! The log of what came back, one report, its consequence, and what people do about it.

use actix_web::http::StatusCode;
use diesel::connection::SimpleConnection;
use tidings_domain::{BounceClass, DeliveryState, ReportKind};
use tidings_store::{
    CampaignId, DeliveryId, Finding, LateNews, NewReport, PeopleFilter, ReportFilter, ReportId, WorkspaceId,
};

use super::launched::launched;
use super::site::Site;

/// Words of a server that wants to be a page.
const HOSTILE: &str = "550 5.1.1 <script>alert(1)</script>\u{202e} no";
const RAW: &[u8] = b"Subject: back\r\n\r\n<img src=x onerror=alert(2)>\0\x7f\r\n";

pub async fn sql(site: &Site, statements: &'static str) {
    site.store.write(move |conn| Ok(conn.batch_execute(statements)?)).await.expect("good SQL");
}

fn new_report(workspace: Option<WorkspaceId>) -> NewReport {
    NewReport {
        received_at: tidings_domain::UnixMs(1_790_000_000_000),
        source: "smtp".into(),
        source_name: "192.0.2.1".into(),
        dedup_key: None,
        mail_from: String::new(),
        rcpt_to: "b-token@bounces.acme.example".into(),
        size_bytes: 9_876,
        raw: RAW.to_vec(),
        workspace,
    }
}

/// Keeps a report and ends it with what it was found to say.
pub async fn report(site: &Site, delivery: Option<DeliveryId>, what: LateNews, text: &str) -> ReportId {
    site.store.keep_reports(vec![new_report(None)]).await.expect("keeps");
    let now = site.state.now();
    let id = site.store.begin_reading(10, now).await.expect("reads").pop().expect("the newest").id;
    let finding = Finding {
        report: id,
        delivery,
        kind: if what == LateNews::Complaint { ReportKind::Feedback } else { ReportKind::Bounce },
        what,
        rule: "text:no-such-user".into(),
        text: text.into(),
        text_key: text.to_lowercase(),
        source: "bounce mail".into(),
        recipient: "who@elsewhere.example".into(),
    };
    site.store.settle_reports(vec![finding], now).await.expect("settles");
    id
}

pub async fn delivery_of(site: &Site, campaign: CampaignId, state: DeliveryState) -> DeliveryId {
    let filter = PeopleFilter { state: Some(state), ..PeopleFilter::default() };
    site.data.people(campaign, filter, None, 1).await.expect("reads").people[0].id
}

const fn bounce(class: BounceClass, end: DeliveryState) -> LateNews {
    LateNews::Bounce { class, end }
}

const HARD: LateNews = bounce(BounceClass::BadAddress, DeliveryState::HardBounced);
const UNKNOWN: LateNews = bounce(BounceClass::Undetermined, DeliveryState::SoftBounced);

#[actix_web::test]
async fn an_empty_log_says_how_reports_get_in() {
    let site = Site::new().await;
    let browser = site.browser().await;
    let page = browser.get("/bounces").await;
    assert_eq!(page.text(".empty h2"), "Nothing has come back yet");
    assert_eq!(page.texts(".ways li").len(), 4);
    assert_eq!(browser.get("/bounces?class=mailbox_full").await.text(".empty h2"), "Nothing found");
}

#[actix_web::test]
async fn a_report_is_shown_as_text_and_its_suppression_can_be_undone() {
    let site = Site::new().await;
    let campaign = launched(&site).await;
    let id = report(&site, Some(delivery_of(&site, campaign, DeliveryState::Accepted).await), HARD, HOSTILE).await;
    let browser = site.browser().await;
    let log = browser.get("/bounces").await;
    assert_eq!(log.texts("tbody td:first-child .name"), ["a1@people.example"]);
    assert_eq!(log.texts("tbody .badge"), ["Suppressed"]);
    assert_eq!(log.attr("tbody td:nth-child(2) .name", "href"), format!("/bounces/{id}"));
    assert!(!log.body.contains("<script>alert") && !log.body.contains('\u{202e}'));

    let page = browser.get(&format!("/bounces/{id}")).await;
    assert_eq!((page.text("h1").as_str(), page.text(".head .badge").as_str()), ("No such mailbox", "Suppressed"));
    assert!(page.text("blockquote.reply").contains("<script>alert(1)</script>\u{fffd} no"), "verbatim, and harmless");
    assert!(page.text(".raw-text").contains("<img src=x onerror=alert(2)>\u{fffd}\u{fffd}"));
    assert!(!page.body.contains("<script>alert") && !page.body.contains("<img src=x"));
    assert!(page.text("#followed + p").contains("marked as bounced"));
    assert!(page.body.contains("The rule for “No such mailbox” is built in."), "{}", page.body);

    let raw = browser.get(&format!("/bounces/{id}/raw")).await;
    assert_eq!(raw.header("content-disposition"), format!("attachment; filename=\"report-{id}.eml\""));
    assert_eq!(raw.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(raw.header("x-content-type-options"), "nosniff");
    assert!(raw.header("content-security-policy").contains("sandbox"));

    browser.post(&format!("/bounces/{id}/undo"), &[("why", "  ")]).await;
    assert_eq!(
        site.data.suppressions("a1@people.example", None, 9).await.expect("reads").len(),
        1,
        "not without a reason"
    );
    browser.post(&format!("/bounces/{id}/undo"), &[("why", "the mailbox is back")]).await;
    assert!(site.data.suppressions("a1@people.example", None, 9).await.expect("reads").is_empty());
    let after = browser.get(&format!("/bounces/{id}")).await;
    assert!(!after.has("#undo") && after.body.contains("“the mailbox is back”"), "{}", after.body);

    browser.post(&format!("/bounces/{id}/again"), &[]).await;
    let reading = browser.get(&format!("/bounces/{id}")).await;
    assert_eq!(reading.text(".head .badge"), "Being read again");
}

#[actix_web::test]
async fn the_log_is_filtered_and_paged_by_what_a_person_asks() {
    let site = Site::new().await;
    let campaign = launched(&site).await;
    let delivery = delivery_of(&site, campaign, DeliveryState::Accepted).await;
    for _ in 0..60 {
        report(&site, Some(delivery), LateNews::Complaint, "marked as spam").await;
    }
    report(&site, Some(delivery_of(&site, campaign, DeliveryState::HardBounced).await), UNKNOWN, "go away").await;
    let browser = site.browser().await;
    let first = browser.get("/bounces?kind=feedback").await;
    assert_eq!(first.texts("tbody tr").len(), 50);
    let rest = browser.get(&first.attr(".pager a[rel=next]", "href")).await;
    assert_eq!(rest.texts("tbody tr").len(), 10);
    let rows = async |query: &str| browser.get(&format!("/bounces?{query}")).await.texts("tbody tr").len();
    assert_eq!(rows("class=undetermined").await, 1);
    assert_eq!(rows("effect=complained").await, 1, "the others are known already");
    assert_eq!(rows("address=A2@People.example").await, 1);
    assert_eq!(rows("text=go+away").await, 1);
    assert_eq!(rows(&format!("campaign={campaign}&class=undetermined")).await, 1);
    assert_eq!(rows("campaign=999").await, 0);
    assert_eq!(browser.get("/bounces?class=undetermined").await.text(".tabs [aria-current]"), "Unknown texts");
}

#[actix_web::test]
async fn an_unknown_text_is_labelled_once_for_all_that_are_alike() {
    let site = Site::new().await;
    let campaign = launched(&site).await;
    let accepted = delivery_of(&site, campaign, DeliveryState::Accepted).await;
    let id = report(&site, Some(accepted), UNKNOWN, "The gods are against it").await;
    let browser = site.browser().await;
    let page = browser.get(&format!("/bounces/{id}")).await;
    assert!(page.text("form[action$='/label'] .choice strong").contains("1 report"));
    let said = browser.post(&format!("/bounces/{id}/label"), &[("class", "bad_address"), ("apply", "yes")]).await;
    assert_eq!(said.location(), format!("/bounces/{id}"));
    let labels = site.data.bounce_labels().await.expect("reads");
    assert_eq!((labels[0].class, labels[0].labelled_by.as_str()), (BounceClass::BadAddress, "Alex Moreau"));
    let waiting = site.store.begin_reading(10, site.state.now()).await.expect("reads");
    assert_eq!(waiting.iter().map(|r| r.id).collect::<Vec<_>>(), [id], "it is read again");
    assert_eq!(
        browser.post(&format!("/bounces/{id}/label"), &[("class", "nonsense")]).await.status,
        StatusCode::BAD_REQUEST
    );
    browser.post(&format!("/bounces/{id}/label"), &[("class", "")]).await;
    assert!(site.data.bounce_labels().await.expect("reads").is_empty());
}

#[actix_web::test]
async fn reports_of_another_workspace_do_not_exist() {
    let site = Site::new().await;
    sql(&site, "INSERT INTO workspaces (id, name, created_at_ms) VALUES (77, 'Other', 0)").await;
    site.store.keep_reports(vec![new_report(Some(WorkspaceId(77)))]).await.expect("keeps");
    let theirs =
        site.store.workspace(WorkspaceId(77)).reports(ReportFilter::default(), None, 1).await.expect("reads")[0].id;
    let browser = site.browser().await;
    assert_eq!(browser.get("/bounces").await.texts("tbody tr").len(), 0);
    for path in [format!("/bounces/{theirs}"), format!("/bounces/{theirs}/raw"), format!("/bounces/strangers/{theirs}")]
    {
        assert_eq!(browser.get(&path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    for act in ["again", "undo", "label"] {
        let answer = browser.post(&format!("/bounces/{theirs}/{act}"), &[("why", "x"), ("class", "policy")]).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{act}");
    }
}

#[actix_web::test]
async fn what_is_nobodys_is_for_admins() {
    let site = Site::new().await;
    let campaign = launched(&site).await;
    let own =
        report(&site, Some(delivery_of(&site, campaign, DeliveryState::Accepted).await), UNKNOWN, "go away").await;
    let forged = report(&site, None, HARD, HOSTILE).await;
    let browser = site.browser().await;
    let page = browser.get("/bounces/strangers").await;
    assert_eq!(page.text(".card-title"), "Not ours: 1 report");
    assert_eq!(page.texts("tbody td:first-child strong"), ["who@elsewhere.example"]);
    let one = browser.get(&format!("/bounces/strangers/{forged}")).await;
    assert_eq!(one.text(".head .badge"), "Not ours");
    assert!(!one.body.contains("<script>alert") && !one.has("form[action$='/label']"));
    assert_eq!(browser.get(&format!("/bounces/{forged}")).await.status, StatusCode::NOT_FOUND);
    assert!(
        browser
            .get(&format!("/bounces/strangers/{forged}/raw"))
            .await
            .header("content-disposition")
            .starts_with("attachment")
    );
    browser.post(&format!("/bounces/strangers/{forged}/again"), &[]).await;
    assert_eq!(site.store.unread_reports().await.expect("counts"), 1);

    sql(&site, "UPDATE members SET role = 'member'").await;
    assert_eq!(browser.get("/bounces/strangers").await.status, StatusCode::FORBIDDEN);
    let log = browser.get("/bounces").await;
    assert!(!log.body.contains("/bounces/strangers"), "no link that leads nowhere");
    let report = browser.get(&format!("/bounces/{own}")).await;
    assert!(report.has("form[action$='/again']") && !report.has("form[action$='/label']"));
    let label = browser.post(&format!("/bounces/{own}/label"), &[("class", "policy")]).await;
    assert_eq!(label.status, StatusCode::FORBIDDEN);
    assert_eq!(browser.post(&format!("/bounces/{own}/again"), &[]).await.status, StatusCode::SEE_OTHER);
}

#[actix_web::test]
async fn a_campaign_says_what_came_back_by_reason_and_provider() {
    let site = Site::new().await;
    let id = launched(&site).await;
    let browser = site.browser().await;
    let full = bounce(BounceClass::MailboxFull, DeliveryState::SoftBounced);
    report(&site, Some(delivery_of(&site, id, DeliveryState::Accepted).await), full, HOSTILE).await;
    let page = browser.get(&format!("/campaigns/{id}/bounces")).await;
    assert_eq!(page.texts(".stat-value"), ["1", "1", "0", "0"]);
    assert_eq!(page.texts(".bounce-table td:first-child strong"), ["No such mailbox", "Mailbox full"]);
    assert_eq!(page.texts(".bounce-table td:nth-child(2) strong"), ["1", "1"]);
    assert!(
        page.text(".provider-table tbody tr").contains("Gmail")
            && page.text(".provider-table tbody tr").contains("100 %")
    );
    assert!(!page.body.contains("<script>alert"));
    assert_eq!(page.text(".tabs [aria-current]"), "Bounces");
    assert_eq!(browser.get("/campaigns/999/bounces").await.status, StatusCode::NOT_FOUND);

    site.data.raise_attention(id, "too many bounced").await.expect("raises");
    assert!(browser.get(&format!("/campaigns/{id}/bounces")).await.text(".notice-bad").contains("too many bounced"));
    assert!(browser.get(&format!("/campaigns/{id}")).await.text("#attention").contains("See what came back"));
    let home = browser.get("/").await;
    assert_eq!(home.texts(".attention strong"), ["Spring sale"]);
}

#[actix_web::test]
async fn a_persons_story_has_everything_in_one_list() {
    let site = Site::new().await;
    let id = launched(&site).await;
    let delivery = delivery_of(&site, id, DeliveryState::Accepted).await;
    let full = bounce(BounceClass::MailboxFull, DeliveryState::SoftBounced);
    let report = report(&site, Some(delivery), full, "452 4.2.2 full <b>now</b>").await;
    let person = site.data.subscriber_by_email("a1@people.example".into()).await.expect("reads").expect("is there");
    let browser = site.browser().await;
    let page = browser.get(&format!("/subscribers/{}", person.id)).await;
    let titles = page.texts("#story .moment strong");
    for expected in
        ["Mailbox full: counted", "Gave up: Spring sale", "Subscribed to Newsletter", "Added as a subscriber"]
    {
        assert!(titles.iter().any(|title| title == expected), "{expected}: {titles:?}");
    }
    assert_eq!(page.texts("#story .quote"), ["452 4.2.2 full <b>now</b>"], "the words stand once");
    assert!(
        page.text(".standing").starts_with("1 soft bounce, the first just now. Put on hold at 3 over at least 30 days")
    );
    assert!(page.body.contains(&format!("href=\"/bounces/{report}\"")));
    let old = browser.get(&format!("/subscribers/{}?before=5", person.id)).await;
    assert!(old.texts("#story .moment strong").iter().all(|title| !title.contains("Spring sale")));
}

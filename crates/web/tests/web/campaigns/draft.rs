//! From the first name to the launch.

use actix_web::http::StatusCode;
use tidings_domain::{CampaignState, Destination, UnixMs};
use tidings_queue::{Job, Shard};
use tidings_store::{CampaignTab, Heartbeat};

use super::site::{Site, id_in};

const BODY: &str = "<html><body><p>Hello {{ first_name | default(\"there\") }}</p>\
                    <p><a href=\"{{ unsubscribe_url }}\">Unsubscribe</a> {{ postal_address }}</p></body></html>";

#[actix_web::test]
async fn a_newcomer_gets_from_a_name_to_a_launch() {
    let site = Site::new().await;
    let list = site.list("Newsletter", "a", 3).await;
    let browser = site.browser().await;

    assert!(browser.get("/campaigns").await.has(".empty"), "the empty list teaches");
    let unnamed = browser.post("/campaigns/new", &[("name", " ")]).await;
    assert_eq!((unnamed.status, unnamed.has("#name[aria-invalid]")), (StatusCode::UNPROCESSABLE_ENTITY, true));
    let created = browser.post("/campaigns/new", &[("name", "Spring sale")]).await;
    let id = id_in(created.location());

    let checklist = browser.get(&format!("/campaigns/{id}")).await;
    assert_eq!(checklist.texts(".check-now h3"), ["Recipients (to do)", "Subject (to do)"]);
    assert!(checklist.texts(".check-done h3").contains(&"From (done)".to_owned()), "the workspace's sender is there");

    let include = browser
        .post(&format!("/campaigns/{id}/recipients"), &[("version", "1"), (&format!("list-{list}"), "include")])
        .await;
    assert_eq!(include.status, StatusCode::SEE_OTHER, "{}", include.body);
    let details = [
        ("version", "2"),
        ("name", "Spring sale"),
        ("from_name", "Acme"),
        ("from_email", "News@Acme.example"),
        ("reply_to", ""),
        ("subject", "Spring is here"),
        ("preview_text", ""),
    ];
    assert_eq!(browser.post(&format!("/campaigns/{id}/details"), &details).await.status, StatusCode::SEE_OTHER);

    let ready = browser.get(&format!("/campaigns/{id}")).await;
    assert!(!ready.has(".check-now") && !ready.has(".check-bad"), "{:?}", ready.texts(".finding-block"));
    assert_eq!(ready.text(".sum-total dd"), "3");
    let review = browser.get(&format!("/campaigns/{id}/launch")).await;
    assert_eq!(review.text(".launch-form .button-primary"), "Send to 3 people now");

    let launched = browser.post(&format!("/campaigns/{id}/launch"), &[("version", "3")]).await;
    assert_eq!(launched.location(), format!("/campaigns/{id}"));
    assert_eq!(site.data.campaign_head(id).await.expect("there").state, CampaignState::Queuing);
}

#[actix_web::test]
async fn two_launches_at_once_are_one() {
    let site = Site::new().await;
    let id = ready_draft(&site).await;
    let browser = site.browser().await;
    browser.get(&format!("/campaigns/{id}/launch")).await;
    let path = format!("/campaigns/{id}/launch");
    let version = [("version", "2")];
    let (first, second) = futures_util::join!(browser.post(&path, &version), browser.post(&path, &version));
    assert_eq!((first.status, second.status), (StatusCode::SEE_OTHER, StatusCode::SEE_OTHER));
    let overview = browser.get(&format!("/campaigns/{id}")).await;
    assert_eq!(overview.texts("#history .events li span:first-child").iter().filter(|e| *e == "Launched").count(), 1);
    let third = browser.post(&path, &version).await;
    assert_eq!(third.location(), format!("/campaigns/{id}"));
    assert!(browser.get(third.location()).await.text(".notice-info").contains("launched already"));
}

#[actix_web::test]
async fn a_launch_is_blocked_with_its_reasons() {
    let site = Site::new().await;
    let browser = site.browser().await;
    let id = id_in(browser.post("/campaigns/new", &[("name", "Bare")]).await.location());
    let path = format!("/campaigns/{id}/launch");

    let review = browser.get(&path).await;
    assert!(!review.has(".launch-form form button[class*=primary]") && !review.body.contains("Send to 0 people"));
    assert!(review.texts(".finding-block strong").iter().any(|t| t.contains("Nobody is chosen")), "{}", review.body);
    assert!(review.has(&format!(".finding-block a[href='/campaigns/{id}/recipients']")));

    let forced = browser.post(&path, &[("version", "1")]).await;
    assert_eq!(forced.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(site.data.campaign_head(id).await.expect("there").state, CampaignState::Draft);
}

#[actix_web::test]
async fn no_unsubscribe_link_and_an_unknown_tag_block() {
    let site = Site::new().await;
    let id = ready_draft(&site).await;
    let browser = site.browser().await;
    let content = [("version", "2"), ("html", "<p>Hi {{ frist_name }}, {{ postal_address }}</p>"), ("text", "")];
    browser.get(&format!("/campaigns/{id}/content")).await;
    assert_eq!(browser.post(&format!("/campaigns/{id}/content"), &content).await.status, StatusCode::SEE_OTHER);
    let review = browser.get(&format!("/campaigns/{id}/launch")).await;
    let blocks = review.texts(".finding-block").join("\n").to_lowercase();
    assert!(blocks.contains("unsubscribe") && blocks.contains("frist_name"), "{blocks}");
}

#[actix_web::test]
async fn a_stale_edit_is_a_conflict_and_keeps_what_was_typed() {
    let site = Site::new().await;
    let id = ready_draft(&site).await;
    let browser = site.browser().await;
    browser.get(&format!("/campaigns/{id}/content")).await;
    let mine = [("version", "1"), ("html", "<p>my long evening of work</p>"), ("text", "mine"), ("track_opens", "yes")];
    let conflict = browser.post(&format!("/campaigns/{id}/content"), &mine).await;
    assert_eq!(conflict.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(conflict.has("[role=alert]") && conflict.text("#html").contains("my long evening of work"));
    assert_eq!(conflict.attr("input[name=version]", "value"), "2", "saving once more replaces");
    assert!(conflict.has("input[name=track_opens][checked]") && !conflict.has("input[name=track_clicks][checked]"));
    assert!(!site.data.campaign(id).await.expect("there").content.html.contains("evening"));
}

#[actix_web::test]
async fn a_line_break_in_a_subject_is_refused() {
    let site = Site::new().await;
    let id = ready_draft(&site).await;
    let browser = site.browser().await;
    browser.get(&format!("/campaigns/{id}/details")).await;
    let details = [
        ("version", "2"),
        ("name", "x"),
        ("from_name", "Acme\r\nBcc: all@example.org"),
        ("from_email", "not an address"),
        ("reply_to", ""),
        ("subject", "ok"),
        ("preview_text", ""),
    ];
    let refused = browser.post(&format!("/campaigns/{id}/details"), &details).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.has("#from_name[aria-invalid]") && refused.has("#from_email[aria-invalid]"));
    assert_eq!(refused.attr("#from_email", "value"), "not an address");
}

#[actix_web::test]
async fn the_recount_answers_without_saving() {
    let site = Site::new().await;
    let (a, b) = (site.list("A", "a", 4).await, site.list("B", "b", 2).await);
    let browser = site.browser().await;
    let id = id_in(browser.post("/campaigns/new", &[("name", "Count")]).await.location());
    let part = browser.get(&format!("/campaigns/{id}/recipients/count?list-{a}=include&list-{b}=include")).await;
    assert_eq!(part.text(".big-number"), "6");
    assert!(site.data.campaign_lists(id).await.expect("read").is_empty());
}

#[actix_web::test]
async fn the_preview_is_a_frame_in_which_nothing_runs() {
    let site = Site::new().await;
    let id = ready_draft(&site).await;
    let browser = site.browser().await;
    let person = site.data.preview_people("a2", 1).await.expect("read").remove(0);
    let preview = browser.get(&format!("/campaigns/{id}/preview?as={}", person.id)).await;
    assert!(preview.has("iframe[sandbox]") && preview.attr("iframe", "sandbox").is_empty());
    assert!(preview.text(".inbox-subject").contains("Spring is here"));

    let frame = browser.get(&preview.attr("iframe", "src")).await;
    let policy = frame.header("content-security-policy");
    assert!(
        policy.starts_with("sandbox;") && policy.contains("default-src 'none'") && !policy.contains("script-src"),
        "{policy}"
    );
    assert_eq!(frame.header("x-frame-options"), "SAMEORIGIN");
    assert!(frame.body.contains("Person 2"), "{}", frame.body);
    assert_eq!(browser.get(&format!("/campaigns/{id}/preview/frame?as=999999")).await.status, StatusCode::NOT_FOUND);
}

#[actix_web::test]
async fn a_test_message_is_a_row_and_its_answer_is_shown() {
    let site = Site::new().await;
    let id = ready_draft(&site).await;
    let browser = site.browser().await;
    let form = browser.get(&format!("/campaigns/{id}/test")).await;
    assert!(form.text("#to").contains("alex@acme.example"), "to oneself first");
    let path = format!("/campaigns/{id}/test");
    let many: Vec<String> = (0..11).map(|i| format!("t{i}@acme.example")).collect();
    assert_eq!(browser.post(&path, &[("to", &many.join(","))]).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let nobody = browser.post(&path, &[("to", "t@acme.example"), ("as", "stranger@x.example")]).await;
    assert!(nobody.has("#as[aria-invalid]"));

    let sent = browser
        .post(&path, &[("to", "t1@acme.example; T1@acme.example t2@acme.example"), ("as", "a2@people.example")])
        .await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.body);
    let page = browser.get(&path).await;
    assert_eq!(page.texts(".answer-head strong"), ["t2@acme.example", "t1@acme.example"]);
    assert!(
        page.has("#results [hx-trigger]") && page.body.contains("http-equiv=\"refresh\""),
        "it waits, with and without script"
    );
}

fn worker_for_campaigns(now: UnixMs) -> Heartbeat {
    Heartbeat {
        id: "w1".into(),
        role: "worker".into(),
        host: "mail-1".into(),
        version: "1".into(),
        started_at_ms: now.0,
        heartbeat_at_ms: now.0,
        connections: 0,
        attempts: 0,
        max_connections: 8,
        attempts_per_minute: 0,
        lanes: "automation,bulk".into(),
    }
}

/// It belongs to a draft, and waits in a lane of its own.
#[actix_web::test]
async fn a_test_message_that_waits_says_why() {
    let site = Site::new().await;
    let id = ready_draft(&site).await;
    let browser = site.browser().await;
    let path = format!("/campaigns/{id}/test");
    browser.post(&path, &[("to", "t1@acme.example")]).await;
    let why = browser.get(&path).await.attr(".answers a", "href");
    let causes = async || {
        let answer = browser.get(&format!("{why}.json")).await;
        let answer: serde_json::Value = serde_json::from_str(&answer.body).expect("is JSON");
        let reasons = answer["reasons"].as_array().expect("a list").clone();
        reasons.iter().filter_map(|r| r["cause"].as_str()).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(causes().await, ["no_worker", "looking_up"], "not that the campaign was not launched");
    assert!(browser.get(&why).await.text(".timeline").contains("No worker is running"));

    let now = site.state.now();
    site.store.beat(worker_for_campaigns(now)).await.expect("beats");
    let tomorrow = UnixMs(now.0 + UnixMs::DAY);
    site.store.save_domain_providers(vec![("acme.example".into(), "google".into())], tomorrow).await.expect("saved");
    let test = site.store.queue_tests(10, now).await.expect("queued").remove(0);
    let relay = Destination::Relay { route: test.route.expect("the workspace's").0 }.to_string();
    let job = Job { delivery: test.delivery.0, campaign: id.0, attempt: 0 };
    site.state.queue.push(&Shard::new(0, relay.as_str()), 1, &[job]).await;
    site.state.queue.push(&Shard::new(2, relay.as_str()), 1, &[Job { campaign: 77, ..job }]).await;
    let page = browser.get(&why).await.text(".timeline");
    assert_eq!(causes().await, ["no_dispatcher", "lane_unserved", "own_speed"]);
    assert!(page.contains("tidings worker --lanes transactional"), "{page}");
}

#[actix_web::test]
async fn drafts_are_copied_and_deleted() {
    let site = Site::new().await;
    let id = ready_draft(&site).await;
    let browser = site.browser().await;
    let copy = browser.post(&format!("/campaigns/{id}/duplicate"), &[]).await;
    assert_ne!(copy.location(), format!("/campaigns/{id}"));
    browser.post(&format!("/campaigns/{id}/delete"), &[]).await;
    let left = browser.get("/campaigns?tab=draft&q=copy").await;
    assert_eq!(left.texts(".campaign-name .name"), ["Spring sale (copy)"]);
    assert_eq!(site.data.campaigns(CampaignTab::All, "", None, 9).await.expect("read").len(), 1);
}

/// A draft that only waits for its launch: version 2.
pub async fn ready_draft(site: &Site) -> tidings_store::CampaignId {
    use tidings_store::{CampaignBody, CampaignDetails, NewCampaign};
    let list = site.list("Newsletter", "a", 3).await;
    let details = CampaignDetails {
        name: "Spring sale".into(),
        from_name: "Acme".into(),
        from_email: "news@acme.example".into(),
        subject: "Spring is here".into(),
        ..CampaignDetails::default()
    };
    let content = CampaignBody {
        html: BODY.into(),
        text_is_generated: true,
        track_opens: true,
        track_clicks: true,
        ..CampaignBody::default()
    };
    let id =
        site.data.create_campaign(NewCampaign { details, content }, "Alex Moreau", UnixMs(1)).await.expect("created");
    site.data.save_recipients(id, 1, vec![list], vec![], "Alex Moreau", UnixMs(1)).await.expect("saved");
    id
}

//! What is put off, what was given up, and why something waits: the pages, their acts and their JSON.

use tidings_domain::{CampaignTransition, DeliveryState, UnixMs};
use tidings_store::{CampaignId, LedgerBatch, OutcomeRecord, QueuedJob, ReplyRecord, Settled};

use super::draft::ready_draft;
use super::site::Site;

const GREY: &str = "450 4.2.0 Greylisted, see <http://help.example>";

fn refused(job: &QueuedJob, settled: Settled, class: &str, text: &str) -> OutcomeRecord {
    let code = text.get(..3).and_then(|code| code.parse().ok());
    OutcomeRecord {
        delivery: job.delivery,
        campaign: job.campaign,
        attempt: job.attempt,
        settled,
        reason: Some(class.to_owned()),
        meaning: None,
        reply: Some(ReplyRecord { code, enhanced: None, text: text.into(), key: text.into() }),
        route: None,
        protection: None,
        facts: None,
    }
}

/// Launched to three: a1 is put off for an hour, a2 was given up, a3 stands in the queue.
async fn unsent(site: &Site) -> (CampaignId, Vec<QueuedJob>) {
    let id = ready_draft(site).await;
    let browser = site.browser().await;
    browser.get(&format!("/campaigns/{id}/launch")).await;
    browser.post(&format!("/campaigns/{id}/launch"), &[("version", "2")]).await;
    let now = site.state.now();
    site.store.fan_out(id, 100, now).await.expect("fanned out");
    let tomorrow = UnixMs(now.0 + UnixMs::DAY);
    site.store.save_domain_providers(vec![("people.example".into(), "google".into())], tomorrow).await.expect("saved");
    let jobs = site.store.queue_pending(id, 100, now).await.expect("queued");
    site.store.apply(id, CampaignTransition::FinishQueuing, now).await.expect("applied");
    let until = UnixMs(now.0 + UnixMs::HOUR);
    let outcomes = vec![
        refused(&jobs[0], Settled::Deferred { until, costs_attempt: true }, "greylist", GREY),
        refused(&jobs[1], Settled::SoftBounced, "mailbox_full", "552 5.2.2 <script>full</script>"),
    ];
    site.store.commit(LedgerBatch { intents: vec![], outcomes }, now).await.expect("recorded");
    site.store.apply(id, CampaignTransition::StartSending, now).await.expect("applied");
    (id, jobs)
}

async fn work_off(site: &Site) {
    while site.store.step_orders(site.state.now()).await.expect("steps") {}
}

#[actix_web::test]
async fn what_is_put_off_is_listed_by_what_was_said_and_acts_count_first() {
    let site = Site::new().await;
    let (id, _) = unsent(&site).await;
    let browser = site.browser().await;
    let page = browser.get(&format!("/deferred?campaign={id}")).await;
    assert!(page.text(".toolbar-end").starts_with("1 deferred"), "{}", page.body);
    let row = page.text(".deferred-table tbody tr");
    assert!(row.contains("Greylisted") && row.contains("Nearly always taken at the next try"), "{row}");
    assert!(row.contains("Gmail") && row.contains("in 59 min"), "{row}");
    assert!(!page.body.contains("<http://help.example>"), "strangers' words are escaped");

    let confirm = page.attr("a[href*='act=hold']", "href");
    let asked = browser.get(&confirm).await;
    assert_eq!(asked.text("h1"), "Hold 1 deferred delivery?");
    let fields: Vec<(String, String)> = ["act", "campaign", "provider", "text"]
        .map(|name| (name.to_owned(), asked.attr(&format!("input[name={name}]"), "value")))
        .to_vec();
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(browser.post("/unsent/orders", &fields).await.location(), "/deferred");
    assert!(browser.get("/deferred").await.text("#orders").contains("Hold under way: 0 of 1"));
    work_off(&site).await;
    let held = browser.get("/deferred").await;
    assert!(
        held.text("#orders").contains("Hold done: 1 of 1") && held.text(".deferred-table").contains("held by hand")
    );
    assert!(held.has("a[href*='act=release']") && !held.has("a[href*='act=hold']"));
}

#[actix_web::test]
async fn dead_letters_are_tried_again_or_discarded_with_a_reason() {
    let site = Site::new().await;
    let (id, jobs) = unsent(&site).await;
    let browser = site.browser().await;
    let page = browser.get("/dead-letters").await;
    assert_eq!(page.texts(".dead-table tbody .name"), ["a2@people.example"]);
    assert!(!page.body.contains("<script>full"), "strangers' words are escaped");
    for (query, n) in [
        ("class=mailbox_full", 1),
        ("class=greylist", 0),
        ("code=552&state=soft_bounced", 1),
        ("state=failed", 0),
        ("from=2999-01-01", 0),
    ] {
        let found = browser.get(&format!("/dead-letters?{query}")).await;
        assert_eq!(found.texts(".dead-table tbody tr").len(), n, "{query}");
    }
    let csv = browser.get("/dead-letters.csv").await;
    assert!(csv.body.starts_with("delivery,campaign,email") && csv.body.contains("a2@people.example"), "{}", csv.body);

    let pick = jobs[1].delivery.to_string();
    browser.get("/dead-letters").await;
    browser.post("/dead-letters/picked", &[("pick", &pick), ("act", "discard"), ("reason", " ")]).await;
    assert!(browser.get("/dead-letters").await.text("#flashes").contains("Say why"));
    let asked = browser.get("/unsent/confirm?act=discard").await;
    assert!(asked.has("input[name=reason][required]"));
    let refused = browser.post("/unsent/orders", &[("act", "discard"), ("reason", "")]).await;
    assert_eq!(refused.status.as_u16(), 422);

    browser.post("/dead-letters/picked", &[("pick", &pick), ("act", "retry")]).await;
    let people = site.data.delivery(id, jobs[1].delivery).await.expect("there");
    assert_eq!(people.person.state, DeliveryState::Deferred);
    assert!(browser.get("/dead-letters").await.body.contains("No dead letters"));
    assert_eq!(browser.get("/unsent/confirm?act=nonsense").await.status.as_u16(), 400);
    let wrong = browser.post("/dead-letters/picked", &[("pick", &pick), ("act", "flush")]).await;
    assert_eq!(wrong.status.as_u16(), 400, "no act on this list");
}

#[actix_web::test]
async fn a_discard_is_told_on_the_deliverys_page() {
    let site = Site::new().await;
    let (id, jobs) = unsent(&site).await;
    let browser = site.browser().await;
    browser.get("/dead-letters").await;
    let pick = jobs[1].delivery.to_string();
    browser.post("/dead-letters/picked", &[("pick", &pick), ("act", "discard"), ("reason", "old list")]).await;
    let page = browser.get(&format!("/campaigns/{id}/people/{pick}")).await;
    assert!(
        page.text(".timeline").contains("Taken off the list of dead letters by Alex Moreau"),
        "{}",
        page.text(".timeline")
    );
    assert!(page.text(".timeline").contains("old list") && page.text(".badge").contains("Gave up"));
}

#[actix_web::test]
async fn every_wait_explains_itself_on_the_page_and_to_programs() {
    let site = Site::new().await;
    let (id, jobs) = unsent(&site).await;
    let browser = site.browser().await;
    let page = browser.get(&format!("/campaigns/{id}/why")).await;
    let reasons = page.texts(".timeline .badge");
    assert_eq!(reasons[0], "No worker is running", "{reasons:?}");
    assert!(reasons.iter().any(|reason| reason == "Put off by the receiver"), "{reasons:?}");
    assert!(page.text(".timeline").contains("tidings serve"));

    let json = async |path: String| {
        let answer = browser.get(&path).await;
        assert_eq!(answer.header("content-type"), "application/json", "{path}");
        serde_json::from_str::<serde_json::Value>(&answer.body).expect("is JSON")
    };
    let all = json(format!("/campaigns/{id}/why.json")).await;
    assert_eq!(
        (&all["reasons"][0]["cause"], &all["deferred"], &all["queued"]),
        (&"no_worker".into(), &1.into(), &1.into())
    );
    let one = json(format!("/campaigns/{id}/people/{}/why.json", jobs[0].delivery)).await;
    let causes: Vec<&str> =
        one["reasons"].as_array().expect("a list").iter().filter_map(|r| r["cause"].as_str()).collect();
    assert_eq!(causes, ["no_worker", "put_off"]);
    assert_eq!(one["reasons"][1]["reply"], GREY);
    let over = json(format!("/campaigns/{id}/people/{}/why.json", jobs[1].delivery)).await;
    assert_eq!(over["reasons"][0]["cause"], "settled");
    let google = json("/queues/why.json?provider=google".to_owned()).await;
    assert_eq!((&google["queued"], &google["deferred"]), (&1.into(), &1.into()));
    assert!(browser.get("/queues/why?provider=google").await.text(".lead").contains("Gmail"));
    assert!(
        browser.get(&format!("/campaigns/{id}/people/{}", jobs[0].delivery)).await.body.contains("Why is it waiting?")
    );
}

#[actix_web::test]
async fn a_draft_says_when_it_gives_up_and_a_launch_shows_it() {
    let site = Site::new().await;
    let id = ready_draft(&site).await;
    let browser = site.browser().await;
    let path = format!("/campaigns/{id}/details");
    let base = [
        ("version", "2"),
        ("name", "Spring sale"),
        ("from_name", "Acme"),
        ("from_email", "news@acme.example"),
        ("reply_to", ""),
        ("subject", "Spring is here"),
        ("preview_text", ""),
    ];
    browser.get(&path).await;
    let bad = browser.post(&path, &[&base[..], &[("deadline", "hours"), ("deadline_hours", "999")]].concat()).await;
    assert_eq!(bad.status.as_u16(), 422);
    assert!(bad.text("#deadline_hours-error").contains("1 to 720"));
    let saved = browser.post(&path, &[&base[..], &[("deadline", "hours"), ("deadline_hours", "48")]].concat()).await;
    assert_eq!(saved.location(), format!("/campaigns/{id}"), "{}", saved.body);
    assert_eq!(browser.get(&path).await.attr("#deadline_hours", "value"), "48");
    assert!(browser.get(&format!("/campaigns/{id}/launch")).await.body.contains("48 hours after the launch"));
}

#[actix_web::test]
async fn retry_windows_are_chosen_within_bounds() {
    let site = Site::new().await;
    let browser = site.browser().await;
    browser.get("/settings/retries").await;
    let bad = browser.post("/settings/retries", &[("bulk", "169"), ("automation", ""), ("transactional", "")]).await;
    assert_eq!(bad.status.as_u16(), 422);
    browser.post("/settings/retries", &[("bulk", "24"), ("automation", ""), ("transactional", "120")]).await;
    let details = site.data.details().await.expect("there");
    assert_eq!((details.give_up_bulk_hours, details.give_up_transactional_hours), (24, 120));
    assert_eq!(browser.get("/settings/retries").await.attr("#bulk", "value"), "24");
}

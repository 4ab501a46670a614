//! The overview of what was launched, its buttons, and its stream.

use tidings_domain::{CampaignState, UnixMs};
use tidings_store::{CampaignId, Intent, LedgerBatch, OutcomeRecord, ReplyRecord, Settled};

use super::draft::ready_draft;
use super::site::{Site, next_chunk};

/// Launched to three: a1 accepted, a2 refused for good, a3 in the queue.
pub async fn launched(site: &Site) -> CampaignId {
    let id = ready_draft(site).await;
    let browser = site.browser().await;
    browser.get(&format!("/campaigns/{id}/launch")).await;
    browser.post(&format!("/campaigns/{id}/launch"), &[("version", "2")]).await;
    let now = site.state.now();
    site.store.fan_out(id, 100, now).await.expect("fanned out");
    let tomorrow = UnixMs(now.0 + UnixMs::DAY);
    site.store.save_domain_providers(vec![("people.example".into(), "google".into())], tomorrow).await.expect("saved");
    let jobs = site.store.queue_pending(id, 100, now).await.expect("queued");
    assert_eq!(jobs.len(), 3);
    site.store.apply(id, tidings_domain::CampaignTransition::FinishQueuing, now).await.expect("applied");
    for (job, settled, code, text) in [
        (&jobs[0], Settled::Accepted, 250, "250 2.0.0 =OK queued"),
        (&jobs[1], Settled::HardBounced, 550, "550 5.1.1 No such user"),
    ] {
        let intent = Intent { delivery: job.delivery, campaign: id, attempt: job.attempt };
        site.store.commit(LedgerBatch { intents: vec![intent], outcomes: vec![] }, now).await.expect("intent");
        let reply = ReplyRecord { code: Some(code), enhanced: None, text: text.into(), key: text.into() };
        let outcome = OutcomeRecord {
            delivery: job.delivery,
            campaign: id,
            attempt: job.attempt,
            reason: (settled == Settled::HardBounced).then(|| "bad_address".to_owned()),
            meaning: None,
            settled,
            reply: Some(reply),
            route: None,
            protection: None,
            facts: None,
        };
        site.store.commit(LedgerBatch { intents: vec![], outcomes: vec![outcome] }, now).await.expect("outcome");
    }
    id
}

#[actix_web::test]
async fn the_overview_accounts_for_everybody() {
    let site = Site::new().await;
    let id = launched(&site).await;
    let browser = site.browser().await;
    let page = browser.get(&format!("/campaigns/{id}")).await;
    assert_eq!(page.text("#campaign-badge"), "Sending");
    assert_eq!(page.text(".legend-sum"), "Σ = 3 ✓ which is the whole audience");
    assert_eq!(page.texts(".legend li a"), ["Accepted", "Bounced", "Queued"]);
    assert_eq!(page.texts(".stat-value"), ["1", "0", "0", "1"]);
    assert_eq!(page.text(".step-current span"), "Sending");
    assert!(page.text("#providers tbody").contains("Gmail"), "{}", page.body);
    assert!(
        page.text("#errors").contains("No such mailbox")
            && page.text("#errors .reply").contains("550 5.1.1 No such user")
    );
    assert!(page.text(".pace").contains("no worker is running"), "{}", page.text(".pace"));
    assert!(page.body.contains("http-equiv=\"refresh\"") && page.body.contains("hx-sse:connect="));
    assert!(!page.body.contains("style=\"") && !page.body.contains("<script>"), "nothing inline");
}

#[actix_web::test]
async fn a_campaign_is_paused_resumed_and_cancelled() {
    let site = Site::new().await;
    let id = launched(&site).await;
    let browser = site.browser().await;
    let path = format!("/campaigns/{id}");
    assert!(browser.get(&path).await.has("#pause-form"));

    browser.post(&format!("{path}/pause"), &[]).await;
    let paused = browser.get(&path).await;
    assert_eq!(paused.text("#campaign-badge"), "Paused");
    assert!(paused.text(".pace").starts_with("Paused by Alex Moreau") && !paused.has("#pause-form"));
    assert_eq!(paused.text("#campaign-would-miss"), "1", "cancelling says whom it would cost");

    browser.post(&format!("{path}/pause"), &[]).await;
    assert!(
        browser.get(&path).await.text(".notice-info").starts_with("Nothing to do"),
        "a second click is told calmly"
    );
    browser.post(&format!("{path}/resume"), &[]).await;
    assert!(browser.get(&path).await.has("#pause-form"));
    browser.post(&format!("{path}/cancel"), &[]).await;
    let cancelled = browser.get(&path).await;
    assert_eq!(cancelled.text("#campaign-badge"), "Cancelled");
    assert!(!cancelled.has("#pause-form, #resume-form"));
    assert_eq!(site.data.campaign_head(id).await.expect("there").state, CampaignState::Cancelled);
}

#[actix_web::test]
async fn the_stream_begins_with_a_whole_snapshot() {
    let site = Site::new().await;
    let id = launched(&site).await;
    let browser = site.browser().await;
    let stream = browser.open(&format!("/events/campaign/{id}")).await;
    assert_eq!(stream.headers().get("content-type").and_then(|v| v.to_str().ok()), Some("text/event-stream"));
    assert_eq!(stream.headers().get("x-accel-buffering").and_then(|v| v.to_str().ok()), Some("no"));
    let mut first = String::new();
    let mut body = Box::pin(stream.into_body());
    while !first.contains("hx-partial") {
        first.push_str(&next_chunk(&mut body).await);
    }
    for target in ["#campaign-badge", "#campaign-actions", "#campaign-live"] {
        assert!(first.contains(&format!("hx-target=\"{target}\"")), "{target} in {first}");
    }
    assert!(!first.contains("event:"), "unnamed: htmx swaps it");
}

#[actix_web::test]
async fn what_was_launched_has_no_editors() {
    let site = Site::new().await;
    let id = launched(&site).await;
    let browser = site.browser().await;
    for page in ["details", "recipients", "content", "launch"] {
        assert_eq!(
            browser.get(&format!("/campaigns/{id}/{page}")).await.location(),
            format!("/campaigns/{id}"),
            "{page}"
        );
    }
    assert!(browser.get(&format!("/campaigns/{id}/preview")).await.text(".lead").contains("As it was launched"));
    assert_eq!(browser.get("/campaigns/424242").await.status.as_u16(), 404);
}

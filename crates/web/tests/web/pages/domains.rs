use actix_web::http::StatusCode;
use tidings_domain::{DkimKeyState, KEY_MISSED_FOR, SendingDomainState, UnixMs};
use tidings_store::{DomainCheck, DomainDetails, KeySeen, SendingDomainId};

use super::browser::Browser;
use super::site::Site;

async fn details(site: &Site) -> DomainDetails {
    let data = site.data().await;
    let id = data.sending_domains().await.expect("lists").first().expect("one").id;
    data.sending_domain(id).await.expect("reads")
}

/// DNS is asked, and has these keys.
async fn look(site: &Site, domain: SendingDomainId, is_there: impl Fn(&str) -> bool, now: UnixMs) {
    let keys = site.data().await.sending_domain(domain).await.expect("reads").keys;
    let seen = |there| if there { KeySeen::Published } else { KeySeen::Withdrawn };
    let keys = keys.iter().map(|key| (key.id, seen(is_there(&key.selector)))).collect();
    let check =
        DomainCheck { domain, records: Vec::new(), keys, began_at: now, next_check_at: UnixMs(now.0 + UnixMs::DAY) };
    site.state.store.settle_domain_check(check, now).await.expect("settles");
}

#[actix_web::test]
async fn a_domain_is_added_and_its_page_says_what_to_publish() {
    let (site, ana) = Site::with_ana().await;
    let mut browser = Browser::new(site.service().await);
    browser.sign_in(&site, ana).await;
    assert!(browser.get("/settings/domains").await.text().contains("No sending domains yet"));
    browser.get("/settings/domains/new").await;
    for (typed, words) in [("", "no domain name"), ("co.uk", "belongs to everybody"), ("a b.example", "no domain name")]
    {
        let answer = browser.post("/settings/domains", &[("name", typed)]).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{typed}");
        assert!(answer.text().contains(words), "{typed}");
    }
    let added = browser.post("/settings/domains", &[("name", "Bakery.Example")]).await;
    let domain = details(&site).await;
    assert_eq!(added.location(), format!("/settings/domains/{}", domain.domain.id));
    let page = browser.get(added.location()).await;
    assert!(page.text().contains("Not verified") && page.text().contains("Publish these records"));
    for key in &domain.keys {
        let host = page.select(&format!("#key-{}-host", key.id)).remove(0);
        assert_eq!(host, format!("{}._domainkey.bakery.example", key.selector));
        let value = page.select(&format!("#key-{}-value", key.id)).remove(0);
        assert!(value.starts_with("v=DKIM1; k=") && value.ends_with(&key.public_key), "{value}");
        // Neither the sealed key nor what it seals is anywhere on the page.
        let context = tidings_store::DkimKey::seal_context(key.workspace_id, "bakery.example", &key.selector);
        let private = site.state.keys.open_secret(&context, &key.private_sealed).expect("it opens");
        let html = page.text();
        assert!(!html.contains(&key.private_sealed));
        assert!(
            private.as_bytes().chunks(24).all(|piece| !html.contains(&String::from_utf8_lossy(piece).into_owned()))
        );
    }
    let again = browser.post("/settings/domains", &[("name", "bakery.example")]).await;
    assert!(again.text().contains("here already"));
}

#[actix_web::test]
async fn keys_are_changed_without_a_gap_and_a_lost_one_is_told_on_the_home_page() {
    let (site, ana) = Site::with_ana().await;
    let mut browser = Browser::new(site.service().await);
    browser.sign_in(&site, ana).await;
    browser.get("/settings/domains/new").await;
    let path = browser.post("/settings/domains", &[("name", "bakery.example")]).await.location().to_owned();
    let id = details(&site).await.domain.id;
    let now = site.state.now();
    look(&site, id, |_| true, now).await;
    let page = browser.get(&path).await;
    assert!(page.text().contains("Verified") && page.text().contains("Signs"));

    browser.post(&format!("{path}/rotate"), &[]).await;
    assert!(browser.get(&path).await.text().contains("Signs when it is found"));
    browser.post(&format!("{path}/rotate"), &[]).await;
    assert_eq!(details(&site).await.keys.len(), 4, "one pair is prepared at a time");
    let active = details(&site).await.keys[0].clone();
    browser.post(&format!("{path}/keys/{}/revoke", active.id), &[]).await;
    assert_eq!(details(&site).await.keys[0].state, DkimKeyState::Active, "what signs is not ended");
    look(&site, id, |_| true, now).await;
    let states: Vec<DkimKeyState> = details(&site).await.keys.iter().map(|key| key.state).collect();
    use DkimKeyState::{Active, Retiring};
    assert_eq!(states, [Retiring, Retiring, Active, Active]);
    assert!(browser.get(&path).await.text().contains("Leave the record where it is"));

    look(&site, id, |_| false, now).await;
    assert_eq!(details(&site).await.domain.state, SendingDomainState::Verified);
    assert!(browser.get(&path).await.text().contains("Signs; not found just now"));
    look(&site, id, |_| false, now.plus(KEY_MISSED_FOR)).await;
    assert_eq!(details(&site).await.domain.state, SendingDomainState::Failing);
    let home = browser.get("/").await;
    assert!(home.text().contains("Sending domains that need you") && home.text().contains("bakery.example"));
    assert!(browser.get(&path).await.text().contains("Mail from this domain waits"));

    browser.post(&format!("{path}/remove"), &[]).await;
    assert!(site.data().await.sending_domains().await.expect("lists").is_empty());
    assert_eq!(browser.get(&path).await.status, StatusCode::NOT_FOUND);
}

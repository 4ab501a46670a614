use actix_web::http::StatusCode;
use tidings_domain::{EmailAddress, SuppressionEntry, SuppressionKind, SuppressionReason, UnixMs};
use tidings_store::{Added, ListId, NewSubscriber, NewSuppression, SubscriberId};

use super::browser::Browser;
use super::site::Site;

async fn add(site: &Site, email: &str, lists: Vec<ListId>) -> SubscriberId {
    let email = EmailAddress::parse(email).expect("is good");
    let new =
        NewSubscriber { email, first_name: String::new(), last_name: String::new(), lists, source: "test".into() };
    match site.data().await.add_subscriber(new, UnixMs(5)).await.expect("adds") {
        Added::Created(id) | Added::Exists(id) => id,
    }
}

#[actix_web::test]
async fn a_page_says_why_somebody_gets_nothing() {
    let (site, ana) = Site::with_ana().await;
    let mut browser = Browser::new(site.service().await);
    browser.sign_in(&site, ana).await;
    let list = site.data().await.create_list("News".into(), String::new(), UnixMs(1)).await.expect("makes");
    let id = add(&site, "bo@example.org", vec![list]).await;
    let path = format!("/subscribers/{id}");
    assert_eq!(browser.get(&path).await.select(".notice-title"), ["Gets campaigns sent to 1 list"]);

    let wish = [("list", list.to_string()), ("status", "unsubscribed".to_owned())];
    let wish: Vec<(&str, &str)> = wish.iter().map(|(name, value)| (*name, value.as_str())).collect();
    browser.post(&format!("{path}/lists"), &wish).await;
    assert_eq!(browser.get(&path).await.select(".notice-title"), ["Gets no mail: on no list"]);
    let row = site.data().await.list(list).await.expect("reads");
    assert_eq!((row.subscribed, row.unsubscribed), (0, 1));

    let bo = SuppressionEntry::parse("bo@example.org").expect("an address");
    let bounce = NewSuppression {
        evidence: "550 5.1.1 <no> such user".into(),
        ..NewSuppression::of(bo, SuppressionReason::HardBounce, "smtp reply")
    };
    site.data().await.suppress(bounce, UnixMs(9)).await.expect("adds");
    let page = browser.get(&path).await;
    assert_eq!(page.select(".notice-title"), ["Gets no mail: hard bounce"]);
    assert_eq!(page.select(".quote"), ["550 5.1.1 <no> such user"]);

    assert_eq!(browser.post(&format!("{path}/delete"), &[]).await.location(), "/subscribers");
    assert_eq!(browser.get(&path).await.status, StatusCode::NOT_FOUND);
    let page = browser.get("/suppressions?q=Bo@example.org").await;
    assert_eq!(page.select("td strong"), ["Erased address"], "the suppression survives without the address");
    assert_eq!(page.select(".notice-title"), ["Gets no mail: hard bounce"]);
}

#[actix_web::test]
async fn suppressions_are_added_and_removed_with_a_reason() {
    let (site, ana) = Site::with_ana().await;
    let mut browser = Browser::new(site.service().await);
    browser.sign_in(&site, ana).await;
    assert_eq!(browser.get("/suppressions").await.select(".empty h2"), ["Nobody is suppressed"]);
    browser.post("/suppressions", &[("value", "@Example.ORG"), ("note", "asked us")]).await;
    let wrong = browser.post("/suppressions", &[("value", "not a domain"), ("note", "")]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    let rows = site.data().await.suppressions("", None, 10).await.expect("reads");
    assert_eq!((rows[0].value.as_str(), rows[0].kind), ("example.org", SuppressionKind::Domain));
    let remove = format!("/suppressions/{}/remove", rows[0].id);
    browser.post(&remove, &[("why", " ")]).await;
    assert_eq!(site.data().await.suppressions("", None, 10).await.expect("reads").len(), 1);
    browser.post(&remove, &[("why", "they wrote again")]).await;
    assert!(site.data().await.suppressions("", None, 10).await.expect("reads").is_empty());
}

#[actix_web::test]
async fn pages_of_people_follow_one_another() {
    let (site, ana) = Site::with_ana().await;
    let mut browser = Browser::new(site.service().await);
    browser.sign_in(&site, ana).await;
    for n in 0..120 {
        add(&site, &format!("p{n:03}@example.org"), Vec::new()).await;
    }
    for start in ["/subscribers", "/subscribers?q=p"] {
        let (mut path, mut seen) = (start.to_owned(), Vec::new());
        loop {
            let page = browser.get(&path).await;
            seen.extend(page.select("td .name"));
            match page.attribute(".pager a[rel=next]", "href") {
                Some(next) => path = next,
                None => break,
            }
        }
        let mut sorted = seen.clone();
        sorted.sort();
        sorted.dedup();
        assert_eq!((seen.len(), sorted.len()), (120, 120), "{start}: everyone once");
    }
}

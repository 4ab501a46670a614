use actix_web::http::{Method, StatusCode};
use tidings_store::Webhook;

use super::browser::Browser;
use super::site::{PUBLIC_URL, Site};

/// Made for this test.
const SENDGRID_KEY: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEha+2BD2/qnmTnml778tjk0zcVb1F2TPJEIfc2ao2wSRnWuh/dNUyISJhUdaThuQe6/bjbPIiJbcH2M15Yo8Z5g==";

async fn only(site: &Site) -> Webhook {
    let mut rows = site.data().await.webhooks().await.expect("lists");
    assert_eq!(rows.len(), 1);
    rows.remove(0)
}

#[actix_web::test]
async fn a_webhook_is_added_and_its_address_takes_posts() {
    let (site, ana) = Site::with_ana().await;
    let mut browser = Browser::new(site.service().await);
    browser.sign_in(&site, ana).await;
    assert!(browser.get("/settings/webhooks").await.text().contains("No webhooks yet"));
    let choose = browser.get("/settings/webhooks/new").await;
    assert_eq!(choose.select("a[href^='/settings/webhooks/new/']").len(), 7);
    browser.get("/settings/webhooks/new/postmark").await;
    let form = [("service", "postmark"), ("name", "Main account"), ("key", "tidings:sesame1234")];
    let added = browser.post("/settings/webhooks", &form).await;
    let row = only(&site).await;
    assert_eq!(added.location(), format!("/settings/webhooks/{}", row.id));
    assert!(!row.proof_sealed.is_empty() && !row.proof_sealed.contains("sesame1234"));

    let page = browser.get(added.location()).await;
    assert!(!page.text().contains("sesame1234") && !page.text().contains(&row.proof_sealed));
    assert!(page.text().contains("A key is stored"));
    let url = page.select("#webhook-url").remove(0);
    let path = url.strip_prefix(PUBLIC_URL).expect("is made from the public address").to_owned();
    let mut service = Browser::new(site.service().await);
    let post = |authorization| [("authorization", authorization)];
    let refused = service.send(Method::POST, &path, None, &post("Bearer nonsense")).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    site.state.flush_responses().await;
    let list = browser.get("/settings/webhooks").await;
    assert!(list.text().contains("The credentials are not ours."), "the operator sees why");
    assert!(browser.get(added.location()).await.text().contains("The credentials are not ours."));
    for method in [Method::GET, Method::HEAD, Method::PUT] {
        assert_eq!(service.send(method, &path, None, &[]).await.status, StatusCode::METHOD_NOT_ALLOWED);
    }
}

#[actix_web::test]
async fn a_key_that_proves_nothing_is_explained_at_its_field() {
    let (site, ana) = Site::with_ana().await;
    let mut browser = Browser::new(site.service().await);
    browser.sign_in(&site, ana).await;
    browser.get("/settings/webhooks/new/sendgrid").await;
    for (service, name, key, field) in
        [("sendgrid", "A", "nonsense", "key"), ("ses", "A", "my-topic", "key"), ("mailgun", " ", "key", "name")]
    {
        let answer = browser.post("/settings/webhooks", &[("service", service), ("name", name), ("key", key)]).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{service}");
        assert_eq!(answer.attribute(&format!("#{field}"), "aria-invalid").as_deref(), Some("true"), "{service}");
        assert!(!answer.select(&format!("#{field}-error")).remove(0).is_empty());
    }
    assert!(site.data().await.webhooks().await.expect("lists").is_empty());
    let form = [("service", "sendgrid"), ("name", "A"), ("key", SENDGRID_KEY)];
    assert_eq!(browser.post("/settings/webhooks", &form).await.status, StatusCode::SEE_OTHER);
    let again = browser.post("/settings/webhooks", &form).await;
    assert_eq!(again.select("#name-error"), ["There is a webhook with this name already."]);
    assert_eq!(browser.post("/settings/webhooks", &[("service", "x"), ("name", "B"), ("key", "")]).await.status, 404);

    let id = only(&site).await.id;
    let page = format!("/settings/webhooks/{id}");
    let wrong = browser.post(&format!("{page}/key"), &[("key", "nonsense")]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_ne!(only(&site).await.proof_sealed, "", "the old key holds");
    assert_eq!(browser.post(&format!("{page}/key"), &[("key", " ")]).await.location(), page);
    assert_eq!(only(&site).await.proof_sealed, "");
    assert!(browser.get(&page).await.text().contains("No key"));
}

#[actix_web::test]
async fn a_removed_webhook_is_gone() {
    let (site, ana) = Site::with_ana().await;
    let mut browser = Browser::new(site.service().await);
    browser.sign_in(&site, ana).await;
    browser.get("/settings/webhooks/new/ses").await;
    let topic = "arn:aws:sns:eu-west-1:123456789012:ses-events";
    browser.post("/settings/webhooks", &[("service", "ses"), ("name", "SES"), ("key", topic)]).await;
    let page = format!("/settings/webhooks/{}", only(&site).await.id);
    assert!(browser.get(&page).await.text().contains(topic), "a topic is no secret");
    let removed = browser.post(&format!("{page}/remove"), &[]).await;
    assert_eq!(removed.location(), "/settings/webhooks");
    assert!(site.data().await.webhooks().await.expect("lists").is_empty());
    assert_eq!(browser.get(&page).await.status, StatusCode::NOT_FOUND);
}

#[actix_web::test]
async fn the_relay_of_a_service_is_filled_in() {
    let (site, ana) = Site::with_ana().await;
    let mut browser = Browser::new(site.service().await);
    browser.sign_in(&site, ana).await;
    let filled = browser.get("/settings/sending/routes/new?service=sendgrid").await;
    let value = |id: &str| filled.attribute(id, "value").unwrap_or_default();
    assert_eq!(
        (value("#host"), value("#port"), value("#username")),
        ("smtp.sendgrid.net".into(), "587".into(), "apikey".into())
    );
    assert!(site.data().await.route().await.expect("reads").is_none(), "looking saves nothing");
    for nothing in ["", "?service=", "?service=generic", "?service=x"] {
        let page = browser.get(&format!("/settings/sending/routes/new{nothing}")).await;
        assert_eq!(page.attribute("#host", "value").as_deref(), Some(""), "{nothing}");
    }
    let form =
        [("name", "Mail"), ("kind", "relay"), ("host", "smtp.sendgrid.net"), ("port", "587"), ("tls", "starttls")];
    browser.post("/settings/sending/routes/new", &form).await;
    assert!(browser.get("/settings/sending").await.text().contains("SendGrid keeps bounces and complaints to itself"));
}

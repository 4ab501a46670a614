use actix_web::http::StatusCode;

use super::browser::Browser;
use super::site::{PUBLIC_URL, Site};

async fn path(site: &Site) -> String {
    let link = tidings_web::setup_link(&site.state).await.expect("runs").expect("nobody is set up");
    link.strip_prefix(PUBLIC_URL).expect("is made from the public address").to_owned()
}

const ANA: [(&str, &str); 3] =
    [("name", "Ana Silva"), ("email", "Ana@Bakery.example"), ("password", "canoe under seven bridges")];

#[actix_web::test]
async fn the_first_run_ends_with_everything_set() {
    let site = Site::fresh().await;
    let mut browser = Browser::new(site.service().await);
    let setup = path(&site).await;
    assert_eq!(browser.get(&setup).await.select("h1"), ["Welcome to Tidings"]);
    assert_eq!(browser.post(&setup, &ANA).await.location(), "/setup/organisation");
    assert_eq!(browser.get("/setup/organisation").await.status, StatusCode::OK);
    let organisation =
        [("name", "Bakery North"), ("postal_address", "Canal 4\r\nAmsterdam"), ("time_zone", "Europe/Amsterdam")];
    assert_eq!(browser.post("/setup/organisation", &organisation).await.location(), "/setup/sending");
    browser.get("/setup/sending").await;
    let sending = [
        ("from_name", "Bakery"),
        ("from_email", "news@bakery.example"),
        ("kind", "relay"),
        ("host", "smtp.example.net"),
        ("port", "587"),
        ("tls", "starttls"),
        ("username", "bakery"),
        ("password", "relay secret"),
    ];
    assert_eq!(browser.post("/setup/sending", &sending).await.location(), "/");
    let home = browser.get("/").await;
    assert_eq!(home.select(".check-done h3").len(), 3, "account, organisation, sending");
    let data = site.data().await;
    let details = data.details().await.expect("reads");
    assert_eq!((details.name.as_str(), details.postal_address.as_str()), ("Bakery North", "Canal 4\nAmsterdam"));
    assert_eq!(details.from_email, "news@bakery.example");
    let route = data.route().await.expect("reads").expect("is set");
    let context = tidings_store::Route::password_context(data.id());
    assert_eq!(site.state.keys.open_secret(&context, &route.password_sealed).as_deref(), Ok("relay secret"));
}

#[actix_web::test]
async fn the_door_closes_for_ever_after_the_first_admin() {
    let site = Site::fresh().await;
    let (first, second) = (path(&site).await, path(&site).await);
    let mut late = Browser::new(site.service().await);
    late.get(&second).await;
    let mut browser = Browser::new(site.service().await);
    browser.get(&first).await;
    assert_eq!(browser.post(&first, &ANA).await.location(), "/setup/organisation");
    let mallory = [("name", "Mallory"), ("email", "m@evil.example"), ("password", "canoe under seven bridges")];
    assert_eq!(late.post(&second, &mallory).await.status, StatusCode::NOT_FOUND);
    assert_eq!(late.get(&second).await.status, StatusCode::NOT_FOUND);
    assert_eq!(tidings_web::setup_link(&site.state).await.expect("runs"), None);
}

#[actix_web::test]
async fn a_wrong_link_and_a_weak_password_make_nobody() {
    let site = Site::fresh().await;
    let mut browser = Browser::new(site.service().await);
    assert_eq!(browser.get("/setup/guessed").await.status, StatusCode::NOT_FOUND);
    browser.get("/sign-in").await; // a good token for the form, so that only the link is wrong
    assert_eq!(browser.post("/setup/guessed", &ANA).await.status, StatusCode::NOT_FOUND);
    let setup = path(&site).await;
    browser.get(&setup).await;
    let answer = browser.post(&setup, &[("name", "Ana Silva"), ("email", "ana@"), ("password", "AnaSilva2026!")]).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(answer.select("#email-error"), ["Nothing after the @."]);
    assert!(answer.select("#password-error")[0].contains("guessed first"));
    assert_eq!(answer.attribute("#name", "value").as_deref(), Some("Ana Silva"), "what was typed stays");
    assert_eq!(answer.attribute("#password", "value").as_deref(), Some(""), "but for the password");
    assert!(!site.state.store.has_users().await.expect("reads"));
}

use actix_web::Error;
use actix_web::body::BoxBody;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::StatusCode;
use tidings_domain::{RouteFault, UnixMs};
use tidings_store::{RouteId, Way};

use super::browser::Browser;
use super::site::Site;

const NEW: &str = "/settings/sending/routes/new";

async fn two_routes<S>(browser: &mut Browser<S>)
where
    S: Service<actix_http::Request, Response = ServiceResponse<BoxBody>, Error = Error>,
{
    for name in ["North", "South"] {
        let form = [("name", name), ("kind", "direct"), ("tls", "starttls")];
        assert_eq!(browser.post(NEW, &form).await.status, StatusCode::SEE_OTHER);
    }
}

#[actix_web::test]
async fn routes_are_pooled_chosen_and_deleted_when_nothing_needs_them() {
    let (site, ana) = Site::with_ana().await;
    let mut browser = Browser::new(site.service().await);
    browser.sign_in(&site, ana).await;
    two_routes(&mut browser).await;
    let taken = browser.post(NEW, &[("name", "North"), ("kind", "direct"), ("tls", "none")]).await;
    assert_eq!(taken.select("#name-error"), ["Another route has this name."]);

    let pools = "/settings/sending/pools/new";
    let none = browser.post(pools, &[("name", "Both"), ("weight_1", ""), ("weight_2", "x")]).await;
    assert_eq!(none.status, StatusCode::UNPROCESSABLE_ENTITY);
    let added = browser.post(pools, &[("name", "Both"), ("weight_1", "3"), ("weight_2", "1")]).await;
    assert_eq!(added.location(), "/settings/sending");
    let shown = browser.get("/settings/sending").await;
    assert!(shown.text().contains("North 75 % · South 25 %"));

    let chosen = browser.post("/settings/sending", &[("from_name", ""), ("from_email", ""), ("way", "pool:1")]).await;
    assert_eq!(chosen.status, StatusCode::SEE_OTHER);
    assert!(matches!(site.data().await.default_way().await.expect("reads"), Some(Way::Pool(_))));
    let foreign = browser.post("/settings/sending", &[("from_name", ""), ("from_email", ""), ("way", "pool:9")]).await;
    assert_eq!(foreign.status, StatusCode::UNPROCESSABLE_ENTITY);

    browser.post("/settings/sending/routes/1/delete", &[]).await;
    let told = browser.get("/settings/sending/routes/1").await;
    assert!(told.text().contains("It cannot be deleted: it is in Both."));
    browser.post("/settings/sending", &[("from_name", ""), ("from_email", ""), ("way", "route:2")]).await;
    browser.post("/settings/sending/pools/1/delete", &[]).await;
    let gone = browser.post("/settings/sending/routes/1/delete", &[]).await;
    assert_eq!(gone.location(), "/settings/sending");
    assert_eq!(browser.get("/settings/sending/routes/1").await.status, StatusCode::NOT_FOUND);
}

#[actix_web::test]
async fn a_route_that_does_not_get_through_is_told_of_in_words() {
    let (site, ana) = Site::with_ana().await;
    let mut browser = Browser::new(site.service().await);
    browser.sign_in(&site, ana).await;
    let relay =
        [("name", "Relay"), ("kind", "relay"), ("host", "smtp.example.net"), ("port", "587"), ("tls", "starttls")];
    browser.post(NEW, &relay).await;
    let why = "535 5.7.8 Authentication credentials invalid";
    let now = UnixMs(site.state.now().0);
    site.state.store.route_failed(RouteId(1), RouteFault::Credentials, why, now).await.expect("counts");
    for page in ["/", "/settings/sending", "/settings/sending/routes/1"] {
        let text = browser.get(page).await.text().to_owned();
        assert!(text.contains("It has not got through for") && text.contains(why), "{page}: {text}");
    }
    browser.post("/settings/sending/routes/1/retry", &[]).await;
    assert!(!browser.get("/").await.text().contains(why));

    browser.post("/settings/sending/routes/1/enable", &[("enabled", "no")]).await;
    assert!(browser.get("/settings/sending/routes/1").await.text().contains("Switched off: nothing leaves by it."));
    browser.post("/settings/sending/routes/1/check", &[]).await;
    let asked = site.data().await.route_check(RouteId(1)).await.expect("reads").expect("is there");
    assert_eq!(asked.done_at_ms, None);
    assert!(
        browser.get("/settings/sending/routes/1").await.text().contains("the first worker that has a moment does it")
    );
}

use actix_web::http::StatusCode;
use tidings_domain::{RouteKind, RouteTls};

use super::browser::Browser;
use super::site::Site;

const RELAY: [(&str, &str); 6] = [
    ("name", "Relay"),
    ("kind", "relay"),
    ("host", "smtp.example.net"),
    ("port", "587"),
    ("tls", "starttls"),
    ("username", "bakery"),
];

fn with<'a>(changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let kept = RELAY.iter().filter(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
    kept.copied().chain(changes.iter().copied()).collect()
}

#[actix_web::test]
async fn the_password_of_a_relay_goes_in_and_never_comes_out() {
    let (site, ana) = Site::with_ana().await;
    let mut browser = Browser::new(site.service().await);
    browser.sign_in(&site, ana).await;
    browser.post("/settings/sending/routes/new", &with(&[("password", "relay secret")])).await;
    let sealed = site.data().await.route().await.expect("reads").expect("is set").password_sealed;
    assert!(!sealed.is_empty() && !sealed.contains("secret"));
    let edit = "/settings/sending/routes/1/edit";
    for address in ["/settings/sending", "/settings/sending/routes/1", edit] {
        let page = browser.get(address).await;
        assert_eq!(page.status, StatusCode::OK, "{address}");
        assert!(!page.text().contains("relay secret") && !page.text().contains(&sealed), "{address}");
    }

    browser.post(edit, &with(&[("password", ""), ("host", "smtp2.example.net")])).await;
    let route = site.data().await.route().await.expect("reads").expect("is set");
    assert_eq!((route.host.as_str(), route.password_sealed.as_str()), ("smtp2.example.net", sealed.as_str()));

    browser.post(edit, &with(&[("forget_password", "yes")])).await;
    assert_eq!(site.data().await.route().await.expect("reads").expect("is set").password_sealed, "");
}

#[actix_web::test]
async fn a_wrong_route_is_explained_and_not_saved() {
    let (site, ana) = Site::with_ana().await;
    let mut browser = Browser::new(site.service().await);
    browser.sign_in(&site, ana).await;
    for (changes, field) in [
        ([("host", "")], "host"),
        ([("host", "https://smtp.example.net")], "host"),
        ([("port", "0")], "port"),
        ([("port", "99999")], "port"),
        ([("tls", "none")], "tls"),
        ([("name", "")], "name"),
        ([("max_connections", "-1")], "max_connections"),
        ([("max_per_day", "many")], "max_per_day"),
    ] {
        let answer = browser.post("/settings/sending/routes/new", &with(&changes)).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{changes:?}");
        assert_eq!(answer.attribute(&format!("#{field}"), "aria-invalid").as_deref(), Some("true"), "{changes:?}");
    }
    assert!(site.data().await.route().await.expect("reads").is_none());
    let direct = [("name", "Own"), ("kind", "direct"), ("tls", "starttls"), ("ehlo_name", "mail.bakery.example")];
    let wrong = [("source_v4", "2001:db8::1"), ("warm_up", "yes"), ("warm_up_start", "0")];
    let answer = browser.post("/settings/sending/routes/new", &[&direct[..], &wrong[..]].concat()).await;
    for field in ["source_v4", "warm_up_start"] {
        assert_eq!(answer.attribute(&format!("#{field}"), "aria-invalid").as_deref(), Some("true"), "{field}");
    }
    let added = browser.post("/settings/sending/routes/new", &direct).await;
    assert_eq!(added.location(), "/settings/sending/routes/1");
    let wrong = browser.post("/settings/sending", &[("from_email", "news@")]).await;
    assert_eq!(wrong.attribute("#from_email", "aria-invalid").as_deref(), Some("true"));
    let route = site.data().await.route().await.expect("reads").expect("is set");
    assert_eq!((route.kind, route.tls, route.port), (RouteKind::Direct, RouteTls::Opportunistic, 25));
}

#[actix_web::test]
async fn the_theme_and_the_zone_are_kept() {
    let (site, ana) = Site::with_ana().await;
    let mut browser = Browser::new(site.service().await);
    browser.sign_in(&site, ana).await;
    browser.post("/settings/profile", &[("name", "Ana"), ("theme", "dark")]).await;
    assert_eq!(browser.get("/").await.attribute("html", "data-theme").as_deref(), Some("dark"));
    let wrong =
        browser.post("/settings", &[("name", "Bakery"), ("postal_address", ""), ("time_zone", "Mars/Olympus")]).await;
    assert_eq!(wrong.select("#time_zone-error"), ["Choose a zone from the list, like Europe/Amsterdam."]);
}

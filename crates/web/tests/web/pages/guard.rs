//! The route inventory against the running app: each route behaves as its entry says.

use std::collections::BTreeSet;

use actix_web::http::{Method, StatusCode};
use tidings_web::{Access, Csrf, Entry, routes};

use super::browser::Browser;
use super::site::{PUBLIC_URL, Site};

/// A path of the route's shape; the things with these ids need not exist.
fn example(entry: &Entry) -> String {
    let parts = entry.path.split('/').map(|part| if part.starts_with('{') { "1" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

fn needs_person(entry: &Entry) -> bool {
    matches!(entry.access, Access::SignedIn | Access::Admin)
}

#[test]
fn no_route_stands_twice_and_only_public_ones_go_without_proof() {
    let mut seen = BTreeSet::new();
    for entry in routes() {
        assert!(seen.insert((entry.method, entry.path)), "{} {} stands twice", entry.method, entry.path);
        match entry.csrf {
            Csrf::Safe => assert_eq!(entry.method, "GET", "{}", entry.path),
            Csrf::ByDesign => assert_eq!(entry.access, Access::Public, "{}", entry.path),
            Csrf::Token | Csrf::TokenBeside => assert_ne!(entry.access, Access::Public, "{}", entry.path),
        }
    }
}

#[actix_web::test]
async fn strangers_are_led_to_sign_in() {
    let (site, _) = Site::with_ana().await;
    let mut stranger = Browser::new(site.service().await);
    for entry in routes().filter(|entry| needs_person(entry)) {
        let answer = stranger.send(entry.method(), &example(entry), None, &[]).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{} {}", entry.method, entry.path);
        assert!(answer.location().starts_with("/sign-in"), "{} {}", entry.method, entry.path);
        let fragment = stranger.send(entry.method(), &example(entry), None, &[("hx-request", "true")]).await;
        assert_eq!(fragment.status, StatusCode::UNAUTHORIZED, "{} {}", entry.method, entry.path);
        assert!(fragment.header("hx-redirect").starts_with("/sign-in"));
    }
}

#[actix_web::test]
async fn what_changes_something_needs_the_token_and_our_own_page() {
    let (site, ana) = Site::with_ana().await;
    let mut browser = Browser::new(site.service().await);
    browser.sign_in(&site, ana).await;
    let right = browser.token().to_owned();
    let wrong = "A".repeat(right.len());
    let ours: &[(&str, &str)] = &[("sec-fetch-site", "same-origin")];
    let theirs: &[(&str, &str)] = &[("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")];
    let neighbours: &[(&str, &str)] = &[("sec-fetch-site", "same-site")];
    let old_browser: &[(&str, &str)] = &[("origin", "https://evil.example")];
    for entry in routes().filter(|entry| matches!(entry.csrf, Csrf::Token | Csrf::TokenBeside)) {
        if entry.access == Access::Setup {
            continue;
        }
        for (headers, token) in
            [(ours, ""), (ours, wrong.as_str()), (theirs, &right), (neighbours, &right), (old_browser, &right)]
        {
            let path = match entry.csrf {
                Csrf::TokenBeside => format!("{}?csrf={token}", example(entry)),
                _ => example(entry),
            };
            let answer = browser.send(entry.method(), &path, Some(&[("csrf", token)]), headers).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{} {} {headers:?}", entry.method, entry.path);
            assert!(answer.text().contains("The form has expired"));
        }
    }
    assert_eq!(browser.get("/").await.status, StatusCode::OK, "still signed in: signing out by a trick failed too");
}

#[actix_web::test]
async fn the_token_is_good_in_the_header_too_and_the_origin_may_stand_in() {
    let (site, ana) = Site::with_ana().await;
    let mut browser = Browser::new(site.service().await);
    browser.sign_in(&site, ana).await;
    let token = browser.token().to_owned();
    let list = |name| [("name", name), ("description", "")];
    let headers = [("x-csrf-token", token.as_str()), ("sec-fetch-site", "same-origin")];
    let answer = browser.send(Method::POST, "/lists", Some(&list("One")), &headers).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    let headers = [("x-csrf-token", token.as_str()), ("origin", PUBLIC_URL)];
    let answer = browser.send(Method::POST, "/lists", Some(&list("Two")), &headers).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
}

#[actix_web::test]
async fn every_page_has_one_heading_and_nothing_inline() {
    let (site, ana) = Site::with_ana().await;
    let mut browser = Browser::new(site.service().await);
    browser.sign_in(&site, ana).await;
    for entry in routes().filter(|entry| entry.csrf == Csrf::Safe && needs_person(entry)) {
        let answer = browser.get(&example(entry)).await;
        assert!(!answer.status.is_server_error(), "{} answers {}", entry.path, answer.status);
        if !answer.header("content-type").starts_with("text/html") || !answer.text().contains("<html") {
            continue;
        }
        assert_eq!(answer.select("h1").len(), 1, "{} has one h1", entry.path);
        assert_eq!(answer.select("main").len(), 1, "{} has one main", entry.path);
        assert!(
            answer.select("[style], style, script:not([src]):not([type='application/json'])").is_empty(),
            "{}",
            entry.path
        );
        let text = answer.text();
        assert!(!text.contains(" onclick=") && !text.contains("hx-on"), "{} runs nothing inline", entry.path);
        assert!(answer.header("cache-control").contains("no-store"), "{} is not kept", entry.path);
    }
}

#[actix_web::test]
async fn public_links_set_no_cookie() {
    let (site, _) = Site::with_ana().await;
    let mut stranger = Browser::new(site.service().await);
    for entry in routes().filter(|entry| entry.access == Access::Public) {
        let answer = stranger.send(entry.method(), &example(entry), None, &[]).await;
        assert!(!answer.headers.contains_key("set-cookie"), "{}", entry.path);
        assert!(!answer.status.is_server_error(), "{} answers {}", entry.path, answer.status);
    }
}

#[actix_web::test]
async fn a_form_has_a_limit() {
    let (site, ana) = Site::with_ana().await;
    let mut browser = Browser::new(site.service().await);
    browser.sign_in(&site, ana).await;
    let long = "x".repeat(300 * 1024);
    let answer = browser.post("/lists", &[("name", "Long"), ("description", &long)]).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(answer.select("h1"), ["That is too large"]);
    assert!(site.data().await.lists().await.expect("reads").is_empty());
}

#[actix_web::test]
async fn another_workspace_does_not_exist() {
    let (site, ana) = Site::with_ana().await;
    let mut browser = Browser::new(site.service().await);
    browser.sign_in(&site, ana).await;
    for path in ["/lists/99", "/subscribers/99", "/lists/abc", "/nothing/here"] {
        let answer = browser.get(path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(answer.select("h1"), ["Nothing here"], "{path}");
        assert_eq!(answer.select("code"), [answer.header("x-request-id")], "{path}");
    }
}

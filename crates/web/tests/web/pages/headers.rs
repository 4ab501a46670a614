use actix_web::http::{Method, StatusCode};
use tidings_testing::TestDatabase;

use super::browser::{Answer, Browser};
use super::site::Site;

/// The budget of a first page load, in octets.
const FIRST_LOAD: usize = 100 * 1024;

#[test]
fn the_policy_is_this_one() {
    assert_eq!(
        tidings_web::CSP,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
         connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
    );
}

fn assert_secured(answer: &Answer) {
    assert_eq!(answer.header("content-security-policy"), tidings_web::CSP);
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("x-frame-options"), "DENY");
    assert_eq!(answer.header("referrer-policy"), "same-origin");
    assert_eq!(answer.header("cross-origin-opener-policy"), "same-origin");
    assert_eq!(answer.header("cross-origin-resource-policy"), "same-origin");
    assert_eq!(answer.header("strict-transport-security"), "max-age=31536000");
    assert_eq!(answer.header("x-request-id").len(), 16);
}

#[actix_web::test]
async fn every_answer_is_secured() {
    let (site, ana) = Site::with_ana().await;
    let mut browser = Browser::new(site.service().await);
    assert_secured(&browser.get("/sign-in").await);
    assert_secured(&browser.get("/nothing").await);
    assert_secured(&browser.get("/").await);
    assert_secured(&browser.send(Method::POST, "/lists", None, &[]).await);
    assert_secured(&browser.send(Method::DELETE, "/lists", None, &[]).await);
    browser.sign_in(&site, ana).await;
    assert_secured(&browser.get("/").await);
}

#[actix_web::test]
async fn links_ignore_the_host_header() {
    let (site, _) = Site::with_ana().await;
    let mut browser = Browser::new(site.service().await);
    let answer =
        browser.send(Method::GET, "/", None, &[("host", "evil.example"), ("x-forwarded-host", "evil.example")]).await;
    assert!(!answer.location().contains("evil"));
    let page = browser.send(Method::GET, "/sign-in", None, &[("host", "evil.example")]).await;
    assert!(!page.text().contains("evil"));
}

#[actix_web::test]
async fn plain_http_has_no_host_prefix_and_says_so() {
    let site = Site::on(TestDatabase::sqlite(), "http://192.168.1.20:8080").await;
    site.add_ana().await;
    let mut browser = Browser::new(site.service().await);
    let answer = browser.get("/sign-in").await;
    assert!(browser.cookies.contains_key("tidings-form"));
    assert_eq!(answer.header("strict-transport-security"), "");
    assert!(answer.text().contains("plain HTTP"));
}

#[actix_web::test]
async fn a_first_load_is_small_and_its_files_are_kept() {
    let (site, ana) = Site::with_ana().await;
    let mut browser = Browser::new(site.service().await);
    browser.sign_in(&site, ana).await;
    let page = browser.get("/").await;
    let gzip = [("accept-encoding", "gzip")];
    let mut octets = browser.send(Method::GET, "/", None, &gzip).await.body.len();
    let text = page.text();
    let mut files: Vec<&str> = text.split('"').filter(|part| part.starts_with("/assets/")).collect();
    files.iter_mut().for_each(|file| *file = file.split('#').next().unwrap_or_default());
    files.sort_unstable();
    files.dedup();
    assert!(files.len() >= 6, "{files:?}");
    for file in files {
        let answer = browser.send(Method::GET, file, None, &gzip).await;
        assert_eq!(answer.status, StatusCode::OK, "{file}");
        assert_eq!(answer.header("cache-control"), "public, max-age=31536000, immutable", "{file}");
        octets += answer.body.len();
    }
    assert!(octets < FIRST_LOAD, "a first load is {octets} octets");
}

#[actix_web::test]
async fn an_old_address_of_a_file_still_answers_but_is_not_kept() {
    let site = Site::fresh().await;
    let mut browser = Browser::new(site.service().await);
    let answer = browser.get("/assets/000000000000/css/app.css").await;
    assert_eq!((answer.status, answer.header("cache-control")), (StatusCode::OK, "no-cache"));
    assert_eq!(browser.get("/assets/000000000000/../Cargo.toml").await.status, StatusCode::NOT_FOUND);
}

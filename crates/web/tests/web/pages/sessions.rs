use actix_web::http::StatusCode;

use super::browser::Browser;
use super::site::Site;

const SESSION: &str = "__Host-tidings";
const PASSWORD: &str = "canoe under seven bridges";

#[actix_web::test]
async fn signing_in_gives_a_new_key_and_the_old_one_is_worth_nothing() {
    let (site, ana) = Site::with_ana().await;
    let mut attacker = Browser::new(site.service().await);
    attacker.sign_in(&site, ana).await;
    let planted = attacker.cookies[SESSION].clone();
    let mut victim = Browser::new(site.service().await);
    victim.cookies.insert(SESSION.to_owned(), planted.clone());
    victim.sign_in(&site, ana).await;
    assert_ne!(victim.cookies[SESSION], planted);
    assert_eq!(attacker.get("/").await.status, StatusCode::SEE_OTHER, "the planted session has ended");
    assert_eq!(victim.get("/").await.status, StatusCode::OK);
}

#[actix_web::test]
async fn the_cookie_is_for_this_host_alone_and_not_for_scripts() {
    let (site, ana) = Site::with_ana().await;
    let mut browser = Browser::new(site.service().await);
    let link = tidings_web::sign_in_link(&site.state, ana).await.expect("a link");
    let path = link.strip_prefix(super::site::PUBLIC_URL).expect("ours").to_owned();
    browser.get(&path).await;
    let answer = browser.post(&path, &[]).await;
    let cookie = answer.headers.get_all("set-cookie").filter_map(|c| c.to_str().ok()).find(|c| c.starts_with(SESSION));
    let cookie = cookie.expect("a session");
    for wanted in ["Secure", "HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(cookie.contains(wanted), "{cookie}");
    }
    assert!(!cookie.contains("Domain"));
}

#[actix_web::test]
async fn a_sign_in_link_works_once_and_looking_does_not_use_it_up() {
    let (site, ana) = Site::with_ana().await;
    let link = tidings_web::sign_in_link(&site.state, ana).await.expect("a link");
    let path = link.strip_prefix(super::site::PUBLIC_URL).expect("ours").to_owned();
    let mut scanner = Browser::new(site.service().await);
    assert_eq!(scanner.get(&path).await.status, StatusCode::OK);
    assert_eq!(scanner.get(&path).await.status, StatusCode::OK);
    let mut browser = Browser::new(site.service().await);
    browser.get(&path).await;
    assert_eq!(browser.post(&path, &[]).await.location(), "/");
    assert_eq!(scanner.post(&path, &[]).await.status, StatusCode::NOT_FOUND);
    assert_eq!(scanner.get(&path).await.status, StatusCode::NOT_FOUND);
}

#[actix_web::test]
async fn signing_out_ends_the_session_on_the_server() {
    let (site, ana) = Site::with_ana().await;
    let mut browser = Browser::new(site.service().await);
    browser.sign_in(&site, ana).await;
    let kept = browser.cookies.clone();
    assert_eq!(browser.post("/sign-out", &[]).await.location(), "/sign-in?said=bye");
    browser.cookies = kept;
    assert_eq!(browser.get("/").await.status, StatusCode::SEE_OTHER);
}

#[actix_web::test]
async fn a_new_password_ends_all_other_sessions() {
    let (site, ana) = Site::with_ana().await;
    let mut phone = Browser::new(site.service().await);
    phone.sign_in(&site, ana).await;
    let mut desk = Browser::new(site.service().await);
    desk.sign_in(&site, ana).await;
    let before = desk.cookies[SESSION].clone();
    let answer = desk.post("/settings/password", &[("current", ""), ("new", PASSWORD)]).await;
    assert_eq!(answer.location(), "/settings/profile");
    assert_eq!(desk.get("/settings/profile").await.select("#flashes p"), ["Password changed. 1 other session ended."]);
    assert_ne!(desk.cookies[SESSION], before);
    assert_eq!(phone.get("/").await.status, StatusCode::SEE_OTHER);

    let answer =
        desk.post("/settings/password", &[("current", "wrong one here"), ("new", "another canoe and bridge")]).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(answer.select("#current-error"), ["That is not your present password."]);
}

#[actix_web::test]
async fn one_signs_in_by_password_and_goes_where_one_wanted() {
    let (site, ana) = Site::with_ana().await;
    let mut browser = Browser::new(site.service().await);
    browser.sign_in(&site, ana).await;
    browser.post("/settings/password", &[("current", ""), ("new", PASSWORD)]).await;
    let mut other = Browser::new(site.service().await);
    let to = other.get("/lists/new").await.location().to_owned();
    assert_eq!(to, "/sign-in?next=/lists/new");
    let page = other.get(&to).await;
    let next = page.attribute("input[name=next]", "value").expect("is kept");
    let answer =
        other.post("/sign-in", &[("email", " Ana@Bakery.example"), ("password", PASSWORD), ("next", &next)]).await;
    assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, "/lists/new"));
    assert_eq!(other.get("/lists/new").await.status, StatusCode::OK);
}

#[actix_web::test]
async fn a_stranger_and_a_wrong_password_get_the_same_answer_and_are_slowed() {
    let (site, _) = Site::with_ana().await;
    let mut browser = Browser::new(site.service().await);
    browser.get("/sign-in").await;
    let mut said = Vec::new();
    for email in ["ana@bakery.example", "nobody@bakery.example"] {
        let answer = browser.post("/sign-in", &[("email", email), ("password", "wrong")]).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        said.push(answer.select(".error"));
    }
    assert_eq!(said[0], said[1]);
    let mut last = StatusCode::OK;
    for _ in 0..8 {
        let answer = browser.post("/sign-in", &[("email", "ana@bakery.example"), ("password", "wrong")]).await;
        last = answer.status;
        if last == StatusCode::TOO_MANY_REQUESTS {
            assert!(answer.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds > 0));
            break;
        }
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
}

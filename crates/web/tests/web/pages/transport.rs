//! The page of transport security: what is counted, what is required, and the report.

use actix_web::http::StatusCode;
use tidings_domain::{TlsPolicyType, TlsResult};
use tidings_store::{TlsSessions, day_of};

use super::browser::Browser;
use super::site::Site;

async fn with_sessions(site: &Site) {
    let row = |domain: &str, policy, result, n, detail: &str| TlsSessions {
        day: day_of(site.state.now()),
        domain: domain.to_owned(),
        policy,
        result,
        mx_host: format!("mx.{domain}"),
        n,
        sending_ip: String::new(),
        receiving_ip: "192.0.2.7".to_owned(),
        policy_text: String::new(),
        detail: detail.to_owned(),
        last_at_ms: site.state.now().0,
    };
    let sessions = vec![
        row("good.example", TlsPolicyType::NoPolicyFound, TlsResult::Success, 1_200, ""),
        row("bad.example", TlsPolicyType::Sts, TlsResult::CertificateExpired, 7, "expired <yesterday>"),
    ];
    site.state.store.add_tls_sessions(sessions).await.expect("adds");
}

#[actix_web::test]
async fn sessions_are_shown_by_domain_and_explained() {
    let (site, ana) = Site::with_ana().await;
    let mut browser = Browser::new(site.service().await);
    browser.sign_in(&site, ana).await;
    assert!(browser.get("/transport").await.text().contains("No sessions yet"));
    with_sessions(&site).await;
    let page = browser.get("/transport").await.text();
    for words in ["good.example", "1,200", "bad.example", "Never encrypted"] {
        assert!(page.contains(words), "{words} is not in {page}");
    }
    let found = browser.get("/transport?q=GOOD").await.text();
    assert!(found.contains("good.example") && !found.contains("bad.example"));
    let page = browser.get("/transport/domains/bad.example").await.text();
    for words in ["Certificate out of date", "MTA-STS", "mx.bad.example", "expired &#60;yesterday&#62;"] {
        assert!(page.contains(words), "{words} is not in {page}");
    }
    assert_eq!(browser.get("/transport/domains/never.example").await.status, StatusCode::NOT_FOUND);
}

#[actix_web::test]
async fn a_day_goes_out_as_a_report() {
    let (site, ana) = Site::with_ana().await;
    let mut browser = Browser::new(site.service().await);
    browser.sign_in(&site, ana).await;
    with_sessions(&site).await;
    let page = browser.get("/transport").await.text();
    let at = page.find("/transport/report.json?day=").expect("a link");
    let link = page[at..].split('"').next().expect("its end").to_owned();
    let report: serde_json::Value = serde_json::from_str(&browser.get(&link).await.text()).expect("JSON");
    assert_eq!(report["policies"][0]["policy"]["policy-domain"], "bad.example");
    assert_eq!(report["policies"][0]["failure-details"][0]["result-type"], "certificate-expired");
    assert_eq!(report["policies"][1]["summary"]["total-successful-session-count"], 1_200);
    let one = browser.get(&format!("{link}&domain=good.example")).await.text();
    assert!(!one.contains("bad.example"), "{one}");
    assert_eq!(browser.get("/transport/report.json?day=never").await.status, StatusCode::NOT_FOUND);
}

#[actix_web::test]
async fn tls_is_required_and_no_more() {
    let (site, ana) = Site::with_ana().await;
    let mut browser = Browser::new(site.service().await);
    browser.sign_in(&site, ana).await;
    browser.get("/transport").await;
    let bad = browser.post("/transport/required", &[("domain", "no domain")]).await;
    assert_eq!(bad.status, StatusCode::UNPROCESSABLE_ENTITY);
    browser.post("/transport/required", &[("domain", "Bücher.example"), ("verified", "yes")]).await;
    let required = site.state.store.tls_required_domains().await.expect("reads");
    assert_eq!(
        (required[0].domain.as_str(), required[0].is_verified),
        ("xn--bcher-kva.example", true),
        "as DNS knows it"
    );
    assert!(browser.get("/transport").await.text().contains("With a valid certificate"));
    browser.post("/transport/required/remove", &[("domain", "xn--bcher-kva.example")]).await;
    assert!(site.state.store.tls_required_domains().await.expect("reads").is_empty());
}

#[test]
fn transport_security_is_for_admins() {
    let routes: Vec<_> = tidings_web::routes().filter(|entry| entry.path.starts_with("/transport")).collect();
    assert_eq!(routes.len(), 5);
    assert!(routes.iter().all(|entry| entry.access == tidings_web::Access::Admin));
}

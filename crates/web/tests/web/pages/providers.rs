//! The pages about providers: limits with who changed them, own rules with the lint's words, orders, alerts.

use actix_web::http::StatusCode;
use tidings_domain::{BounceClass, Knob, PaceAct, UnixMs};
use tidings_store::{NewPaceEvent, PaceOf, ProviderSubject};

use super::browser::Browser;
use super::site::Site;

#[test]
fn all_of_it_is_for_admins() {
    let ours: Vec<_> = tidings_web::routes().filter(|entry| entry.path.starts_with("/providers")).collect();
    assert!(ours.len() >= 7);
    for entry in ours {
        assert_eq!(entry.access, tidings_web::Access::Admin, "{} {}", entry.method, entry.path);
    }
}

#[actix_web::test]
async fn limits_are_changed_told_and_taken_back() {
    let (site, ana) = Site::with_ana().await;
    let mut browser = Browser::new(site.service().await);
    browser.sign_in(&site, ana).await;
    let list = browser.get("/providers").await.text();
    assert!(list.contains("Gmail and Google Workspace") && list.contains(".yahoodns.net"), "{list}");
    assert_eq!(browser.get("/providers/nobody").await.status, StatusCode::NOT_FOUND);
    assert_eq!(browser.get("/providers?mx=Hoster.example.").await.location(), "/providers/mx:hoster.example");
    assert_eq!(browser.get("/providers/mx:hoster.example").await.status, StatusCode::OK);

    browser.get("/providers/google").await;
    let form = |rate, mx| [("per_second", rate), ("connections", ""), ("messages_per_connection", ""), ("mx", mx)];
    let wrong = browser.post("/providers/google/limits", &form("0", "")).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(wrong.attribute("#per_second", "aria-invalid").as_deref(), Some("true"));
    let taken = browser.post("/providers/google/limits", &form("", ".yahoodns.net")).await;
    assert_eq!(taken.status, StatusCode::UNPROCESSABLE_ENTITY, "the hosts are another's");
    assert!(taken.text().contains("stands twice"), "{}", taken.text());
    assert_eq!(
        browser.post("/providers/google/limits", &form("2.5", ".acme-mail.example")).await.location(),
        "/providers/google"
    );
    let page = browser.get("/providers/google").await.text();
    for words in [
        "Ana Silva changed the rate from built-in to 2.5/s",
        ".acme-mail.example",
        "10/s, 5 connections, 50 messages on each",
    ] {
        assert!(page.contains(words), "{words} is not in {page}");
    }
    assert!(browser.get("/providers").await.text().contains("Changed"));

    let google = || Some(ProviderSubject::Settings("google".into()));
    let change = site.state.store.provider_changes(google(), 9).await.expect("reads")[0].id.to_string();
    assert_eq!(
        browser.post("/providers/google/undo", &[("change", change.as_str())]).await.location(),
        "/providers/google"
    );
    let told = site.state.store.provider_changes(google(), 9).await.expect("reads");
    assert_eq!((told.len(), told[0].becomes.as_str(), told[0].undoes.map(|id| id.to_string())), (2, "", Some(change)));
    assert!(site.state.store.provider_overrides().await.expect("reads").entries.is_empty());
    let stale = told[1].id.to_string();
    browser.post("/providers/google/undo", &[("change", stale.as_str())]).await;
    assert!(browser.get("/providers/google").await.text().contains("changed it again meanwhile"));
}

fn rule<'a>(text: &'a str, is: &'a str, check: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("rule", "acme-monday"),
        ("text", text),
        ("code", "4"),
        ("enhanced", ""),
        ("class", "throttled"),
        ("knob", "connections"),
        ("divide_by", "3"),
        ("turn_to", ""),
        ("stay_minutes", "120"),
        ("hold_minutes", "90"),
        ("key", "sending_domain"),
        ("is", is),
        ("is_not", "421 come back"),
        ("check", check),
    ]
}

#[actix_web::test]
async fn an_own_rule_is_checked_added_tried_and_removed() {
    let (site, ana) = Site::with_ana().await;
    let mut browser = Browser::new(site.service().await);
    browser.sign_in(&site, ana).await;
    browser.get("/providers/google/rules/new").await;
    let here = "/providers/google/rules";
    let dead = browser.post(here, &rule("on tuesday", "421 come back on Monday", "")).await;
    assert_eq!(dead.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(dead.text().contains("is taken by"), "{}", dead.text());
    let broken = browser.post(here, &rule("(", "421 come back on Monday", "")).await;
    assert!(broken.status == StatusCode::UNPROCESSABLE_ENTITY && broken.text().contains("cannot be taken"));
    let mut both = rule("on monday", "421 come back on Monday", "");
    both.iter_mut().filter(|(field, _)| *field == "turn_to").for_each(|(_, value)| *value = "2");
    assert!(browser.post(here, &both).await.text().contains("only one of both"));
    let checked = browser.post(here, &rule("on monday", "421 come back on Monday", "yes")).await;
    assert!(checked.status == StatusCode::OK && checked.text().contains("The rule is good"), "{}", checked.text());
    assert!(site.state.store.provider_overrides().await.expect("reads").rules.is_empty(), "only looked at");
    assert_eq!(
        browser.post(here, &rule("on monday", "421 come back on Monday", "")).await.location(),
        "/providers/google"
    );
    let again = browser.post(here, &rule("on monday", "421 come back on Monday", "")).await;
    assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY, "the name is taken");

    let tried = browser.get("/providers/google?reply=421+Come+back+on+Monday%21").await.text();
    for words in
        ["acme-monday", "about 1 h 30 min", "for the campaign&#8217;s sending domain", "connections is divided by 3"]
    {
        let plain = words.replace("&#8217;", "’").replace('’', "&#39;");
        assert!(tried.contains(words) || tried.contains(&plain), "{words} is not in {tried}");
    }
    assert!(browser.get("/providers/google").await.text().contains("Ana Silva added the rule “acme-monday”"));
    browser.post("/providers/google/rules/remove", &[("rule", "acme-monday")]).await;
    assert!(site.state.store.provider_overrides().await.expect("reads").rules.is_empty());
    let other = browser.get("/providers/google?reply=250+fine").await.text();
    assert!(other.contains("No refusal"), "{other}");
}

#[actix_web::test]
async fn a_block_stands_on_home_with_the_way_out() {
    let (site, ana) = Site::with_ana().await;
    let mut browser = Browser::new(site.service().await);
    browser.sign_in(&site, ana).await;
    let now = site.state.now();
    let event = NewPaceEvent {
        of: PaceOf { provider: "proofpoint".into(), route: None, stream: String::new() },
        act: PaceAct::Down,
        turn: Some((Knob::Rate, 2.0, 1.0)),
        until: Some(UnixMs(now.0 + 3_600_000)),
        class: Some(BounceClass::IpBlocked),
        rule: "proofpoint-blocked".into(),
        why: "554 Blocked - see https://ipcheck.example/?ip=192.0.2.1".into(),
        by: "Tidings".into(),
        attention: String::new(),
    };
    site.state.store.note_pace(event, now).await.expect("notes");
    for path in ["/", "/queues", "/providers"] {
        let page = browser.get(path).await.text();
        assert!(page.contains("Proofpoint blocks our mail"), "{path}: {page}");
        assert!(page.contains("href=\"https://ipcheck.example/?ip=192.0.2.1\""), "{path}");
    }
    browser.get("/providers/proofpoint").await;
    let hold = [("minutes", "90"), ("reason", "asked their postmaster"), ("route", "")];
    assert_eq!(browser.post("/providers/proofpoint/hold", &hold).await.location(), "/providers/proofpoint");
    browser.post("/providers/proofpoint/hold", &[("minutes", "0"), ("reason", "x")]).await;
    let standing = site.state.store.standing_pace_holds(now).await.expect("reads");
    assert_eq!((standing.len(), standing[0].by.as_str()), (1, "Ana Silva"));
    assert!(browser.get("/providers/proofpoint").await.text().contains("asked their postmaster"));
    browser.post("/providers/proofpoint/lift", &[("route", "")]).await;
    assert!(site.state.store.standing_pace_holds(now).await.expect("reads").is_empty());
    let page = browser.get("/providers/proofpoint").await.text();
    assert!(page.contains("Rate down from 2/s to 1/s, held until"), "{page}");
}

//! The suppression lists on screen: adding one or many, finding out what stops somebody, files in and out, and who may do what.

use actix_web::http::StatusCode;
use tidings_domain::{SuppressionEntry, SuppressionReason, UnixMs, Word};
use tidings_store::{NewSuppression, Scope, SuppressionSlice};
use tidings_web::{Access, routes};

use super::browser::Browser;
use super::site::Site;

fn entry(text: &str, reason: SuppressionReason) -> NewSuppression {
    NewSuppression::of(SuppressionEntry::parse(text).expect("an entry"), reason, "test")
}

#[actix_web::test]
async fn a_paste_keeps_the_good_lines_and_tells_the_bad_ones() {
    let (site, ana) = Site::with_ana().await;
    let mut browser = Browser::new(site.service().await);
    browser.sign_in(&site, ana).await;
    let pasted = "bo@example.org\nexample.net\nabuse*@*\nbroken\nBO@example.org";
    let form = [("value", pasted), ("reason", "unsubscribe"), ("scope", "lane:bulk"), ("note", "by phone")];
    let page = browser.post("/suppressions", &form).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        page.select(".notice li")[0].starts_with("Line 4, broken: not a domain"),
        "{:?}",
        page.select(".notice li")
    );
    assert_eq!(page.select("textarea"), ["broken"], "what is left to mend");
    let rows = site.data().await.suppressions("", None, 10).await.expect("reads");
    assert_eq!(rows.len(), 3);
    let all = |row: &tidings_store::Suppression| {
        row.reason == SuppressionReason::Unsubscribe
            && row.scope().to_string() == "lane:bulk"
            && row.evidence == "by phone"
    };
    assert!(rows.iter().all(all), "{rows:?}");
    let history = browser.get("/suppressions/history").await;
    assert!(history.select("td")[2].starts_with("3 entries pasted."), "{:?}", history.select("td"));
    assert_eq!(browser.post("/suppressions", &[("value", " ")]).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(browser.post("/suppressions", &[("value", "a@b.example"), ("scope", "list:99")]).await.status, 404);
}

#[actix_web::test]
async fn a_search_for_an_address_tells_all_that_stops_it() {
    let (site, ana) = Site::with_ana().await;
    let mut browser = Browser::new(site.service().await);
    browser.sign_in(&site, ana).await;
    let own = site.data().await;
    own.suppress(entry("*o@*.org", SuppressionReason::Blocklist), UnixMs(1)).await.expect("adds");
    own.suppress(entry("example.org", SuppressionReason::HardBounce), UnixMs(1)).await.expect("adds");
    let global = site.state.store.installation_list();
    global.suppress(entry("bo@example.org", SuppressionReason::Complaint), UnixMs(1)).await.expect("adds");
    let page = browser.get("/suppressions?q=Bo@example.org").await;
    assert_eq!(page.select(".notice-title"), ["Gets no mail: complaint"]);
    assert_eq!(page.select("td strong"), ["bo@example.org", "example.org", "*o@*.org"]);
    assert_eq!(page.select("td button").len(), 2, "what stands on the installation's list is removed there");
    let page = browser.get("/suppressions?kind=pattern&reason=blocklist&scope=all").await;
    assert_eq!(page.select("td strong"), ["*o@*.org"]);
    assert_eq!(browser.get("/suppressions?reason=complaint").await.select(".empty h2"), ["No such entry"]);
    let page = browser.get("/suppressions?q=nobody@nowhere.example").await;
    assert_eq!(page.select(".notice-title"), ["Not suppressed, and not a subscriber"]);
    assert_eq!(browser.get("/installation/suppressions").await.select("td strong"), ["bo@example.org"]);
}

#[actix_web::test]
async fn the_installations_list_is_for_admins_and_a_removal_is_told() {
    let (site, ana) = Site::with_ana().await;
    let mut browser = Browser::new(site.service().await);
    browser.sign_in(&site, ana).await;
    assert_eq!(
        browser.post("/installation/suppressions", &[("value", "example.net")]).await.status,
        StatusCode::SEE_OTHER
    );
    let global = site.state.store.installation_list();
    assert_eq!(global.suppressions("", None, 10).await.expect("reads").len(), 1);
    let own = site.data().await;
    own.suppress(entry("bo@example.org", SuppressionReason::Complaint), UnixMs(1)).await.expect("adds");
    let id = own.suppressions("", None, 1).await.expect("reads")[0].id;
    let open = routes().find(|entry| entry.path.starts_with("/installation") && entry.access != Access::Admin);
    assert!(open.is_none(), "{:?}", open.map(|entry| entry.path));
    let remove = format!("/suppressions/{id}/remove");
    browser.post(&remove, &[("why", "it was a test")]).await;
    assert!(own.suppressions("", None, 1).await.expect("reads").is_empty());
    let events = own.suppression_events(None, None, 1).await.expect("reads");
    assert_eq!((events[0].action.as_str(), events[0].note.as_str()), ("removed", "it was a test"));
}

#[actix_web::test]
async fn the_export_is_csv_without_formulas() {
    let (site, ana) = Site::with_ana().await;
    let mut browser = Browser::new(site.service().await);
    browser.sign_in(&site, ana).await;
    let own = site.data().await;
    let said =
        NewSuppression { evidence: "550, \"no\"".into(), ..entry("+x@example.org", SuppressionReason::HardBounce) };
    own.suppress(said, UnixMs(0)).await.expect("adds");
    let text = browser.get("/suppressions/export.csv").await.text();
    let expected = "kind,value,scope,reason,source,evidence,since,expires\r\n\
        address,'+x@example.org,all,hard_bounce,test,\"550, \"\"no\"\"\",";
    assert!(text.starts_with(expected), "{text}");
    assert!(browser.get("/suppressions/export.csv").await.header("content-disposition").contains("suppressions.csv"));
}

#[actix_web::test]
async fn an_upload_is_handed_to_the_importer_and_its_report_is_shown() {
    let (site, ana) = Site::with_ana().await;
    let mut browser = Browser::new(site.service().await);
    browser.sign_in(&site, ana).await;
    let parts: [(&str, &str, &[u8]); 4] = [
        ("reason", "", b"complaint"),
        ("scope", "", b"all"),
        ("note", "", b"moved"),
        ("file", "l.csv", b"bo@example.org\nx\n"),
    ];
    let answer = browser.upload("/suppressions/import", &parts).await;
    assert!(answer.location().starts_with("/suppressions/imports/"), "{}", answer.text());
    let show = answer.location().to_owned();
    let store = &site.state.store;
    let import =
        store.next_suppression_import("test".into(), 1_000, UnixMs(9)).await.expect("reads").expect("is there");
    assert_eq!((import.reason, import.scope(), import.bytes_total), (SuppressionReason::Complaint, Scope::All, 17));
    let slice = SuppressionSlice {
        entries: vec![entry("bo@example.org", SuppressionReason::Complaint)],
        refused: [("not a domain".to_owned(), (1, 2, "<x>".to_owned()))].into(),
        bytes_done: 17,
        row_no: 2,
        layout: "A plain list".into(),
        is_last: true,
    };
    assert!(store.commit_suppression_slice(import, "test".into(), 1_000, slice, UnixMs(9)).await.expect("commits"));
    let page = browser.get(&show).await;
    assert_eq!(page.select(".stat-value"), ["2", "1", "0", "1"]);
    assert_eq!(page.select("td .reply"), ["<x>"]);
    let nothing = browser.upload("/suppressions/import", &[("reason", "", b"complaint")]).await;
    assert_eq!(nothing.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(SuppressionReason::ALL.len() >= browser.get("/suppressions/import").await.select("#reason option").len());
}

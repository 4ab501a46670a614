use std::path::Path;
use std::sync::Arc;

use actix_web::http::StatusCode;
use tidings_domain::{ColumnTarget, ImportState, RejectKind, UnixMs};
use tidings_store::{
    Analysis, Checkpoint, DueImport, Import, ImportColumn, ImportFormat, ImportId, ImportRow, ImportRows, ImportSlice,
    NewReject, RecordPlace, RecordReader, SliceResult,
};

use super::browser::Browser;
use super::site::Site;

const CSV: &[u8] = b"e-mail;Plan type\nana@example.org;pro\n=broken;x\n";

/// What the importer finds in the file, without the importer: it is another room.
async fn recognise(site: &Site, id: ImportId) {
    let column = |header: &str, target, sample: &str| ImportColumn {
        header: header.into(),
        target,
        samples: vec![sample.into(), "=broken".into()],
    };
    let columns = vec![
        column("e-mail", ColumnTarget::Email, "ana@example.org"),
        column("Plan type", ColumnTarget::Attribute("plan_type".into()), "<b>pro</b>"),
    ];
    let format =
        ImportFormat { encoding: "UTF-8".into(), delimiter: ";".into(), has_header: true, ..ImportFormat::default() };
    let found = Analysis { format, columns, fingerprint: "f".into(), is_clear: true };
    assert!(site.state.store.save_analysis(id, found, UnixMs(2)).await.expect("saves"));
}

/// Imports one good row and one bad one.
async fn run(site: &Site) -> Import {
    let store = &site.state.store;
    let due = store.next_import("test".into(), 1_000, UnixMs(3)).await.expect("reads");
    let Some(DueImport::Run(import)) = due else { panic!("nothing to run: {due:?}") };
    let mut rows = ImportRows::default();
    let (email, domain, place) = ("ana@example.org", "example.org", RecordPlace { offset: 17, bytes: 20 });
    let attributes = r#"{"plan_type":"pro"}"#;
    rows.push(ImportRow { row_no: 2, place, email, domain, first_name: "", last_name: "", attributes });
    let (column, reason) = ("e-mail".to_owned(), "no @ between name and domain".to_owned());
    let invalid = vec![NewReject { row_no: 3, kind: RejectKind::Invalid, column, reason, record: "=broken;x".into() }];
    let slice = ImportSlice {
        import: import.id,
        workspace: import.workspace_id,
        list: import.list.as_ref().expect("a list").0,
        worker: "test".into(),
        consent_source: import.consent_source.clone(),
        email_column: "e-mail".into(),
        from: Checkpoint::default(),
        to: Checkpoint { offset: 48, row_no: 3, done: 0 },
        bytes_done: 48,
        rows: Arc::new(rows),
        records: RecordReader(Arc::new(|_| String::new())),
        range: 0..1,
        invalid: Arc::new(invalid),
        invalid_range: 0..1,
        is_last: true,
        lease_ms: 1_000,
    };
    let done = store.commit_import_slice(slice, UnixMs(4)).await.expect("commits");
    assert!(matches!(done, SliceResult::Committed(_)));
    store.any_import(import.id).await.expect("is there")
}

#[actix_web::test]
async fn a_file_goes_from_upload_to_report() {
    let (site, ana) = Site::with_ana().await;
    let mut browser = Browser::new(site.service().await);
    browser.sign_in(&site, ana).await;
    assert_eq!(browser.get("/imports").await.select(".empty h2"), ["Nothing imported yet"]);
    assert_eq!(browser.get("/imports/new").await.select("h1"), ["Import subscribers"]);

    let parts: [(&str, &str, &[u8]); 5] = [
        ("list", "", b"new"),
        ("list_name", "", b"News"),
        ("consent_source", "", b"sign-up form"),
        ("pasted", "", b""),
        ("file", "people.csv", CSV),
    ];
    let to = browser.upload("/imports/new", &parts).await.location().to_owned();
    let id = ImportId(to.rsplit('/').next().unwrap_or_default().parse().expect("a number"));
    let import = site.data().await.import(id).await.expect("is there");
    assert_eq!((import.state, import.bytes_total), (ImportState::Uploaded, CSV.len() as i64));
    assert_eq!(std::fs::read(&import.path).expect("is spooled"), CSV);
    assert!(browser.get(&to).await.text().contains("Looking at the file"));

    recognise(&site, id).await;
    let page = browser.get(&to).await;
    assert_eq!(page.select(".import-match td:first-child"), ["e-mail", "Plan type"]);
    assert!(page.select(".import-match b").is_empty(), "a sample is text");
    let twice = browser.post(&format!("{to}/start"), &[("target-0", "email"), ("target-1", "email")]).await;
    assert_eq!(twice.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        twice.select(".notice-bad p"),
        ["2 columns are e-mail addresses. Choose one; an import makes one subscriber of each row."]
    );
    let columns = [("target-0", "email"), ("target-1", "attribute"), ("name-1", "My Plan")];
    assert_eq!(browser.post(&format!("{to}/start"), &columns).await.location(), to);
    assert!(browser.get(&to).await.select("#import-live").len() == 1);

    let import = run(&site).await;
    assert_eq!(import.columns[1].target, ColumnTarget::Attribute("my_plan".into()));
    let page = browser.get(&to).await;
    assert_eq!(page.select(".stat-value"), ["2", "1", "0", "1"]);
    assert_eq!(page.select("td.long"), ["no @ between name and domain"]);
    let rejected = browser.get(&format!("{to}/rejected.csv")).await;
    let text =
        "\u{FEFF}e-mail,Plan type,row,kind,column,reason\n'=broken,x,3,invalid,e-mail,no @ between name and domain\n";
    assert_eq!(rejected.text(), text);
    assert_eq!(browser.get("/imports").await.select("td .name"), ["people.csv"]);
    std::fs::remove_file(Path::new(&import.path)).expect("was spooled");
}

#[actix_web::test]
async fn what_is_missing_is_said_and_nothing_is_kept() {
    let (site, ana) = Site::with_ana().await;
    let mut browser = Browser::new(site.service().await);
    browser.sign_in(&site, ana).await;
    browser.get("/imports/new").await;
    let parts: [(&str, &str, &[u8]); 3] = [("list", "", b"new"), ("list_name", "", b" "), ("file", "people.csv", b"")];
    let page = browser.upload("/imports/new", &parts).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(page.select("#consent_source-error"), ["Say where these people agreed to get mail from you."]);
    assert_eq!(page.select("#list_name-error"), ["Give the new list a name."]);
    assert_eq!(page.select("#file-error"), ["Choose a file that is not empty, or paste the rows below."]);
    assert!(site.data().await.imports(None).await.expect("reads").is_empty());
    assert!(site.data().await.lists().await.expect("reads").is_empty());
}

#[actix_web::test]
async fn pasted_rows_are_a_file_and_a_cancelled_import_says_so() {
    let (site, ana) = Site::with_ana().await;
    let mut browser = Browser::new(site.service().await);
    browser.sign_in(&site, ana).await;
    browser.get("/imports/new").await;
    let pasted: [(&str, &str, &[u8]); 4] = [
        ("list", "", b"new"),
        ("list_name", "", b"News"),
        ("consent_source", "", b"counter"),
        ("pasted", "", b"a@example.org"),
    ];
    let to = browser.upload("/imports/new", &pasted).await.location().to_owned();
    browser.get(&to).await;
    assert_eq!(browser.post(&format!("{to}/cancel"), &[]).await.location(), to);
    assert_eq!(browser.get(&to).await.select("header .badge"), ["Cancelled"]);
    for old in site.state.store.old_spools(UnixMs(0)).await.expect("reads") {
        assert_eq!(std::fs::read(&old.path).expect("is spooled"), b"a@example.org");
        std::fs::remove_file(&old.path).expect("is there");
    }
}

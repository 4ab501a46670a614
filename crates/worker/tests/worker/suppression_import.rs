//! Suppression lists from files: our own, other platforms', plain ones; by both backends, and through a stop in the middle.

use std::path::PathBuf;

use tidings_domain::{SuppressionKind, SuppressionReason, UnixMs};
use tidings_store::{
    NewAdmin, NewSuppressionImport, Refusal, Scope, Store, StoreOptions, Suppression, SuppressionImport, Workspace,
    WorkspaceId,
};
use tidings_testing::TestDatabase;
use tidings_worker::import::SuppressionImporter;
use tidings_worker::{Looping, Step};

struct World {
    store: Store,
    data: Workspace,
    folder: tempfile::TempDir,
    _database: TestDatabase,
}

async fn each<F: AsyncFn(World)>(test: F) {
    for database in TestDatabase::each() {
        let store = Store::open(database.url(), StoreOptions::default()).await.unwrap();
        let admin = NewAdmin {
            email: "ana@example.org".into(),
            name: "Ana".into(),
            password_hash: String::new(),
            workspace_name: "Acme".into(),
        };
        let (_, workspace) = store.add_admin(admin, UnixMs(1)).await.unwrap();
        let data = store.workspace(workspace);
        test(World { store, data, folder: tempfile::tempdir().unwrap(), _database: database }).await;
    }
}

impl World {
    async fn import(&self, content: &[u8]) -> (SuppressionImport, Vec<Refusal>) {
        self.import_to(&self.data, content).await
    }

    async fn import_to(&self, list: &Workspace, content: &[u8]) -> (SuppressionImport, Vec<Refusal>) {
        let path: PathBuf = self.folder.path().join("list.csv");
        std::fs::write(&path, content).unwrap();
        let new = NewSuppressionImport {
            file_name: "list.csv".into(),
            path: path.to_string_lossy().into_owned(),
            bytes_total: i64::try_from(content.len()).unwrap(),
            scope: Scope::All,
            reason: SuppressionReason::Blocklist,
            note: "moved here".into(),
            created_by: "Ana".into(),
        };
        let id = list.import_suppressions(new, UnixMs(2)).await.unwrap();
        let mut importer = SuppressionImporter::new(self.store.clone(), "test");
        while importer.step().await.unwrap() == Step::DidWork {}
        assert!(!path.exists(), "the upload is deleted");
        list.suppression_import(id).await.unwrap()
    }

    async fn entries(&self) -> Vec<Suppression> {
        let mut rows = self.data.suppressions("", None, 1000).await.unwrap();
        rows.sort_by(|a, b| a.value.cmp(&b.value));
        rows
    }
}

fn shown(rows: &[Suppression]) -> Vec<(&str, SuppressionReason)> {
    rows.iter().map(|row| (row.value.as_str(), row.reason)).collect()
}

#[tokio::test]
async fn exports_of_other_platforms_are_recognised() {
    use SuppressionReason as R;
    const UNSUBSCRIBED: &str = "\"Email Address\",\"First Name\",MEMBER_RATING,UNSUB_TIME,UNSUB_CAMPAIGN_TITLE,UNSUB_REASON\n\
        Bo@example.org,Bo,2,\"2023-11-14 22:13:20\",Spring,\"NORMAL, no longer interested\"\n";
    const CLEANED: &str =
        "Email Address,First Name,CLEAN_TIME,CLEAN_CAMPAIGN_TITLE\nbo@example.org,Bo,2023-11-14 22:13:20,X\n";
    const BOUNCES: &str = "status,reason,email,created\n5.1.1,550 5.1.1 unknown,bo@example.org,1700000000\n";
    const SPAM: &str = "email,created,ip\nbo@example.org,1700000000,192.0.2.1\n";
    const SES: &str = "EmailAddress,Reason,LastUpdateTime\nbo@example.org,COMPLAINT,2023-11-14T22:13:20Z\n";
    const SES_BARE: &str = "bo@example.org,BOUNCE\ncy@example.org,COMPLAINT\n";
    const LISTMONK: &str = "uuid,email,name,attributes,status,created_at,updated_at\n\
        1,bo@example.org,Bo,{},blocklisted,2023-11-14T22:13:20Z,x\n2,cy@example.org,Cy,{},enabled,x,x\n";
    each(async |w: World| {
        for (file, layout, reason, is_dated) in [
            (UNSUBSCRIBED, "Mailchimp, unsubscribed contacts", R::Unsubscribe, true),
            (CLEANED, "Mailchimp, cleaned contacts", R::HardBounce, true),
            (BOUNCES, "SendGrid, bounces or blocks", R::HardBounce, true),
            (SPAM, "SendGrid, spam reports", R::Complaint, true),
            (SES, "Amazon SES, account suppression list", R::Complaint, true),
            (SES_BARE, "A plain list", R::HardBounce, false),
            (LISTMONK, "listmonk, subscribers", R::Blocklist, true),
            ("bo@example.org\n", "A plain list", R::Blocklist, false),
        ] {
            let (import, _) = w.import(file.as_bytes()).await;
            assert_eq!((import.state.as_str(), import.layout.as_str()), ("done", layout), "{}", import.error);
            let rows = w.entries().await;
            assert_eq!((rows[0].value.as_str(), rows[0].reason), ("bo@example.org", reason), "{layout}");
            assert_eq!(rows[0].created_at_ms, if is_dated { 1_700_000_000_000 } else { rows[0].created_at_ms });
            assert_eq!(layout.contains("bounces"), rows[0].evidence.contains("550 5.1.1"), "{:?}", rows[0]);
            assert_eq!(rows.len(), if file == SES_BARE { 2 } else { 1 });
            for row in rows {
                let by = tidings_store::Removal { by: "Ana".into(), is_admin: true, why: "test".into() };
                w.data.remove_suppression(row.id, by, UnixMs(3)).await.unwrap();
            }
        }
    })
    .await;
}

#[tokio::test]
async fn our_own_export_comes_back_whole_and_hashes_are_taken() {
    let md5 = "0123456789abcdef0123456789ABCDEF";
    let file = format!(
        "kind,value,scope,reason,source,evidence,since,expires\r\n\
         address,'+tag@example.org,lane:bulk,complaint,x,\"words, verbatim\",2023-11-14T22:13:20Z,2033-01-01T00:00:00Z\r\n\
         domain,example.net,all,hard_bounce,x,,,\r\n\
         pattern,abuse*@*,all,blocklist,x,,,\r\n\
         md5,{md5},all,unsubscribe,x,,,\r\n"
    );
    each(async |w: World| {
        let (import, refusals) = w.import(file.as_bytes()).await;
        assert_eq!((import.rows_read, import.rows_added, refusals.len()), (4, 4, 0), "{refusals:?}");
        let rows = w.entries().await;
        let kinds: Vec<_> = rows.iter().map(|row| row.kind).collect();
        use SuppressionKind as K;
        assert_eq!(kinds, [K::Address, K::Md5, K::Pattern, K::Domain]);
        assert_eq!(rows[0].scope().to_string(), "lane:bulk");
        assert_eq!((rows[0].evidence.as_str(), rows[0].expires_at_ms.is_some()), ("words, verbatim", true));
        let (again, _) = w.import(file.as_bytes()).await;
        assert_eq!((again.rows_added, again.rows_known), (0, 4));
        let (hashes, _) = w.import(format!("{md5}\n{}\n", "ab".repeat(32)).as_bytes()).await;
        assert_eq!((hashes.rows_added, hashes.rows_known), (2, 0), "blocked by hand is stronger than unsubscribed");
        let events = w.data.suppression_events(None, None, 10).await.unwrap();
        assert_eq!((events.len(), events[0].action.as_str(), events[0].who.as_str()), (3, "imported", "Ana"));
        assert!(events[0].note.contains("2 of 2 rows"), "{}", events[0].note);
    })
    .await;
}

#[tokio::test]
async fn what_is_refused_is_counted_by_reason_and_shown() {
    let file = format!("email\nbo@example.org\nbroken\nalso broken\n*@*\n{}\nBO@example.org\n", "ab".repeat(20));
    each(async |w: World| {
        let (import, refusals) = w.import(file.as_bytes()).await;
        assert_eq!((import.rows_read, import.rows_added, import.rows_known, import.rows_refused), (6, 1, 1, 4));
        let found: Vec<(i64, i64, &str)> = refusals.iter().map(|r| (r.n, r.first_row, r.sample.as_str())).collect();
        assert_eq!(found[0], (2, 3, "broken"));
        assert!(refusals.iter().any(|r| r.reason.contains("SHA-1") && r.first_row == 6), "{refusals:?}");
        for (content, words) in
            [(&b"name,city\nBo,Ghent\n"[..], "Name the column"), (b"", "empty"), (b"PK\x03\x04....", "Excel")]
        {
            let (import, _) = w.import(content).await;
            assert!(import.state == "failed" && import.error.contains(words), "{}", import.error);
        }
    })
    .await;
}

#[tokio::test]
async fn a_hundred_thousand_rows_and_the_installations_list() {
    let file: String = (0..100_000).map(|i| format!("person{i}@d{}.example\r\n", i % 100)).collect();
    each(async |w: World| {
        let (import, _) = w.import_to(&w.store.installation_list(), file.as_bytes()).await;
        assert_eq!(
            (import.state.as_str(), import.rows_added, import.bytes_done),
            ("done", 100_000, import.bytes_total)
        );
        assert!(w.entries().await.is_empty(), "the workspace's own list is another");
        let stopped = w.data.suppressions_of("person4711@d11.example".into(), UnixMs(3)).await.unwrap();
        assert!(stopped.len() == 1 && stopped[0].is_global());
        let other = w.store.workspace(WorkspaceId(77)).suppression_import(import.id).await;
        assert!(other.is_err(), "a tenant sees no import of another list");
    })
    .await;
}

#[tokio::test]
async fn a_cancelled_import_keeps_what_is_in_and_frees_the_worker() {
    each(async |w: World| {
        let path = w.folder.path().join("l.csv");
        std::fs::write(&path, "bo@example.org\n").unwrap();
        let new = NewSuppressionImport {
            file_name: "l.csv".into(),
            path: path.to_string_lossy().into_owned(),
            bytes_total: 15,
            scope: Scope::All,
            reason: SuppressionReason::Blocklist,
            note: String::new(),
            created_by: "Ana".into(),
        };
        let id = w.data.import_suppressions(new, UnixMs(2)).await.unwrap();
        assert!(w.data.cancel_suppression_import(id, UnixMs(3)).await.unwrap());
        assert!(!w.data.cancel_suppression_import(id, UnixMs(3)).await.unwrap());
        let mut importer = SuppressionImporter::new(w.store.clone(), "test");
        assert_eq!(importer.step().await.unwrap(), Step::Idle);
        assert_eq!(shown(&w.entries().await), []);
        assert!(!path.exists());
    })
    .await;
}

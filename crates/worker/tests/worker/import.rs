//! Whole imports on both databases: what ends where, and that a kill at any point changes nothing.

use std::path::{Path, PathBuf};

use tidings_domain::{
    ImportState, SubscriptionStatus, SuppressionEntry, SuppressionKind, SuppressionReason, UnixMs, Word,
};
use tidings_store::{
    Choice, FormatChoice, Import, ImportId, ListId, NewAdmin, NewImport, NewSuppression, Reject, Store, StoreOptions,
    Workspace, WorkspaceId,
};
use tidings_testing::TestDatabase;
use tidings_worker::import::{FileImport, Importer, finish_import, start_from_file};
use tidings_worker::{Looping, Step};

struct World {
    store: Store,
    workspace: WorkspaceId,
    list: ListId,
    folder: tempfile::TempDir,
    _database: TestDatabase,
}

impl World {
    async fn of(database: TestDatabase) -> Self {
        let store = Store::open(database.url(), StoreOptions::default()).await.unwrap();
        let admin = NewAdmin {
            email: "admin@example.org".into(),
            name: "Admin".into(),
            password_hash: String::new(),
            workspace_name: "Club".into(),
        };
        let (_, workspace) = store.add_admin(admin, UnixMs(1)).await.unwrap();
        let list = store.workspace(workspace).create_list("News".into(), String::new(), UnixMs(1)).await.unwrap();
        Self { store, workspace, list, folder: tempfile::tempdir().unwrap(), _database: database }
    }

    fn data(&self) -> Workspace {
        self.store.workspace(self.workspace)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    async fn start(&self, path: &Path) -> ImportId {
        let file = FileImport {
            workspace: self.workspace,
            list: self.list,
            path: path.to_owned(),
            consent_source: "test".into(),
            created_by: "test".into(),
        };
        start_from_file(&self.store, file).await.unwrap()
    }

    async fn import(&self, bytes: impl AsRef<[u8]>) -> Import {
        let id = self.start(&self.write("people.csv", bytes)).await;
        finish_import(Importer::new(self.store.clone(), "test"), &self.store, id, |_| {}).await.unwrap()
    }

    async fn subscribed(&self) -> i64 {
        self.data().list(self.list).await.unwrap().subscribed
    }

    async fn rejects(&self, id: ImportId) -> Vec<Reject> {
        self.data().import_rejects(id, 0, 10_000).await.unwrap()
    }

    /// Every subscriber as one line, by address.
    async fn people(&self) -> Vec<String> {
        let rows = self.data().subscribers(Some(self.list), "", None, 100_000).await.unwrap();
        let line = |row: tidings_store::SubscriberRow| {
            let (s, status) = (row.subscriber, row.subscription.map_or("-", |s| s.as_str()));
            // In the order of their names, whatever other crates ask of serde_json.
            let attributes: std::collections::BTreeMap<String, String> = serde_json::from_str(&s.attributes).unwrap();
            let attributes = serde_json::to_string(&attributes).unwrap();
            format!("{} {} {} {attributes} {status}", s.email, s.first_name, s.last_name)
        };
        let mut lines: Vec<String> = rows.into_iter().map(line).collect();
        lines.sort();
        lines
    }
}

fn sums(import: &Import) -> [i64; 6] {
    let n = import.counts;
    [n.read, n.created, n.updated, n.duplicate, n.invalid, n.suppressed]
}

#[tokio::test]
async fn every_row_ends_in_one_place() {
    for database in TestDatabase::each() {
        let world = World::of(database).await;
        let first = world.import("email,first,last,Plan type\nana@example.org,Ana,Silva,pro\nbo@example.org,Bo,,free\ncy@example.org,Cy,,\n").await;
        assert_eq!((first.state, sums(&first)), (ImportState::Done, [3, 3, 0, 0, 0, 0]), "{}", first.error);

        let data = world.data();
        unsubscribe(&world, "cy@example.org").await;
        suppress(&world, SuppressionKind::Address, "gone@example.org").await;
        suppress(&world, SuppressionKind::Domain, "blocked.example").await;
        let second = world
            .import(
                "Vorname;E-Mail;City;Plan type\n;ANA@example.org;Rome;\nNew;new@example.org;;\nNewer;new@example.org;Oslo;\n\
                 Cy2;cy@example.org;X;\nG;gone@example.org;;\nB;any@blocked.example;;\nno;broken@;;\n\nmore;x@example.org;a;b;c\n",
            )
            .await;
        assert_eq!((second.state, sums(&second)), (ImportState::Done, [8, 1, 1, 1, 2, 3]), "{}", second.error);
        assert_eq!(
            world.people().await,
            [
                r#"ana@example.org Ana Silva {"city":"Rome","plan_type":"pro"} subscribed"#,
                r#"bo@example.org Bo  {"plan_type":"free"} subscribed"#,
                r#"cy@example.org Cy  {} unsubscribed"#,
                r#"new@example.org Newer  {"city":"Oslo"} subscribed"#,
            ]
        );
        assert_eq!(world.subscribed().await, 3);

        let rejects = world.rejects(second.id).await;
        let told: Vec<_> = rejects.iter().map(|r| (r.row_no, r.kind.to_string(), r.record.as_str())).collect();
        assert_eq!(
            told,
            [
                (4, "duplicate".to_owned(), "Newer;new@example.org;Oslo;"),
                (5, "suppressed".to_owned(), "Cy2;cy@example.org;X;"),
                (6, "suppressed".to_owned(), "G;gone@example.org;;"),
                (7, "suppressed".to_owned(), "B;any@blocked.example;;"),
                (8, "invalid".to_owned(), "no;broken@;;"),
                (10, "invalid".to_owned(), "more;x@example.org;a;b;c"),
            ]
        );
        assert_eq!(rejects[4].column, "E-Mail");
        let groups = data.import_reject_groups(second.id).await.unwrap();
        assert_eq!(groups.iter().map(|g| g.rows).sum::<i64>(), 6);
    }
}

async fn unsubscribe(world: &World, email: &str) {
    let person = world.data().subscriber_by_email(email.to_owned()).await.unwrap().unwrap();
    let choice = Choice { list: world.list, status: SubscriptionStatus::Unsubscribed, source: "test".into() };
    world.data().choose(person.id, choice, UnixMs(2)).await.unwrap();
}

async fn suppress(world: &World, kind: SuppressionKind, value: &str) {
    let entry = SuppressionEntry { kind, value: value.to_owned() };
    let new = NewSuppression::of(entry, SuppressionReason::Complaint, "test");
    world.data().suppress(new, UnixMs(2)).await.unwrap();
}

/// A file with every kind of row, many of them double.
fn mixed_file(rows: u32) -> String {
    let mut file = "email,first,city\n".to_owned();
    for i in 0..rows {
        let line = match i % 11 {
            3 => format!("broken{i},x,y\n"),
            7 => format!("person{}@example.org,Again{i},\n", i / 3),
            9 => format!("\"unclosed{i}@example.org,x,y\n"),
            _ => format!("person{i}@example.org,First{i},\"City\n{}\"\n", i % 17),
        };
        file.push_str(&line);
    }
    file
}

#[tokio::test]
async fn a_kill_at_any_step_changes_nothing() {
    let file = mixed_file(9_000);
    for database in [TestDatabase::sqlite as fn() -> TestDatabase, TestDatabase::postgres] {
        let whole = World::of(database()).await;
        let expected = whole.import(&file).await;
        assert_eq!(expected.state, ImportState::Done, "{}", expected.error);
        let n = expected.counts;
        assert_eq!(n.read, n.created + n.updated + n.duplicate + n.invalid + n.suppressed);
        assert!(n.created > 5_000 && n.duplicate > 500 && n.invalid > 1_000, "{n:?}");

        let broken = World::of(database()).await;
        let id = broken.start(&broken.write("people.csv", &file)).await;
        let mut lives = 0;
        while !broken.store.any_import(id).await.unwrap().state.is_over() {
            // A new importer knows nothing of the last one: all it has is what was committed.
            let mut importer = Importer::new(broken.store.clone(), "test").with_slice_rows(100 + 37 * lives);
            for _ in 0..1 + lives % 3 {
                importer.step().await.unwrap();
            }
            lives += 1;
        }
        let ended = broken.store.any_import(id).await.unwrap();
        assert!(lives > 5, "{lives}");
        assert_eq!((ended.state, sums(&ended)), (ImportState::Done, sums(&expected)));
        assert_eq!(broken.people().await, whole.people().await);
        assert_eq!(broken.subscribed().await, whole.subscribed().await);
        let rows = |rejects: Vec<Reject>| rejects.into_iter().map(|r| (r.row_no, r.kind, r.record)).collect::<Vec<_>>();
        assert_eq!(rows(broken.rejects(id).await), rows(whole.rejects(expected.id).await));
    }
}

#[tokio::test]
async fn two_importers_of_one_file_do_not_count_twice() {
    for database in TestDatabase::each() {
        let world = World::of(database).await;
        let file = mixed_file(3_000);
        let id = world.start(&world.write("people.csv", &file)).await;
        // The same name, so that the lease does not keep them apart: only the checkpoint does.
        let mut twins = [0, 1].map(|_| Importer::new(world.store.clone(), "test").with_slice_rows(200));
        while !world.store.any_import(id).await.unwrap().state.is_over() {
            for twin in &mut twins {
                twin.step().await.unwrap();
            }
        }
        let ended = world.store.any_import(id).await.unwrap();
        assert_eq!(ended.state, ImportState::Done);
        assert_eq!(ended.counts.created, world.subscribed().await);
        assert_eq!(ended.counts.read, 3_000);
    }
}

#[tokio::test]
async fn a_lease_keeps_another_worker_away() {
    let world = World::of(TestDatabase::sqlite()).await;
    let id = world.start(&world.write("people.csv", mixed_file(2_000))).await;
    let mut one = Importer::new(world.store.clone(), "one").with_slice_rows(100);
    for _ in 0..3 {
        one.step().await.unwrap();
    }
    let before = world.store.any_import(id).await.unwrap().counts;
    assert!(before.read > 0);
    let mut other = Importer::new(world.store.clone(), "other");
    assert_eq!(other.step().await.unwrap(), Step::Idle);
    assert_eq!(world.store.any_import(id).await.unwrap().counts, before);
}

#[tokio::test]
async fn what_cannot_be_imported_says_why() {
    let world = World::of(TestDatabase::sqlite()).await;
    let many_columns = |n: usize| (0..n).map(|i| format!("c{i}")).collect::<Vec<_>>().join(",");
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (b"".to_vec(), "The file is empty"),
        (b"\n\n\r\n".to_vec(), "The file is empty"),
        (b"\xEF\xBB\xBF".to_vec(), "The file is empty"),
        (b"email,first\n".to_vec(), "no rows below it"),
        (
            b"name,city\nAna,Rome\n".to_vec(),
            "No column has e-mail addresses. The file has \u{201c}name\u{201d}, \u{201c}city\u{201d}",
        ),
        (b"PK\x03\x04....".to_vec(), "Excel workbook"),
        (format!("email,{}\na@example.org\n", many_columns(10_000)).into_bytes(), "more than 500 columns"),
        (vec![b'x'; 3 << 20], "first line is longer"),
        (b"\"email,name\n".to_vec(), "opens a quote"),
    ];
    for (bytes, expected) in cases {
        let import = world.import(&bytes).await;
        assert_eq!(import.state, ImportState::Failed, "{expected}");
        assert!(import.error.contains(expected), "{:?} has no {expected:?}", import.error);
    }
    let gone = world.start(&world.write("gone.csv", "email\na@example.org\n")).await;
    std::fs::remove_file(world.folder.path().join("gone.csv")).unwrap();
    let import = finish_import(Importer::new(world.store.clone(), "test"), &world.store, gone, |_| {}).await.unwrap();
    assert!(import.error.contains("no longer there"), "{}", import.error);
}

#[tokio::test]
async fn bad_rows_cost_only_themselves() {
    let world = World::of(TestDatabase::sqlite()).await;
    let long = "x".repeat(10 << 20);
    let first = world.import(format!("email,x\na@example.org,{long}\nb@example.org,y\n")).await;
    assert_eq!((first.state, sums(&first)), (ImportState::Done, [2, 1, 0, 0, 1, 0]), "{}", first.error);
    let file = format!(
        "email,first\ra1@example.org,\"A\"\"1\"\r\na2@example.org,{long}\na3@exam\0ple.org,x\na4@example.org,N\0UL\n\
         a5@example.org,\"open\na6@example.org,six\na\r\n7@example.org,x\na8@b\u{fc}cher.example,x\n\u{fc}9@example.org,x\na10@example.org\n{}\n",
        format_args!("a11@example.org,{}", "y".repeat(100_000)),
    );
    let import = world.import(file).await;
    assert_eq!((import.state, sums(&import)), (ImportState::Done, [12, 7, 0, 0, 5, 0]), "{}", import.error);
    let reasons: Vec<_> =
        world.rejects(import.id).await.into_iter().map(|r| format!("{} {}", r.row_no, r.reason)).collect();
    assert_eq!(
        reasons,
        [
            "3 the row is longer than 1 MiB",
            "4 contains a control character",
            "6 the line opens a quote that it does not close",
            "8 no @ between name and domain",
            "13 the cell is longer than 64 KiB",
        ]
    );
    let people = world.people().await;
    assert!(people.iter().any(|p| p.starts_with("a8@xn--bcher-kva.example")), "{people:?}");
    assert!(people.iter().any(|p| p.starts_with("a4@example.org N UL")), "{people:?}");
    assert!(people.iter().any(|p| p.starts_with("a1@example.org A\"1")), "{people:?}");
}

#[tokio::test]
async fn encodings_and_delimiters_are_recognised() {
    let world = World::of(TestDatabase::sqlite()).await;
    let text = "E-Mail{}Vorname{}Größe\nzoë@example.org{}Zoë{}L\nbo@example.org{}Bo{}Ärmel\n";
    let utf16 = |text: &str, mark: bool, to: fn(u16) -> [u8; 2]| {
        let mark = if mark { "\u{FEFF}" } else { "" };
        format!("{mark}{text}").encode_utf16().flat_map(to).collect::<Vec<u8>>()
    };
    for delimiter in [",", ";", "\t", "|"] {
        let text = text.replace("{}", delimiter);
        let latin: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
        let files = [
            ("UTF-8", text.clone().into_bytes()),
            ("UTF-8", [b"\xEF\xBB\xBF", text.as_bytes()].concat()),
            ("UTF-16LE", utf16(&text, true, u16::to_le_bytes)),
            ("UTF-16BE", utf16(&text, true, u16::to_be_bytes)),
            ("UTF-16LE", utf16(&text, false, u16::to_le_bytes)),
            ("UTF-16BE", utf16(&text, false, u16::to_be_bytes)),
            ("windows-1252", latin),
            ("UTF-8", format!("sep={delimiter}\r\n{text}").into_bytes()),
            ("UTF-16LE", utf16(&format!("sep={delimiter}\r\n{text}"), true, u16::to_le_bytes)),
        ];
        for (encoding, bytes) in files {
            let import = world.import(&bytes).await;
            assert_eq!(import.state, ImportState::Done, "{}", import.error);
            assert_eq!((import.format.encoding.as_str(), import.format.delimiter.as_str()), (encoding, delimiter));
            let people = world.people().await;
            assert_eq!(
                people,
                [
                    r#"bo@example.org Bo  {"grosse":"Ärmel"} subscribed"#,
                    r#"zoë@example.org Zoë  {"grosse":"L"} subscribed"#
                ]
            );
        }
    }
}

#[tokio::test]
async fn a_file_without_header_and_one_with_a_declared_format() {
    let world = World::of(TestDatabase::sqlite()).await;
    let import = world.import("Rome,ana@example.org\nOslo,bo@example.org\n").await;
    assert_eq!((import.state, import.format.has_header, sums(&import)[1]), (ImportState::Done, false, 2));
    assert_eq!(world.people().await[0], r#"ana@example.org   {"column_1":"Rome"} subscribed"#);
}

#[tokio::test]
async fn an_upload_waits_for_a_person_and_is_deleted_when_done() {
    let world = World::of(TestDatabase::sqlite()).await;
    let data = world.data();
    let path = world.write("spool", "email;x\nana@example.org;1\n");
    let new = NewImport {
        list: world.list,
        file_name: "people.csv".into(),
        path: path.to_string_lossy().into_owned(),
        delete_file: true,
        bytes_total: 26,
        auto_start: false,
        consent_source: "shop".into(),
        created_by: "Ana".into(),
    };
    let id = data.create_import(new, UnixMs(1)).await.unwrap();
    let mut importer = Importer::new(world.store.clone(), "test");
    assert_eq!(importer.step().await.unwrap(), Step::DidWork);
    assert_eq!(data.import(id).await.unwrap().state, ImportState::Review);
    assert_eq!(importer.step().await.unwrap(), Step::Idle);

    let chosen = FormatChoice { has_header: Some(false), ..FormatChoice::default() };
    assert!(data.reread_import(id, chosen, UnixMs(2)).await.unwrap());
    importer.step().await.unwrap();
    let import = data.import(id).await.unwrap();
    assert_eq!((import.state, import.columns[0].header.as_str()), (ImportState::Review, "Column 1"));

    let targets = import.columns.iter().map(|c| c.target.clone()).collect();
    assert!(data.approve_import(id, targets, UnixMs(3)).await.unwrap());
    while importer.step().await.unwrap() == Step::DidWork {}
    let import = data.import(id).await.unwrap();
    // The header, taken for a row, is no address.
    assert_eq!((import.state, sums(&import)), (ImportState::Done, [2, 1, 0, 0, 1, 0]));
    assert!(!path.exists() && import.path.is_empty());
    assert!(!data.cancel_import(id, UnixMs(4)).await.unwrap());
}

#[tokio::test]
async fn a_cancelled_import_and_a_deleted_list_stop_cleanly() {
    for database in TestDatabase::each() {
        let world = World::of(database).await;
        let data = world.data();
        let id = world.start(&world.write("people.csv", mixed_file(2_000))).await;
        let mut importer = Importer::new(world.store.clone(), "test").with_slice_rows(100);
        for _ in 0..4 {
            importer.step().await.unwrap();
        }
        assert!(data.cancel_import(id, UnixMs(2)).await.unwrap());
        while importer.step().await.unwrap() == Step::DidWork {}
        let import = data.import(id).await.unwrap();
        assert_eq!(import.state, ImportState::Cancelled);
        assert_eq!(import.counts.created, world.subscribed().await);

        let id = world.start(&world.write("more.csv", mixed_file(2_000))).await;
        let mut importer = Importer::new(world.store.clone(), "test").with_slice_rows(100);
        for _ in 0..4 {
            importer.step().await.unwrap();
        }
        data.delete_list(world.list).await.unwrap();
        while importer.step().await.unwrap() == Step::DidWork {}
        let import = data.import(id).await.unwrap();
        assert_eq!(import.state, ImportState::Failed);
        assert!(import.error.contains("list was deleted"), "{}", import.error);
    }
}

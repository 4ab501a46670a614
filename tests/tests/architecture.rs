//! Holds the house's plan: who may know whom, and what is absent where (ARCHITECTURE.md, "Rooms" and "Invariants").

use std::collections::BTreeSet;

use cargo_metadata::{DependencyKind, MetadataCommand};
use tidings_tests::repository::{files, root};

/// Room → the rooms that it may use.
const MAY_USE: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("queue", &[]),
    ("testing", &[]),
    ("store", &["domain"]),
    ("bounce", &["domain"]),
    ("compose", &["domain"]),
    ("delivery", &["domain"]),
    ("intake", &["domain", "bounce"]),
    ("sandbox", &["domain"]),
    ("web", &["domain", "store", "compose", "bounce", "queue"]),
    ("worker", &["domain", "store", "queue", "compose", "delivery", "bounce", "intake"]),
    ("app", &["domain", "store", "queue", "compose", "delivery", "bounce", "intake", "worker", "web", "sandbox"]),
    (
        "tests",
        &[
            "domain", "store", "queue", "compose", "delivery", "bounce", "intake", "worker", "web", "sandbox", "app",
            "testing",
        ],
    ),
];

#[test]
fn no_room_knows_more_than_the_table_allows() {
    let metadata = MetadataCommand::new().current_dir(root()).no_deps().exec().expect("cargo metadata");
    let mut seen = BTreeSet::new();
    for package in &metadata.packages {
        let room = package.name.strip_prefix("tidings-").unwrap_or(&package.name).to_owned();
        let allowed =
            MAY_USE.iter().find(|(name, _)| *name == room).unwrap_or_else(|| panic!("{room} is not in the table")).1;
        for dependency in package.dependencies.iter().filter(|d| d.kind == DependencyKind::Normal) {
            if let Some(used) = dependency.name.strip_prefix("tidings-") {
                assert!(allowed.contains(&used), "{room} must not use {used}");
            }
        }
        seen.insert(room);
    }
    assert_eq!(seen.len(), MAY_USE.len(), "the table names a room that is gone");
}

/// The text of a file up to its inline tests.
fn production(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or(text)
}

fn assert_only_in(what: &str, needles: &[&str], rooms: &[&str]) {
    for (path, text) in files("crates", ".rs") {
        let shown = path.strip_prefix(root()).expect("inside").to_string_lossy().into_owned();
        let inside = rooms.iter().any(|room| shown.starts_with(&format!("crates/{room}/")));
        if inside || shown.contains("/tests/") || shown.contains("/benches/") {
            continue;
        }
        for needle in needles {
            assert!(
                !production(&text).contains(needle),
                "{what} belongs in {rooms:?} only, but {shown} has {needle:?}"
            );
        }
    }
}

#[test]
fn sql_is_only_in_store() {
    assert_only_in("SQL", &["diesel::", "sql_query"], &["store", "testing"]);
}

#[test]
fn the_environment_is_read_only_in_app() {
    assert_only_in("the environment", &["env::var", "env::vars"], &["app", "testing"]);
}

#[test]
fn http_is_only_in_web() {
    assert_only_in("HTTP", &["actix_web::", "HttpResponse"], &["web"]);
}

#[test]
fn domain_asks_for_no_time_network_or_disk() {
    for (path, text) in files("crates/domain/src", ".rs") {
        for needle in ["SystemTime", "Instant::now", "std::fs", "std::net::Tcp", "tokio", "async fn"] {
            assert!(!production(&text).contains(needle), "{} has {needle}", path.display());
        }
    }
}

#[test]
fn pages_have_no_inline_style_or_script() {
    for (path, text) in files("templates", ".html") {
        // What a new campaign starts with is a mail, and mails have no stylesheet to link to.
        if path.ends_with("campaigns/starter.html") {
            continue;
        }
        for needle in ["style=\"", "onclick=", "onchange=", "onsubmit=", "hx-on", "javascript:", "http://", "cdn."] {
            assert!(!text.contains(needle), "{} has {needle}", path.display());
        }
        let scripts = text.matches("<script").count();
        let sources = text.matches("<script src=").count()
            + text.matches("<script defer src=").count()
            + text.matches("<script type=\"application/json\"").count();
        assert_eq!(scripts, sources, "{} has an inline script", path.display());
    }
}

/// `tests/run` looks for none: it would compile each crate once more to find them.
#[test]
fn documentation_has_no_code_that_would_be_a_test() {
    for (path, text) in files("crates", ".rs").into_iter().chain(files("tests/src", ".rs")) {
        let documentation = text.lines().filter_map(|line| {
            let line = line.trim_start();
            line.strip_prefix("///").or_else(|| line.strip_prefix("//!"))
        });
        let fences = documentation.filter_map(|line| line.trim_start().strip_prefix("```"));
        for opening in fences.step_by(2) {
            assert_eq!(
                opening,
                "text",
                "{}: a test in tests/ runs, an example in documentation does not",
                path.display()
            );
        }
    }
}

#[test]
fn both_trees_of_migrations_have_the_same_steps_up_and_down() {
    let names = |backend: &str| -> BTreeSet<String> {
        files(&format!("migrations/{backend}"), ".sql")
            .into_iter()
            .map(|(path, text)| {
                assert!(!text.trim().is_empty(), "{} is empty", path.display());
                let mut parts = path.components().rev().map(|c| c.as_os_str().to_string_lossy().into_owned());
                let (file, folder) = (parts.next().expect("file"), parts.next().expect("folder"));
                format!("{folder}/{file}")
            })
            .collect()
    };
    assert_eq!(names("postgres"), names("sqlite"));
}

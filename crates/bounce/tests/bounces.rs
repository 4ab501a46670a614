//! The reader against real bounce and feedback mails that were collected by others (`tests/corpora/bounces`).
#![allow(clippy::unwrap_used, reason = "in a test a panic is the message")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use tidings_bounce::{Report, read};
use tidings_domain::{Consequence, FeedbackType, ReportKind};

const LEAST_PRECISION: f64 = 0.99;
const LEAST_RECALL: f64 = 0.97;

/// Rules that mark people and decide only one mail of the corpus. Each follows what a provider or a standard documents,
/// not that mail.
const ALONE: [&str; 8] = [
    "account-or-domain",
    "code-bad-domain",
    "code-null-mx",
    "exchange-recipient-not-found",
    "microsoft-unavailable",
    "microsoft-unknown-recipient",
    "moved",
    "null-mx",
];

struct Expected {
    reason: String,
    hard: bool,
}

fn folder(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/corpora")).join(name)
}

/// For each file its recipients, in their order.
fn expected() -> BTreeMap<String, Vec<Expected>> {
    let csv = std::fs::read_to_string(folder("bounces/expected.csv")).unwrap();
    let mut files: BTreeMap<String, Vec<Expected>> = BTreeMap::new();
    for line in csv.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let row = Expected { reason: cells[4].to_owned(), hard: cells[5] == "true" };
        files.entry(cells[0].to_owned()).or_default().push(row);
    }
    files
}

fn report(file: &str) -> Report {
    read(&std::fs::read(folder("bounces").join(file)).unwrap())
}

fn is_hard(report: &Report, at: usize) -> bool {
    let verdict = report.recipients.get(at).and_then(|r| r.verdict.as_ref());
    verdict.is_some_and(|v| v.consequence == Consequence::HardBounce)
}

fn describe(file: &str, report: &Report, at: usize, row: &Expected) -> String {
    let recipient = report.recipients.get(at);
    let found = recipient.and_then(|r| r.verdict.as_ref()).map(|v| (v.class, v.rule.clone(), v.consequence));
    let words = recipient.map(|r| if r.diagnostic.is_empty() { &r.explanation } else { &r.diagnostic });
    let words: String = words.map(String::as_str).unwrap_or_default().chars().take(300).collect();
    format!(
        "{file} #{}: {} hard={}, found {} by {} {found:?}\n      {words:?}",
        at + 1,
        row.reason,
        row.hard,
        report.kind,
        report.recognised_by
    )
}

/// Prints each miss by name.
#[test]
fn hard_bounces_are_found_and_nobody_else_is_marked() {
    let (mut right, mut wrong, mut missed) = (0u32, Vec::new(), Vec::new());
    for (file, rows) in expected() {
        let report = report(&file);
        for (at, row) in rows.iter().enumerate() {
            match (row.hard, is_hard(&report, at)) {
                (true, true) => right += 1,
                (true, false) => missed.push(describe(&file, &report, at, row)),
                (false, true) => wrong.push(describe(&file, &report, at, row)),
                (false, false) => {}
            }
        }
    }
    let precision = f64::from(right) / (f64::from(right) + wrong.len() as f64);
    let recall = f64::from(right) / (f64::from(right) + missed.len() as f64);
    println!("{right} right, precision {precision:.4}, recall {recall:.4}");
    println!("wrongly hard:\n{}\nmissed:\n{}", wrong.join("\n"), missed.join("\n"));
    assert!(precision >= LEAST_PRECISION && recall >= LEAST_RECALL, "precision {precision}, recall {recall}");
}

/// A complaint, an auto-reply, a bounce: what kind of mail it is, and how many people it is about.
#[test]
fn each_mail_is_known_for_what_it_is() {
    let mut faults = Vec::new();
    for (file, rows) in expected() {
        let report = report(&file);
        let delayed = report.kind == ReportKind::Delayed && !rows[0].hard;
        let good = match rows[0].reason.as_str() {
            "feedback" => matches!(report.kind, ReportKind::Feedback | ReportKind::Unsubscribe),
            "vacation" => report.kind == ReportKind::AutoReply,
            "delivered" => report.kind == ReportKind::Delivered,
            _ => report.kind == ReportKind::Bounce || delayed,
        };
        let about =
            rows.len() == report.recipients.len() || rows[0].reason == "feedback" || rows[0].reason == "vacation";
        if !good || !about {
            let who: Vec<_> = report.recipients.iter().map(|r| r.address.clone()).collect();
            faults.push(format!(
                "{file}: {} is {} by {}, {} rows, {who:?}",
                rows[0].reason,
                report.kind,
                report.recognised_by,
                rows.len()
            ));
        }
    }
    println!("{} faults:\n{}", faults.len(), faults.join("\n"));
    assert!(faults.len() <= 5, "{} faults", faults.len());
}

#[test]
fn what_is_no_bounce_has_no_consequence() {
    for file in std::fs::read_dir(folder("not-bounces")).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|e| e == "eml") {
            let report = read(&std::fs::read(&path).unwrap());
            assert_eq!((report.kind, report.recipients.len()), (ReportKind::Reply, 0), "{path:?}");
        }
    }
}

#[test]
fn complaints_name_their_type() {
    let of = |file: &str| report(file).feedback.unwrap();
    assert_eq!(of("arf-11.eml").feedback_type, FeedbackType::Abuse);
    assert_eq!(of("arf-22.eml").feedback_type, FeedbackType::Abuse);
    assert_eq!(of("lhost-amazonses-11.eml").recipients, ["complaint@simulator.amazonses.com"]);
    assert_eq!(report("arf-26.eml").kind, ReportKind::Unsubscribe);
}

/// What would be lost without it: for each rule the mails that it decides. A rule that marks people and stands on one
/// mail alone was written for that mail, not for a family.
#[test]
fn no_rule_that_marks_people_stands_on_one_mail() {
    let mut mails: BTreeMap<String, (bool, BTreeSet<String>)> = BTreeMap::new();
    for file in expected().into_keys() {
        for verdict in report(&file).recipients.into_iter().filter_map(|r| r.verdict) {
            let entry = mails.entry(verdict.rule).or_default();
            entry.0 |= verdict.consequence == Consequence::HardBounce;
            entry.1.insert(file.clone());
        }
    }
    let alone = |hard: bool| mails.iter().filter(move |(_, (h, files))| *h == hard && files.len() == 1);
    println!(
        "{} rules decide the corpus; {} of them that mark nobody decide one mail:",
        mails.len(),
        alone(false).count()
    );
    alone(false).for_each(|(rule, (_, files))| println!("  {rule}: {files:?}"));
    println!("rules that mark people and decide one mail:");
    alone(true).for_each(|(rule, (_, files))| println!("  {rule}: {files:?}"));
    assert!(alone(true).all(|(rule, _)| ALONE.contains(&rule.as_str())));
}

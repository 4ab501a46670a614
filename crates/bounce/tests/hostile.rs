//! Whoever likes can write to the bounce address: whatever comes, the reader ends, soon, and marks nobody by chance.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the message")]

use std::time::{Duration, Instant};

use proptest::prelude::*;
use tidings_bounce::{MAX_BYTES, Report, read};
use tidings_domain::{ReportKind, ReportedAction};

/// Much less than any thread of the program has.
const SMALL_STACK_BYTES: usize = 128 * 1024;
/// Far above what is measured (some tens of milliseconds), far below what anything quadratic would take.
const SOON: Duration = Duration::from_secs(5);

/// Reads on a small stack, and sees to the time.
fn read_safely(mail: Vec<u8>) -> Report {
    let started = Instant::now();
    let reader = std::thread::Builder::new().stack_size(SMALL_STACK_BYTES);
    let report = reader.spawn(move || read(&mail)).unwrap().join().unwrap();
    assert!(started.elapsed() < SOON, "took {:?}", started.elapsed());
    report
}

/// So that compiling the patterns takes none of the small stack, and none of the time.
fn warm_up() {
    let _ = read(b"From: mailer-daemon@x.example\nSubject: failure notice\n\n<a@x.example>:\n550 user unknown\n");
}

#[test]
fn nesting_without_end_is_read_on_a_small_stack() {
    warm_up();
    let message = "Content-Type: message/rfc822\n\n".repeat(200_000);
    let multipart = "Content-Type: multipart/mixed; boundary=b\n\n--b\n".repeat(100_000);
    let growing: String =
        (0..20_000).map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n")).collect();
    let report_within =
        "Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/rfc822\n\n".repeat(50_000);
    for bomb in [message, multipart, growing, report_within] {
        read_safely(bomb.into_bytes());
    }
}

#[test]
fn fifty_megabytes_cost_no_more_than_what_is_read_of_them() {
    warm_up();
    let head = "From: mailer-daemon@x.example\nSubject: failure notice\n\n<a@x.example>:\n550 5.1.1 user unknown\n\n";
    let units =
        ["a", "\n", "@", "a@b ", "--b\n", "=?", "<", "<a", "&", ": ", "550 ", "5.1.1\n", "To: a@b.example\n", "\u{e9}"];
    for unit in units {
        let long = format!("{head}{}", unit.repeat(50 * 1024 * 1024 / unit.len()));
        let report = read_safely(long.into_bytes());
        assert!(report.cut, "{unit:?}");
        assert_eq!(report.kind, ReportKind::Bounce, "{unit:?}");
    }
}

/// The same within each place that has a reader of its own.
#[test]
fn every_reader_is_linear() {
    warm_up();
    let places = [
        "",
        "Subject: ",
        "Content-Type: ",
        "To: x\n ",
        "Content-Type: text/html\n\n",
        "Content-Type: text/plain\nContent-Transfer-Encoding: quoted-printable\n\n",
        "Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\n",
        "Content-Type: message/delivery-status\n\nFinal-Recipient: rfc822;a@b.example\nDiagnostic-Code: ",
        "Content-Type: message/delivery-status\n\n",
        "Content-Type: message/feedback-report\n\n",
        "Content-Type: multipart/mixed; boundary=b\n\n--b\n",
        "From: postmaster@x.example\nSubject: Undeliverable\n\n<a@x.example> ",
        "{\"notificationType\":",
    ];
    let units = [
        "a",
        " ",
        "\n",
        "\n ",
        "@",
        "a@",
        "<",
        ">",
        "=",
        ";",
        ":",
        "\"",
        "[",
        "{",
        "--b\n",
        "--",
        "=?utf-8?q?",
        "X: y\n",
        "Final-Recipient: rfc822;a@b\n",
        "\\x{",
        "-",
        "550-",
        "original ",
        "\u{1b}",
    ];
    for place in places {
        for unit in units {
            let mail = format!("{place}{}", unit.repeat(MAX_BYTES / unit.len()));
            read_safely(mail.into_bytes());
        }
    }
}

fn piece() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        "From: mailer-daemon@x.example\r\n",
        "Subject: failure notice\r\n",
        "Content-Type: multipart/report; boundary=b\r\n",
        "Content-Type: message/delivery-status\r\n",
        "Content-Type: text/html; charset=utf-16\r\n",
        "Content-Type: text/plain; charset=iso-2022-jp\r\n",
        "Content-Transfer-Encoding: base64\r\n",
        "Content-Transfer-Encoding: quoted-printable\r\n",
        "\r\n",
        "--b\r\n",
        "--b--\r\n",
        "Final-Recipient: utf-8; \\x{e9}@x.example\r\n",
        "Action: failed\r\n",
        "Status: 5.1.1\r\n",
        "Diagnostic-Code: smtp; 550-5.1.1 no\r\n 550 user unknown\r\n",
        "<ana@x.example>:\r\n",
        "550 5.1.1 user unknown\r\n",
        "--- Below this line is a copy of the message.\r\n",
        "Message-ID: <m@x>\r\n",
        "{\"notificationType\":\"Bounce\"",
        "\u{1b}$B",
    ]);
    prop_oneof![known.prop_map(|p| p.as_bytes().to_vec()), prop::collection::vec(any::<u8>(), 0..40)]
}

/// A part as it stands in a mail: well-formed inside and out, or with a boundary that its neighbours share, begin with or
/// never close, an encoding and a charset that lie.
fn part() -> impl Strategy<Value = Vec<u8>> {
    let kinds = ["text/plain", "text/html; charset=utf-16", "message/delivery-status", "message/feedback-report", "x"];
    let leaf = (prop::sample::select(kinds.to_vec()), encoding(), prop::collection::vec(piece(), 0..6))
        .prop_map(|(kind, encoding, pieces)| [head(kind, encoding).as_bytes(), &pieces.concat()].concat());
    leaf.prop_recursive(8, 60, 5, |inner| {
        let boundary = prop::sample::select(vec!["b", "bb", "b--", "b ", "\"\"", ""]);
        let within = (boundary, encoding(), any::<bool>(), prop::collection::vec(inner.clone(), 0..5));
        let multipart = within.prop_map(|(boundary, encoding, closed, parts)| {
            let kind = format!("multipart/report; report-type=delivery-status; boundary={boundary}");
            let mut text = head(&kind, encoding).into_bytes();
            for part in parts {
                text.extend_from_slice(format!("\r\n--{boundary}\r\n").as_bytes());
                text.extend(part);
            }
            if closed {
                text.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
            }
            text
        });
        let message = (encoding(), inner)
            .prop_map(|(encoding, part)| [head("message/rfc822", encoding).as_bytes(), &part].concat());
        prop_oneof![multipart, message]
    })
}

fn encoding() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["7bit", "base64", "quoted-printable", "x-none", ""])
}

fn head(kind: &str, encoding: &str) -> String {
    format!("Content-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n")
}

fn holds(report: &Report) {
    for recipient in &report.recipients {
        assert_eq!(recipient.verdict.is_some(), recipient.action == ReportedAction::Failed);
    }
    let reported = matches!(report.kind, ReportKind::Bounce | ReportKind::Delayed | ReportKind::Delivered);
    assert!(reported || report.recipients.is_empty(), "{report:?}");
    assert_eq!(report.kind == ReportKind::Feedback, report.feedback.is_some());
    assert!(report.ties.addresses.len() <= 20 && report.ties.message_ids.len() <= 20);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_octets_are_read(mail in prop::collection::vec(any::<u8>(), 0..2000)) {
        holds(&read(&mail));
    }

    #[test]
    fn any_pieces_are_read(pieces in prop::collection::vec(piece(), 0..30)) {
        holds(&read(&pieces.concat()));
    }

    #[test]
    fn any_tree_of_parts_is_read(part in part()) {
        let mail = [b"From: mailer-daemon@x.example\r\nSubject: failure notice\r\n", &part[..]].concat();
        holds(&read_safely(mail));
    }

    /// A person's words never mark anybody, whatever he quotes.
    #[test]
    fn a_person_who_replies_has_no_consequence(words in "[ -~\n]{0,300}") {
        let mail = format!("From: Ana <ana@x.example>\nTo: us@y.example\nSubject: Re: your offer\n\nThank you. {words}");
        let report = read(mail.as_bytes());
        prop_assert!(report.recipients.iter().all(|r| r.verdict.is_none()), "{report:?}");
    }
}

//! Mails of our own making, one for each form that the corpus has too little of.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the message")]

use tidings_bounce::{Report, read};
use tidings_domain::{BounceClass, Consequence, FeedbackType, ReportKind};

fn bounce(mail: &str, class: BounceClass, consequence: Consequence) -> Report {
    let report = read(mail.as_bytes());
    assert_eq!(report.kind, ReportKind::Bounce, "{report:#?}");
    let [recipient] = &report.recipients[..] else { panic!("{report:#?}") };
    assert_eq!(recipient.address.as_deref(), Some("ana@x.example"), "{report:#?}");
    let verdict = recipient.verdict.as_ref().unwrap();
    assert_eq!((verdict.class, verdict.consequence), (class, consequence), "{report:#?}");
    report
}

/// From a mail system to our return path.
fn notice(subject: &str, text: &str) -> String {
    format!(
        "Return-Path: <>\nFrom: Mail Delivery Subsystem <MAILER-DAEMON@mx.example>\nTo: <b-tok@bounce.example>\nSubject: {subject}\n\n{text}\n"
    )
}

#[test]
fn free_text_of_many_programs() {
    use BounceClass as B;
    use Consequence as C;
    let said = |text: &str, class, consequence| bounce(&notice("Undeliverable mail", text), class, consequence);
    said(
        "Your message could not be delivered because of\n\n550 5.1.1 User unknown\n\nThe following recipients were affected:\n  ana@x.example\n",
        B::BadAddress,
        C::HardBounce,
    );
    said(
        "Unable to deliver message to <ana@x.example>\n\nSent <<< RCPT TO:<ana@x.example>\nReceived >>> 550 no such user\n",
        B::BadAddress,
        C::HardBounce,
    );
    said(
        "ana@x.example\n\nThe number of messages in the recipient's mailbox exceeded the local limit.\n",
        B::MailboxFull,
        C::SoftBounce,
    );
    said("<ana@x.example>:\nSorry, I couldn't find any host by that name. (#5.1.2)\n", B::BadDomain, C::HardBounce);
    said("  ana@x.example\n    Unrouteable address\n", B::BadAddress, C::HardBounce);
    said(
        "Could not be delivered to: <ana@x.example>\nAs the remote domain doesnt exist.\n",
        B::BadDomain,
        C::HardBounce,
    );
    said("ana@x.example\n#550 5.1.1 RESOLVER.ADR.RecipNotFound; not found ##\n", B::BadAddress, C::HardBounce);
    said(
        "<ana@x.example>: host mx.x.example said: 550 5.7.1 Blocked, listed at a blacklist (in reply to RCPT TO command)\n",
        B::IpBlocked,
        C::Fail,
    );
    said(
        "<ana@x.example>: host mx.x.example said: 550 5.1.1 user unknown (in reply to MAIL FROM command)\n",
        B::Policy,
        C::Fail,
    );
    said(
        "<ana@x.example>: host mx.x.example said: 550 user unknown (in reply to end of DATA command)\n",
        B::ProbableBadAddress,
        C::SoftBounce,
    );
}

#[test]
fn an_international_report_and_its_ties() {
    let mail = "From: MAILER-DAEMON@mx.example\nTo: b-tok@bounce.example\nSubject: x\n\
        Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\nNo.\n--b\n\
        Content-Type: message/global-delivery-status\n\nReporting-MTA: dns; mx.example\nOriginal-Envelope-Id: env-1\n\n\
        Final-Recipient: utf-8; \\x{e9}va@x.example\nAction: failed\nStatus: 5.2.2\n\n--b\n\
        Content-Type: message/global-headers\n\nMessage-ID: <m-tok@bounce.example>\nFeedback-ID: a:b:campaign:tidings\n\
        List-Unsubscribe: <https://t.example/u/tok>\n--b--\n";
    let report = read(mail.as_bytes());
    let [recipient] = &report.recipients[..] else { panic!("{report:#?}") };
    assert_eq!(recipient.address.as_deref(), Some("éva@x.example"));
    assert_eq!(recipient.verdict.as_ref().unwrap().class, BounceClass::MailboxFull);
    let ties = &report.ties;
    assert_eq!(
        (ties.addresses[0].as_str(), ties.message_ids[0].as_str()),
        ("b-tok@bounce.example", "m-tok@bounce.example")
    );
    assert_eq!(ties.envelope_id.as_deref(), Some("env-1"));
    assert_eq!(ties.feedback_id.as_deref(), Some("a:b:campaign:tidings"));
    assert_eq!(ties.list_unsubscribe.as_deref(), Some("<https://t.example/u/tok>"));
}

#[test]
fn a_redacted_complaint_keeps_its_ties() {
    let mail = "From: fbl@p.example\nTo: fbl@bounce.example\nSubject: x\n\
        Content-Type: multipart/report; report-type=feedback-report; boundary=b\n\n--b\n\nA report.\n--b\n\
        Content-Type: message/feedback-report\n\nFeedback-Type: abuse\nUser-Agent: p/1\nVersion: 1\n\n--b\n\
        Content-Type: message/rfc822\n\nTo: redacted\nReturn-Path: <b-tok@bounce.example>\nMessage-ID: <m-tok@bounce.example>\n\nHi\n--b--\n";
    let report = read(mail.as_bytes());
    let feedback = report.feedback.as_ref().unwrap();
    assert_eq!((report.kind, feedback.feedback_type), (ReportKind::Feedback, FeedbackType::Abuse));
    assert!(feedback.recipients.is_empty() && report.recipients.is_empty());
    assert!(report.ties.addresses.contains(&"b-tok@bounce.example".to_owned()));
    assert_eq!(report.ties.message_ids, ["m-tok@bounce.example"]);
}

/// Whatever these say of addresses and mailboxes, nobody is marked.
#[test]
fn mails_without_consequence() {
    use ReportKind as K;
    let from_ana = |rest: &str| format!("From: Ana <ana@x.example>\nTo: us@y.example\n{rest}");
    let mails = [
        (
            K::AutoReply,
            from_ana(
                "Auto-Submitted: auto-replied\nSubject: Automatic reply: hello\n\nI left. This address is no longer valid.",
            ),
        ),
        (
            K::AutoReply,
            from_ana("Return-Path: <>\nX-Autoreply: yes\nSubject: hello\n\nMy mailbox is full of holidays."),
        ),
        (
            K::Challenge,
            from_ana("Subject: Please verify your message\n\nClick this link to prove that you are a human."),
        ),
        (K::Unsubscribe, from_ana("Subject: unsubscribe\n\nuser unknown")),
        (
            K::Reply,
            from_ana("Subject: Re: hello\n\nAna here. Bob's mailbox is full; his address does not exist any more."),
        ),
        (
            K::Reply,
            from_ana(
                "Subject: Re: Undelivered Mail Returned to Sender\n\nWhat is this?\n> Final-Recipient: rfc822; a@x.example\n> Action: failed\n> Status: 5.1.1",
            ),
        ),
        (K::Unreadable, "550 5.1.1 user unknown".to_owned()),
        (
            K::Delayed,
            notice(
                "Warning: could not send message for past 4 hours",
                "<ana@x.example>\n451 4.1.1 user unknown, will keep trying",
            ),
        ),
    ];
    for (kind, mail) in mails {
        let report = read(mail.as_bytes());
        assert_eq!(report.kind, kind, "{mail}\n{report:#?}");
        assert!(report.recipients.iter().all(|r| r.verdict.is_none()), "{mail}");
    }
}

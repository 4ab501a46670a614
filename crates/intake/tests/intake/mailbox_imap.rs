//! IMAP, with servers that behave and servers that do not.

use std::sync::atomic::Ordering;

use crate::support::Room;
use crate::support::scripted::{PASSWORD, Step, fetch, imap, says, scripted};
use tidings_intake::mailbox::{After, Fetched, MailboxConfig, MailboxError, Place, Security};

const OK: &str = "$ OK done\r\n";

/// Up to the login, with what the server can do after it.
fn login(capabilities: &str) -> Vec<Step> {
    vec![
        says("", "* OK ready\r\n"),
        says("CAPABILITY", format!("* CAPABILITY IMAP4rev1\r\n{OK}")),
        says("LOGIN \"bounces\" \"s3cret word\"", OK),
        says("CAPABILITY", format!("* CAPABILITY IMAP4rev1 {capabilities}\r\n{OK}")),
    ]
}

/// Up to the list of three mails, one of them marked as deleted.
fn opening(capabilities: &str) -> Vec<Step> {
    let selected = "* 3 EXISTS\r\n* OK [UIDVALIDITY 17] valid\r\n$ OK [READ-WRITE] done\r\n";
    let page = "* 1 FETCH (UID 4 FLAGS () RFC822.SIZE 5)\r\n* 2 FETCH (UID 5 FLAGS (\\Deleted) RFC822.SIZE 5)\r\n\
                * 3 FETCH (FLAGS (\\Seen) RFC822.SIZE 300000 UID 9)\r\n";
    with(
        login(capabilities),
        vec![says("SELECT \"INBOX\"", selected), says("FETCH 1:3 (UID FLAGS RFC822.SIZE)", format!("{page}{OK}"))],
    )
}

const FETCH: &str = "UID FETCH 4,9 (UID BODY.PEEK[]<0.262144>)";
const BODIES: &str =
    "* 3 FETCH (UID 9 BODY[]<0> \"nine\")\r\n* 9 EXISTS\r\n* 1 FETCH (BODY[]<0> {5}\r\nfour\n UID 4)\r\n$ OK done\r\n";

fn with(mut script: Vec<Step>, rest: Vec<Step>) -> Vec<Step> {
    script.extend(rest);
    script
}

#[tokio::test]
async fn mails_are_stored_in_order_and_then_expunged() {
    let room = Room::default();
    let script = with(
        opening("UIDPLUS"),
        vec![
            says(FETCH, BODIES),
            says("UID STORE 4,9 +FLAGS.SILENT (\\Deleted)", OK),
            says("UID EXPUNGE 4,9", format!("* 1 EXPUNGE\r\n* 2 EXPUNGE\r\n{OK}")),
            says("LOGOUT", format!("* BYE\r\n{OK}")),
        ],
    );
    let server = scripted(true, script).await;
    let fetched = fetch(&imap(server.port), &room).await.unwrap();
    server.done.await.unwrap();
    assert_eq!(fetched, Fetched { seen: 2, kept: 2, removed: 2, ..Fetched::default() });
    assert_eq!(room.texts(), ["four\n", "nine"]);
    let kept = room.kept();
    assert!(kept[0].key.as_ref().unwrap().ends_with(":17:4"), "{:?}", kept[0].key);
    assert_eq!((kept[0].size, kept[1].size, kept[1].is_cut()), (5, 300_000, true));
}

#[tokio::test]
async fn after_trouble_only_what_is_stored_is_removed_and_a_known_mail_is_not_fetched_again() {
    let room = Room::default();
    room.fails_after.store(1, Ordering::SeqCst);
    let script = with(
        opening(""),
        vec![says(FETCH, BODIES), says("UID STORE 4 +FLAGS.SILENT (\\Deleted)", OK), says("EXPUNGE", OK)],
    );
    let server = scripted(true, script).await;
    assert!(matches!(fetch(&imap(server.port), &room).await, Err(MailboxError::Storage(_))));
    server.done.await.unwrap();

    room.fails_after.store(usize::MAX, Ordering::SeqCst);
    let script = with(
        opening("UIDPLUS"),
        vec![
            says("UID STORE 4 +FLAGS.SILENT (\\Deleted)", OK),
            says("UID EXPUNGE 4", OK),
            says("UID FETCH 9 (UID BODY.PEEK[]<0.262144>)", format!("* 3 FETCH (UID 9 BODY[]<0> \"nine\")\r\n{OK}")),
            says("UID STORE 9 +FLAGS.SILENT (\\Deleted)", OK),
            says("UID EXPUNGE 9", OK),
            says("LOGOUT", OK),
        ],
    );
    let server = scripted(true, script).await;
    let mut config = imap(server.port);
    let Place::Imap { account, .. } = &mut config.place else { panic!("IMAP") };
    account.port = server.port;
    let fetched = fetch(&config, &room).await.unwrap();
    server.done.await.unwrap();
    assert_eq!((fetched.kept, fetched.removed, room.texts().len()), (1, 2, 2));
}

#[tokio::test]
async fn mails_are_moved_at_once_or_in_two_steps() {
    for (capabilities, steps) in [
        ("MOVE", vec![says("UID MOVE 4,9 \"Gel&APY-scht\"", OK)]),
        (
            "UIDPLUS",
            vec![
                says("UID COPY 4,9 \"Gel&APY-scht\"", OK),
                says("UID STORE 4,9 +FLAGS.SILENT (\\Deleted)", OK),
                says("UID EXPUNGE 4,9", OK),
            ],
        ),
    ] {
        let room = Room::default();
        let script = with(with(opening(capabilities), vec![says(FETCH, BODIES)]), steps);
        let server = scripted(true, with(script, vec![says("LOGOUT", OK)])).await;
        let config = MailboxConfig { after: After::MoveTo("Gel\u{f6}scht".into()), ..imap(server.port) };
        assert_eq!(fetch(&config, &room).await.unwrap().removed, 2);
        server.done.await.unwrap();
    }
}

#[tokio::test]
async fn a_folder_that_is_missing_or_read_only_is_told_with_what_there_is() {
    let list = "* LIST () \"/\" INBOX\r\n* LIST (\\Junk) \"/\" \"Gel&APY-scht\"\r\n$ OK done\r\n";
    let script = with(login(""), vec![says("SELECT \"INBOX/Nope\"", "$ NO what?\r\n"), says("LIST \"\" \"*\"", list)]);
    let server = scripted(true, script).await;
    let mut config = imap(server.port);
    let Place::Imap { folder, .. } = &mut config.place else { panic!("IMAP") };
    *folder = "INBOX/Nope".to_owned();
    let error = fetch(&config, &Room::default()).await.unwrap_err();
    assert!(
        error.to_string().contains("there is no folder \"INBOX/Nope\"; there are: INBOX, Gel\u{f6}scht"),
        "{error}"
    );

    let selected = "* 3 EXISTS\r\n* OK [UIDVALIDITY 17] valid\r\n$ OK [READ-ONLY] done\r\n";
    let server = scripted(true, with(login(""), vec![says("SELECT \"INBOX\"", selected)])).await;
    assert!(matches!(fetch(&imap(server.port), &Room::default()).await, Err(MailboxError::ReadOnly { .. })));

    let room = Room::default();
    let script = with(
        opening("MOVE"),
        vec![
            says(FETCH, BODIES),
            says("UID MOVE 4,9 \"Done\"", "$ NO [TRYCREATE] no\r\n"),
            says("LIST \"\" \"*\"", list),
        ],
    );
    let server = scripted(true, script).await;
    let config = MailboxConfig { after: After::MoveTo("Done".into()), ..imap(server.port) };
    assert!(matches!(fetch(&config, &room).await, Err(MailboxError::NoFolder { .. })));
    assert_eq!(room.kept().len(), 2);
}

#[tokio::test]
async fn mails_that_are_to_stay_are_only_looked_at() {
    let room = Room::default();
    let mut script = opening("");
    script[4].0 = "EXAMINE \"INBOX\"";
    let server = scripted(true, with(script.clone(), vec![says(FETCH, BODIES), says("LOGOUT", OK)])).await;
    let config = MailboxConfig { after: After::Keep, ..imap(server.port) };
    assert_eq!(fetch(&config, &room).await.unwrap(), Fetched { seen: 2, kept: 2, ..Fetched::default() });
    let server = scripted(true, with(script, vec![says("LOGOUT", OK)])).await;
    let config = MailboxConfig { after: After::Keep, ..imap(server.port) };
    assert_eq!(fetch(&config, &room).await.unwrap(), Fetched { seen: 2, skipped: 2, ..Fetched::default() });
}

#[tokio::test]
async fn a_mail_that_vanishes_or_cannot_be_read_does_not_hold_up_the_others() {
    for end in ["$ OK some were gone\r\n", "$ NO [SERVERBUG] some are broken\r\n"] {
        let room = Room::default();
        let script = with(
            opening("UIDPLUS"),
            vec![
                says(FETCH, format!("* 3 FETCH (UID 9 BODY[]<0> \"nine\")\r\n{end}")),
                says("UID STORE 9 +FLAGS.SILENT (\\Deleted)", OK),
                says("UID EXPUNGE 9", OK),
                says("LOGOUT", OK),
            ],
        );
        let server = scripted(true, script).await;
        let fetched = fetch(&imap(server.port), &room).await.unwrap();
        assert_eq!(fetched, Fetched { seen: 2, kept: 1, removed: 1, skipped: 1, more: false });
    }
}

#[tokio::test]
async fn the_login_follows_what_is_offered_and_its_failure_says_what_to_do() {
    let offering = |capabilities: &str| {
        vec![says("", "* OK hi\r\n"), says("CAPABILITY", format!("* CAPABILITY IMAP4rev1 {capabilities}\r\n{OK}"))]
    };
    let plain = "AGJvdW5jZXMAczNjcmV0IHdvcmQ=";
    let wrong = format!("$ NO [AUTHENTICATIONFAILED] {PASSWORD}?\r\n");
    let cases = [
        (
            with(offering("AUTH=PLAIN SASL-IR"), vec![says("AUTHENTICATE PLAIN AGJvdW5jZXMAczNjcmV0IHdvcmQ=", &wrong)]),
            "refused user bounces: (hidden)?",
        ),
        (
            with(offering(""), vec![says("LOGIN \"bounces\" \"s3cret word\"", &wrong)]),
            "refused user bounces: (hidden)?",
        ),
        (
            with(offering(""), vec![says("LOGIN \"bounces\" \"s3cret word\"", "$ NO [UNAVAILABLE] later\r\n")]),
            "refused the login: later",
        ),
        (offering("LOGINDISABLED STARTTLS"), "takes no password over this connection"),
        (vec![says("", "* BYE too busy\r\n")], "refused the greeting: too busy"),
    ];
    for (script, expected) in cases {
        let server = scripted(true, script).await;
        let config = imap(server.port);
        let error = fetch(&config, &Room::default()).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{expected}: {error}");
        assert!(!format!("{config:?} {error} {error:?}").contains(PASSWORD) && !error.to_string().contains(plain));
    }
}

#[tokio::test]
async fn without_tls_that_was_asked_for_no_password_is_sent() {
    let capability = |offers: &str| says("CAPABILITY", format!("* CAPABILITY IMAP4rev1 {offers}\r\n{OK}"));
    let asked = |answer: &str| vec![says("", "* OK hi\r\n"), capability("STARTTLS"), says("STARTTLS", answer)];
    for (script, expected) in [
        (vec![says("", "* OK hi\r\n"), capability("")], "no STARTTLS"),
        (vec![says("", "* PREAUTH hi\r\n"), capability("STARTTLS")], "no STARTTLS"),
        (asked("$ OK\r\n* CAPABILITY EVIL\r\n"), "in the clear behind STARTTLS"),
        (asked("$ OK\r\n"), "TLS with localhost failed"),
    ] {
        let server = scripted(true, script).await;
        let mut config = imap(server.port);
        let Place::Imap { account, .. } = &mut config.place else { panic!("IMAP") };
        account.security = Security::StartTls;
        let error = fetch(&config, &Room::default()).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{expected}: {error}");
    }
}

/// What a hostile or broken server costs: one round.
#[tokio::test]
async fn hostile_servers_are_survived() {
    let long = "x".repeat(1 << 18);
    let deep = "(".repeat(60_000);
    let many = "* 1 FETCH (UID 4 FLAGS () RFC822.SIZE 5)\r\n".repeat(11_000);
    let selected = || opening("")[..5].to_vec();
    let cases: Vec<(Vec<Step>, &str)> = vec![
        (vec![], "the connection was lost"),
        (vec![says("", "+OK POP3 ready\r\n")], "was not understood"),
        (vec![says("", format!("* OK {long}"))], "a line without an end"),
        (vec![says("", "* OK {999999999999}\r\n")], "a literal larger"),
        (with(login(""), vec![says("SELECT \"INBOX\"", "* 3 EXISTS\r\n$ OK\r\n")]), "no UIDVALIDITY"),
        (with(login(""), vec![says("SELECT \"INBOX\"", "* BYE shutting down\r\n")]), "shutting down"),
        (with(selected(), vec![says("FETCH 1:3 (UID FLAGS RFC822.SIZE)", many)]), "answers without an end"),
        (
            with(selected(), vec![says("FETCH 1:3 (UID FLAGS RFC822.SIZE)", format!("* 1 FETCH (X {deep}\r\n"))]),
            "was not understood",
        ),
        (with(selected(), vec![says("FETCH 1:3 (UID FLAGS RFC822.SIZE)", "other OK\r\n")]), "was not understood"),
        (with(opening(""), vec![says(FETCH, "* 1 FETCH (UID 4 BODY[]<0> {4000000}\r\n")]), "a literal larger"),
        (with(opening(""), vec![says(FETCH, "* 1 FETCH (UID 4 BODY[]<0> {400}\r\nhalf")]), "the connection was lost"),
    ];
    for (script, expected) in cases {
        let (server, room) = (scripted(true, script).await, Room::default());
        let error = fetch(&imap(server.port), &room).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{expected}: {error}");
        assert!(room.kept().is_empty());
    }
}

/// Mails that were never asked for are not taken.
#[tokio::test]
async fn answers_to_questions_that_were_not_asked_are_not_believed() {
    let room = Room::default();
    let script = with(
        opening("UIDPLUS"),
        vec![
            says(FETCH, format!("* 7 FETCH (UID 77 BODY[]<0> \"evil\")\r\n{BODIES}")),
            says("UID STORE 4,9 +FLAGS.SILENT (\\Deleted)", OK),
            says("UID EXPUNGE 4,9", OK),
            says("LOGOUT", OK),
        ],
    );
    let server = scripted(true, script).await;
    assert_eq!(fetch(&imap(server.port), &room).await.unwrap().kept, 2);
    assert_eq!(room.texts(), ["four\n", "nine"]);
}

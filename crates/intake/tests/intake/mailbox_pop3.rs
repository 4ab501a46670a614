//! POP3, with servers that behave and servers that do not.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::support::Room;
use crate::support::scripted::{PASSWORD, Step, fetch, pop3, reader, says, scripted};
use tidings_intake::mailbox::{After, Fetched, MailboxError, Place, Security};

/// Up to the lists of two mails.
fn opening() -> Vec<Step> {
    vec![
        says("", "+OK ready\r\n"),
        says("CAPA", "+OK\r\nUSER\r\nUIDL\r\n.\r\n"),
        says("USER bounces", "+OK\r\n"),
        says("PASS s3cret word", "+OK\r\n"),
        says("LIST", "+OK\r\n1 10\r\n2 10\r\n.\r\n"),
        says("UIDL", "+OK\r\n1 abc\r\n2 def\r\n.\r\n"),
    ]
}

fn with(mut script: Vec<Step>, rest: Vec<Step>) -> Vec<Step> {
    script.extend(rest);
    script
}

#[tokio::test]
async fn mails_are_stored_then_marked_then_removed_by_quit() {
    let room = Room::default();
    let script = with(
        opening(),
        vec![
            says("RETR 1", "+OK\r\none\r\n..dot\r\n.\r\n"),
            says("RETR 2", "+OK\r\ntwo\r\n.\r\n"),
            says("DELE 1", "+OK\r\n"),
            says("DELE 2", "+OK\r\n"),
            says("QUIT", "+OK\r\n"),
        ],
    );
    let server = scripted(false, script).await;
    let fetched = fetch(&pop3(server.port), &room).await.unwrap();
    server.done.await.unwrap();
    assert_eq!(fetched, Fetched { seen: 2, kept: 2, removed: 2, ..Fetched::default() });
    assert_eq!(room.texts(), ["one\r\n.dot\r\n", "two\r\n"]);
    assert!(room.kept()[0].key.as_ref().unwrap().ends_with(":abc"));
}

#[tokio::test]
async fn after_trouble_only_what_is_stored_is_removed() {
    let room = Room::default();
    room.fails_after.store(1, Ordering::SeqCst);
    let script = with(
        opening(),
        vec![
            says("RETR 1", "+OK\r\none\r\n.\r\n"),
            says("RETR 2", "+OK\r\ntwo\r\n.\r\n"),
            says("DELE 1", "+OK\r\n"),
            says("QUIT", "+OK\r\n"),
        ],
    );
    let server = scripted(false, script).await;
    let mut config = pop3(server.port);
    assert!(matches!(fetch(&config, &room).await, Err(MailboxError::Storage(_))));
    server.done.await.unwrap();

    // The next round takes the rest. What it knows it does not fetch again; here its removal was lost with the server.
    room.fails_after.store(usize::MAX, Ordering::SeqCst);
    let script = with(
        opening(),
        vec![
            says("DELE 1", "+OK\r\n"),
            says("RETR 2", "+OK\r\ntwo\r\n.\r\n"),
            says("DELE 2", "+OK\r\n"),
            says("QUIT", "+OK\r\n"),
        ],
    );
    let server = scripted(false, script).await;
    let Place::Pop3(account) = &mut config.place else { panic!("POP3") };
    account.port = server.port;
    let fetched = fetch(&config, &room).await.unwrap();
    server.done.await.unwrap();
    assert_eq!(fetched, Fetched { seen: 2, kept: 1, removed: 2, ..Fetched::default() });
    assert_eq!(room.texts(), ["one\r\n", "two\r\n"]);
}

#[tokio::test]
async fn a_mail_that_vanishes_or_cannot_be_read_is_passed_over() {
    let room = Room::default();
    let script = with(
        opening(),
        vec![
            says("RETR 1", "-ERR no such message\r\n"),
            says("RETR 2", "+OK\r\ntwo\r\n.\r\n"),
            says("DELE 2", "-ERR gone\r\n"),
            says("QUIT", "+OK\r\n"),
        ],
    );
    let server = scripted(false, script).await;
    let fetched = fetch(&pop3(server.port), &room).await.unwrap();
    assert_eq!(fetched, Fetched { seen: 2, kept: 1, skipped: 1, ..Fetched::default() });
}

#[tokio::test]
async fn mails_that_are_to_stay_are_left_alone() {
    let room = Room::default();
    for expected in
        [Fetched { seen: 2, kept: 2, ..Fetched::default() }, Fetched { seen: 2, skipped: 2, ..Fetched::default() }]
    {
        let retrieve = vec![says("RETR 1", "+OK\r\none\r\n.\r\n"), says("RETR 2", "+OK\r\ntwo\r\n.\r\n")];
        let script = with(opening(), if expected.kept > 0 { retrieve } else { Vec::new() });
        let server = scripted(false, with(script, vec![says("QUIT", "+OK\r\n")])).await;
        let config = tidings_intake::mailbox::MailboxConfig { after: After::Keep, ..pop3(server.port) };
        assert_eq!(fetch(&config, &room).await.unwrap(), expected);
        server.done.await.unwrap();
    }
}

#[tokio::test]
async fn a_login_that_fails_says_what_to_do_and_never_the_password() {
    for (script, expected) in [
        (
            vec![says("PASS s3cret word", format!("-ERR [AUTH] {PASSWORD} is wrong\r\n"))],
            "refused user bounces: [AUTH] (hidden) is wrong",
        ),
        (vec![says("PASS s3cret word", "-ERR [IN-USE] locked\r\n")], "refused the login: [IN-USE] locked"),
    ] {
        let script = with(vec![says("", "+OK\r\n"), says("CAPA", "-ERR\r\n"), says("USER bounces", "+OK\r\n")], script);
        let server = scripted(false, script).await;
        let config = pop3(server.port);
        let error = fetch(&config, &Room::default()).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(!format!("{config:?} {error} {error:?}").contains(PASSWORD));
    }
    let server =
        scripted(false, vec![says("", "+OK\r\n"), says("CAPA", "+OK\r\nSASL CRAM-MD5\r\nSTLS\r\n.\r\n")]).await;
    let error = fetch(&pop3(server.port), &Room::default()).await.unwrap_err();
    assert!(matches!(error, MailboxError::NoPasswordLogin), "{error}");
}

#[tokio::test]
async fn sasl_is_used_where_user_is_not_offered() {
    let script = vec![
        says("", "+OK\r\n"),
        says("CAPA", "+OK\r\nSASL LOGIN PLAIN\r\n.\r\n"),
        says("AUTH PLAIN AGJvdW5jZXMAczNjcmV0IHdvcmQ=", "+OK\r\n"),
        says("LIST", "+OK\r\n.\r\n"),
        says("UIDL", "+OK\r\n.\r\n"),
        says("QUIT", "+OK\r\n"),
    ];
    let server = scripted(false, script).await;
    assert_eq!(fetch(&pop3(server.port), &Room::default()).await.unwrap(), Fetched::default());
    server.done.await.unwrap();
}

#[tokio::test]
async fn without_tls_that_was_asked_for_no_password_is_sent() {
    let server = scripted(false, vec![says("", "+OK\r\n"), says("CAPA", "+OK\r\nUSER\r\n.\r\n")]).await;
    let mut config = pop3(server.port);
    let Place::Pop3(account) = &mut config.place else { panic!("POP3") };
    account.security = Security::StartTls;
    assert!(matches!(fetch(&config, &Room::default()).await, Err(MailboxError::NoStartTls)));
    // Somebody in between answers for the server, in advance.
    let stls = says("STLS", "+OK\r\n+OK logged in\r\n");
    let server = scripted(false, vec![says("", "+OK\r\n"), says("CAPA", "+OK\r\nSTLS\r\n.\r\n"), stls]).await;
    let Place::Pop3(account) = &mut config.place else { panic!("POP3") };
    account.port = server.port;
    let error = fetch(&config, &Room::default()).await.unwrap_err();
    assert!(error.to_string().contains("in the clear behind STARTTLS"), "{error}");
}

/// What a hostile or broken server costs: one round.
#[tokio::test]
async fn hostile_servers_are_survived() {
    let long = "x".repeat(1 << 20);
    let cases: Vec<(Vec<Step>, &str)> = vec![
        (vec![], "the connection was lost"),
        (vec![says("", "SSH-2.0-OpenSSH\r\n")], "was not understood"),
        (vec![says("", format!("+OK {long}"))], "more than there can be"),
        (vec![says("", "+OK\r\n"), says("CAPA", format!("+OK\r\n{}", "A\r\n".repeat(200)))], "the connection was lost"),
        (with(opening()[..5].to_vec(), vec![says("UIDL", "-ERR what?\r\n")]), "has no UIDL"),
        (with(opening(), vec![says("RETR 1", format!("+OK\r\n{long}"))]), "more than there can be"),
        (with(opening(), vec![says("RETR 1", "+OK\r\nhalf a mail\r\n.")]), "the connection was lost"),
    ];
    for (script, expected) in cases {
        let (server, room) = (scripted(false, script).await, Room::default());
        let mut reader = reader();
        reader.limits.mail_octets = 1 << 19;
        let error = reader.fetch_once(&pop3(server.port), &room).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{expected}: {error}");
        assert!(room.kept().is_empty());
    }
}

#[tokio::test]
async fn a_server_that_hangs_is_left() {
    // The system takes the connection; nobody ever speaks.
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let config = pop3(listener.local_addr().unwrap().port());
    let mut reader = reader();
    reader.limits.reply_wait = Duration::from_millis(50);
    let error = reader.fetch_once(&config, &Room::default()).await.unwrap_err();
    assert!(error.to_string().contains("waiting for a reply"), "{error}");
    reader.limits.reply_wait = Duration::from_hours(1);
    reader.limits.round_wait = Duration::from_millis(50);
    let error = reader.fetch_once(&config, &Room::default()).await.unwrap_err();
    assert!(error.to_string().contains("the round"), "{error}");
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_before_anything_is_said() {
    let config = tidings_intake::mailbox::MailboxConfig { after: After::MoveTo("Done".into()), ..pop3(1) };
    assert!(matches!(fetch(&config, &Room::default()).await, Err(MailboxError::Configuration(_))));
    let mut config = pop3(1);
    let Place::Pop3(account) = &mut config.place else { panic!("POP3") };
    account.user = "a\r\nDELE 1".to_owned();
    assert!(matches!(fetch(&config, &Room::default()).await, Err(MailboxError::Configuration(_))));
    let error = fetch(&pop3(1), &Room::default()).await.unwrap_err();
    assert!(error.to_string().contains("localhost port 1 cannot be reached"), "{error}");
}

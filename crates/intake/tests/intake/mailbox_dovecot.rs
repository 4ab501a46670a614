//! A real IMAP and POP3 server, by every kind of connection.

use std::sync::atomic::Ordering;

use crate::support::Room;
use crate::support::dovecot::{Dovecot, PASSWORD};
use tidings_intake::mailbox::{
    Account, After, Fetched, MailboxConfig, MailboxError, MailboxReader, Password, Place, Security,
};
use tidings_intake::{KEPT_BYTES, client_tls};
use tidings_testing::Certificate;

fn account(port: u16, security: Security) -> Account {
    let (host, user) = ("localhost".to_owned(), "bounces".to_owned());
    Account { host, port, security, user, password: Password::new(PASSWORD) }
}

fn imap(account: Account) -> Place {
    Place::Imap { account, folder: "INBOX".to_owned() }
}

fn mailbox(place: Place, after: After) -> MailboxConfig {
    MailboxConfig { name: "7".to_owned(), place, after }
}

/// A small one, one with a dot and letters beyond ASCII, one whose end is not kept.
fn deliver_three(dovecot: &Dovecot) -> usize {
    dovecot.deliver("1000000001.a.host", "Subject: first\n\nfirst\n");
    dovecot.deliver("1000000002.b.host", "Subject: second\n\n.\n..\nz\u{fc}gig\n");
    let large = format!("Subject: third\n\n{}", "0123456789\n".repeat(KEPT_BYTES / 8));
    dovecot.deliver("1000000003.c.host", &large);
    large.len() + large.lines().count()
}

fn assert_three(room: &Room, large: usize) {
    let kept = room.kept();
    assert_eq!(kept.len(), 3);
    assert_eq!(kept[0].data, b"Subject: first\r\n\r\nfirst\r\n");
    assert_eq!(kept[1].data, "Subject: second\r\n\r\n.\r\n..\r\nz\u{fc}gig\r\n".as_bytes());
    assert_eq!((kept[2].data.len(), kept[2].size), (KEPT_BYTES, large as u64));
}

#[tokio::test]
async fn a_mailbox_is_emptied_by_every_kind_of_connection() {
    let certificate = Certificate::valid("localhost");
    let dovecot = Dovecot::start(&certificate);
    let reader = MailboxReader::new(client_tls(&[certificate.root()]).unwrap());
    let ports = dovecot.ports;
    for place in [
        imap(account(ports.imap, Security::Plaintext)),
        imap(account(ports.imap, Security::StartTls)),
        imap(account(ports.imaps, Security::Tls)),
        Place::Pop3(account(ports.pop3, Security::Plaintext)),
        Place::Pop3(account(ports.pop3, Security::StartTls)),
        Place::Pop3(account(ports.pop3s, Security::Tls)),
    ] {
        let (room, large) = (Room::default(), deliver_three(&dovecot));
        let config = mailbox(place, After::Delete);
        // As if the disk filled up in the middle: what is stored goes, the rest stays.
        room.fails_after.store(1, Ordering::SeqCst);
        let error = reader.fetch_once(&config, &room).await.unwrap_err();
        assert!(matches!(error, MailboxError::Storage(_)), "{error}");
        assert_eq!(dovecot.count(), [2, 0], "{config:?}");
        room.fails_after.store(usize::MAX, Ordering::SeqCst);
        let fetched = reader.fetch_once(&config, &room).await.unwrap();
        assert_eq!(fetched, Fetched { seen: 2, kept: 2, removed: 2, ..Fetched::default() }, "{config:?}");
        assert_three(&room, large);
        assert_eq!(dovecot.count(), [0, 0]);
        assert_eq!(reader.fetch_once(&config, &room).await.unwrap(), Fetched::default());
    }
}

#[tokio::test]
async fn mails_stay_or_move_and_are_stored_once() {
    let certificate = Certificate::valid("localhost");
    let dovecot = Dovecot::start(&certificate);
    let reader = MailboxReader::new(client_tls(&[certificate.root()]).unwrap());
    let place = imap(account(dovecot.ports.imaps, Security::Tls));
    let (room, large) = (Room::default(), deliver_three(&dovecot));
    let stay = mailbox(place.clone(), After::Keep);
    assert_eq!(reader.fetch_once(&stay, &room).await.unwrap(), Fetched { seen: 3, kept: 3, ..Fetched::default() });
    assert_eq!(reader.fetch_once(&stay, &room).await.unwrap(), Fetched { seen: 3, skipped: 3, ..Fetched::default() });

    let nowhere = mailbox(place.clone(), After::MoveTo("Nowhere".to_owned()));
    let error = reader.fetch_once(&nowhere, &room).await.unwrap_err();
    assert!(error.to_string().contains("Gel\u{f6}scht") && error.to_string().contains("INBOX"), "{error}");
    let away = mailbox(place, After::MoveTo("Gel\u{f6}scht".to_owned()));
    // They are known: nothing is fetched, and they go at last.
    assert_eq!(reader.fetch_once(&away, &room).await.unwrap(), Fetched { seen: 3, removed: 3, ..Fetched::default() });
    assert_eq!(dovecot.count(), [0, 3]);
    assert_three(&room, large);
}

#[tokio::test]
async fn what_is_wrong_with_the_settings_is_told() {
    let certificate = Certificate::valid("localhost");
    let dovecot = Dovecot::start(&certificate);
    let reader = MailboxReader::new(client_tls(&[certificate.root()]).unwrap());
    let stranger = MailboxReader::new(client_tls(&[]).unwrap());
    let ports = dovecot.ports;
    let wrong = |port| Account { password: Password::new("wrong"), ..account(port, Security::Tls) };
    let folder = Place::Imap { account: account(ports.imaps, Security::Tls), folder: "Nowhere".to_owned() };
    for (reader, place, expected) in [
        (&reader, imap(wrong(ports.imaps)), "refused user bounces"),
        (&reader, Place::Pop3(wrong(ports.pop3s)), "refused user bounces"),
        (&reader, folder, "there is no folder \"Nowhere\"; there are: "),
        (&reader, imap(account(ports.imap, Security::Tls)), "TLS with localhost failed"),
        (&stranger, imap(account(ports.imaps, Security::Tls)), "TLS with localhost failed"),
        (&stranger, Place::Pop3(account(ports.pop3, Security::StartTls)), "TLS with localhost failed"),
        (&reader, imap(account(ports.pop3, Security::Plaintext)), "was not understood"),
    ] {
        let config = mailbox(place, After::Delete);
        let error = reader.fetch_once(&config, &Room::default()).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{config:?}: {error}");
    }
}

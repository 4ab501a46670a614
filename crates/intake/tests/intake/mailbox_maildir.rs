//! A Maildir on a real disk: everything is stored, and only what is stored is removed.

use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;

use crate::support::Room;
use tempfile::TempDir;
use tidings_intake::mailbox::{After, Fetched, MailboxConfig, MailboxError, MailboxReader, Place};
use tidings_intake::{ArrivalSource, client_tls};

struct Maildir {
    directory: TempDir,
    reader: MailboxReader,
    after: After,
}

impl Maildir {
    fn new(mails: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for folder in ["new", "cur", "tmp", ".Done/cur", ".Done/new"] {
            fs::create_dir_all(directory.path().join(folder)).unwrap();
        }
        for (name, text) in mails {
            fs::write(directory.path().join(name), text).unwrap();
        }
        Self { directory, reader: MailboxReader::new(client_tls(&[]).unwrap()), after: After::Delete }
    }

    async fn fetch(&self, room: &Room) -> Result<Fetched, MailboxError> {
        let place = Place::Maildir(self.directory.path().to_owned());
        let config = MailboxConfig { name: "bounces".to_owned(), place, after: self.after.clone() };
        self.reader.fetch_once(&config, room).await
    }

    fn files(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.directory.path().join(folder)).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

const THREE: &[(&str, &str)] =
    &[("new/3.c.host", "third\n"), ("cur/1.a.host:2,S", "first\r\n\nbody"), ("new/2.b.host", "second\n")];

#[tokio::test]
async fn mails_are_stored_oldest_first_with_crlf_and_then_removed() {
    let (maildir, room) = (Maildir::new(THREE), Room::default());
    let fetched = maildir.fetch(&room).await.unwrap();
    assert_eq!(fetched, Fetched { seen: 3, kept: 3, removed: 3, ..Fetched::default() });
    assert_eq!(room.texts(), ["first\r\n\r\nbody", "second\r\n", "third\r\n"]);
    let first = &room.kept()[0];
    assert_eq!((&first.source, first.size), (&ArrivalSource::Maildir("bounces".into()), 13));
    assert!(first.key.as_ref().unwrap().ends_with(":1.a.host"), "{:?}", first.key);
    assert!(maildir.files("new").is_empty() && maildir.files("cur").is_empty());
}

#[tokio::test]
async fn what_is_not_stored_stays_and_comes_again() {
    let (maildir, room) = (Maildir::new(THREE), Room::default());
    room.fails_after.store(1, Ordering::SeqCst);
    assert!(matches!(maildir.fetch(&room).await, Err(MailboxError::Storage(_))));
    assert_eq!((room.kept().len(), maildir.files("new").len(), maildir.files("cur").len()), (1, 2, 0));
    room.fails_after.store(usize::MAX, Ordering::SeqCst);
    let fetched = maildir.fetch(&room).await.unwrap();
    assert_eq!((fetched.kept, fetched.removed, room.texts().len()), (2, 2, 3));
}

#[tokio::test]
async fn mails_that_stay_are_stored_once_though_a_reader_moves_them() {
    let (mut maildir, room) = (Maildir::new(THREE), Room::default());
    maildir.after = After::Keep;
    maildir.fetch(&room).await.unwrap();
    let root = maildir.directory.path();
    fs::rename(root.join("new/2.b.host"), root.join("cur/2.b.host:2,RS")).unwrap();
    let fetched = maildir.fetch(&room).await.unwrap();
    assert_eq!(fetched, Fetched { seen: 3, skipped: 3, ..Fetched::default() });
    assert_eq!((room.kept().len(), maildir.files("cur").len()), (3, 2));
    // As after a crash between storing and removing.
    maildir.after = After::Delete;
    assert_eq!(maildir.fetch(&room).await.unwrap().removed, 3);
    assert_eq!(room.kept().len(), 3);
}

#[tokio::test]
async fn mails_are_moved_into_a_folder_that_exists() {
    let (mut maildir, room) = (Maildir::new(THREE), Room::default());
    maildir.after = After::MoveTo("Gone".to_owned());
    let error = maildir.fetch(&room).await.unwrap_err();
    assert!(error.to_string().contains("there are: Done"), "{error}");
    maildir.after = After::MoveTo("../../etc".to_owned());
    assert!(matches!(maildir.fetch(&room).await, Err(MailboxError::NoFolder { .. })));
    assert!(room.kept().is_empty());
    maildir.after = After::MoveTo("Done".to_owned());
    assert_eq!(maildir.fetch(&room).await.unwrap().removed, 3);
    assert_eq!(maildir.files(".Done/cur"), ["1.a.host:2,S", "2.b.host", "3.c.host"]);
}

#[tokio::test]
async fn links_and_large_mails_stay_and_a_round_has_an_end() {
    let (mut maildir, room) = (Maildir::new(THREE), Room::default());
    let root = maildir.directory.path().to_owned();
    std::os::unix::fs::symlink("/etc/passwd", root.join("new/4.d.host")).unwrap();
    fs::write(root.join("new/5.e.host"), "x".repeat(2000)).unwrap();
    (maildir.reader.limits.mail_octets, maildir.reader.limits.mails_per_round) = (1000, 2);
    let fetched = maildir.fetch(&room).await.unwrap();
    assert_eq!(fetched, Fetched { seen: 2, kept: 2, removed: 2, skipped: 0, more: true });
    maildir.reader.limits.mails_per_round = 100;
    let fetched = maildir.fetch(&room).await.unwrap();
    assert_eq!(fetched, Fetched { seen: 3, kept: 1, removed: 1, skipped: 2, more: false });
    assert_eq!(maildir.files("new"), ["4.d.host", "5.e.host"]);
    assert!(Path::new("/etc/passwd").exists());
}

#[tokio::test]
async fn a_directory_that_is_no_maildir_says_so() {
    let (maildir, room) = (Maildir::new(&[]), Room::default());
    fs::remove_dir_all(maildir.directory.path().join("new")).unwrap();
    let error = maildir.fetch(&room).await.unwrap_err();
    assert!(error.to_string().contains("a Maildir has the directories new and cur"), "{error}");
}

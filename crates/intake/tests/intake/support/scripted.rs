//! A server for one connection that says what its script says, to a client that says what the script expects.

use std::net::Ipv4Addr;

use tidings_intake::client_tls;
use tidings_intake::mailbox::{
    Account, After, Fetched, MailboxConfig, MailboxError, MailboxReader, Password, Place, Security,
};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::support::Room;

pub const PASSWORD: &str = "s3cret word";

/// What is expected of the client's next line, without its tag; and the answer, in which `$` is the tag.
/// An expectation that is empty expects nothing: the answer comes at once.
pub type Step = (&'static str, String);

pub fn says(expected: &'static str, answer: impl Into<String>) -> Step {
    (expected, answer.into())
}

pub struct Scripted {
    pub port: u16,
    /// Ends when the script does, and the connection with it.
    pub done: JoinHandle<()>,
}

/// Follows the script. With `has_tags` the first word of a line is its tag, as in IMAP.
pub async fn scripted(has_tags: bool, script: Vec<Step>) -> Scripted {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let done = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        for (expected, answer) in script {
            let mut tag = String::new();
            if !expected.is_empty() {
                let mut line = String::new();
                stream.read_line(&mut line).await.unwrap();
                let (first, rest) =
                    if has_tags { line.split_once(' ').unwrap_or((&line, "")) } else { ("", &line[..]) };
                assert_eq!(rest.trim_end(), expected);
                tag = first.to_owned();
            }
            stream.write_all(answer.replace('$', &tag).as_bytes()).await.unwrap();
        }
    });
    Scripted { port, done }
}

pub fn account(port: u16) -> Account {
    Account {
        host: "localhost".to_owned(),
        port,
        security: Security::Plaintext,
        user: "bounces".to_owned(),
        password: Password::new(PASSWORD),
    }
}

pub fn imap(port: u16) -> MailboxConfig {
    let place = Place::Imap { account: account(port), folder: "INBOX".to_owned() };
    MailboxConfig { name: "7".to_owned(), place, after: After::Delete }
}

pub fn pop3(port: u16) -> MailboxConfig {
    MailboxConfig { name: "7".to_owned(), place: Place::Pop3(account(port)), after: After::Delete }
}

pub fn reader() -> MailboxReader {
    MailboxReader::new(client_tls(&[]).unwrap())
}

pub async fn fetch(config: &MailboxConfig, room: &Room) -> Result<Fetched, MailboxError> {
    reader().fetch_once(config, room).await
}

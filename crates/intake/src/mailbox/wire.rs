use std::io;
use std::time::Duration;

use memchr::memchr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::MailboxError;
use super::connect::Octets;
use crate::dotted::{Dotted, Received};

const READ_OCTETS: usize = 16 * 1024;

/// A connection to a mailbox server, with what was read from it and not yet used.
pub(super) struct Wire {
    stream: Box<dyn Octets>,
    inbox: Vec<u8>,
    start: usize,
    reply_wait: Duration,
}

impl Wire {
    pub fn new(stream: Box<dyn Octets>, reply_wait: Duration) -> Self {
        Self { stream, inbox: Vec::new(), start: 0, reply_wait }
    }

    /// The stream itself, unless there are octets that nobody asked for.
    pub fn into_stream(self) -> Option<Box<dyn Octets>> {
        self.unread().is_empty().then_some(self.stream)
    }

    pub async fn send(&mut self, octets: &[u8]) -> Result<(), MailboxError> {
        let all = async {
            self.stream.write_all(octets).await?;
            self.stream.flush().await
        };
        in_time(self.reply_wait, "sending", all).await
    }

    /// The next line, without its ending, of at most so many octets; all of it within the time for a reply.
    pub async fn line(&mut self, most: usize) -> Result<Vec<u8>, MailboxError> {
        let within = self.reply_wait;
        timeout(within, self.untimed_line(most)).await.map_err(|_| late("waiting for a reply", within))?
    }

    async fn untimed_line(&mut self, most: usize) -> Result<Vec<u8>, MailboxError> {
        let mut searched = 0;
        loop {
            if let Some(at) = memchr(b'\n', &self.unread()[searched..]) {
                let line = self.unread()[..searched + at].to_vec();
                self.advance(line.len() + 1);
                return Ok(line.strip_suffix(b"\r").map(<[u8]>::to_vec).unwrap_or(line));
            }
            searched = self.unread().len();
            if searched > most {
                return Err(MailboxError::TooMuch { what: "a line without an end" });
            }
            self.read().await?;
        }
    }

    /// The next so many octets.
    pub async fn octets(&mut self, count: usize) -> Result<Vec<u8>, MailboxError> {
        let mut octets = Vec::new();
        loop {
            let taken = self.unread().len().min(count - octets.len());
            octets.extend_from_slice(&self.unread()[..taken]);
            self.advance(taken);
            if octets.len() == count {
                return Ok(octets);
            }
            self.read().await?;
        }
    }

    /// A mail up to its dot, of at most so many octets, of which the head is kept.
    pub async fn mail(&mut self, keep: usize, most: u64) -> Result<Received, MailboxError> {
        let mut mail = Dotted::new(keep);
        loop {
            let pushed = mail.push(self.unread());
            self.advance(pushed.used);
            if pushed.ended {
                return Ok(mail.finish());
            }
            if mail.size() > most {
                return Err(MailboxError::TooMuch { what: "a mail larger than its size" });
            }
            self.read().await?;
        }
    }

    fn unread(&self) -> &[u8] {
        &self.inbox[self.start..]
    }

    fn advance(&mut self, octets: usize) {
        self.start += octets;
        if self.start == self.inbox.len() {
            self.inbox.clear();
            self.start = 0;
        }
    }

    async fn read(&mut self) -> Result<(), MailboxError> {
        self.inbox.drain(..std::mem::take(&mut self.start));
        self.inbox.reserve(READ_OCTETS);
        let read = self.stream.read_buf(&mut self.inbox);
        match in_time(self.reply_wait, "waiting for a reply", read).await? {
            0 => Err(MailboxError::Lost { detail: "the server closed it".to_owned() }),
            _ => Ok(()),
        }
    }
}

async fn in_time<T>(
    within: Duration,
    during: &str,
    what: impl Future<Output = io::Result<T>>,
) -> Result<T, MailboxError> {
    timeout(within, what)
        .await
        .map_err(|_| late(during, within))?
        .map_err(|error| MailboxError::Lost { detail: error.to_string() })
}

fn late(during: &str, within: Duration) -> MailboxError {
    MailboxError::Timeout { during: during.to_owned(), within }
}

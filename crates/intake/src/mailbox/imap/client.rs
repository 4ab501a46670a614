use super::response::{Response, Status, Words, literal, parse};
use crate::KEPT_BYTES;
use crate::mailbox::MailboxError;
use crate::mailbox::error::said;
use crate::mailbox::wire::Wire;

/// A line without its literals. Lists of capabilities are the longest that are asked for.
const MAX_LINE_OCTETS: usize = 64 * 1024;
/// A line with its literals: the head of one mail, and some.
const MAX_RESPONSE_OCTETS: usize = KEPT_BYTES + MAX_LINE_OCTETS;
/// Lines until a command is answered; a page of mails, and what servers say unasked.
const MAX_RESPONSES: usize = 10_000;

/// A connection on which commands are given, one after the other.
pub(super) struct Client {
    pub wire: Wire,
    tag: u32,
}

/// How a command ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub status: Status,
    pub words: Words,
}

impl Client {
    pub fn new(wire: Wire) -> Self {
        Self { wire, tag: 0 }
    }

    /// Gives a command, hands its responses to `each`, and requires that it ends well. `name` is what may be shown.
    pub async fn must(
        &mut self,
        name: &'static str,
        command: &str,
        each: impl FnMut(Response),
    ) -> Result<Words, MailboxError> {
        let ended = self.try_it(name, command, None, each).await?;
        match ended.status {
            Status::Ok => Ok(ended.words),
            _ => Err(MailboxError::Refused { command: name, reply: said(ended.words.text.as_bytes()) }),
        }
    }

    /// The same, but the end may be any. `then` is sent when the server asks to go on.
    pub async fn try_it(
        &mut self,
        name: &'static str,
        command: &str,
        mut then: Option<&str>,
        mut each: impl FnMut(Response),
    ) -> Result<Ended, MailboxError> {
        self.tag += 1;
        let ours = format!("t{}", self.tag);
        self.wire.send(format!("{ours} {command}\r\n").as_bytes()).await?;
        for _ in 0..MAX_RESPONSES {
            match self.response(name).await? {
                Response::Tagged { tag, status, words } if tag == ours => return Ok(Ended { status, words }),
                Response::Tagged { tag, .. } => {
                    return Err(MailboxError::NotUnderstood {
                        command: name,
                        detail: format!("an answer to {}", said(tag.as_bytes())),
                    });
                }
                Response::Untagged { status: Status::Bye, words } if name != "LOGOUT" => {
                    return Err(MailboxError::Lost { detail: said(words.text.as_bytes()) });
                }
                Response::Continue => {
                    let then = then.take().unwrap_or_default();
                    self.wire.send(format!("{then}\r\n").as_bytes()).await?;
                }
                response => each(response),
            }
        }
        Err(MailboxError::TooMuch { what: "answers without an end" })
    }

    pub async fn response(&mut self, name: &'static str) -> Result<Response, MailboxError> {
        let mut octets = self.wire.line(MAX_LINE_OCTETS).await?;
        let mut line_start = 0;
        while let Some(count) = literal(&octets[line_start..]) {
            if count.saturating_add(octets.len()) > MAX_RESPONSE_OCTETS {
                return Err(MailboxError::TooMuch { what: "a literal larger than was asked for" });
            }
            octets.extend_from_slice(b"\r\n");
            octets.extend_from_slice(&self.wire.octets(count).await?);
            line_start = octets.len();
            octets.extend_from_slice(&self.wire.line(MAX_LINE_OCTETS).await?);
        }
        parse(&octets).ok_or_else(|| MailboxError::NotUnderstood { command: name, detail: said(&octets) })
    }
}

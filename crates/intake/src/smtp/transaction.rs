use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout};

use super::Refused;
use super::loops::is_looping;
use super::path::Path;
use super::session::{End, Session};
use crate::dotted::{Dotted, Received};
use crate::{Arrival, ArrivalSource, KEPT_BYTES, Mailroom, RecipientVerdict};

/// The mail that is under way.
#[derive(Debug)]
pub(super) struct Envelope {
    from: String,
    to: Vec<String>,
    utf8: bool,
}

impl<S, M> Session<'_, S, M>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    M: Mailroom,
{
    pub fn mail(&mut self, from: &str, size: u64, utf8: bool) -> Result<(), End> {
        let limits = &self.server.options.limits;
        if self.envelope.is_some() {
            return self.refuse(Refused::Sequence);
        }
        if self.tally.mails >= limits.mails_per_connection {
            return Err(End::Refused(Refused::TooManyMails));
        }
        if size > limits.mail_octets {
            return self.refuse(Refused::TooLarge);
        }
        self.envelope = Some(Envelope { from: from.to_owned(), to: Vec::new(), utf8 });
        self.say("250 2.1.0 Ok");
        Ok(())
    }

    pub fn rcpt(&mut self, to: Path<'_>) -> Result<(), End> {
        let Some(envelope) = &self.envelope else { return self.refuse(Refused::Sequence) };
        if to.is_routed {
            return self.refuse(Refused::Route);
        }
        if !to.text.is_ascii() && !envelope.utf8 {
            return self.refuse(Refused::NotAscii);
        }
        match self.server.mailroom.verdict(to.text) {
            RecipientVerdict::Ours => self.add_recipient(to.text),
            RecipientVerdict::Unknown => self.refuse(Refused::UnknownRecipient),
            RecipientVerdict::Foreign => self.refuse(Refused::Relay),
        }
    }

    fn add_recipient(&mut self, to: &str) -> Result<(), End> {
        let most = self.server.options.limits.recipients;
        let Some(envelope) = &mut self.envelope else { return Ok(()) };
        if !envelope.to.iter().any(|known| known == to) {
            if envelope.to.len() >= most {
                return self.refuse(Refused::TooManyRecipients);
            }
            envelope.to.push(to.to_owned());
        }
        self.say("250 2.1.5 Ok");
        Ok(())
    }

    pub async fn data(&mut self) -> Result<(), End> {
        // DATA is the last command of a group (RFC 2920 §3.1). Octets behind it are a mail whose sender did not wait to
        // hear whether it is wanted; if it is not, they would be read as commands.
        if !self.inbox.is_empty() {
            return Err(End::Refused(Refused::EarlyTalk));
        }
        let envelope = match self.envelope.take() {
            None => return self.refuse(Refused::Sequence),
            Some(envelope) if envelope.to.is_empty() => {
                self.envelope = Some(envelope);
                return self.refuse(Refused::NoRecipients);
            }
            Some(envelope) => envelope,
        };
        self.say("354 End the message with a dot on a line of its own");
        self.flush().await?;
        let received = self.receive().await?;
        self.server.counters.count_octets(received.size);
        match self.judge(&received) {
            // After it nothing of this client can be believed to be what its sender meant.
            Some(Refused::LineEnding) => Err(End::Refused(Refused::LineEnding)),
            Some(why) => self.refuse(why),
            None => self.keep(envelope, received).await,
        }
    }

    /// Reads the mail to its end, however bad it is, because only behind the end is there a command.
    async fn receive(&mut self) -> Result<Received, End> {
        let limits = &self.server.options.limits;
        let end = Instant::now() + limits.data_wait;
        let mut mail = Dotted::new(KEPT_BYTES);
        loop {
            let pushed = mail.push(self.inbox.unread());
            self.inbox.advance(pushed.used);
            if pushed.ended {
                return Ok(mail.finish());
            }
            if mail.size() > limits.drained_octets {
                return Err(End::Refused(Refused::TooLarge));
            }
            self.read(end.min(Instant::now() + limits.block_wait)).await?;
        }
    }

    fn judge(&self, mail: &Received) -> Option<Refused> {
        let limits = &self.server.options.limits;
        if mail.bare {
            Some(Refused::LineEnding)
        } else if mail.size > limits.mail_octets {
            Some(Refused::TooLarge)
        } else if mail.longest_line > limits.text_line_octets {
            Some(Refused::LongTextLine)
        } else if is_looping(&mail.kept) {
            Some(Refused::Loop)
        } else {
            None
        }
    }

    /// Answers 250 only after the mailroom has the mail.
    async fn keep(&mut self, envelope: Envelope, mail: Received) -> Result<(), End> {
        let arrival = Arrival {
            source: ArrivalSource::Smtp(self.peer),
            key: None,
            mail_from: envelope.from,
            rcpt_to: envelope.to,
            data: mail.kept,
            size: mail.size,
        };
        let kept = timeout(self.server.options.limits.keep_wait, self.server.mailroom.keep(arrival)).await;
        match kept {
            Ok(Ok(())) => {
                self.server.counters.count_kept();
                self.tally.mails += 1;
                (self.tally.errors, self.tally.commands) = (0, 0);
                self.say("250 2.0.0 Ok: stored");
                Ok(())
            }
            Ok(Err(trouble)) => {
                tracing::warn!(peer = %self.peer, %trouble, "a mail could not be stored; its sender was asked to try again");
                self.refuse(Refused::Trouble)
            }
            Err(_) => {
                tracing::warn!(peer = %self.peer, "a mail was not stored in time; its sender was asked to try again");
                self.refuse(Refused::Trouble)
            }
        }
    }
}

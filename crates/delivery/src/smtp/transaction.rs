use tidings_domain::{Outcome, Phase, Problem, Reply, ReplyClass};
use tokio::time::timeout;

use super::body::{check_canonical, stuffed};
use super::connection::{Connection, State};
use super::wire::{Unasked, WireError};

/// Between the reply codes of RFC 5321: "start mail input".
const START_MAIL_INPUT: u16 = 354;
/// "Service not available, closing transmission channel": may come at any step.
const CLOSING: u16 = 421;

/// The final dot together with the CRLF of the last line.
const FINAL_DOT: &[u8] = b"\r\n.\r\n";

/// Who a message is from and to, on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// The return path; empty for none.
    pub mail_from: &'a str,
    pub rcpt_to: &'a str,
    /// An address or header is not ASCII, so that the peer must offer SMTPUTF8 (RFC 6531).
    pub smtputf8: bool,
}

/// What came of offering a message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Offer {
    /// All but the final dot is with the peer. Nothing has been delivered yet, and nothing will be without
    /// [`Connection::finish`].
    AwaitsDot,
    /// It ended before the dot.
    Ended(Outcome),
}

impl Connection {
    /// Sends everything but the final dot. `message` is in canonical form: each line ends in CRLF, also the last.
    ///
    /// MAIL, RCPT and DATA go in one write where PIPELINING is offered (RFC 2920), one by one otherwise. A refused
    /// recipient leaves the connection reusable.
    pub async fn offer(&mut self, envelope: &Envelope<'_>, message: &[u8]) -> Offer {
        if !self.is_reusable() {
            let detail = "the connection was already closed";
            return Offer::Ended(broken(Phase::Mail, Problem::ConnectionLost, detail));
        }
        if let Err(outcome) = self.check(envelope, message) {
            return Offer::Ended(outcome);
        }
        let within = self.timeouts.transaction;
        let ended = timeout(within, self.offer_slowly(envelope, message)).await;
        ended.unwrap_or_else(|_| {
            let detail = format!("the message was not taken within {} s", within.as_secs());
            Offer::Ended(broken(Phase::Body, Problem::Timeout, detail))
        })
    }

    async fn offer_slowly(&mut self, envelope: &Envelope<'_>, message: &[u8]) -> Offer {
        let commands = self.commands(envelope, message);
        // Until it is known better: also when this future is dropped.
        let was = std::mem::replace(&mut self.state, State::Lost);
        let go = if self.offered.pipelining {
            self.pipelined(was, &commands).await
        } else {
            self.one_by_one(was, &commands).await
        };
        if let Err(outcome) = go {
            return Offer::Ended(outcome);
        }
        match self.send_body(message).await {
            Ok(()) => {
                self.state = State::AwaitsDot;
                Offer::AwaitsDot
            }
            Err(outcome) => Offer::Ended(outcome),
        }
    }

    /// Sends the final dot and reads its reply. From the first octet of the dot until a whole reply, each failure
    /// leaves the delivery in doubt, and so does dropping this future.
    pub async fn finish(&mut self) -> Outcome {
        if std::mem::replace(&mut self.state, State::Lost) != State::AwaitsDot {
            return broken(Phase::Body, Problem::ConnectionLost, "no message was waiting for its dot");
        }
        // The dot was withheld while the intent was committed. A peer that gave up meanwhile has not got the message.
        match self.wire.unasked().await {
            Unasked::Nothing => {}
            Unasked::Spoke(reply) => return premature(reply),
            Unasked::Failed(e) => return broken(Phase::Body, e.problem, e.detail),
        }
        if let Err(e) = self.wire.send_dot(FINAL_DOT, self.timeouts.block).await {
            return if e.nothing_written { broken(Phase::Body, e.problem, e.detail) } else { in_doubt(e) };
        }
        match self.wire.reply(self.timeouts.dot).await {
            Ok(reply) => self.conclude(reply),
            Err(e) => in_doubt(e),
        }
    }

    /// Takes the message back by closing: inside DATA there is no other way, and without the dot the peer must not
    /// deliver it (RFC 5321 §4.1.1.4).
    pub fn withdraw(self) -> Outcome {
        broken(Phase::Body, Problem::Withdrawn, "taken back before the final dot")
    }

    /// What can be known without asking the peer.
    fn check(&self, envelope: &Envelope<'_>, message: &[u8]) -> Result<(), Outcome> {
        if [envelope.mail_from, envelope.rcpt_to].iter().any(|a| !fits_a_path(a)) || envelope.rcpt_to.is_empty() {
            let detail = "an envelope address has characters that no SMTP command can carry";
            return Err(broken(Phase::Compose, Problem::Render, detail));
        }
        if let Err(fault) = check_canonical(message) {
            return Err(broken(Phase::Compose, Problem::Render, fault.to_string()));
        }
        if envelope.smtputf8 && !self.offered.smtputf8 {
            let detail = "the server does not offer SMTPUTF8, which this address needs";
            return Err(broken(Phase::Mail, Problem::SmtpUtf8Unsupported, detail));
        }
        match self.offered.max_octets {
            Some(max) if message.len() as u64 > max => {
                let detail = format!("{} octets; the server takes at most {max}", message.len());
                Err(broken(Phase::Mail, Problem::TooLarge, detail))
            }
            _ => Ok(()),
        }
    }

    fn commands(&self, envelope: &Envelope<'_>, message: &[u8]) -> [String; 3] {
        let mut mail = format!("MAIL FROM:<{}>", envelope.mail_from);
        if self.offered.size {
            mail.push_str(&format!(" SIZE={}", message.len()));
        }
        // Where 8BITMIME is not offered the octets go as they are: all servers in use take them.
        if self.offered.eight_bit_mime && !message.is_ascii() {
            mail.push_str(" BODY=8BITMIME");
        }
        if envelope.smtputf8 {
            mail.push_str(" SMTPUTF8");
        }
        mail.push_str("\r\n");
        [mail, format!("RCPT TO:<{}>\r\n", envelope.rcpt_to), "DATA\r\n".to_owned()]
    }

    async fn pipelined(&mut self, was: State, commands: &[String; 3]) -> Result<(), Outcome> {
        let mut group = Vec::with_capacity(256);
        if was == State::NeedsReset {
            group.extend_from_slice(b"RSET\r\n");
        }
        for line in commands {
            group.extend_from_slice(line.as_bytes());
        }
        let phase = Phase::Mail;
        self.wire.send(&group, self.timeouts.mail).await.map_err(|e| self.lost(phase, e))?;
        if was == State::NeedsReset {
            self.take_reset().await?;
        }
        // All replies are read, whatever the first one says: each belongs to a command that was sent.
        let mut refusal = None;
        for phase in [Phase::Mail, Phase::Rcpt] {
            if let Err(outcome) = self.take_positive(phase).await {
                if self.state == State::Lost {
                    return Err(refusal.unwrap_or(outcome));
                }
                refusal.get_or_insert(outcome);
            }
        }
        match (self.take_data_reply().await, refusal) {
            (Ok(()), None) => Ok(()),
            (Ok(()), Some(refusal)) => {
                self.end_empty_message().await;
                Err(refusal)
            }
            (Err(outcome), refusal) => Err(refusal.unwrap_or(outcome)),
        }
    }

    async fn one_by_one(&mut self, was: State, commands: &[String; 3]) -> Result<(), Outcome> {
        if was == State::NeedsReset {
            self.wire.send(b"RSET\r\n", self.timeouts.command).await.map_err(|e| self.lost(Phase::Mail, e))?;
            self.take_reset().await?;
        }
        let [mail, rcpt, data] = commands;
        for (phase, line) in [(Phase::Mail, mail), (Phase::Rcpt, rcpt)] {
            self.wire.send(line.as_bytes(), self.timeouts.mail).await.map_err(|e| self.lost(phase, e))?;
            self.take_positive(phase).await?;
        }
        self.wire.send(data.as_bytes(), self.timeouts.data).await.map_err(|e| self.lost(Phase::Data, e))?;
        self.take_data_reply().await
    }

    /// A server that refuses RSET is not one to go on with.
    async fn take_reset(&mut self) -> Result<(), Outcome> {
        let reply = self.wire.reply(self.timeouts.command).await.map_err(|e| self.lost(Phase::Mail, e))?;
        match reply.class() {
            ReplyClass::Positive => Ok(()),
            ReplyClass::Intermediate => Err(garbage(Phase::Mail, &reply)),
            _ => {
                self.state = State::Lost;
                Err(Outcome::Refused { phase: Phase::Mail, reply })
            }
        }
    }

    /// After an error the state says whether the session goes on.
    async fn take_positive(&mut self, phase: Phase) -> Result<(), Outcome> {
        let within = if phase == Phase::Mail { self.timeouts.mail } else { self.timeouts.rcpt };
        let reply = self.wire.reply(within).await.map_err(|e| self.lost(phase, e))?;
        match reply.class() {
            ReplyClass::Positive => Ok(()),
            ReplyClass::Intermediate => Err(self.confused(phase, &reply)),
            _ => Err(self.refused(phase, reply)),
        }
    }

    async fn take_data_reply(&mut self) -> Result<(), Outcome> {
        let reply = self.wire.reply(self.timeouts.data).await.map_err(|e| self.lost(Phase::Data, e))?;
        match reply.class() {
            ReplyClass::Intermediate if reply.code == START_MAIL_INPUT => Ok(()),
            ReplyClass::Positive | ReplyClass::Intermediate => Err(self.confused(Phase::Data, &reply)),
            _ => Err(self.refused(Phase::Data, reply)),
        }
    }

    /// The recipient was refused, yet DATA was taken (RFC 2920 §3.1): a lone dot ends an empty message for nobody. Its
    /// reply is read so that the session stays in step, and means nothing.
    async fn end_empty_message(&mut self) {
        self.state = State::Lost;
        if self.wire.send(b".\r\n", self.timeouts.block).await.is_ok()
            && let Ok(reply) = self.wire.reply(self.timeouts.data).await
            && reply.code != CLOSING
        {
            self.state = State::NeedsReset;
        }
    }

    async fn send_body(&mut self, message: &[u8]) -> Result<(), Outcome> {
        let mut slices = stuffed(message);
        let sent = self.wire.send_slices(&mut slices, self.timeouts.block, self.timeouts.body).await;
        let Err(error) = sent else { return Ok(()) };
        // A peer that hangs up inside the body often says why first.
        match self.wire.unasked().await {
            Unasked::Spoke(reply) => Err(premature(reply)),
            Unasked::Nothing | Unasked::Failed(_) => Err(self.lost(Phase::Body, error)),
        }
    }

    fn conclude(&mut self, reply: Reply) -> Outcome {
        match reply.class() {
            ReplyClass::Positive => {
                self.state = State::Ready;
                Outcome::Accepted { reply }
            }
            ReplyClass::Intermediate => {
                let detail = format!("unexpected reply to the final dot: {reply}");
                Outcome::InDoubt { problem: Problem::Garbage, detail }
            }
            _ => self.refused(Phase::Dot, reply),
        }
    }

    fn refused(&mut self, phase: Phase, reply: Reply) -> Outcome {
        self.state = if reply.code == CLOSING { State::Lost } else { State::NeedsReset };
        Outcome::Refused { phase, reply }
    }

    fn confused(&mut self, phase: Phase, reply: &Reply) -> Outcome {
        self.state = State::Lost;
        garbage(phase, reply)
    }

    fn lost(&mut self, phase: Phase, error: WireError) -> Outcome {
        self.state = State::Lost;
        broken(phase, error.problem, error.detail)
    }
}

fn broken(phase: Phase, problem: Problem, detail: impl Into<String>) -> Outcome {
    Outcome::Broken { phase, problem, detail: detail.into() }
}

fn in_doubt(error: WireError) -> Outcome {
    Outcome::InDoubt { problem: error.problem, detail: error.detail }
}

fn garbage(phase: Phase, reply: &Reply) -> Outcome {
    broken(phase, Problem::Garbage, format!("unexpected reply: {reply}"))
}

/// A reply before the dot: a refusal is taken at its word, anything else is out of step.
fn premature(reply: Reply) -> Outcome {
    match reply.class() {
        ReplyClass::Transient | ReplyClass::Permanent => Outcome::Refused { phase: Phase::Body, reply },
        ReplyClass::Positive | ReplyClass::Intermediate => garbage(Phase::Body, &reply),
    }
}

/// Nothing that could end the path or the command (CWE-93).
fn fits_a_path(address: &str) -> bool {
    !address.chars().any(|c| c.is_control() || c.is_whitespace() || c == '<' || c == '>')
}

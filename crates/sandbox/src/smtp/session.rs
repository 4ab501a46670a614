use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use tokio::net::TcpStream;
use tokio::time::sleep;

use super::command::{Command, Path};
use super::host::Host;
use super::wire::{Body, Line, MAX_MESSAGE_OCTETS, Wire};
use crate::expectation::Mailbox;
use crate::habit::{DropAt, lot};
use crate::message::{BadLine, fingerprint, message_id, unstuff};
use crate::{Accepted, Habit, provider_of};

/// RFC 5321 §4.5.3.1.8 asks for at least 100.
const MAX_RECIPIENTS: usize = 100;
/// After so many wrong commands a connection is closed.
const MAX_PROTOCOL_ERRORS: u32 = 20;

/// One connection.
struct Session<'a> {
    host: &'a Host,
    wire: Wire,
    number: u64,
    greeted: Greeted,
    transaction: Option<Transaction>,
    errors: u32,
    /// Messages announced.
    carried: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Greeted {
    No,
    Helo,
    Ehlo,
}

struct Transaction {
    mail_from: String,
    smtputf8: bool,
    recipients: Vec<String>,
}

/// What follows a command.
enum Next {
    Go,
    /// Sends what is to be said, then closes.
    Close,
    /// Closes without another word.
    Drop,
    StartTls,
}

/// Serves one connection to its end.
pub async fn serve(stream: TcpStream, host: Arc<Host>) {
    let _open = host.open();
    let number = host.numbers.fetch_add(1, SeqCst) + 1;
    if host.drops_this_connection() {
        count(&host.counts.dropped);
        return;
    }
    let wire = Wire::new(stream);
    let session = Session { host: &host, wire, number, greeted: Greeted::No, transaction: None, errors: 0, carried: 0 };
    if let Err(error) = session.run().await {
        tracing::debug!(%error, provider = host.provider.name, "a sandbox connection ended");
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, SeqCst);
}

impl Session<'_> {
    async fn run(mut self) -> io::Result<()> {
        let name = self.host.provider.name;
        if self.host.has_too_many_connections() {
            self.wire.reply("421-4.7.28 Too many connections from your address; try again later.");
            self.wire.reply(&format!("421 4.7.28 {name} limits connections for each sender"));
            return self.wire.close().await;
        }
        self.slow_down("greeting").await;
        self.wire.reply(&format!("220 mx1.{name} ESMTP ready"));
        while let Some(line) = self.wire.line().await? {
            let next = match line {
                Line::Text(text) => self.command(Command::parse(&text)).await?,
                Line::Bad(reply) => self.wrong(reply),
            };
            match next {
                Next::Go => {}
                Next::Close => return self.wire.close().await,
                Next::Drop => return Ok(()),
                Next::StartTls => {
                    self.wire = self.wire.start_tls(&self.host.tls).await?;
                    // Everything known is forgotten (RFC 3207 §4.2).
                    (self.greeted, self.transaction) = (Greeted::No, None);
                    count(&self.host.counts.tls);
                }
            }
        }
        Ok(())
    }

    async fn command(&mut self, command: Command) -> io::Result<Next> {
        Ok(match command {
            Command::Ehlo(_) => self.ehlo(),
            Command::Helo(_) => {
                (self.greeted, self.transaction) = (Greeted::Helo, None);
                self.say(&format!("250 mx1.{}", self.host.provider.name))
            }
            Command::Mail(path) => self.mail(path),
            Command::Rcpt(path) => self.rcpt(path),
            Command::Data => self.data().await?,
            Command::Rset => {
                self.transaction = None;
                self.say("250 2.0.0 Forgotten")
            }
            Command::Noop => self.say("250 2.0.0 Nothing done"),
            Command::Vrfy => self.say("252 2.5.2 Send it and see"),
            Command::StartTls => self.start_tls(),
            Command::Quit => {
                self.wire.reply("221 2.0.0 Bye");
                Next::Close
            }
            Command::BadArgument => self.wrong("501 5.5.4 Bad argument"),
            Command::Unknown => self.wrong("500 5.5.2 Unknown command"),
        })
    }

    fn say(&mut self, reply: &str) -> Next {
        self.wire.reply(reply);
        Next::Go
    }

    /// The client broke the protocol.
    fn wrong(&mut self, reply: &str) -> Next {
        count(&self.host.counts.protocol_errors);
        self.errors += 1;
        self.wire.reply(reply);
        if self.errors < MAX_PROTOCOL_ERRORS {
            return Next::Go;
        }
        self.wire.reply("421 4.7.0 Too many errors");
        Next::Close
    }

    fn refuse(&mut self, reply: &str) -> Next {
        count(&self.host.counts.refused);
        self.say(reply)
    }

    fn ehlo(&mut self) -> Next {
        (self.greeted, self.transaction) = (Greeted::Ehlo, None);
        self.wire.reply(&format!("250-mx1.{} at your service", self.host.provider.name));
        self.wire.reply("250-PIPELINING");
        self.wire.reply("250-8BITMIME");
        if self.host.provider.smtputf8 {
            self.wire.reply("250-SMTPUTF8");
        }
        if self.host.provider.starttls && !self.wire.is_tls() {
            self.wire.reply("250-STARTTLS");
        }
        self.wire.reply(&format!("250-SIZE {MAX_MESSAGE_OCTETS}"));
        self.say("250 ENHANCEDSTATUSCODES")
    }

    fn start_tls(&mut self) -> Next {
        if !self.host.provider.starttls || self.wire.is_tls() {
            return self.wrong("502 5.5.1 Not offered");
        }
        if self.wire.has_input() {
            // Commands smuggled in before the handshake (RFC 3207 §6).
            self.wrong("421 4.7.0 Nothing may follow STARTTLS");
            return Next::Close;
        }
        self.wire.reply("220 2.0.0 Go ahead");
        Next::StartTls
    }

    fn mail(&mut self, path: Path) -> Next {
        if self.greeted == Greeted::No || self.transaction.is_some() {
            return self.wrong("503 5.5.1 Out of order");
        }
        if self.host.is_in_storm() {
            self.refuse("421 4.7.0 Too busy to take your mail now; try again later");
            return Next::Close;
        }
        if self.host.is_over_messages(self.carried) {
            self.wire.reply("421 4.7.0 Too many messages on this connection");
            return Next::Close;
        }
        self.carried += 1;
        if self.host.is_over_rate() {
            self.wire.reply("421-4.7.28 Our system has detected an unusual rate of mail from your address.");
            self.wire.reply("421 4.7.28 Mail from it is rate limited for now; try again later");
            return Next::Close;
        }
        let mut smtputf8 = false;
        for parameter in &path.parameters {
            match parameter.split_once('=').unwrap_or((parameter, "")) {
                ("SMTPUTF8", "") if self.host.provider.smtputf8 => smtputf8 = true,
                ("BODY", "7BIT" | "8BITMIME") => {}
                ("SIZE", octets) if octets.parse::<usize>().is_ok_and(|n| n <= MAX_MESSAGE_OCTETS) => {}
                ("SIZE", _) => return self.refuse("552 5.3.4 Too big"),
                _ => return self.wrong("555 5.5.4 Unknown parameter"),
            }
        }
        self.transaction = Some(Transaction { mail_from: path.address, smtputf8, recipients: Vec::new() });
        self.say("250 2.1.0 Sender ok")
    }

    fn rcpt(&mut self, path: Path) -> Next {
        let Some(transaction) = &self.transaction else { return self.wrong("503 5.5.1 MAIL first") };
        let (full, utf8) = (transaction.recipients.len() >= MAX_RECIPIENTS, transaction.smtputf8);
        if !path.parameters.is_empty() {
            return self.wrong("555 5.5.4 Unknown parameter");
        }
        if full {
            return self.say("452 4.5.3 Too many recipients");
        }
        if !path.address.is_ascii() && !utf8 {
            return self.wrong("553 5.6.7 Not ASCII, and no SMTPUTF8");
        }
        let Some((local, domain)) = path.address.rsplit_once('@') else { return self.wrong("501 5.1.3 No address") };
        if provider_of(&domain.to_ascii_lowercase()) != Some(self.host.provider) {
            return self.refuse("550 5.7.1 Relaying denied");
        }
        let name = self.host.provider.name;
        match Mailbox::of(local) {
            Mailbox::Unknown => return self.refuse(&format!("550 5.1.1 <{}>: no such user at {name}", path.address)),
            Mailbox::Full => return self.refuse("452 4.2.2 The recipient's mailbox is full; try again later"),
            Mailbox::OverQuota => return self.refuse("552 5.2.2 The recipient's mailbox is over quota"),
            Mailbox::Open => {}
        }
        if self.host.is_greylisted(&path.address) {
            return self.refuse("451 4.7.1 Greylisted, please try again later");
        }
        if self.drop_at(&path.address) == DropAt::Recipient && self.host.is_first_drop(&path.address) {
            return Next::Drop;
        }
        if let Some(transaction) = &mut self.transaction {
            transaction.recipients.push(path.address);
        }
        self.say("250 2.1.5 Recipient ok")
    }

    fn drop_at(&self, recipient: &str) -> DropAt {
        if self.host.habit() == Habit::Drops { DropAt::of(recipient) } else { DropAt::Never }
    }

    async fn data(&mut self) -> io::Result<Next> {
        let Some(transaction) = self.transaction.take().filter(|t| !t.recipients.is_empty()) else {
            return Ok(match self.greeted {
                Greeted::No => self.wrong("503 5.5.1 Out of order"),
                // A client that pipelines asks for this when every RCPT was refused.
                _ => self.say("554 5.5.1 No valid recipients"),
            });
        };
        if self.drops(&transaction, DropAt::Data) {
            return Ok(Next::Drop);
        }
        self.wire.reply("354 End with a dot");
        let Some(body) = self.wire.body().await? else { return Ok(Next::Drop) };
        self.slow_down(&transaction.recipients[0]).await;
        let text = match body {
            Body::TooBig => return Ok(self.refuse("552 5.3.4 Too big")),
            Body::Text(wire) => match unstuff(&wire) {
                Ok(text) => text,
                Err(bad) => return Ok(self.refuse_lines(bad)),
            },
        };
        if self.drops(&transaction, DropAt::InsteadOfAccepting) {
            return Ok(Next::Drop);
        }
        let in_doubt = self.drops(&transaction, DropAt::AfterAccepting);
        if let Err(error) = self.record(transaction, text) {
            tracing::error!(%error, "the sandbox's log cannot be written");
            return Ok(self.refuse("451 4.3.0 Cannot keep it now"));
        }
        if in_doubt {
            return Ok(Next::Drop);
        }
        Ok(self.say(&format!("250 2.0.0 Accepted as {}", self.number)))
    }

    /// One of the recipients makes the connection drop here, and has not done so before.
    fn drops(&self, transaction: &Transaction, at: DropAt) -> bool {
        let mut recipients = transaction.recipients.iter();
        recipients.any(|recipient| self.drop_at(recipient) == at && self.host.is_first_drop(recipient))
    }

    fn refuse_lines(&mut self, bad: BadLine) -> Next {
        count(&self.host.counts.bad_lines);
        self.refuse(match bad {
            BadLine::BareNewline => "550 5.6.11 CR or LF alone is not allowed",
            BadLine::TooLong => "550 5.6.0 A line is longer than 1000 octets",
        })
    }

    fn record(&self, transaction: Transaction, text: Vec<u8>) -> io::Result<()> {
        let (message_id, fingerprint) = (message_id(&text), fingerprint(&text));
        for recipient in transaction.recipients {
            self.host.recorder.accept(Accepted {
                recipient,
                mail_from: transaction.mail_from.clone(),
                message_id: message_id.clone(),
                fingerprint,
                connection: self.number,
                tls: self.wire.is_tls(),
                text: text.clone(),
            })?;
            count(&self.host.counts.accepted);
        }
        Ok(())
    }

    /// Half to one and a half times the provider's slowness.
    async fn slow_down(&self, for_what: &str) {
        if self.host.habit() == Habit::Slow {
            let part = (lot(for_what) % 1_000) as f64 / 1_000.0;
            sleep(self.host.manners.slow.mul_f64(0.5 + part)).await;
        }
    }
}

use std::io::{self, Write};
use std::net::IpAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::command::Command;
use super::inbox::{Inbox, Line};
use super::transaction::Envelope;
use super::{Refused, SmtpServer};
use crate::Mailroom;

const READ_OCTETS: usize = 16 * 1024;

/// Why a session ends.
#[derive(Debug)]
pub(super) enum End {
    Quit,
    /// The client closed the connection, or it broke.
    Gone,
    Refused(Refused),
    /// Another session begins on the same connection, over TLS.
    StartTls,
}

/// What a client has used of its limits.
#[derive(Debug)]
pub(super) struct Tally {
    pub began: Instant,
    pub mails: u32,
    /// Since the last mail that was kept.
    pub errors: u32,
    pub commands: u32,
}

/// One client, from the greeting, or from the TLS handshake, to the end.
pub(super) struct Session<'a, S, M> {
    pub server: &'a SmtpServer<M>,
    pub peer: IpAddr,
    pub inbox: Inbox,
    pub envelope: Option<Envelope>,
    pub tally: Tally,
    stop: &'a CancellationToken,
    stream: S,
    /// Replies that wait for a reason to be sent: pipelined commands are answered together.
    outbox: Vec<u8>,
    is_secure: bool,
    has_greeted: bool,
}

impl<'a, S, M> Session<'a, S, M>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    M: Mailroom,
{
    pub fn begin(server: &'a SmtpServer<M>, stop: &'a CancellationToken, peer: IpAddr, stream: S) -> Self {
        let tally = Tally { began: Instant::now(), mails: 0, errors: 0, commands: 0 };
        let mut session = Self::new(server, stop, peer, stream, tally, false);
        let greeting = format!("220 {} ESMTP", server.options.host_name);
        session.say(&greeting);
        session
    }

    /// After STARTTLS everything begins anew (RFC 3207 §4.2), but for what the client has used up.
    pub fn secured(server: &'a SmtpServer<M>, stop: &'a CancellationToken, peer: IpAddr, stream: S, t: Tally) -> Self {
        Self::new(server, stop, peer, stream, t, true)
    }

    fn new(
        server: &'a SmtpServer<M>,
        stop: &'a CancellationToken,
        peer: IpAddr,
        stream: S,
        tally: Tally,
        is_secure: bool,
    ) -> Self {
        let (inbox, outbox) = (Inbox::default(), Vec::new());
        Self { server, peer, inbox, envelope: None, tally, stop, stream, outbox, is_secure, has_greeted: false }
    }

    /// Serves the client to the end. Returns its connection if it is to go on over TLS.
    pub async fn run(mut self) -> Option<(S, Tally)> {
        let end = loop {
            if let Err(end) = self.step().await {
                break end;
            }
        };
        match end {
            End::Gone => return None,
            End::StartTls => return Some((self.stream, self.tally)),
            End::Quit => self.say("221 2.0.0 Goodbye"),
            End::Refused(why) => {
                self.server.counters.count_refused(why);
                tracing::debug!(peer = %self.peer, why = why.word(), "session closed");
                self.say(why.reply());
            }
        }
        self.close().await;
        None
    }

    async fn step(&mut self) -> Result<(), End> {
        let line = self.command_line().await?;
        self.tally.commands += 1;
        if self.tally.commands > self.server.options.limits.commands {
            return Err(End::Refused(Refused::TooManyCommands));
        }
        if self.tally.began.elapsed() > self.server.options.limits.session_wait {
            return Err(End::Refused(Refused::TooSlow));
        }
        match Command::parse(&line) {
            Ok(command) => self.obey(command).await,
            // What follows is no command at all.
            Err(Refused::NotSmtp) => Err(End::Refused(Refused::NotSmtp)),
            Err(why) => self.refuse(why),
        }
    }

    async fn obey(&mut self, command: Command<'_>) -> Result<(), End> {
        match command {
            Command::Ehlo => self.hello(true),
            Command::Helo => self.hello(false),
            Command::Mail { .. } if !self.has_greeted => return self.refuse(Refused::Sequence),
            Command::Mail { from, size, utf8 } => return self.mail(from, size, utf8),
            Command::Rcpt { to } => return self.rcpt(to),
            Command::Data => return self.data().await,
            Command::Rset => {
                self.envelope = None;
                self.say("250 2.0.0 Ok");
            }
            Command::Noop => self.say("250 2.0.0 Ok"),
            Command::Vrfy => self.say("252 2.5.0 Send the message and see (RFC 5321 7.3)"),
            Command::Help => self.say("214 2.0.0 This server takes bounces, complaints and unsubscribe requests"),
            Command::Quit => return Err(End::Quit),
            Command::StartTls => return self.start_tls().await,
        }
        Ok(())
    }

    fn hello(&mut self, extended: bool) {
        self.has_greeted = true;
        self.envelope = None;
        let host = &self.server.options.host_name;
        if !extended {
            let reply = format!("250 {host}");
            return self.say(&reply);
        }
        let size = self.server.options.limits.mail_octets;
        let start_tls = if self.offers_tls() { "250-STARTTLS\r\n" } else { "" };
        let reply = format!(
            "250-{host}\r\n250-PIPELINING\r\n250-SIZE {size}\r\n250-8BITMIME\r\n{start_tls}250-ENHANCEDSTATUSCODES\r\n250 SMTPUTF8"
        );
        self.say(&reply);
    }

    fn offers_tls(&self) -> bool {
        self.server.tls.is_some() && !self.is_secure
    }

    async fn start_tls(&mut self) -> Result<(), End> {
        if !self.offers_tls() {
            return self.refuse(Refused::UnknownCommand);
        }
        // Whoever sits between us and the client could have put them there, to be read as if they came by TLS.
        if !self.inbox.is_empty() {
            return Err(End::Refused(Refused::EarlyTalk));
        }
        self.say("220 2.0.0 Go ahead");
        self.flush().await?;
        Err(End::StartTls)
    }

    pub fn say(&mut self, reply: &str) {
        self.outbox.extend_from_slice(reply.as_bytes());
        self.outbox.extend_from_slice(b"\r\n");
    }

    /// Answers with a refusal, and counts it against the client.
    pub fn refuse(&mut self, why: Refused) -> Result<(), End> {
        self.server.counters.count_refused(why);
        self.say(why.reply());
        // That we are in trouble is not the client's fault.
        if why != Refused::Trouble {
            self.tally.errors += 1;
        }
        if self.tally.errors > self.server.options.limits.errors {
            return Err(End::Refused(Refused::TooManyErrors));
        }
        Ok(())
    }

    /// The next command. The deadline is for the whole of it, so that sending it octet by octet gains nothing.
    async fn command_line(&mut self) -> Result<Vec<u8>, End> {
        let deadline = Instant::now() + self.server.command_wait();
        loop {
            if self.stop.is_cancelled() {
                return Err(End::Refused(Refused::Stopping));
            }
            match self.inbox.line() {
                Line::Whole(octets) => {
                    let line = self.inbox.unread()[..octets].to_vec();
                    self.inbox.advance(octets + 2);
                    return Ok(line);
                }
                Line::Bare => return Err(End::Refused(Refused::LineEnding)),
                Line::TooLong => return Err(End::Refused(Refused::LongCommandLine)),
                Line::NeedsMore => self.flush().await?,
            }
            let stop = self.stop;
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                read = self.read(deadline) => read?,
            }
        }
    }

    /// Waits for more octets, and puts them into the inbox.
    pub async fn read(&mut self, deadline: Instant) -> Result<(), End> {
        let space = self.inbox.space();
        space.reserve(READ_OCTETS);
        match timeout_at(deadline, self.stream.read_buf(space)).await {
            Err(_) => Err(End::Refused(Refused::TooSlow)),
            Ok(Ok(0) | Err(_)) => Err(End::Gone),
            Ok(Ok(_)) => Ok(()),
        }
    }

    /// Sends the replies that wait.
    pub async fn flush(&mut self) -> Result<(), End> {
        if self.outbox.is_empty() {
            return Ok(());
        }
        let sent = async {
            self.stream.write_all(&self.outbox).await?;
            self.stream.flush().await
        };
        match timeout(self.server.options.limits.write_wait, sent).await {
            Ok(Ok(())) => self.outbox.clear(),
            Ok(Err(_)) | Err(_) => return Err(End::Gone),
        }
        Ok(())
    }

    /// Says the last words, and reads on for a moment: to close on octets that wait would take the words away again.
    async fn close(mut self) {
        if self.flush().await.is_err() {
            return;
        }
        let Self { mut stream, inbox, .. } = self;
        drop(inbox);
        let limits = &self.server.options.limits;
        let drain = async move {
            stream.shutdown().await?;
            let mut octets = [0; 1024];
            while stream.read(&mut octets).await? > 0 {}
            Ok::<_, io::Error>(())
        };
        let _: Result<Result<(), io::Error>, _> = timeout(limits.linger_wait, drain).await;
    }
}

/// Says something to a client for whom there is no place, if it can be said without waiting.
pub(super) fn turn_away(stream: &tokio::net::TcpStream, why: Refused) {
    let mut socket = &*socket2::SockRef::from(stream);
    // Who does not hear it sees the connection close.
    let _: io::Result<()> = write!(socket, "{}\r\n", why.reply());
}

impl<M> SmtpServer<M> {
    fn command_wait(&self) -> Duration {
        let limits = &self.options.limits;
        let is_crowded = self.counters.open() as usize > limits.connections * 3 / 4;
        if is_crowded { limits.crowded_wait } else { limits.command_wait }
    }
}

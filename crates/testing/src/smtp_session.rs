use std::future::pending;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::smtp::{Act, Received, Shared};

const READ_OCTETS: usize = 16 * 1024;

trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// One connection from accept to close.
pub(crate) async fn serve(tcp: TcpStream, shared: &Shared) {
    let client = tcp.peer_addr().ok().map(|addr| addr.ip());
    let mut session = Session { client, ..Session::new(Box::new(tcp), shared) };
    // How a connection ends is what a test looks at from its own side.
    let _ = session.run().await;
}

struct Session<'a> {
    wire: Box<dyn Wire>,
    shared: &'a Shared,
    inbox: Vec<u8>,
    mail_from: Option<String>,
    rcpt_to: Option<String>,
    /// The server was the last to speak.
    has_spoken: bool,
    client: Option<IpAddr>,
    hello: String,
}

/// Whether the session goes on.
#[derive(PartialEq)]
enum Next {
    On,
    Close,
}

impl<'a> Session<'a> {
    fn new(wire: Box<dyn Wire>, shared: &'a Shared) -> Self {
        Self {
            wire,
            shared,
            inbox: Vec::new(),
            mail_from: None,
            rcpt_to: None,
            has_spoken: false,
            client: None,
            hello: String::new(),
        }
    }

    async fn run(&mut self) -> io::Result<()> {
        if self.shared.implicit_tls {
            self.encrypt().await?;
        }
        if self.follow("GREETING", "220 test.example ESMTP").await? == Next::Close {
            return Ok(());
        }
        while let Some(line) = self.line().await? {
            self.shared.record().commands.push(line.clone());
            if self.command(&line).await? == Next::Close {
                break;
            }
        }
        Ok(())
    }

    async fn command(&mut self, line: &str) -> io::Result<Next> {
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" => {
                self.hello = line.split_once(' ').map_or_else(String::new, |(_, name)| name.trim().to_owned());
                let offered = self.hello();
                self.follow("EHLO", &offered).await
            }
            "STARTTLS" => self.starttls().await,
            "AUTH" => self.auth(line).await,
            "MAIL" => {
                self.mail_from = Some(argument(line));
                self.positive_or("MAIL", |s| s.mail_from = None).await
            }
            "RCPT" => {
                self.rcpt_to = Some(argument(line));
                self.shared.record().recipients.push((self.client, argument(line)));
                self.positive_or("RCPT", |s| s.rcpt_to = None).await
            }
            "DATA" => self.data().await,
            "RSET" => {
                (self.mail_from, self.rcpt_to) = (None, None);
                self.follow("RSET", "250 2.0.0 ok").await
            }
            "QUIT" => {
                self.follow("QUIT", "221 2.0.0 bye").await?;
                Ok(Next::Close)
            }
            verb => self.follow(verb, "250 2.0.0 ok").await,
        }
    }

    fn hello(&self) -> String {
        let mut lines = vec!["test.example".to_owned()];
        lines.extend(self.shared.capabilities.iter().cloned());
        if self.shared.tls.is_some() && !self.shared.implicit_tls {
            lines.push("STARTTLS".to_owned());
        }
        lines.iter().map(|line| format!("250 {line}")).collect::<Vec<_>>().join("\n")
    }

    async fn starttls(&mut self) -> io::Result<Next> {
        let act = self.shared.act("STARTTLS").unwrap_or_else(|| Act::reply("220 2.0.0 go"));
        let goes = matches!(&act, Act::Reply(text) if text.starts_with("220"));
        let next = self.perform(act).await?;
        if next == Next::On && goes && self.shared.tls.is_some() {
            self.encrypt().await?;
        }
        Ok(next)
    }

    async fn encrypt(&mut self) -> io::Result<()> {
        match self.shared.act("TLS") {
            Some(act) => {
                self.perform(act).await?;
                Err(io::ErrorKind::ConnectionAborted.into())
            }
            None => {
                let acceptor = self.shared.tls.clone().ok_or(io::ErrorKind::Unsupported)?;
                let plain =
                    std::mem::replace(&mut self.wire, Box::new(tokio::io::join(tokio::io::empty(), tokio::io::sink())));
                self.wire = Box::new(acceptor.accept(plain).await?);
                self.inbox.clear();
                Ok(())
            }
        }
    }

    async fn auth(&mut self, line: &str) -> io::Result<Next> {
        if line.to_ascii_uppercase().contains("LOGIN") {
            for prompt in ["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6"] {
                if self.follow("SECRET", prompt).await? == Next::Close {
                    return Ok(Next::Close);
                }
                let Some(secret) = self.line().await? else { return Ok(Next::Close) };
                self.shared.record().commands.push(secret);
            }
        }
        self.follow("AUTH", "235 2.7.0 welcome").await
    }

    async fn data(&mut self) -> io::Result<Next> {
        let usual =
            if self.rcpt_to.is_some() && self.mail_from.is_some() { "354 go on" } else { "503 5.5.1 no recipient" };
        let act = self.shared.act("DATA").unwrap_or_else(|| Act::reply(usual));
        let goes = matches!(&act, Act::Reply(text) if text.starts_with("354"));
        let next = self.perform(act).await?;
        if next == Next::Close || !goes {
            return Ok(next);
        }
        let Some(data) = self.body().await? else { return Ok(Next::Close) };
        let somebody = self.rcpt_to.is_some() && self.mail_from.is_some();
        let usual = if somebody { "250 2.0.0 queued" } else { "554 5.5.1 no valid recipients" };
        let act = self.shared.act("DOT").unwrap_or_else(|| Act::reply(usual));
        let accepted = matches!(&act, Act::Reply(text) | Act::ReplyThenDrop(text) if text.starts_with('2'));
        let (mail_from, rcpt_to) = (self.mail_from.take(), self.rcpt_to.take());
        self.shared.record().messages.push(Received {
            mail_from: mail_from.unwrap_or_default(),
            rcpt_to: rcpt_to.unwrap_or_default(),
            data,
            accepted,
            client: self.client,
            hello: self.hello.clone(),
        });
        self.perform(act).await
    }

    /// The message, unstuffed; nothing when the script or the client ends the connection inside it.
    async fn body(&mut self) -> io::Result<Option<Vec<u8>>> {
        if self.inbox.is_empty() && !self.fill().await? {
            return Ok(None);
        }
        if let Some(act) = self.shared.act("BODY")
            && self.perform(act).await? == Next::Close
        {
            return Ok(None);
        }
        loop {
            if let Some((data, used)) = unstuff(&self.inbox) {
                self.inbox.drain(..used);
                return Ok(Some(data));
            }
            if !self.fill().await? {
                return Ok(None);
            }
        }
    }

    /// Acts by the script, or politely; a refusal undoes what the verb had done.
    async fn positive_or(&mut self, verb: &str, undo: impl FnOnce(&mut Self)) -> io::Result<Next> {
        let act = self.shared.act(verb).unwrap_or_else(|| Act::reply("250 2.1.0 ok"));
        if !matches!(&act, Act::Reply(text) if text.starts_with('2')) {
            undo(self);
        }
        self.perform(act).await
    }

    async fn follow(&mut self, verb: &str, usual: &str) -> io::Result<Next> {
        let act = self.shared.act(verb).unwrap_or_else(|| Act::reply(usual));
        self.perform(act).await
    }

    async fn perform(&mut self, act: Act) -> io::Result<Next> {
        let mut act = act;
        while let Act::After(wait, then) = act {
            sleep(wait).await;
            act = *then;
        }
        match act {
            Act::Reply(text) => self.write(&on_the_wire(&text)).await.map(|()| Next::On),
            Act::Bytes(bytes) => self.write(&bytes).await.map(|()| Next::On),
            Act::Drip(text, pause) => self.drip(&on_the_wire(&text), pause).await,
            Act::Endless => loop {
                self.write(b"250-and another thing\r\n").await?;
            },
            Act::Silence => pending().await,
            Act::ReplyThenDrop(text) => self.write(&on_the_wire(&text)).await.map(|()| Next::Close),
            Act::Drop | Act::After(..) => Ok(Next::Close),
        }
    }

    async fn drip(&mut self, bytes: &[u8], pause: Duration) -> io::Result<Next> {
        for byte in bytes {
            self.write(&[*byte]).await?;
            sleep(pause).await;
        }
        Ok(Next::On)
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.has_spoken = true;
        self.wire.write_all(bytes).await?;
        self.wire.flush().await
    }

    async fn line(&mut self) -> io::Result<Option<String>> {
        loop {
            if let Some(end) = self.inbox.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = self.inbox.drain(..=end).collect();
                return Ok(Some(String::from_utf8_lossy(&line).trim_end().to_owned()));
            }
            if !self.fill().await? {
                return Ok(None);
            }
        }
    }

    async fn fill(&mut self) -> io::Result<bool> {
        let from = self.inbox.len();
        self.inbox.reserve(READ_OCTETS);
        let read = self.wire.read_buf(&mut self.inbox).await?;
        let mut record = self.shared.record();
        record.transcript.extend_from_slice(&self.inbox[from..]);
        record.turns += usize::from(read > 0 && std::mem::take(&mut self.has_spoken));
        Ok(read > 0)
    }
}

/// What stands between the colon and the line's end.
fn argument(line: &str) -> String {
    line.split_once(':').map(|(_, rest)| rest.trim().to_owned()).unwrap_or_default()
}

/// `550-a`, `550 b` from `550 a\n550 b`.
fn on_the_wire(text: &str) -> Vec<u8> {
    let lines: Vec<&str> = text.lines().collect();
    let mut out = String::new();
    for (index, line) in lines.iter().enumerate() {
        let (code, rest) = line.split_at(line.len().min(3));
        let separator = if index + 1 < lines.len() { "-" } else { " " };
        out.push_str(&format!("{code}{separator}{}\r\n", rest.get(1..).unwrap_or_default()));
    }
    out.into_bytes()
}

/// The message before `<CRLF>.<CRLF>` and how much it took; strict, as RFC 5321 §4.5.2 has it.
fn unstuff(inbox: &[u8]) -> Option<(Vec<u8>, usize)> {
    let mut data = Vec::with_capacity(inbox.len());
    let mut from = 0;
    loop {
        let rest = &inbox[from..];
        let end = rest.windows(2).position(|w| w == b"\r\n")? + 2;
        let line = &rest[..end];
        from += end;
        if line == b".\r\n" {
            return Some((data, from));
        }
        data.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
    }
}

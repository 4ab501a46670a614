use std::io;
use std::time::Duration;

use memchr::{memchr, memmem};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// The longest command line that is read: room for MAIL with every parameter (RFC 5321 §4.5.3.1.4, RFC 6531).
pub const MAX_COMMAND_OCTETS: usize = 2_048;
/// The largest message, as EHLO says (RFC 1870).
pub const MAX_MESSAGE_OCTETS: usize = 32 * 1024 * 1024;
/// How long a client may be silent.
const READ_TIMEOUT: Duration = Duration::from_secs(300);
/// How long a closed connection waits for the client to close it, too.
const LINGER: Duration = Duration::from_secs(2);
const READ_OCTETS: usize = 16 * 1024;
const END_OF_TEXT: &[u8] = b"\r\n.\r\n";

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A connection with what was read and not yet used, and replies not yet sent.
pub struct Wire {
    stream: Stream,
    input: Vec<u8>,
    used: usize,
    output: Vec<u8>,
}

pub enum Line {
    Text(String),
    /// No command: the reply to it.
    Bad(&'static str),
}

pub enum Body {
    /// Up to and with the CRLF before the final dot.
    Text(Vec<u8>),
    TooBig,
}

impl Wire {
    pub fn new(stream: TcpStream) -> Self {
        Self { stream: Stream::Plain(stream), input: Vec::new(), used: 0, output: Vec::new() }
    }

    pub const fn is_tls(&self) -> bool {
        matches!(self.stream, Stream::Tls(_))
    }

    /// Something was sent ahead of our reply.
    pub const fn has_input(&self) -> bool {
        self.used < self.input.len()
    }

    /// Goes out with the next read, so that replies to pipelined commands share a packet (RFC 2920 §3.2).
    pub fn reply(&mut self, text: &str) {
        self.output.extend_from_slice(text.as_bytes());
        self.output.extend_from_slice(b"\r\n");
    }

    pub async fn flush(&mut self) -> io::Result<()> {
        if !self.output.is_empty() {
            match &mut self.stream {
                Stream::Plain(stream) => stream.write_all(&self.output).await?,
                Stream::Tls(stream) => {
                    stream.write_all(&self.output).await?;
                    stream.flush().await?;
                }
            }
            self.output.clear();
        }
        Ok(())
    }

    /// The next command line without its CRLF; `None` at the end of the connection.
    pub async fn line(&mut self) -> io::Result<Option<Line>> {
        let mut searched = 0;
        loop {
            let fresh = &self.input[self.used..];
            if let Some(at) = memchr(b'\n', &fresh[searched..]) {
                let end = searched + at;
                return Ok(Some(self.take_line(end)));
            }
            searched = fresh.len();
            if searched > MAX_COMMAND_OCTETS {
                // Skips the rest of it, keeping nothing.
                self.used = self.input.len() - 1;
                searched = 1;
                self.input[self.used] = OVERLONG;
            }
            if !self.fill().await? {
                return Ok(None);
            }
        }
    }

    fn take_line(&mut self, end: usize) -> Line {
        let line = &self.input[self.used..self.used + end];
        let result = if line.len() > MAX_COMMAND_OCTETS || line.first() == Some(&OVERLONG) {
            Line::Bad("500 5.5.2 Line too long")
        } else if let Some(line) = line.strip_suffix(b"\r") {
            String::from_utf8(line.to_vec()).map_or(Line::Bad("500 5.5.2 Not UTF-8"), Line::Text)
        } else {
            Line::Bad("500 5.5.2 A line ends with CR LF")
        };
        self.used += end + 1;
        result
    }

    /// The text after 354. Only CRLF, dot, CRLF ends it.
    pub async fn body(&mut self) -> io::Result<Option<Body>> {
        // The CRLF of the DATA command is the one before an empty text's dot.
        let start = self.used - 2;
        let mut searched = start;
        let mut too_big = false;
        loop {
            if let Some(at) = memmem::find(&self.input[searched..], END_OF_TEXT) {
                let end = searched + at;
                let text = self.input.get(start + 2..end + 2).unwrap_or_default().to_vec();
                self.used = end + END_OF_TEXT.len();
                return Ok(Some(if too_big { Body::TooBig } else { Body::Text(text) }));
            }
            if self.input.len() - start > MAX_MESSAGE_OCTETS + END_OF_TEXT.len() {
                too_big = true;
                let keep = self.input.len() - END_OF_TEXT.len();
                self.input.drain(start..keep);
            }
            searched = start.max(self.input.len().saturating_sub(END_OF_TEXT.len() - 1));
            self.flush().await?;
            if !self.read().await? {
                return Ok(None);
            }
        }
    }

    async fn fill(&mut self) -> io::Result<bool> {
        self.flush().await?;
        self.input.drain(..self.used);
        self.used = 0;
        self.read().await
    }

    async fn read(&mut self) -> io::Result<bool> {
        self.input.reserve(READ_OCTETS);
        let read = async {
            match &mut self.stream {
                Stream::Plain(stream) => stream.read_buf(&mut self.input).await,
                Stream::Tls(stream) => stream.read_buf(&mut self.input).await,
            }
        };
        Ok(timeout(READ_TIMEOUT, read).await?? > 0)
    }

    /// After 220: the handshake. What was sent ahead in clear would be taken for ciphertext; the caller has refused it.
    pub async fn start_tls(mut self, acceptor: &TlsAcceptor) -> io::Result<Self> {
        self.flush().await?;
        match self.stream {
            Stream::Plain(stream) => {
                let stream = timeout(READ_TIMEOUT, acceptor.accept(stream)).await??;
                Ok(Self { stream: Stream::Tls(Box::new(stream)), input: Vec::new(), used: 0, output: Vec::new() })
            }
            Stream::Tls(_) => Err(io::Error::other("TLS within TLS")),
        }
    }

    /// Sends what is to be said and ends. What the client still sends is read away for a while: a socket closed with
    /// unread input is reset, and the last reply may then never be seen.
    pub async fn close(mut self) -> io::Result<()> {
        self.flush().await?;
        match &mut self.stream {
            Stream::Plain(stream) => stream.shutdown().await?,
            Stream::Tls(stream) => stream.shutdown().await?,
        }
        let drain = async {
            while self.read().await? {
                self.input.clear();
            }
            io::Result::Ok(())
        };
        timeout(LINGER, drain).await.unwrap_or(Ok(()))
    }
}

/// Stands for the beginning of a command line that was thrown away; no command begins with it.
const OVERLONG: u8 = 0;

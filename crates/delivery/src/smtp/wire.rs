use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tidings_domain::{Problem, Reply};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::client::TlsStream;

use super::{Parsed, parse_reply};

/// A reply of any sane length in one read.
const READ_OCTETS: usize = 4 * 1024;

/// How long bytes that already lie in the socket may take to come through TLS.
const TLS_SETTLE: Duration = Duration::from_millis(100);

pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    pub fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => tls.get_ref().0,
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write_vectored(cx, bufs),
            Self::Tls(tls) => Pin::new(tls).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Self::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}

/// Why a step over the wire failed, before it is known what that means.
#[derive(Debug)]
pub(super) struct WireError {
    pub problem: Problem,
    pub detail: String,
    /// No octet of what was to be written has left.
    pub nothing_written: bool,
}

impl WireError {
    fn new(problem: Problem, detail: impl Into<String>) -> Self {
        Self { problem, detail: detail.into(), nothing_written: false }
    }

    fn timeout(within: Duration) -> Self {
        Self::new(Problem::Timeout, format!("no answer within {} s", within.as_secs_f32()))
    }
}

impl From<io::Error> for WireError {
    fn from(error: io::Error) -> Self {
        let problem = match error.kind() {
            io::ErrorKind::TimedOut => Problem::Timeout,
            io::ErrorKind::InvalidData => Problem::Tls,
            _ => Problem::ConnectionLost,
        };
        Self::new(problem, error.to_string())
    }
}

/// What the peer did while it had nothing to say.
pub(super) enum Unasked {
    Nothing,
    Spoke(Reply),
    Failed(WireError),
}

/// A stream and what has been read from it but not yet been understood.
pub(super) struct Wire {
    pub stream: Stream,
    inbox: Vec<u8>,
}

impl Wire {
    pub fn new(stream: Stream) -> Self {
        Self { stream, inbox: Vec::with_capacity(READ_OCTETS) }
    }

    /// Bytes wait that nobody asked for: at STARTTLS, an injection (RFC 3207 §6, CVE-2011-0411).
    pub fn has_leftover(&self) -> bool {
        !self.inbox.is_empty()
    }

    /// Writes whole commands, at once.
    pub async fn send(&mut self, bytes: &[u8], within: Duration) -> Result<(), WireError> {
        let all = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        timeout(within, all).await.map_err(|_| WireError::timeout(within))?.map_err(WireError::from)
    }

    /// Writes the body: each block within `block`, all of it within `total`.
    pub async fn send_slices(
        &mut self,
        mut slices: &mut [IoSlice<'_>],
        block: Duration,
        total: Duration,
    ) -> Result<(), WireError> {
        let end = Instant::now() + total;
        while !slices.is_empty() {
            let deadline = end.min(Instant::now() + block);
            let written = timeout_at(deadline, self.stream.write_vectored(slices))
                .await
                .map_err(|_| WireError::new(Problem::Timeout, "the peer stopped taking the body"))??;
            if written == 0 {
                return Err(io::Error::from(io::ErrorKind::WriteZero).into());
            }
            IoSlice::advance_slices(&mut slices, written);
        }
        timeout_at(end, self.stream.flush()).await.map_err(|_| WireError::timeout(total))?.map_err(WireError::from)
    }

    /// Writes the final dot, and tells whether any part of it can have left.
    pub async fn send_dot(&mut self, dot: &[u8], within: Duration) -> Result<(), WireError> {
        let mut sent = 0;
        let all = async {
            while sent < dot.len() {
                match self.stream.write(&dot[sent..]).await? {
                    0 => return Err(io::ErrorKind::WriteZero.into()),
                    n => sent += n,
                }
            }
            self.stream.flush().await
        };
        let result = timeout(within, all).await;
        let error = match result {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => WireError::from(error),
            Err(_) => WireError::timeout(within),
        };
        // TLS keeps what it was given in a buffer of its own, so there "nothing" cannot be known.
        let nothing_written = sent == 0 && matches!(self.stream, Stream::Plain(_));
        Err(WireError { nothing_written, ..error })
    }

    /// The next reply, whole, within `within`.
    pub async fn reply(&mut self, within: Duration) -> Result<Reply, WireError> {
        let deadline = Instant::now() + within;
        loop {
            if !self.inbox.is_empty()
                && let Some(reply) = self.parse()?
            {
                return Ok(reply);
            }
            self.inbox.reserve(READ_OCTETS);
            let read = timeout_at(deadline, self.stream.read_buf(&mut self.inbox));
            if read.await.map_err(|_| WireError::timeout(within))?? == 0 {
                return Err(WireError::new(Problem::ConnectionLost, "the peer closed the connection"));
            }
        }
    }

    fn parse(&mut self) -> Result<Option<Reply>, WireError> {
        match parse_reply(&self.inbox) {
            Parsed::Reply { reply, used } => {
                self.inbox.drain(..used);
                Ok(Some(reply))
            }
            Parsed::NeedsMore => Ok(None),
            Parsed::Garbage(detail) => Err(WireError::new(Problem::Garbage, detail)),
        }
    }

    /// Whether the peer closed or spoke although it was our turn.
    ///
    /// Asks the socket itself: what the runtime believes of it may be older than the wait that went before.
    pub async fn unasked(&mut self) -> Unasked {
        if self.inbox.is_empty() {
            let mut octet = [MaybeUninit::uninit(); 1];
            match socket2::SockRef::from(self.stream.tcp()).peek(&mut octet) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Unasked::Nothing,
                Err(error) => return Unasked::Failed(error.into()),
                Ok(_) => {}
            }
        }
        match self.reply(TLS_SETTLE).await {
            Ok(reply) => Unasked::Spoke(reply),
            // Over TLS the octets may have been a session ticket: no word of the peer's.
            Err(e) if e.problem == Problem::Timeout && self.inbox.is_empty() => Unasked::Nothing,
            Err(e) => Unasked::Failed(e),
        }
    }
}

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{SystemTime, UNIX_EPOCH};

use memchr::{memchr, memmem};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::message::{fingerprint, message_id};
use crate::{Accepted, Recorder, tls};

const BUFFER_OCTETS: usize = 64 * 1024;
const MAX_CONNECTIONS: usize = 4_096;
/// A message that is recorded is held in memory up to here; longer ones are counted, and recorded cut.
const MAX_RECORDED_OCTETS: usize = 32 * 1024 * 1024;
const END_OF_TEXT: &[u8] = b"\r\n.\r\n";
const GREETING: &[u8] = b"220 sink.test ESMTP\r\n";
const EHLO: &[u8] = b"250-sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE 33554432\r\n";
const EHLO_WITH_TLS: &[u8] =
    b"250-sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-STARTTLS\r\n250 SIZE 33554432\r\n";

/// A server that takes every message from everyone, at the least cost: it looks for the ends of lines and texts, and
/// counts. It checks nothing.
pub struct FastSink {
    address: SocketAddr,
    tally: Arc<Tally>,
    /// Dropping it ends the listener and every connection.
    _tasks: JoinSet<()>,
}

#[derive(Default)]
struct Tally {
    accepted: AtomicU64,
    last_mail_unix_ms: AtomicU64,
}

impl FastSink {
    /// Listens on loopback, on the current runtime. With a recorder every copy is also recorded, before its 250.
    ///
    /// # Errors
    /// No socket to listen on.
    pub async fn start(recorder: Option<Arc<Recorder>>) -> io::Result<Self> {
        Self::listen(recorder, None).await
    }

    /// One that offers STARTTLS, with a certificate that it made itself.
    ///
    /// # Errors
    /// As [`FastSink::start`], and no certificate.
    pub async fn start_with_tls(recorder: Option<Arc<Recorder>>) -> io::Result<Self> {
        Self::listen(recorder, Some(tls::acceptor()?.0)).await
    }

    async fn listen(recorder: Option<Arc<Recorder>>, tls: Option<TlsAcceptor>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let tally = Arc::<Tally>::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(listen(listener, recorder, tls, Arc::clone(&tally)));
        Ok(Self { address, tally, _tasks: tasks })
    }

    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Messages accepted so far.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.tally.accepted.load(Relaxed)
    }

    /// When somebody last began a message, accepted or not; 0 for nobody.
    #[must_use]
    pub fn last_mail_unix_ms(&self) -> u64 {
        self.tally.last_mail_unix_ms.load(Relaxed)
    }
}

async fn listen(listener: TcpListener, recorder: Option<Arc<Recorder>>, tls: Option<TlsAcceptor>, tally: Arc<Tally>) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        if connections.len() >= MAX_CONNECTIONS {
            connections.join_next().await;
        }
        match listener.accept().await {
            Ok((stream, _)) => {
                let number = tally.accepted.load(Relaxed);
                let connection = Connection::new(recorder.clone(), Arc::clone(&tally), number);
                connections.spawn(serve(connection, stream, tls.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "the sink cannot accept a connection");
                connections.join_next().await;
            }
        }
    }
}

/// The peer may go away at any moment: how a connection ends says nothing.
async fn serve(mut connection: Connection, mut stream: TcpStream, tls: Option<TlsAcceptor>) {
    connection.offers_tls = tls.is_some();
    if stream.set_nodelay(true).is_err() || connection.serve(&mut stream).await.is_err() || !connection.starts_tls {
        return;
    }
    let Some(tls) = tls else { return };
    if let Ok(mut encrypted) = tls.accept(stream).await {
        connection.begin_anew();
        drop(connection.serve(&mut encrypted).await);
    }
}

struct Connection {
    buffer: Box<[u8]>,
    /// What is in the buffer and not yet used: `start..end`.
    start: usize,
    end: usize,
    replies: Vec<u8>,
    in_text: bool,
    quit: bool,
    offers_tls: bool,
    /// The next octets are those of a TLS handshake.
    starts_tls: bool,
    tally: Arc<Tally>,
    record: Option<Record>,
}

/// The message being recorded.
struct Record {
    recorder: Arc<Recorder>,
    number: u64,
    mail_from: String,
    recipients: Vec<String>,
    text: Vec<u8>,
}

impl Connection {
    fn new(recorder: Option<Arc<Recorder>>, tally: Arc<Tally>, number: u64) -> Self {
        let record = recorder.map(|recorder| Record {
            recorder,
            number,
            mail_from: String::new(),
            recipients: Vec::new(),
            text: Vec::new(),
        });
        Self {
            buffer: vec![0; BUFFER_OCTETS].into_boxed_slice(),
            start: 0,
            end: 0,
            replies: GREETING.to_vec(),
            in_text: false,
            quit: false,
            offers_tls: false,
            starts_tls: false,
            tally,
            record,
        }
    }

    /// RFC 3207 §4.2: inside TLS all is as at the start, but nobody greets, and nothing that came before counts.
    fn begin_anew(&mut self) {
        (self.start, self.end, self.offers_tls, self.starts_tls) = (0, 0, false, false);
        self.replies.clear();
    }

    async fn serve(&mut self, stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<()> {
        loop {
            if !self.replies.is_empty() {
                stream.write_all(&self.replies).await?;
                self.replies.clear();
            }
            if self.starts_tls {
                return Ok(());
            }
            if self.quit {
                return stream.shutdown().await;
            }
            if self.start > 0 {
                self.buffer.copy_within(self.start..self.end, 0);
                (self.start, self.end) = (0, self.end - self.start);
            }
            if self.end == BUFFER_OCTETS {
                // A command line of 64 KiB.
                return Ok(());
            }
            match stream.read(&mut self.buffer[self.end..]).await? {
                0 => return Ok(()),
                read => self.end += read,
            }
            while self.step() && !self.quit && !self.starts_tls {}
        }
    }

    /// Uses one command or one piece of text. False when more must be read first.
    fn step(&mut self) -> bool {
        if self.in_text { self.text() } else { self.command() }
    }

    fn command(&mut self) -> bool {
        let fresh = &self.buffer[self.start..self.end];
        let Some(line_end) = memchr(b'\n', fresh) else { return false };
        let line = &fresh[..line_end];
        let mut next = self.start + line_end + 1;
        let reply: &[u8] = match line.get(..2).unwrap_or_default() {
            b"EH" | b"eh" if self.offers_tls => EHLO_WITH_TLS,
            b"EH" | b"eh" => EHLO,
            b"DA" | b"da" => {
                self.in_text = true;
                // Its CRLF stays: an empty text's dot follows it.
                next = (next - 2).max(self.start);
                b"354 go\r\n"
            }
            b"QU" | b"qu" => {
                self.quit = true;
                b"221 bye\r\n"
            }
            b"ST" | b"st" if self.offers_tls => {
                self.starts_tls = true;
                b"220 2.0.0 go\r\n"
            }
            b"ST" | b"st" => b"502 5.5.1 no\r\n",
            verb => {
                if matches!(verb, b"MA" | b"ma") {
                    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                    self.tally.last_mail_unix_ms.fetch_max(u64::try_from(since.as_millis()).unwrap_or(0), Relaxed);
                }
                if let Some(record) = &mut self.record {
                    record.command(verb, line);
                }
                b"250 2.0.0 ok\r\n"
            }
        };
        self.replies.extend_from_slice(reply);
        self.start = next;
        true
    }

    fn text(&mut self) -> bool {
        let fresh = &self.buffer[self.start..self.end];
        match memmem::find(fresh, END_OF_TEXT) {
            Some(at) => {
                let kept = self.record.as_mut().is_none_or(|record| {
                    record.add(&fresh[..at + 2]);
                    record.finish().is_ok()
                });
                self.start += at + END_OF_TEXT.len();
                self.in_text = false;
                self.tally.accepted.fetch_add(u64::from(kept), Relaxed);
                let reply: &[u8] = if kept { b"250 2.0.0 ok\r\n" } else { b"451 4.3.0 cannot record\r\n" };
                self.replies.extend_from_slice(reply);
                true
            }
            None => {
                // All but what may be the beginning of the end.
                let used = fresh.len().saturating_sub(END_OF_TEXT.len() - 1);
                if let Some(record) = &mut self.record {
                    record.add(&fresh[..used]);
                }
                self.start += used;
                false
            }
        }
    }
}

impl Record {
    fn command(&mut self, verb: &[u8], line: &[u8]) {
        let path = String::from_utf8_lossy(line).split(['<', '>']).nth(1).unwrap_or_default().to_owned();
        match verb {
            b"MA" | b"ma" => {
                self.mail_from = path;
                self.recipients.clear();
            }
            b"RC" | b"rc" => self.recipients.push(path),
            _ => {}
        }
    }

    fn add(&mut self, piece: &[u8]) {
        let room = MAX_RECORDED_OCTETS - self.text.len().min(MAX_RECORDED_OCTETS);
        self.text.extend_from_slice(&piece[..piece.len().min(room)]);
    }

    fn finish(&mut self) -> io::Result<()> {
        // The text begins with the CRLF of the DATA command.
        let text = self.text.split_off(self.text.len().min(2));
        self.text.clear();
        let (message_id, fingerprint) = (message_id(&text), fingerprint(&text));
        for recipient in self.recipients.drain(..) {
            self.recorder.accept(Accepted {
                recipient,
                mail_from: self.mail_from.clone(),
                message_id: message_id.clone(),
                fingerprint,
                connection: self.number,
                tls: false,
                text: text.clone(),
            })?;
        }
        Ok(())
    }
}

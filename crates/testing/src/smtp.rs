use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::smtp_certificate::Certificate;
use crate::smtp_session::serve;

/// What the server does when it is the verb's turn.
#[derive(Debug, Clone)]
pub enum Act {
    /// Sends lines that begin with their code; several are separated by `\n`.
    Reply(String),
    /// Sends exactly these octets.
    Bytes(Vec<u8>),
    /// Waits, then acts. Under tokio's paused time this costs nothing.
    After(Duration, Box<Act>),
    /// Sends a reply one octet at a time, with a pause after each.
    Drip(String, Duration),
    /// Sends `250-…` lines for ever, until the client goes away.
    Endless,
    /// Never answers, and keeps the connection open.
    Silence,
    /// Closes the connection.
    Drop,
    /// Sends a reply and closes.
    ReplyThenDrop(String),
}

impl Act {
    pub fn reply(text: impl Into<String>) -> Self {
        Self::Reply(text.into())
    }
}

/// A message that the server has answered for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The argument of MAIL FROM, with its parameters.
    pub mail_from: String,
    /// The argument of RCPT TO.
    pub rcpt_to: String,
    /// What stood before the final dot, dots unstuffed.
    pub data: Vec<u8>,
    /// Whether the dot got a 250.
    pub accepted: bool,
    /// Whom it came from.
    pub client: Option<IpAddr>,
    /// What that client called itself.
    pub hello: String,
}

/// A scripted SMTP server. Without a word to the contrary it is a polite one that accepts everything.
///
/// Verbs are `GREETING`, `EHLO`, `HELO`, `STARTTLS`, `TLS` (the handshake), `AUTH`, `SECRET` (a line inside AUTH), `MAIL`,
/// `RCPT`, `DATA`, `BODY` (the first octets of the body), `DOT`, `RSET`, `QUIT`, `NOOP`.
#[derive(Default)]
pub struct SmtpScript {
    always: HashMap<String, Act>,
    next: HashMap<String, VecDeque<Act>>,
    capabilities: Vec<String>,
    certificate: Option<Certificate>,
    implicit_tls: bool,
}

impl SmtpScript {
    /// Offers PIPELINING, 8BITMIME and SIZE.
    #[must_use]
    pub fn new() -> Self {
        Self::default().capabilities(&["PIPELINING", "8BITMIME", "SIZE 10000000"])
    }

    #[must_use]
    pub fn capabilities(mut self, lines: &[&str]) -> Self {
        self.capabilities = lines.iter().map(|line| (*line).to_owned()).collect();
        self
    }

    /// What follows each such verb.
    #[must_use]
    pub fn on(mut self, verb: &str, act: Act) -> Self {
        self.always.insert(verb.to_owned(), act);
        self
    }

    /// What follows the next such verb, over all connections; call it again for the one after it.
    #[must_use]
    pub fn once(mut self, verb: &str, act: Act) -> Self {
        self.next.entry(verb.to_owned()).or_default().push_back(act);
        self
    }

    /// Offers STARTTLS with this certificate.
    #[must_use]
    pub fn starttls(mut self, certificate: Certificate) -> Self {
        self.certificate = Some(certificate);
        self
    }

    /// Speaks TLS from the first octet.
    #[must_use]
    pub fn implicit_tls(mut self, certificate: Certificate) -> Self {
        self.certificate = Some(certificate);
        self.implicit_tls = true;
        self
    }

    /// Listens on a free port of 127.0.0.1 until the server is dropped.
    ///
    /// # Panics
    /// When loopback cannot be listened on.
    pub async fn start(self) -> SmtpServer {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port on loopback");
        let addr = listener.local_addr().expect("a bound listener has an address");
        let (closed, closed_count) = watch::channel(0);
        let shared = Arc::new(Shared {
            always: self.always,
            next: Mutex::new(self.next),
            capabilities: self.capabilities,
            tls: self.certificate.as_ref().map(|c| TlsAcceptor::from(c.server_config())),
            implicit_tls: self.implicit_tls,
            record: Mutex::default(),
            closed,
        });
        let accepting = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                let shared = Arc::clone(&accepting);
                shared.record().connections += 1;
                tokio::spawn(async move {
                    serve(stream, &shared).await;
                    shared.closed.send_modify(|n| *n += 1);
                });
            }
        });
        SmtpServer { addr, shared, closed_count, task }
    }
}

/// A running [`SmtpScript`] and what it has seen.
pub struct SmtpServer {
    pub addr: SocketAddr,
    shared: Arc<Shared>,
    closed_count: watch::Receiver<usize>,
    task: JoinHandle<()>,
}

impl SmtpServer {
    /// Messages that had their dot, in order.
    #[must_use]
    pub fn messages(&self) -> Vec<Received> {
        self.shared.record().messages.clone()
    }

    /// Each RCPT, whatever came of it: whom it came from, and its argument.
    #[must_use]
    pub fn recipients(&self) -> Vec<(Option<IpAddr>, String)> {
        self.shared.record().recipients.clone()
    }

    /// All octets that clients sent, TLS taken off, connection after connection as they came.
    #[must_use]
    pub fn transcript(&self) -> Vec<u8> {
        self.shared.record().transcript.clone()
    }

    /// The command lines, without bodies.
    #[must_use]
    pub fn commands(&self) -> Vec<String> {
        self.shared.record().commands.clone()
    }

    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.record().connections
    }

    /// How often clients spoke after the server had: each time a round trip was waited for.
    #[must_use]
    pub fn turns(&self) -> usize {
        self.shared.record().turns
    }

    /// Waits until the server has closed so many connections.
    pub async fn closed(&mut self, count: usize) {
        // The sender lives as long as this server.
        let _ = self.closed_count.wait_for(|n| *n >= count).await;
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Default)]
pub(crate) struct Record {
    pub messages: Vec<Received>,
    pub transcript: Vec<u8>,
    pub commands: Vec<String>,
    pub recipients: Vec<(Option<IpAddr>, String)>,
    pub connections: usize,
    pub turns: usize,
}

pub(crate) struct Shared {
    always: HashMap<String, Act>,
    next: Mutex<HashMap<String, VecDeque<Act>>>,
    pub capabilities: Vec<String>,
    pub tls: Option<TlsAcceptor>,
    pub implicit_tls: bool,
    record: Mutex<Record>,
    closed: watch::Sender<usize>,
}

impl Shared {
    pub fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the script says for this verb, if anything.
    pub fn act(&self, verb: &str) -> Option<Act> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        next.get_mut(verb).and_then(VecDeque::pop_front).or_else(|| self.always.get(verb).cloned())
    }
}

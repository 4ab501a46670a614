//! What the tests of the ways in share: a mailroom of glass, and a client that speaks line by line.

pub mod dovecot;
pub mod scripted;

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tidings_intake::smtp::{SmtpOptions, SmtpServer};
use tidings_intake::{Arrival, Mailroom, RecipientVerdict, Trouble};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub const OURS: &str = "b-1@bounce.example";
pub const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// Keeps mails in memory, and can be made to fail, or to wait.
#[derive(Debug)]
pub struct Room {
    kept: Mutex<Vec<Arrival>>,
    pub in_trouble: AtomicBool,
    /// Calls of `keep` that fail after so many have been kept.
    pub fails_after: AtomicUsize,
    /// Each call of `keep` takes one permit before it stores; closed at first means: no waiting.
    pub gate: Semaphore,
}

impl Default for Room {
    fn default() -> Self {
        let gate = Semaphore::new(0);
        gate.close();
        Self {
            kept: Mutex::default(),
            in_trouble: AtomicBool::new(false),
            fails_after: AtomicUsize::new(usize::MAX),
            gate,
        }
    }
}

impl Room {
    pub fn gated() -> Self {
        Self { gate: Semaphore::new(0), ..Self::default() }
    }

    pub fn kept(&self) -> Vec<Arrival> {
        self.kept.lock().unwrap().clone()
    }

    pub fn texts(&self) -> Vec<String> {
        self.kept().iter().map(|a| String::from_utf8_lossy(&a.data).into_owned()).collect()
    }
}

impl Mailroom for Room {
    async fn keep(&self, arrival: Arrival) -> Result<(), Trouble> {
        if let Ok(permit) = self.gate.acquire().await {
            permit.forget();
        }
        let mut kept = self.kept.lock().unwrap();
        if self.in_trouble.load(Ordering::SeqCst) || kept.len() >= self.fails_after.load(Ordering::SeqCst) {
            return Err(Trouble("the disk is full".to_owned()));
        }
        if arrival.key.is_none() || !kept.iter().any(|known| known.key == arrival.key) {
            kept.push(arrival);
        }
        Ok(())
    }

    async fn known(&self, keys: Vec<String>) -> Result<HashSet<String>, Trouble> {
        let kept = self.kept.lock().unwrap();
        Ok(keys.into_iter().filter(|key| kept.iter().any(|a| a.key.as_ref() == Some(key))).collect())
    }

    fn verdict(&self, rcpt: &str) -> RecipientVerdict {
        match rcpt.rsplit_once('@') {
            Some((local, "bounce.example")) if local.starts_with("b-") => RecipientVerdict::Ours,
            Some((_, "bounce.example")) => RecipientVerdict::Unknown,
            None if rcpt == "postmaster" => RecipientVerdict::Ours,
            _ => RecipientVerdict::Foreign,
        }
    }
}

/// The client's side of a conversation.
pub struct Client<S> {
    pub stream: S,
    inbox: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub fn new(stream: S) -> Self {
        Self { stream, inbox: Vec::new() }
    }

    pub async fn send(&mut self, octets: impl AsRef<[u8]>) {
        self.stream.write_all(octets.as_ref()).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// The next reply, all its lines; empty when the server has closed.
    pub async fn reply(&mut self) -> String {
        loop {
            if let Some(end) = reply_end(&self.inbox) {
                return String::from_utf8(self.inbox.drain(..end).collect()).unwrap();
            }
            if self.stream.read_buf(&mut self.inbox).await.unwrap_or(0) == 0 {
                assert!(self.inbox.is_empty(), "half a reply: {:?}", String::from_utf8_lossy(&self.inbox));
                return String::new();
            }
        }
    }

    #[track_caller]
    pub fn expect(&mut self, start: &str) -> impl Future<Output = String> {
        let caller = std::panic::Location::caller();
        async move {
            let reply = self.reply().await;
            assert!(reply.starts_with(start), "{caller}: expected {start}, got {reply:?}");
            reply
        }
    }

    pub async fn ask(&mut self, command: &str, start: &str) -> String {
        self.send(format!("{command}\r\n")).await;
        let reply = self.reply().await;
        assert!(reply.starts_with(start), "{command}: expected {start}, got {reply:?}");
        reply
    }

    pub async fn expect_closed(&mut self) {
        assert_eq!(self.reply().await, "", "the connection should be closed");
    }

    /// Up to the 354.
    pub async fn open_data(&mut self) {
        self.ask("MAIL FROM:<>", "250").await;
        self.ask(&format!("RCPT TO:<{OURS}>"), "250").await;
        self.ask("DATA", "354").await;
    }
}

fn reply_end(octets: &[u8]) -> Option<usize> {
    let mut start = 0;
    loop {
        let end = start + octets[start..].windows(2).position(|pair| pair == b"\r\n")? + 2;
        if octets.get(start + 3) != Some(&b'-') {
            return Some(end);
        }
        start = end;
    }
}

pub fn options() -> SmtpOptions {
    SmtpOptions::new("mx.bounce.example")
}

/// A session without a network: its time can be paused, and every octet is read when it is sent.
pub fn session(options: SmtpOptions, room: &Arc<Room>) -> (Client<DuplexStream>, JoinHandle<Arc<SmtpServer<Room>>>) {
    let (ours, theirs) = duplex(64 * 1024);
    let server = Arc::new(SmtpServer::new(options, Arc::clone(room), None));
    let task = tokio::spawn(async move {
        server.converse(theirs, PEER, &CancellationToken::new()).await;
        server
    });
    (Client::new(ours), task)
}

/// The same, after EHLO.
pub async fn greeted(
    options: SmtpOptions,
    room: &Arc<Room>,
) -> (Client<DuplexStream>, JoinHandle<Arc<SmtpServer<Room>>>) {
    let (mut client, task) = session(options, room);
    client.expect("220").await;
    client.ask("EHLO client.example", "250").await;
    (client, task)
}

/// A server on loopback.
pub struct Running {
    pub addr: SocketAddr,
    pub server: Arc<SmtpServer<Room>>,
    pub stop: CancellationToken,
    pub task: JoinHandle<()>,
}

pub async fn running(server: SmtpServer<Room>) -> Running {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let (addr, server, stop) = (listener.local_addr().unwrap(), Arc::new(server), CancellationToken::new());
    let task = tokio::spawn(Arc::clone(&server).run(vec![listener], stop.clone()));
    Running { addr, server, stop, task }
}

impl Running {
    pub async fn connect(&self) -> Client<TcpStream> {
        let stream = TcpStream::connect(self.addr).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Client::new(stream)
    }
}

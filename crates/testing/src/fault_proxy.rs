use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// Octets carried at once, in each direction.
const CHUNK_OCTETS: usize = 64 * 1024;

/// What PostgreSQL's simple query that ends a transaction has in it.
pub const COMMIT: &str = "COMMIT\0";

/// What becomes of a request that contains certain words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// It is served, its reply is lost, and so is the connection. With [`COMMIT`]: done, and nobody is told.
    CutBeforeReply,
    /// It is served and its reply is lost; the connection stays, and its client waits.
    SwallowReply,
    /// It never arrives, and the connection is lost.
    CutBeforeRequest,
}

/// Between clients and a server: carries octets, until it is told to misbehave. Ends with the value.
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    listener: JoinHandle<()>,
}

struct Shared {
    state: watch::Sender<State>,
    traps: Mutex<Traps>,
    sprung: watch::Sender<usize>,
}

#[derive(Debug, Clone, Copy)]
struct State {
    server: SocketAddr,
    delay: Duration,
    is_silent: bool,
    refuses: bool,
    /// Connections of an older number are cut.
    cuts: u64,
    /// … and these have nothing more to say to their clients.
    half_closes: u64,
}

#[derive(Default)]
struct Traps {
    set: Vec<(String, Then)>,
}

impl FaultProxy {
    /// On a port of its own, before this server.
    ///
    /// # Errors
    /// No port is free.
    pub async fn before(server: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let state = State { server, delay: Duration::ZERO, is_silent: false, refuses: false, cuts: 0, half_closes: 0 };
        let shared = Arc::new(Shared {
            state: watch::Sender::new(state),
            traps: Mutex::default(),
            sprung: watch::Sender::new(0),
        });
        let listener = tokio::spawn(listen(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, listener })
    }

    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections made from now on lead to another server; those that are open are cut.
    pub fn lead_to(&self, server: SocketAddr) {
        self.change(|state| {
            state.server = server;
            state.cuts += 1;
        });
    }

    /// Every chunk takes so much longer, each way.
    pub fn delay(&self, delay: Duration) {
        self.change(|state| state.delay = delay);
    }

    /// A black hole: connections stay open and are taken, and nothing comes through until it is over.
    pub fn silence(&self, is_silent: bool) {
        self.change(|state| state.is_silent = is_silent);
    }

    /// New connections are closed at once, until it is over.
    pub fn refuse(&self, refuses: bool) {
        self.change(|state| state.refuses = refuses);
    }

    /// Cuts every connection that is open.
    pub fn cut(&self) {
        self.change(|state| state.cuts += 1);
    }

    /// Clients read the end of every connection that is open; what they write is still carried.
    pub fn half_close(&self) {
        self.change(|state| state.half_closes += 1);
    }

    /// The next request that contains these words meets its fate; of several traps, each springs once. The words must lie in one packet.
    pub fn trap(&self, words: &str, then: Then) {
        self.shared.traps().set.push((words.to_owned(), then));
    }

    /// Takes back the traps that did not spring.
    pub fn disarm(&self) {
        self.shared.traps().set.clear();
    }

    /// How many traps have sprung.
    #[must_use]
    pub fn sprung(&self) -> usize {
        *self.shared.sprung.borrow()
    }

    /// Waits until so many have.
    pub async fn until_sprung(&self, times: usize) {
        // The sender is ours, so it cannot be gone.
        let _ = self.shared.sprung.subscribe().wait_for(|sprung| *sprung >= times).await;
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        self.shared.state.send_modify(change);
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.listener.abort();
        self.cut();
    }
}

impl Shared {
    fn traps(&self) -> MutexGuard<'_, Traps> {
        self.traps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The trap that this request springs.
    fn springs(&self, request: &[u8]) -> Option<Then> {
        let mut traps = self.traps();
        let contains = |words: &str| request.windows(words.len()).any(|part| part == words.as_bytes());
        let found = traps.set.iter().position(|(words, _)| contains(words))?;
        Some(traps.set.remove(found).1)
    }

    fn sprang(&self) {
        self.sprung.send_modify(|sprung| *sprung += 1);
    }
}

async fn listen(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        let state = shared.state.subscribe();
        let at_first = *state.borrow();
        if at_first.refuses {
            continue;
        }
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let Ok(server) = TcpStream::connect(at_first.server).await else { return };
            // Small requests must not wait for each other.
            if client.set_nodelay(true).is_ok() && server.set_nodelay(true).is_ok() {
                let fate = Fate { born: at_first, state };
                // However it ends, both sides see the end of their connection.
                let _ = Carrier { client, server, fate, shared }.carry().await;
            }
        });
    }
}

/// What a connection is told while it lives.
struct Fate {
    born: State,
    state: watch::Receiver<State>,
}

impl Fate {
    /// Waits out a silence and the delay. `false`: the connection is cut.
    async fn lets_through(&mut self) -> bool {
        let delay = self.state.borrow().delay;
        if !delay.is_zero() {
            sleep(delay).await;
        }
        let born = self.born.cuts;
        let heard = self.state.wait_for(|state| !state.is_silent || state.cuts != born).await;
        heard.is_ok_and(|state| state.cuts == born)
    }

    /// `true`: the half of the client is to be closed now.
    async fn half_closes_or_cut(&mut self) -> io::Result<()> {
        let (cuts, halves) = (self.born.cuts, self.born.half_closes);
        match self.state.wait_for(|state| state.cuts != cuts || state.half_closes != halves).await {
            Ok(state) if state.cuts == cuts => Ok(()),
            _ => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }
}

struct Carrier {
    client: TcpStream,
    server: TcpStream,
    fate: Fate,
    shared: Arc<Shared>,
}

/// What came in first.
enum Heard {
    Request(usize),
    Reply(usize),
    HalfClose,
}

impl Carrier {
    async fn carry(mut self) -> io::Result<()> {
        let (mut request, mut reply) = (vec![0; CHUNK_OCTETS], vec![0; CHUNK_OCTETS]);
        let mut waits_for_reply: Option<Then> = None;
        let mut client_hears = true;
        loop {
            let heard = tokio::select! {
                read = self.client.read(&mut request) => Heard::Request(read?),
                read = self.server.read(&mut reply) => Heard::Reply(read?),
                told = self.fate.half_closes_or_cut() => told.map(|()| Heard::HalfClose)?,
            };
            match heard {
                Heard::Request(0) | Heard::Reply(0) => return Ok(()),
                Heard::HalfClose => {
                    self.fate.born.half_closes = self.fate.state.borrow().half_closes;
                    client_hears = false;
                    self.client.shutdown().await?;
                }
                Heard::Request(count) => match self.forward(&request[..count]).await? {
                    Some(Then::CutBeforeRequest) => return Ok(()),
                    Some(then) => waits_for_reply = Some(then),
                    None => {}
                },
                Heard::Reply(count) => match waits_for_reply.take() {
                    Some(Then::SwallowReply) => self.shared.sprang(),
                    Some(_) => {
                        self.shared.sprang();
                        return Ok(());
                    }
                    None if !client_hears => {}
                    None if self.fate.lets_through().await => self.client.write_all(&reply[..count]).await?,
                    None => return Ok(()),
                },
            }
        }
    }

    /// The trap that it sprang, if any.
    async fn forward(&mut self, request: &[u8]) -> io::Result<Option<Then>> {
        let sprung = self.shared.springs(request);
        if sprung == Some(Then::CutBeforeRequest) {
            self.shared.sprang();
            return Ok(sprung);
        }
        if !self.fate.lets_through().await {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        self.server.write_all(request).await?;
        Ok(sprung)
    }
}

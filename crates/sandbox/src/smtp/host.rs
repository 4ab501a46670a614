use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio_rustls::TlsAcceptor;

use crate::habit::lot;
use crate::{Breach, Broken, Habit, Provider, ProviderReport, Recorder, Strict};

/// One in so many connections is closed by a dropping provider before its greeting.
const DROP_CONNECTION_ONE_IN: u64 = 7;
/// Breaches of which the moment is kept; all are counted.
const MAX_BREACHES: usize = 1_000;
/// Over this the messages are counted that came close together.
const SECOND: Duration = Duration::from_secs(1);

/// How strongly the habits show.
#[derive(Debug, Clone, Copy)]
pub struct Manners {
    pub throttle_per_second: f64,
    pub throttle_connections: u32,
    pub greylist: Duration,
    pub slow: Duration,
    pub strict: Option<Strict>,
}

/// One provider's server: what all its connections share.
pub struct Host {
    pub provider: &'static Provider,
    pub manners: Manners,
    pub recorder: Arc<Recorder>,
    pub tls: TlsAcceptor,
    /// Numbers connections over all providers.
    pub numbers: Arc<AtomicU64>,
    pub counts: Counts,
    memory: Mutex<Memory>,
    began: Instant,
}

#[derive(Debug, Default)]
pub struct Counts {
    pub connections: AtomicU64,
    pub open: AtomicU32,
    pub most_open: AtomicU32,
    pub accepted: AtomicU64,
    pub refused: AtomicU64,
    pub over_connections: AtomicU64,
    pub over_rate: AtomicU64,
    pub over_messages: AtomicU64,
    pub dropped: AtomicU64,
    pub bad_lines: AtomicU64,
    pub protocol_errors: AtomicU64,
    pub tls: AtomicU64,
}

#[derive(Debug)]
struct Memory {
    /// Messages that may come now, and when that was reckoned.
    tokens: f64,
    reckoned: Instant,
    /// When a greylisted recipient first came, by its lot.
    first_seen: HashMap<u64, Instant>,
    /// Recipients already dropped once, by their lot.
    dropped: HashSet<u64>,
    /// When the messages of the last second came.
    lately: VecDeque<Instant>,
    most_in_a_second: usize,
    breaches: Vec<Breach>,
}

/// Counts one open connection for as long as it lives.
pub struct Open<'a>(&'a Counts);

impl Host {
    pub fn new(
        provider: &'static Provider,
        manners: Manners,
        recorder: Arc<Recorder>,
        tls: TlsAcceptor,
        numbers: Arc<AtomicU64>,
    ) -> Self {
        let memory = Memory {
            tokens: rate(provider, &manners).max(1.0),
            reckoned: Instant::now(),
            first_seen: HashMap::new(),
            dropped: HashSet::new(),
            lately: VecDeque::new(),
            most_in_a_second: 0,
            breaches: Vec::new(),
        };
        Self {
            provider,
            manners,
            recorder,
            tls,
            numbers,
            counts: Counts::default(),
            memory: Mutex::new(memory),
            began: Instant::now(),
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn open(&self) -> Open<'_> {
        let open = self.counts.open.fetch_add(1, SeqCst) + 1;
        self.counts.most_open.fetch_max(open, SeqCst);
        self.counts.connections.fetch_add(1, SeqCst);
        Open(&self.counts)
    }

    /// The one that has just been opened is one too many.
    pub fn has_too_many_connections(&self) -> bool {
        let open = self.counts.open.load(SeqCst);
        let over = match self.manners.strict {
            Some(strict) => open > strict.connections,
            None => self.provider.habit == Habit::Throttles && open > self.manners.throttle_connections,
        };
        self.note(&self.counts.over_connections, over, Broken::Connections)
    }

    /// Counts a limit that was broken, and when.
    fn note(&self, counter: &AtomicU64, over: bool, what: Broken) -> bool {
        if over {
            counter.fetch_add(1, SeqCst);
            let at = self.began.elapsed();
            let breaches = &mut self.memory().breaches;
            if breaches.len() < MAX_BREACHES {
                breaches.push(Breach { provider: self.provider.name, at, what });
            }
        }
        over
    }

    pub fn breaches(&self) -> Vec<Breach> {
        self.memory().breaches.clone()
    }

    /// The message that is announced comes too soon.
    pub fn is_over_rate(&self) -> bool {
        if self.manners.strict.is_none() && self.provider.habit != Habit::Throttles {
            return false;
        }
        let over = !self.memory().take_token(rate(self.provider, &self.manners));
        self.note(&self.counts.over_rate, over, Broken::Rate)
    }

    /// A message more on a connection that has carried so many.
    pub fn is_over_messages(&self, carried: u32) -> bool {
        let over = self.manners.strict.is_some_and(|strict| carried >= strict.messages_per_connection);
        self.note(&self.counts.over_messages, over, Broken::MessagesPerConnection)
    }

    /// Nothing is taken now, whoever asks.
    pub fn is_in_storm(&self) -> bool {
        let storm = self.manners.strict.and_then(|strict| strict.storm);
        storm.is_some_and(|storm| {
            let now = self.began.elapsed();
            storm.provider == self.provider.name && now >= storm.begins && now < storm.ends
        })
    }

    /// In a strict world all are plain.
    pub fn habit(&self) -> Habit {
        if self.manners.strict.is_some() { Habit::Plain } else { self.provider.habit }
    }

    pub fn drops_this_connection(&self) -> bool {
        let drops = self.counts.connections.load(SeqCst).is_multiple_of(DROP_CONNECTION_ONE_IN);
        self.habit() == Habit::Drops && drops
    }

    /// The recipient is seen for the first time, or came too soon after that.
    pub fn is_greylisted(&self, recipient: &str) -> bool {
        if self.habit() != Habit::Greylists {
            return false;
        }
        let first = self.memory().first_came(recipient);
        first.is_none_or(|first| first.elapsed() < self.manners.greylist)
    }

    /// True the first time only.
    pub fn is_first_drop(&self, recipient: &str) -> bool {
        let first = self.memory().dropped.insert(lot(recipient));
        self.counts.dropped.fetch_add(u64::from(first), SeqCst);
        first
    }

    pub fn report(&self) -> ProviderReport {
        let c = &self.counts;
        ProviderReport {
            provider: self.provider,
            connections: c.connections.load(SeqCst),
            open: c.open.load(SeqCst),
            most_open: c.most_open.load(SeqCst),
            accepted: c.accepted.load(SeqCst),
            refused: c.refused.load(SeqCst),
            over_connections: c.over_connections.load(SeqCst),
            over_rate: c.over_rate.load(SeqCst),
            over_messages: c.over_messages.load(SeqCst),
            most_in_a_second: self.memory().most_in_a_second,
            dropped: c.dropped.load(SeqCst),
            bad_lines: c.bad_lines.load(SeqCst),
            protocol_errors: c.protocol_errors.load(SeqCst),
            tls: c.tls.load(SeqCst),
        }
    }
}

/// Messages a second that a throttling provider takes.
fn rate(provider: &Provider, manners: &Manners) -> f64 {
    manners.strict.map_or(manners.throttle_per_second, |strict| strict.rate_of(provider))
}

impl Memory {
    /// When the recipient first came; `None` if that is now.
    fn first_came(&mut self, recipient: &str) -> Option<Instant> {
        match self.first_seen.entry(lot(recipient)) {
            Entry::Occupied(seen) => Some(*seen.get()),
            Entry::Vacant(new) => {
                new.insert(Instant::now());
                None
            }
        }
    }

    /// At most a second's worth at once.
    fn take_token(&mut self, per_second: f64) -> bool {
        let earned = self.reckoned.elapsed().as_secs_f64() * per_second;
        self.tokens = (self.tokens + earned).min(per_second.max(1.0));
        self.reckoned = Instant::now();
        let taken = self.tokens >= 1.0;
        self.tokens -= f64::from(u8::from(taken));
        self.count_lately();
        taken
    }

    fn count_lately(&mut self) {
        while self.lately.front().is_some_and(|came| came.elapsed() >= SECOND) {
            self.lately.pop_front();
        }
        self.lately.push_back(Instant::now());
        self.most_in_a_second = self.most_in_a_second.max(self.lately.len());
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, SeqCst);
    }
}

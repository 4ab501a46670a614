use tokio::time::Instant;

use crate::QueueOptions;

/// Where the queue lies in Redis, and how it is to be used.
#[derive(Debug, Clone)]
pub struct RedisOptions {
    /// `redis://[user:password@]host[:port][/database]`, or `rediss://` for TLS. For a cluster, any of its nodes, or
    /// several with commas between them; that it is a cluster is found out.
    pub url: String,
    /// All keys begin with it. Two installations on one Redis need two prefixes.
    pub prefix: String,
    /// Every process of an installation should have the same.
    pub queue: QueueOptions,
    /// Into how many parts the destinations are divided, each in one hash slot. `None` takes what is there, and at the
    /// first start 1 on a single server and 8 on a cluster. Cannot be changed while there are keys.
    pub partitions: Option<u16>,
    /// With `rediss://`, the only certificates (PEM) that may vouch for the server. `None` trusts the public ones.
    pub root_certificate: Option<Vec<u8>>,
    pub clock: RedisClock,
}

impl RedisOptions {
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            prefix: "tidings".into(),
            queue: QueueOptions::default(),
            partitions: None,
            root_certificate: None,
            clock: RedisClock::Server,
        }
    }
}

/// Which clock the queue lives by.
#[derive(Debug, Clone, Copy)]
pub enum RedisClock {
    /// The Redis server's, in microseconds: the only one that all workers share.
    Server,
    /// Tokio's, counted from this instant. For tests that pause and advance it.
    Tokio(Instant),
}

//! Opening the queue: everything that would go wrong later is refused here, with what to do about it.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClientBuilder;
use redis::{Client, IntoConnectionInfo, RedisError, TlsCertificates, Value};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::call::{Call, Patience, stop_the_test_clock};
use super::channels::Channels;
use super::trouble::{Failure, understand};
use super::wire::{CONNECT_TIMEOUT, REPLY_TIMEOUT, Server, Wire, connect_one};
use super::{Partition, Redis, RedisClock, RedisOptions, Shared, reply};
use crate::Trouble;

/// Layout of the keys, as in `lua/state.lua`.
const SCHEMA: &str = "2";
const OLDEST_MAJOR: u32 = 7;
const CLUSTER_PARTITIONS: u16 = 8;
const MAX_PREFIX_BYTES: usize = 64;
/// Keys looked through for a foreign owner of the prefix: a first look, on a server that may have millions.
const SCAN_STEPS: usize = 50;
const SCAN_COUNT: usize = 1_000;
/// For loading the functions, and the first word of each partition.
const FIRST_PATIENCE: Duration = Duration::from_secs(10);

/// Why the queue was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the Redis URL cannot be used: {0}. Write redis://user:password@host:6379/0, or rediss:// for TLS")]
    BadUrl(String),
    #[error("the prefix {0:?} cannot be used: up to 64 letters, digits, '-', '_', '.' and ':'")]
    BadPrefix(String),
    #[error("Redis at {at} cannot be reached: {why}. Is it running, and is the address right?")]
    Unreachable { at: String, why: String },
    #[error(
        "Redis at {at} refuses the password or user: {why}. Put both into the URL: redis://user:password@host:6379"
    )]
    WrongPassword { at: String, why: String },
    #[error(
        "Redis at {at} does not let this user do what is needed: {why}. Grant it ~{prefix}:* ~{{{prefix}:* &{{{prefix}:* +@all -@dangerous +info +function"
    )]
    NotPermitted { at: String, why: String, prefix: String },
    #[error("Redis at {at} has version {version}; 7.0 or later is needed, for functions")]
    TooOld { at: String, version: String },
    #[error(
        "Redis at {at} may throw keys away (maxmemory-policy is {policy}), and with them jobs. Set it to noeviction: redis-cli CONFIG SET maxmemory-policy noeviction, and the same in redis.conf"
    )]
    Evicts { at: String, policy: String },
    #[error(
        "keys beginning with {prefix} in Redis at {at} belong to something else (such as {key}): choose another prefix"
    )]
    ForeignPrefix { at: String, prefix: String, key: String },
    #[error(
        "the queue under the prefix {prefix} in Redis at {at} was made by another release (schema {found}, this one has {SCHEMA}): stop the other release's processes and choose another prefix; the queue is filled from the database"
    )]
    OtherSchema { at: String, prefix: String, found: String },
    #[error(
        "the queue under the prefix {prefix} in Redis at {at} has {found} partitions, not {wanted}: take that number, or choose another prefix"
    )]
    OtherPartitions { at: String, prefix: String, found: u16, wanted: u16 },
    #[error("Redis at {at} is not ready: {trouble} ({why})")]
    NotReady { at: String, trouble: Trouble, why: String },
}

/// What a partition's keys begin with. The braces make Redis Cluster put them into one slot.
pub fn base(prefix: &str, partition: usize) -> String {
    format!("{{{prefix}:q{partition}}}")
}

pub fn wake_channel(prefix: &str, partition: usize) -> String {
    format!("{}:wake", base(prefix, partition))
}

/// The server while it is examined.
struct Door {
    connection: MultiplexedConnection,
    at: String,
    prefix: String,
}

impl Redis {
    pub async fn open(options: RedisOptions) -> Result<Self, OpenError> {
        let stopped = stop_the_test_clock(options.clock);
        let clients = clients(&options)?;
        let mut door = Door::knock(&clients, &options.prefix).await?;
        let info = door.info().await?;
        door.check_server(&info)?;
        let is_cluster = info.get("cluster_enabled").is_some_and(|v| v == "1");
        let server =
            if is_cluster { cluster(&clients, &options, &door.at)? } else { Server::One(Box::new(clients[0].clone())) };
        let wire = Wire::new(server);
        if is_cluster {
            door.check_nodes(&wire).await?;
        }
        let partitions = door.partitions(&wire, options.partitions, is_cluster).await?;
        let shared = Shared {
            wire,
            prefix: options.prefix,
            client: format!("{:016x}", rand::random::<u64>()),
            options: options.queue,
            clock: options.clock,
            partitions: (0..partitions).map(|_| Partition::default()).collect(),
            channels: Channels::default(),
            work: Notify::new(),
            alarm_moved: Notify::new(),
            waiting: AtomicUsize::new(0),
            waiting_for: Default::default(),
            turn: AtomicUsize::new(0),
            reports: AtomicU64::new(0),
            last_report: tokio::sync::Mutex::default(),
            barred: Mutex::default(),
        };
        shared.first_words(&door).await?;
        drop(stopped);
        // A test that drives the clock drives everything itself.
        let listener = matches!(shared.clock, RedisClock::Server).then(|| clients[0].clone());
        Ok(Self::start(shared, listener))
    }
}

impl Shared {
    async fn first_words(&self, door: &Door) -> Result<(), OpenError> {
        self.load_functions().await.map_err(|(trouble, why)| door.refuse(trouble, why))?;
        for partition in 0..self.partitions.len() {
            let call = Call { partition, function: "tick", args: vec!["0".into(); 4], once: false };
            if self.call(&call, Patience::Until(Instant::now() + FIRST_PATIENCE)).await.is_err() {
                let down = self.partitions[partition].heard().down.take();
                let (trouble, why) = down.map_or((Trouble::Other, String::new()), |(_, trouble, why)| (trouble, why));
                return Err(door.refuse(trouble, why));
            }
        }
        Ok(())
    }
}

impl Door {
    /// Through the first address that answers.
    async fn knock(clients: &[Client], prefix: &str) -> Result<Self, OpenError> {
        let mut last = None;
        for client in clients {
            let at = client.get_connection_info().addr().to_string();
            match connect_one(client).await {
                Ok(connection) => return Ok(Self { connection, at, prefix: prefix.into() }),
                Err(error) => last = Some(refusal(&error, at, prefix)),
            }
        }
        Err(last.unwrap_or_else(|| OpenError::BadUrl("it is empty".into())))
    }

    async fn info(&mut self) -> Result<HashMap<String, String>, OpenError> {
        let text: String = self.ask(redis::cmd("INFO")).await?;
        Ok(read_info(&text))
    }

    /// All nodes of a cluster.
    async fn check_nodes(&self, wire: &Wire) -> Result<(), OpenError> {
        let answer = wire.ask(&redis::cmd("INFO")).await.map_err(|(error, _)| self.refusal(&error))?;
        let Value::Map(nodes) = answer else { return Ok(()) };
        nodes
            .iter()
            .filter_map(|(_, info)| reply::text(info).ok())
            .try_for_each(|info| self.check_server(&read_info(&info)))
    }

    /// CONFIG may be forbidden, as with most hosts of Redis; INFO says all that is needed.
    fn check_server(&self, info: &HashMap<String, String>) -> Result<(), OpenError> {
        let version = info.get("redis_version").cloned().unwrap_or_default();
        let major: u32 = version.split('.').next().and_then(|v| v.parse().ok()).unwrap_or(0);
        if major < OLDEST_MAJOR {
            return Err(OpenError::TooOld { at: self.at.clone(), version });
        }
        match info.get("maxmemory_policy") {
            Some(policy) if policy != "noeviction" => {
                Err(OpenError::Evicts { at: self.at.clone(), policy: policy.clone() })
            }
            _ => Ok(()),
        }
    }

    /// Who owns the prefix, and into how many parts the queue under it is divided.
    async fn partitions(&mut self, wire: &Wire, wanted: Option<u16>, is_cluster: bool) -> Result<u16, OpenError> {
        if let Some(count) = self.owned(wire, wanted).await? {
            return Ok(count);
        }
        if let Err(foreign) = self.unowned().await {
            // Another process of ours may have begun between the two looks.
            return self.owned(wire, wanted).await?.ok_or(foreign);
        }
        Ok(wanted.unwrap_or(if is_cluster { CLUSTER_PARTITIONS } else { 1 }).max(1))
    }

    /// The parts of the queue that is there already, if one is.
    async fn owned(&self, wire: &Wire, wanted: Option<u16>) -> Result<Option<u16>, OpenError> {
        let mut command = redis::cmd("HMGET");
        command.arg(format!("{}:m", base(&self.prefix, 0))).arg("product").arg("schema").arg("partitions");
        let answer = wire.ask(&command).await.map_err(|(error, _)| self.refusal(&error))?;
        let found: Vec<Option<String>> = redis::from_redis_value(answer).unwrap_or_default();
        let (at, prefix) = (self.at.clone(), self.prefix.clone());
        match &found[..] {
            [Some(_), Some(schema), _] if schema != SCHEMA => {
                Err(OpenError::OtherSchema { at, prefix, found: schema.clone() })
            }
            [Some(_), _, Some(count)] => {
                let found = count.parse().unwrap_or(1);
                match wanted {
                    Some(wanted) if wanted != found => Err(OpenError::OtherPartitions { at, prefix, found, wanted }),
                    _ => Ok(Some(found)),
                }
            }
            _ => Ok(None),
        }
    }

    async fn unowned(&mut self) -> Result<(), OpenError> {
        for pattern in [format!("{}:*", self.prefix), format!("{{{}:*", self.prefix)] {
            let mut cursor = String::from("0");
            for _ in 0..SCAN_STEPS {
                let mut command = redis::cmd("SCAN");
                command.arg(&cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(SCAN_COUNT);
                let (next, keys): (String, Vec<String>) = self.ask(command).await?;
                if let Some(key) = keys.into_iter().next() {
                    let (at, prefix) = (self.at.clone(), self.prefix.clone());
                    return Err(OpenError::ForeignPrefix { at, prefix, key });
                }
                cursor = next;
                if cursor == "0" {
                    break;
                }
            }
        }
        Ok(())
    }

    async fn ask<T: redis::FromRedisValue>(&mut self, command: redis::Cmd) -> Result<T, OpenError> {
        command.query_async(&mut self.connection).await.map_err(|error: RedisError| self.refusal(&error))
    }

    fn refusal(&self, error: &RedisError) -> OpenError {
        match error.code() {
            // Another type of value than ours stands there.
            Some("WRONGTYPE") => OpenError::ForeignPrefix {
                at: self.at.clone(),
                prefix: self.prefix.clone(),
                key: format!("{}:m", base(&self.prefix, 0)),
            },
            _ => refusal(error, self.at.clone(), &self.prefix),
        }
    }

    fn refuse(&self, trouble: Trouble, why: String) -> OpenError {
        refused(trouble, why, self.at.clone(), &self.prefix)
    }
}

fn read_info(text: &str) -> HashMap<String, String> {
    text.lines().filter_map(|l| l.split_once(':')).map(|(k, v)| (k.into(), v.trim().into())).collect()
}

fn refusal(error: &RedisError, at: String, prefix: &str) -> OpenError {
    match understand(error) {
        Failure::NoFunctions => OpenError::NotReady { at, trouble: Trouble::Other, why: error.to_string() },
        Failure::Trouble { trouble, why, .. } => refused(trouble, why, at, prefix),
    }
}

fn refused(trouble: Trouble, why: String, at: String, prefix: &str) -> OpenError {
    match trouble {
        Trouble::NotPermitted if why.contains("NOPERM") || why.contains("no permissions") => {
            OpenError::NotPermitted { at, why, prefix: prefix.into() }
        }
        Trouble::NotPermitted => OpenError::WrongPassword { at, why },
        Trouble::Unreachable => OpenError::Unreachable { at, why },
        trouble => OpenError::NotReady { at, trouble, why },
    }
}

fn clients(options: &RedisOptions) -> Result<Vec<Client>, OpenError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
    if options.prefix.is_empty() || options.prefix.len() > MAX_PREFIX_BYTES || !options.prefix.chars().all(allowed) {
        return Err(OpenError::BadPrefix(options.prefix.clone()));
    }
    if options.url.contains("rediss:") {
        // One of the two that rustls knows must be chosen; somebody may have done so before.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
    let open = |url: &str| {
        let opened = match certificates(options) {
            Some(certificates) => Client::build_with_tls(url.trim(), certificates),
            None => Client::open(url.trim()),
        };
        opened.map_err(|error| OpenError::BadUrl(error.to_string()))
    };
    options.url.split(',').map(open).collect()
}

fn certificates(options: &RedisOptions) -> Option<TlsCertificates> {
    options.root_certificate.clone().map(|pem| TlsCertificates { client_tls: None, root_cert: Some(pem) })
}

fn cluster(clients: &[Client], options: &RedisOptions, at: &str) -> Result<Server, OpenError> {
    let nodes = clients.iter().filter_map(|c| c.get_connection_info().clone().into_connection_info().ok());
    // Trying again is ours: only we know what may be asked twice.
    let mut builder =
        ClusterClientBuilder::new(nodes).retries(0).connection_timeout(CONNECT_TIMEOUT).response_timeout(REPLY_TIMEOUT);
    if let Some(certificates) = certificates(options) {
        builder = builder.certs(certificates);
    }
    let client = builder.build().map_err(|error| refusal(&error, at.into(), ""))?;
    Ok(Server::Cluster(Box::new(client)))
}

//! A world to send to, for the demonstration, tests and benchmarks: mail providers with their habits, the DNS that
//! names them, and a record of every copy that they accepted.
//!
//! Nothing leaves the machine: all of it listens on loopback, and all its domains are under reserved names (RFC 2606,
//! RFC 6761). Each provider has an address of its own in 127.0.0.0/8 and all share one port, so that a sender follows
//! MX and A records as it would outside and needs to be told one port only. Linux has all of 127.0.0.0/8; other
//! systems have to be given the addresses first.
//!
//! The world is deterministic: what becomes of a recipient is a function of its address ([`expected`]), apart from
//! the time it takes. So a ledger can be compared with the [`Recorder`] recipient by recipient.
//!
//! [`FastSink`] is the other end of a benchmark: it takes everything, at the least cost.

mod audience;
mod dns;
mod expectation;
mod fast_sink;
mod habit;
mod message;
mod names;
mod provider;
mod recorder;
mod smtp;
mod tls;
mod world;

pub use audience::{SHIPPED_CSV, SHIPPED_ROWS, subscribers_csv};
pub use expectation::{Expectation, expected};
pub use fast_sink::FastSink;
pub use habit::Habit;
pub use message::content_hash;
pub use provider::{Provider, WITHOUT_MX, provider_of, providers};
pub use recorder::{Accepted, LogEntry, Recorder, read_log};
pub use world::{Breach, Broken, ProviderReport, Storm, Strict, World, WorldOptions};

//! What tests stand on: isolated databases, a scripted SMTP server, a scripted DNS server, an HTTPS
//! server, a proxy with faults. Nothing of the product's own.
//!
//! Only the wire is faked. PostgreSQL, SQLite and Redis are real, and each test has its own.

mod database;
mod dns;
mod fault_proxy;
mod https;
mod postgres;
mod redis;
mod smtp;
mod smtp_certificate;
mod smtp_session;

pub use database::TestDatabase;
pub use dns::{DnsFault, DnsScript, DnsServer};
pub use fault_proxy::{COMMIT, FaultProxy, Then};
pub use https::HttpsServer;
pub use postgres::{SmallDisk, TestPostgres};
pub use redis::TestRedis;
pub use smtp::{Act, Received, SmtpScript, SmtpServer};
pub use smtp_certificate::Certificate;

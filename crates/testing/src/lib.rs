//! What tests stand on: isolated databases, a scripted SMTP server, a scripted DNS server. Nothing of the product's own.
//!
//! Only the wire is faked. PostgreSQL and SQLite are real, and each test has its own.

mod database;

pub use database::TestDatabase;

//! All SQL of Tidings, for PostgreSQL and SQLite. One file for each table; what differs by backend stands in `dialect.rs`.
//!
//! A [`Store`] is a cheap handle. Tenant data is reached only through [`Store::workspace`], whose methods put the workspace's id into
//! every statement; the ledger's loops, which serve all tenants, have their own functions on [`Store`].

mod connection;
mod error;
mod ids;
mod migrate;
mod schema;
mod store;
mod words;

pub use connection::AnyConn;
pub use error::{StoreError, StoreResult};
pub use ids::*;
pub use store::{Store, StoreOptions, Workspace};

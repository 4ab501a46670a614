//! The worker over real databases: what it sends, and the loops beside it.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the message")]

mod domains;
mod import;
mod providers;
mod sending;
mod suppression_import;

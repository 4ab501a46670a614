//! The SMTP transaction and what stands before it, against a scripted wire.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the message")]

mod dane;
mod dns;
mod exactly_once;
mod faults;
mod round_trips;
mod sts;
mod support;
mod tls;
mod tls_faults;
mod transaction;

//! Our own SMTP server: the receiving half of RFC 5321, for addresses that are ours and nobody else's.
//!
//! It is reachable by everybody, so everything in it has a bound ([`SmtpLimits`]): connections, commands, errors,
//! recipients, octets, and the time for each of them. It holds the head of one mail for each connection and nothing more.

mod command;
mod counters;
mod door;
mod inbox;
mod limits;
mod loops;
mod path;
mod refused;
mod server;
mod session;
mod transaction;

pub use counters::SmtpCounters;
pub use limits::{SmtpLimits, SmtpOptions};
pub use refused::Refused;
pub use server::SmtpServer;

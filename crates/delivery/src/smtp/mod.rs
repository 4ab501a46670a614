mod auth;
mod body;
mod capabilities;
mod connection;
mod failure;
mod handshake;
mod reply;
mod session;
mod tls;
mod transaction;
mod wire;

pub use connection::Connection;
pub use failure::Failure;
pub use reply::{Parsed, parse_reply};
pub use session::{Credentials, Session, Target, Timeouts, TlsPolicy};
pub use tls::{TlsClients, TlsError};
pub use transaction::{Envelope, Offer};

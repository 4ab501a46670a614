//! The providers' mail servers: small, and strict about what a sender must get right.

mod command;
mod host;
mod session;
mod wire;

pub use host::{Host, Manners};
pub use session::serve;

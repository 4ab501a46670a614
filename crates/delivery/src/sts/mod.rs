//! MTA-STS (RFC 8461): a domain's word, over HTTPS, on how its mail hosts are to be spoken to.

mod client;
mod policy;
mod record;

pub use client::{StsClient, StsFault, StsOptions, StsRecord};
pub use policy::{StsMode, StsPolicy};

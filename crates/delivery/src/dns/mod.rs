mod cache;
mod failure;
mod mail_hosts;
mod public;
mod records;
mod resolver;

pub use failure::DnsFailure;
pub use mail_hosts::{MailHosts, MxHost};
pub use public::is_public;
pub use records::SpfAnswer;
pub use resolver::{Resolver, ResolverOptions};

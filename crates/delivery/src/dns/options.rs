use std::net::SocketAddr;
use std::time::Duration;

#[derive(Debug, Clone)]
pub struct ResolverOptions {
    /// Whom to ask; the system's resolvers when empty.
    pub nameservers: Vec<SocketAddr>,
    /// Where MX hosts listen: 25, but in a sandbox.
    pub smtp_port: u16,
    /// These resolvers check signatures (DNSSEC), and nobody can write to the path to them: their word on what is secure counts, and
    /// DANE applies.
    pub validates: bool,
    /// Let mail go to loopback and private addresses. For tests and sandboxes: see [`is_public`](crate::is_public).
    pub allow_private_targets: bool,
    /// Also IPv6 addresses, after those of IPv4. Off by default: a sender's IPv6 address rarely has the reverse name
    /// and the reputation that large receivers ask of it.
    pub use_ipv6: bool,
    /// One query to one server.
    pub query_timeout: Duration,
    /// How often a query is sent before it counts as failed.
    pub attempts: usize,
}

impl Default for ResolverOptions {
    fn default() -> Self {
        Self {
            nameservers: Vec::new(),
            validates: false,
            smtp_port: 25,
            allow_private_targets: false,
            use_ipv6: false,
            query_timeout: Duration::from_secs(5),
            attempts: 2,
        }
    }
}

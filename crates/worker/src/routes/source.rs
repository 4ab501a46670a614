//! Whether this machine has an address.

use std::io;
use std::net::{IpAddr, UdpSocket};

use tidings_store::Route;

/// Why this process cannot send from the addresses of a route; empty: it can.
pub fn why_not_here(route: &Route) -> String {
    let sources = [&route.source_v4, &route.source_v6];
    let wrong = sources.into_iter().filter(|source| !source.is_empty()).find_map(|source| why_not(source));
    wrong.unwrap_or_default()
}

/// Takes the address for a moment. No packet leaves: a datagram socket that is only bound speaks to nobody.
fn why_not(source: &str) -> Option<String> {
    let Ok(ip) = source.parse::<IpAddr>() else { return Some(format!("{source} is no IP address")) };
    UdpSocket::bind((ip, 0)).err().map(|error| words(source, &error))
}

/// Of all that the system may say, one thing is a person's mistake or a machine's that has another address now.
fn words(source: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrNotAvailable => format!("{source} is no address of this machine"),
        _ => format!("{source} cannot be taken: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_here_or_not() {
        assert_eq!(why_not("127.0.0.2"), None);
        assert_eq!(why_not("192.0.2.1").as_deref(), Some("192.0.2.1 is no address of this machine"));
        assert_eq!(why_not("nonsense").as_deref(), Some("nonsense is no IP address"));
    }
}

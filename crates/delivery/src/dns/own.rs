use std::net::{IpAddr, UdpSocket};

/// Whether an address is this machine's own: the system lets nobody bind any other. Nothing is sent.
///
/// An MX record that leads here would have us deliver to ourselves, and again, for ever (RFC 5321 §5.1).
pub(super) fn is_ours(ip: IpAddr) -> bool {
    UdpSocket::bind((ip, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_ours_and_the_documentations_network_is_not() {
        assert!(is_ours(IpAddr::from([127, 0, 0, 1])));
        assert!(!is_ours(IpAddr::from([192, 0, 2, 1])));
    }
}

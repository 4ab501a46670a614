use std::fmt::Write;

use sha2::{Digest, Sha256};

/// Enough to tell apart the servers that one mailbox's settings have ever named.
const PLACE_OCTETS: usize = 8;

/// What the keys of one folder's mails begin with.
///
/// A server's numbers mean something within one folder of one user only. Settings may be changed to another server while
/// the name stays, and a new mail that is taken for a known one would be removed unread; so the key names the place too.
pub(super) fn prefix(protocol: &str, name: &str, place: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in place {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize()[..PLACE_OCTETS].iter().fold(format!("{protocol}:{name}:"), |mut prefix, octet| {
        // Writing to a string cannot fail.
        let _: std::fmt::Result = write!(prefix, "{octet:02x}");
        prefix
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_all_of_its_parts() {
        let one = prefix("imap", "7", &["host", "user", "INBOX"]);
        assert!(one.starts_with("imap:7:") && one.len() == 7 + 16, "{one}");
        assert_eq!(one, prefix("imap", "7", &["host", "user", "INBOX"]));
        assert_ne!(one, prefix("imap", "7", &["hostu", "ser", "INBOX"]));
        assert_ne!(one, prefix("imap", "7", &["other", "user", "INBOX"]));
    }
}

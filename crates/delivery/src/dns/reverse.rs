//! The names of an address, and whether they lead back to it (forward-confirmed reverse DNS, RFC 1912 §2.1).

use std::net::IpAddr;

use hickory_resolver::proto::rr::{Name, RData, RecordType};

use super::failure::DnsFailure;
use super::resolver::Resolver;

/// Names of one address that are looked at.
const MAX_NAMES: usize = 5;

/// What DNS calls an address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReverseNames {
    /// In lower case, without the last dot.
    pub names: Vec<String>,
    /// Those of them that have the address.
    pub confirmed: Vec<String>,
}

impl ReverseNames {
    /// Whether a host name is one of those that lead there and back.
    #[must_use]
    pub fn confirms(&self, name: &str) -> bool {
        let name = name.trim_end_matches('.');
        self.confirmed.iter().any(|known| known.eq_ignore_ascii_case(name))
    }
}

impl Resolver {
    /// Asks for the names of an address, and for the addresses of these. No names are an answer.
    ///
    /// # Errors
    /// The resolver fails: nothing is known.
    pub async fn reverse(&self, ip: IpAddr) -> Result<ReverseNames, DnsFailure> {
        let records = self.ask(&Name::from(ip).to_ascii(), RecordType::PTR).await?;
        let mut found = ReverseNames::default();
        for record in records.iter().take(MAX_NAMES) {
            let RData::PTR(name) = record else { continue };
            let name = name.to_ascii().trim_end_matches('.').to_ascii_lowercase();
            if self.has_address(&name, ip).await {
                found.confirmed.push(name.clone());
            }
            found.names.push(name);
        }
        Ok(found)
    }

    async fn has_address(&self, name: &str, ip: IpAddr) -> bool {
        let kind = if ip.is_ipv4() { RecordType::A } else { RecordType::AAAA };
        let records = self.ask(name, kind).await.unwrap_or_default();
        records.iter().any(|record| record.ip_addr() == Some(ip))
    }
}

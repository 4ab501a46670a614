use std::fmt;

use hickory_resolver::proto::rr::RData;
use hickory_resolver::proto::rr::rdata::TLSA;
use hickory_resolver::proto::rr::rdata::tlsa::{CertUsage, Matching, Selector};

/// One TLSA record that mail can use (RFC 7672 §3.1). The usages 0 and 1 are not among them: between mail servers they promise what
/// nobody can keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsaRecord {
    pub usage: TlsaUsage,
    pub selector: TlsaSelector,
    pub matching: TlsaMatching,
    pub data: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsaUsage {
    /// 2: a certificate of the chain is the trust anchor.
    TrustAnchor = 2,
    /// 3: the server's own certificate, whatever else it says.
    EndEntity = 3,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsaSelector {
    Certificate = 0,
    PublicKey = 1,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsaMatching {
    Exact = 0,
    Sha256 = 1,
    Sha512 = 2,
}

/// What DNS says of a mail host's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostTlsa {
    /// Nothing that could be believed: DANE does not apply.
    None,
    /// There are records and none is usable: TLS is a must, and nothing can be checked (RFC 7672 §2.2).
    Unusable,
    Records(Vec<TlsaRecord>),
}

impl HostTlsa {
    pub(super) fn of(records: &[RData]) -> Self {
        let usable: Vec<TlsaRecord> = records
            .iter()
            .filter_map(|record| if let RData::TLSA(tlsa) = record { TlsaRecord::of(tlsa) } else { None })
            .collect();
        if usable.is_empty() { Self::Unusable } else { Self::Records(usable) }
    }
}

impl TlsaRecord {
    /// `None`: not usable.
    fn of(record: &TLSA) -> Option<Self> {
        let usage = match record.cert_usage {
            CertUsage::DaneTa => TlsaUsage::TrustAnchor,
            CertUsage::DaneEe => TlsaUsage::EndEntity,
            _ => return None,
        };
        let selector = match record.selector {
            Selector::Full => TlsaSelector::Certificate,
            Selector::Spki => TlsaSelector::PublicKey,
            _ => return None,
        };
        let (matching, octets) = match record.matching {
            Matching::Raw => (TlsaMatching::Exact, record.cert_data.len()),
            Matching::Sha256 => (TlsaMatching::Sha256, 32),
            Matching::Sha512 => (TlsaMatching::Sha512, 64),
            _ => return None,
        };
        let data = record.cert_data.clone();
        (!data.is_empty() && data.len() == octets).then_some(Self { usage, selector, matching, data })
    }
}

/// As a zone file writes it: `3 1 1 ab12…`.
impl fmt::Display for TlsaRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} ", self.usage as u8, self.selector as u8, self.matching as u8)?;
        self.data.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(usage: u8, selector: u8, matching: u8, octets: usize) -> RData {
        RData::TLSA(TLSA::new(usage.into(), selector.into(), matching.into(), vec![0xab; octets]))
    }

    #[test]
    fn only_what_mail_can_use_counts() {
        for unusable in
            [record(0, 1, 1, 32), record(1, 0, 1, 32), record(3, 2, 1, 32), record(3, 1, 9, 32), record(3, 1, 1, 31)]
        {
            assert_eq!(HostTlsa::of(std::slice::from_ref(&unusable)), HostTlsa::Unusable, "{unusable}");
        }
        let HostTlsa::Records(found) = HostTlsa::of(&[record(1, 1, 1, 32), record(3, 1, 1, 32), record(2, 0, 2, 64)])
        else {
            panic!("two are usable")
        };
        assert_eq!(found.len(), 2);
        assert!(found[0].to_string().starts_with("3 1 1 abab"));
    }
}

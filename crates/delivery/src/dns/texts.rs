use std::time::Duration;

use hickory_resolver::proto::rr::RData;

/// The character strings of TXT records, joined record by record, and how long they hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Texts {
    pub texts: Vec<String>,
    pub ttl: Duration,
}

impl Texts {
    pub(super) fn of(records: &[RData], ttl: Duration) -> Self {
        Self { texts: records.iter().filter_map(text).collect(), ttl }
    }
}

/// The strings of one record are one text (RFC 8461 §3.1, RFC 7208 §3.3).
fn text(record: &RData) -> Option<String> {
    let RData::TXT(txt) = record else { return None };
    let octets: Vec<u8> = txt.txt_data.iter().flat_map(|part| part.iter().copied()).collect();
    String::from_utf8(octets).ok()
}

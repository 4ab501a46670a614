//! Records that a person publishes, asked for afresh: whoever has just mended one wants to know now. Nothing is remembered here.

use std::net::IpAddr;

use hickory_resolver::proto::rr::{RData, RecordType};
use mail_auth::spf::verify::SpfParameters;
use mail_auth::{MessageAuthenticator, Parameters, SpfResult};
use tidings_domain::Problem;

use super::failure::Missing;
use super::resolver::host_name;
use super::{DnsFailure, Resolver};

/// What a domain's SPF record says of one address (RFC 7208 §2.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpfAnswer {
    Pass,
    /// The record does not name the address: fail, softfail or neutral.
    NotNamed,
    /// The record is wrong, or asks for more than ten look-ups.
    Broken,
    /// There is none.
    None,
}

impl Resolver {
    /// The TXT records of a name, the strings of each joined; empty when there is none. What is not UTF-8 is replaced.
    ///
    /// # Errors
    /// [`Problem::DnsFailure`]: nobody answered, and nothing is known.
    pub async fn texts(&self, name: &str) -> Result<Vec<String>, DnsFailure> {
        let text = |data: &RData| match data {
            RData::TXT(txt) => Some(String::from_utf8_lossy(&txt.txt_data.concat()).into_owned()),
            _ => None,
        };
        Ok(self.published(name, RecordType::TXT).await?.iter().filter_map(text).collect())
    }

    /// The names of the MX records of a domain; empty when there is none, and an empty name for a null MX (RFC 7505).
    ///
    /// # Errors
    /// As [`Self::texts`].
    pub async fn mx_names(&self, domain: &str) -> Result<Vec<String>, DnsFailure> {
        let name = |data: &RData| match data {
            RData::MX(mx) => Some(host_name(&mx.exchange)),
            _ => None,
        };
        Ok(self.published(domain, RecordType::MX).await?.iter().filter_map(name).collect())
    }

    /// Whether the SPF record of a return path's domain lets mail from this address through.
    ///
    /// # Errors
    /// As [`Self::texts`].
    pub async fn spf_answer(&self, domain: &str, ip: IpAddr, helo: &str) -> Result<SpfAnswer, DnsFailure> {
        let sender = format!("postmaster@{domain}");
        let parameters = SpfParameters::verify_mail_from(ip, helo, helo, &sender);
        let verifier = MessageAuthenticator(self.inner.asker.plain().clone());
        let found = verifier.verify_spf(Parameters::new(parameters)).await;
        match found.result() {
            SpfResult::Pass => Ok(SpfAnswer::Pass),
            SpfResult::Fail | SpfResult::SoftFail | SpfResult::Neutral => Ok(SpfAnswer::NotNamed),
            SpfResult::PermError => Ok(SpfAnswer::Broken),
            SpfResult::None => Ok(SpfAnswer::None),
            SpfResult::TempError => Err(unknown(format!("SPF of {domain}: DNS gave no answer"))),
        }
    }

    async fn published(&self, name: &str, kind: RecordType) -> Result<Vec<RData>, DnsFailure> {
        match self.inner.query(name, kind).await {
            Ok(answer) => Ok(answer.records),
            Err(Missing::Name(_) | Missing::Type(_)) => Ok(Vec::new()),
            Err(Missing::Unknown(why)) => Err(unknown(format!("{kind} of {name}: {why}"))),
        }
    }
}

fn unknown(detail: String) -> DnsFailure {
    DnsFailure { problem: Problem::DnsFailure, detail }
}

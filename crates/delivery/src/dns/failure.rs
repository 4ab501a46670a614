use std::time::Duration;

use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use tidings_domain::{Outcome, Phase, Problem};

/// Why a name led nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct DnsFailure {
    pub problem: Problem,
    pub detail: String,
}

impl From<DnsFailure> for Outcome {
    fn from(failure: DnsFailure) -> Self {
        Self::Broken { phase: Phase::Dns, problem: failure.problem, detail: failure.detail }
    }
}

/// What one query said. The six cases are told apart here and nowhere else: mistaking a SERVFAIL for "no such domain"
/// bounces living addresses, the other way round it retries dead ones for days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Missing {
    /// NXDOMAIN: the name does not exist, with any type.
    Name(Option<Duration>),
    /// NODATA: it exists, without this type.
    Type(Option<Duration>),
    /// SERVFAIL, REFUSED, time-out, a broken answer: nothing is known.
    Unknown(String),
}

impl From<NetError> for Missing {
    fn from(error: NetError) -> Self {
        if let NetError::Dns(DnsError::NoRecordsFound(none)) = &error {
            let ttl = none.negative_ttl.map(|seconds| Duration::from_secs(seconds.into()));
            match none.response_code {
                ResponseCode::NXDomain => return Self::Name(ttl),
                ResponseCode::NoError => return Self::Type(ttl),
                _ => {}
            }
        }
        Self::Unknown(error.to_string())
    }
}

use crate::word::words;

words! {
    /// Why a connection had to be protected as it was: the strongest demand that held for it.
    pub enum TlsDemand {
        /// The relay's settings say: no TLS.
        None = "none",
        /// Nobody asked: TLS where it is offered (RFC 7435).
        Opportunistic = "opportunistic",
        /// An operator, or what is known of the provider.
        Required = "required",
        /// The relay's settings ask for TLS with a valid certificate.
        Relay = "relay",
        /// The domain's MTA-STS policy, which only wants to hear of failures (RFC 8461 §5).
        StsTesting = "sts_testing",
        /// The domain's MTA-STS policy, enforced.
        Sts = "sts",
        /// The mail host's TLSA records (RFC 7672).
        Dane = "dane",
    }
}

words! {
    pub enum TlsVersion {
        V1_2 = "TLSv1.2",
        V1_3 = "TLSv1.3",
    }
}

/// How the connection was protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsUse {
    None,
    /// Encrypted, the peer's identity not checked, or checked in vain where that was no condition.
    Unverified {
        version: TlsVersion,
    },
    Verified {
        version: TlsVersion,
    },
}

impl TlsUse {
    #[must_use]
    pub fn label(self) -> String {
        match self {
            Self::None => "none".to_owned(),
            Self::Unverified { version } => format!("{version} unverified"),
            Self::Verified { version } => format!("{version} verified"),
        }
    }

    const ALL: [Self; 5] = [
        Self::None,
        Self::Unverified { version: TlsVersion::V1_2 },
        Self::Unverified { version: TlsVersion::V1_3 },
        Self::Verified { version: TlsVersion::V1_2 },
        Self::Verified { version: TlsVersion::V1_3 },
    ];
}

/// What was asked of a connection's protection, and what it had: kept for each delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Protection {
    pub demand: TlsDemand,
    pub used: TlsUse,
}

/// Uses have the last decimal digit of a code to themselves, demands those before it.
const DEMAND_STEP: i16 = 10;

impl Protection {
    /// The small number that the ledger keeps. Numbers of the past keep their meaning: new words are added at the end.
    #[must_use]
    pub fn code(self) -> i16 {
        let demand: i16 = match self.demand {
            TlsDemand::None => 0,
            TlsDemand::Opportunistic => 1,
            TlsDemand::Required => 2,
            TlsDemand::Relay => 3,
            TlsDemand::StsTesting => 4,
            TlsDemand::Sts => 5,
            TlsDemand::Dane => 6,
        };
        let used = (0..).zip(TlsUse::ALL).find(|(_, used)| *used == self.used).map_or(0, |(code, _)| code);
        demand * DEMAND_STEP + used
    }

    /// `None`: no code of this version.
    #[must_use]
    pub fn from_code(code: i16) -> Option<Self> {
        let all = TlsUse::ALL
            .into_iter()
            .flat_map(|used| <TlsDemand as crate::Word>::ALL.iter().map(move |demand| Self { demand: *demand, used }));
        all.into_iter().find(|protection| protection.code() == code)
    }
}

words! {
    /// How a TLS session ended, in the words of RFC 8460 §4.3.
    pub enum TlsResult {
        /// As the policy wants it. (A report counts these; it has no word for them.)
        Success = "success",
        StartTlsNotSupported = "starttls-not-supported",
        CertificateHostMismatch = "certificate-host-mismatch",
        CertificateExpired = "certificate-expired",
        CertificateNotTrusted = "certificate-not-trusted",
        /// What fits no other word: a broken handshake, no common version.
        ValidationFailure = "validation-failure",
        TlsaInvalid = "tlsa-invalid",
        /// The answer about TLSA records did not come, or was not to be believed.
        DnssecInvalid = "dnssec-invalid",
        StsPolicyFetchError = "sts-policy-fetch-error",
        StsPolicyInvalid = "sts-policy-invalid",
        StsWebpkiInvalid = "sts-webpki-invalid",
    }
}

words! {
    /// The kinds of policies in reports (RFC 8460 §4.4).
    pub enum TlsPolicyType {
        Tlsa = "tlsa",
        Sts = "sts",
        NoPolicyFound = "no-policy-found",
    }
}

impl TlsDemand {
    /// Under which policy a session is reported.
    #[must_use]
    pub const fn policy_type(self) -> TlsPolicyType {
        match self {
            Self::Dane => TlsPolicyType::Tlsa,
            Self::Sts | Self::StsTesting => TlsPolicyType::Sts,
            Self::None | Self::Opportunistic | Self::Required | Self::Relay => TlsPolicyType::NoPolicyFound,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Word;

    #[test]
    fn each_protection_has_a_code_of_its_own() {
        let mut seen = std::collections::BTreeSet::new();
        for &demand in TlsDemand::ALL {
            for used in TlsUse::ALL {
                let protection = Protection { demand, used };
                assert!(seen.insert(protection.code()), "{protection:?}");
                assert_eq!(Protection::from_code(protection.code()), Some(protection));
            }
        }
        for unknown in [-1, 5, 9, 70, i16::MAX] {
            assert_eq!(Protection::from_code(unknown), None);
        }
    }
}

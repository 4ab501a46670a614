//! What is known of transport security, as people read it.

use tidings_domain::{Protection, TlsDemand, TlsPolicyType, TlsResult, TlsUse};

/// How a connection was protected: `TLSv1.3, certificate verified`.
pub fn used(used: TlsUse) -> String {
    match used {
        TlsUse::None => "Plain text".to_owned(),
        TlsUse::Unverified { version } => format!("{version}, certificate not verified"),
        TlsUse::Verified { version } => format!("{version}, certificate verified"),
    }
}

/// Who asked for it, in a sentence.
pub const fn demand(protection: Protection) -> &'static str {
    match (protection.demand, protection.used) {
        (TlsDemand::None, _) => "The relay's settings turn TLS off.",
        (TlsDemand::Opportunistic, TlsUse::None) => "Nobody demanded TLS, and it could not be had.",
        (TlsDemand::Opportunistic, _) => "Nobody demanded it: TLS is used wherever it can be had.",
        (TlsDemand::Required, _) => "TLS is required for this domain or provider.",
        (TlsDemand::Relay, _) => "The relay's settings demand it.",
        (TlsDemand::StsTesting, _) => "The domain is testing an MTA-STS policy.",
        (TlsDemand::Sts, _) => "The domain's MTA-STS policy demands it.",
        (TlsDemand::Dane, _) => "The mail host's TLSA records demand it (DANE).",
    }
}

pub const fn policy(policy: TlsPolicyType) -> &'static str {
    match policy {
        TlsPolicyType::Tlsa => "DANE",
        TlsPolicyType::Sts => "MTA-STS",
        TlsPolicyType::NoPolicyFound => "No policy",
    }
}

/// The tone of a badge.
pub const fn tone(result: TlsResult, policy: TlsPolicyType) -> &'static str {
    match (result, policy) {
        (TlsResult::Success, _) => "ok",
        (_, TlsPolicyType::NoPolicyFound) => "warn",
        _ => "bad",
    }
}

pub const fn title(result: TlsResult) -> &'static str {
    match result {
        TlsResult::Success => "Encrypted",
        TlsResult::StartTlsNotSupported => "No TLS offered",
        TlsResult::CertificateHostMismatch => "Another name's certificate",
        TlsResult::CertificateExpired => "Certificate out of date",
        TlsResult::CertificateNotTrusted => "Certificate not trusted",
        TlsResult::ValidationFailure => "TLS broken",
        TlsResult::TlsaInvalid => "Not the certificate in DNS",
        TlsResult::DnssecInvalid => "TLSA records unreadable",
        TlsResult::StsPolicyFetchError => "Policy not reachable",
        TlsResult::StsPolicyInvalid => "Policy not readable",
        TlsResult::StsWebpkiInvalid => "Policy's certificate bad",
    }
}

/// What it means for the mail.
pub const fn meaning(result: TlsResult, policy: TlsPolicyType) -> &'static str {
    let binds = !matches!(policy, TlsPolicyType::NoPolicyFound);
    match result {
        TlsResult::Success => "Mail went over TLS, as the policy wants it.",
        TlsResult::StartTlsNotSupported if binds => {
            "The host offers no TLS although its domain demands it. Mail waits."
        }
        TlsResult::StartTlsNotSupported => "The host offers no TLS. Mail went in plain text unless TLS is required.",
        TlsResult::CertificateHostMismatch => "The host's certificate carries another name.",
        TlsResult::CertificateExpired => "The host's certificate is not valid any more, or not yet.",
        TlsResult::CertificateNotTrusted => "No known authority vouches for the host's certificate.",
        TlsResult::ValidationFailure if binds => "The handshake failed, or the policy does not name the host.",
        TlsResult::ValidationFailure => "The handshake failed. Mail went in plain text unless TLS is required.",
        TlsResult::TlsaInvalid => "The host's certificate is none of those that DNS names. Mail waits.",
        TlsResult::DnssecInvalid => {
            "What DNS says of the host's certificate could not be read or believed. Mail waits."
        }
        TlsResult::StsPolicyFetchError => "The policy could not be fetched. One of before holds until it expires.",
        TlsResult::StsPolicyInvalid => "What is served is no policy. One of before holds until it expires.",
        TlsResult::StsWebpkiInvalid => {
            "The policy's server has no valid certificate. A policy of before holds until it expires."
        }
    }
}

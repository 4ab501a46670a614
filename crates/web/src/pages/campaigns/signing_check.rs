//! Whether mail from the draft's From address will be signed: part of the last look before a launch.

use tidings_compose::Level;
use tidings_domain::{DkimAlgorithm, EmailAddress, RouteKind, SendingDomainState, covers};
use tidings_store::SigningDomain;

use super::readiness::{Check, RowKey};

/// What stands in the way, or could be better; `None` when it will be signed well. A From address that is none is told of elsewhere.
pub(super) fn signing_check(from_email: &str, domains: &[SigningDomain], route: Option<RouteKind>) -> Option<Check> {
    let from = EmailAddress::parse(from_email).ok()?;
    let from = from.domain();
    if domains.is_empty() {
        return route.map(|kind| nobody_signs(from, kind));
    }
    let covering: Vec<&SigningDomain> = domains.iter().filter(|domain| covers(&domain.name, from)).collect();
    let usable = || covering.iter().flat_map(|domain| &domain.keys);
    if usable().next().is_some() {
        let has_rsa = usable().any(|key| key.algorithm == DkimAlgorithm::Rsa2048);
        return (!has_rsa).then(|| only_ed25519(from));
    }
    Some(match covering.iter().max_by_key(|domain| domain.name.len()) {
        Some(domain) if domain.state == SendingDomainState::Failing => block(
            "domain-failing",
            format!("The DKIM keys of {} are gone from DNS", domain.name),
            "Its mail cannot be signed, and nothing is sent unsigned in its name. Publish the records again.",
        ),
        Some(domain) => block(
            "domain-unverified",
            format!("{} is not verified yet", domain.name),
            "Publish the records of its keys. It is verified as soon as one of them is found.",
        ),
        None => block(
            "domain-unknown",
            format!("{from} is none of your sending domains"),
            "Mail from it would go out unsigned, beside your signed mail. Add it, or send from a verified domain.",
        ),
    })
}

fn nobody_signs(from: &str, kind: RouteKind) -> Check {
    match kind {
        RouteKind::Direct => check(
            Level::Warn,
            "unsigned-direct",
            format!("Mail from {from} is not signed"),
            "Gmail, Yahoo and Microsoft refuse bulk mail without a DKIM signature. Add the domain and publish its keys.",
        ),
        RouteKind::Relay => check(
            Level::Warn,
            "unsigned-relay",
            format!("Tidings does not sign mail from {from}"),
            "Your relay may do it. Make sure that it signs as this domain, or add the domain here.",
        ),
    }
}

fn only_ed25519(from: &str) -> Check {
    check(
        Level::Warn,
        "only-ed25519",
        format!("Mail from {from} is signed with Ed25519 only"),
        "Many receivers verify only RSA so far. Publish the record of the RSA key too.",
    )
}

fn block(code: &'static str, title: String, detail: &str) -> Check {
    check(Level::Block, code, title, detail)
}

fn check(level: Level, code: &'static str, title: String, detail: &str) -> Check {
    let href = "/settings/domains".to_owned();
    Check { level, code, title, detail: detail.to_owned(), href, fix: "Open domains", row: RowKey::From }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_domain::DkimKeyState;
    use tidings_store::{DkimKey, DkimKeyId, SendingDomainId, WorkspaceId};

    fn key(algorithm: DkimAlgorithm) -> DkimKey {
        DkimKey {
            id: DkimKeyId(1),
            workspace_id: WorkspaceId(1),
            domain_id: SendingDomainId(1),
            algorithm,
            selector: "s".into(),
            public_key: String::new(),
            private_sealed: "sealed".into(),
            state: DkimKeyState::Active,
            created_at_ms: 0,
            published_at_ms: Some(0),
            missed_since_ms: None,
            activated_at_ms: Some(0),
            retired_at_ms: None,
            revoked_at_ms: None,
        }
    }

    fn domain(name: &str, state: SendingDomainState, keys: &[DkimAlgorithm]) -> SigningDomain {
        SigningDomain { name: name.into(), state, keys: keys.iter().map(|kind| key(*kind)).collect() }
    }

    fn code(domains: &[SigningDomain], kind: RouteKind) -> Option<(Level, &'static str)> {
        signing_check("ana@shop.example", domains, Some(kind)).map(|check| (check.level, check.code))
    }

    #[test]
    fn a_from_domain_that_cannot_be_signed_stops_the_launch_where_others_are() {
        use DkimAlgorithm::{Ed25519, Rsa2048};
        use RouteKind::{Direct, Relay};
        use SendingDomainState::{Failing, Unverified, Verified};
        assert_eq!(code(&[], Direct), Some((Level::Warn, "unsigned-direct")));
        assert_eq!(code(&[], Relay), Some((Level::Warn, "unsigned-relay")));
        assert_eq!(signing_check("ana@shop.example", &[], None), None, "there is no route to speak of");
        assert_eq!(signing_check("nonsense", &[], Some(Direct)), None);
        let good = domain("shop.example", Verified, &[Rsa2048, Ed25519]);
        for kind in [Direct, Relay] {
            assert_eq!(code(std::slice::from_ref(&good), kind), None);
            let check = |name, state, keys: &[_]| code(&[domain(name, state, keys)], kind);
            assert_eq!(check("shop.example", Unverified, &[]), Some((Level::Block, "domain-unverified")));
            assert_eq!(check("shop.example", Failing, &[]), Some((Level::Block, "domain-failing")));
            assert_eq!(check("other.example", Verified, &[Rsa2048]), Some((Level::Block, "domain-unknown")));
            assert_eq!(check("shop.example", Verified, &[Ed25519]), Some((Level::Warn, "only-ed25519")));
        }
    }
}

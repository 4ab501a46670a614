//! DANE: from signed answers to the certificate that they name, against a scripted DNS server and real TLS.

use std::sync::Arc;

use crate::support::*;
use ring::digest::{SHA256, SHA512, digest};
use tidings_delivery::{Connection, Dane, Failure, HostTlsa, Resolver, ResolverOptions, Session, TlsPolicy};
use tidings_domain::{Problem, ProviderTable, TlsResult, TlsUse, TlsVersion};
use tidings_testing::{Certificate, DnsFault, DnsScript, DnsServer, SmtpScript};

const HOST: &str = "mx.recipient.example";
const TLSA: &str = "_25._tcp.mx.recipient.example";

fn ip() -> std::net::IpAddr {
    "8.8.8.8".parse().unwrap()
}

/// The domain and its host are signed.
fn signed() -> DnsScript {
    DnsScript::new()
        .mx("recipient.example", &[(10, HOST)])
        .signed("recipient.example")
        .address(HOST, ip())
        .signed(HOST)
        .signed(TLSA)
}

async fn resolver(script: DnsScript, validates: bool) -> (Resolver, DnsServer) {
    let server = script.start().await;
    let query_timeout = std::time::Duration::from_millis(300);
    let options = ResolverOptions {
        nameservers: vec![server.addr],
        validates,
        query_timeout,
        attempts: 1,
        ..ResolverOptions::default()
    };
    (Resolver::new(options, Arc::new(ProviderTable::builtin().unwrap())).unwrap(), server)
}

async fn found(script: DnsScript) -> HostTlsa {
    let (resolver, _server) = resolver(script, true).await;
    resolver.tlsa(HOST).await.unwrap().as_ref().clone()
}

#[tokio::test]
async fn only_signed_answers_of_a_validating_resolver_count() {
    let script = || signed().tlsa(TLSA, [3, 1, 1], &[7; 32]);
    let (validating, _server) = resolver(script(), true).await;
    assert!(validating.mail_hosts("recipient.example").await.unwrap().is_secure);
    assert!(matches!(&*validating.tlsa(HOST).await.unwrap(), HostTlsa::Records(records) if records.len() == 1));
    let (plain, server) = resolver(script(), false).await;
    assert!(!plain.mail_hosts("recipient.example").await.unwrap().is_secure);
    assert_eq!(*plain.tlsa(HOST).await.unwrap(), HostTlsa::None);
    assert!(!server.queries().iter().any(|query| query.starts_with("TLSA")));
}

#[tokio::test]
async fn what_is_not_signed_or_not_there_is_no_demand() {
    assert_eq!(found(signed()).await, HostTlsa::None);
    let unsigned = DnsScript::new().address(HOST, ip()).tlsa(TLSA, [3, 1, 1], &[7; 32]);
    assert_eq!(found(unsigned).await, HostTlsa::None, "the host's address is not signed");
    let only_host = DnsScript::new().address(HOST, ip()).signed(HOST).tlsa(TLSA, [3, 1, 1], &[7; 32]);
    assert_eq!(found(only_host).await, HostTlsa::None, "the record is not signed");
    let unusable = signed().tlsa(TLSA, [1, 1, 1], &[7; 32]);
    assert_eq!(found(unusable).await, HostTlsa::Unusable);
}

/// A resolver that validates says SERVFAIL to what is forged. Mail waits then (RFC 7672 §2.1.2).
#[tokio::test]
async fn an_answer_that_fails_is_not_no_answer() {
    for fault in [DnsFault::ServFail, DnsFault::Refused, DnsFault::Silence] {
        let (resolver, _server) = resolver(signed().fault(TLSA, fault), true).await;
        assert_eq!(resolver.tlsa(HOST).await.unwrap_err().problem, Problem::DnsFailure, "{fault:?}");
    }
    let (resolver, _server) = resolver(signed().fault(HOST, DnsFault::ServFail), true).await;
    assert!(resolver.tlsa(HOST).await.is_err(), "its address may be signed");
}

/// The validating way reads answers by itself: the cases of `dns.rs` must be the same.
#[tokio::test]
async fn the_six_cases_are_told_apart_here_too() {
    let script = DnsScript::new()
        .mx("null.test", &[(0, ".")])
        .cname("alias.test", "real.test")
        .cname("alias-to-nothing.test", "nothing.test")
        .mx("real.test", &[(5, "mx.real.test")])
        .mx("big.test", &[(1, "mx.big.test")])
        .fault("big.test", DnsFault::Truncated)
        .address("plain.test", ip())
        .text("empty.test", "no mail here")
        .fault("servfail.test", DnsFault::ServFail)
        .fault("refused.test", DnsFault::Refused)
        .fault("silent.test", DnsFault::Silence)
        .fault("garbage.test", DnsFault::Garbage);
    let (resolver, _server) = resolver(script, true).await;
    for (domain, expected) in [
        ("gone.test", Problem::NoSuchDomain),
        ("alias-to-nothing.test", Problem::NoSuchDomain),
        ("null.test", Problem::NullMx),
        ("empty.test", Problem::NoMailHost),
        ("servfail.test", Problem::DnsFailure),
        ("refused.test", Problem::DnsFailure),
        ("silent.test", Problem::DnsFailure),
        ("garbage.test", Problem::DnsFailure),
    ] {
        assert_eq!(resolver.mail_hosts(domain).await.unwrap_err().problem, expected, "{domain}");
    }
    for (domain, host) in [("alias.test", "mx.real.test"), ("big.test", "mx.big.test"), ("plain.test", "plain.test")] {
        assert_eq!(resolver.mail_hosts(domain).await.unwrap().hosts[0].name, host);
    }
}

/// Connects to a server with this certificate, held to this one record.
async fn connect(certificate: &Certificate, numbers: [u8; 3], data: &[u8]) -> Result<Connection, Failure> {
    let HostTlsa::Records(records) = found(signed().tlsa(TLSA, numbers, data)).await else { panic!("usable") };
    let server = SmtpScript::new().starttls(certificate.clone()).start().await;
    let dane = Dane { records: records.into(), domain: "recipient.example".into() };
    let session = Session { tls: TlsPolicy::Dane(dane), ..session() };
    let mut connection = Connection::open(&target(&server), &session).await?;
    assert_accepted(&send(&mut connection).await);
    Ok(connection)
}

#[tokio::test]
async fn the_servers_own_certificate_is_enough_whatever_it_says() {
    // Not this host's name, out of date, of no authority.
    for certificate in [Certificate::valid("other.example"), Certificate::expired(HOST)] {
        let (own, key) = (certificate.own(), certificate.public_key());
        for (numbers, data) in [
            ([3, 0, 0], own.to_vec()),
            ([3, 0, 1], digest(&SHA256, &own).as_ref().to_vec()),
            ([3, 0, 2], digest(&SHA512, &own).as_ref().to_vec()),
            ([3, 1, 0], key.to_vec()),
            ([3, 1, 1], digest(&SHA256, key).as_ref().to_vec()),
            ([3, 1, 2], digest(&SHA512, key).as_ref().to_vec()),
        ] {
            let connection = connect(&certificate, numbers, &data).await.unwrap();
            assert_eq!(connection.peer().tls, TlsUse::Verified { version: TlsVersion::V1_3 }, "{numbers:?}");
        }
    }
}

#[tokio::test]
async fn a_trust_anchor_vouches_for_the_host_or_the_domain() {
    for name in [HOST, "recipient.example"] {
        let certificate = Certificate::issued(name);
        let anchor = certificate.root();
        connect(&certificate, [2, 0, 1], digest(&SHA256, &anchor).as_ref()).await.unwrap();
        connect(&certificate, [2, 0, 0], &anchor).await.unwrap();
    }
    let elsewhere = Certificate::issued("elsewhere.example");
    let anchor = digest(&SHA256, &elsewhere.root()).as_ref().to_vec();
    let failure = connect(&elsewhere, [2, 0, 1], &anchor).await.err().expect("another's name");
    assert!(matches!(failure, Failure::Tls { result: TlsResult::CertificateHostMismatch, .. }), "{failure:?}");
}

#[tokio::test]
async fn no_other_certificate_will_do() {
    let certificate = Certificate::issued(HOST);
    for numbers in [[3, 1, 1], [3, 0, 1], [2, 0, 1], [2, 1, 1]] {
        let failure = connect(&certificate, numbers, &[7; 32]).await.err().expect("no record names it");
        assert!(matches!(failure, Failure::Tls { result: TlsResult::TlsaInvalid, .. }), "{failure:?}");
    }
    // The server's own certificate is no anchor of itself, nor is the authority's the server's own.
    let own = digest(&SHA256, &certificate.own()).as_ref().to_vec();
    assert!(connect(&certificate, [2, 0, 1], &own).await.is_err());
    let root = digest(&SHA256, &certificate.root()).as_ref().to_vec();
    assert!(connect(&certificate, [3, 0, 1], &root).await.is_err());
}

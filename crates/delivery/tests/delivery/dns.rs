//! The resolver against a scripted server: the cases that must never be mistaken for each other.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tidings_delivery::{DnsFailure, MailHosts, Resolver, ResolverOptions};
use tidings_domain::{Problem, ProviderTable};
use tidings_testing::{DnsFault, DnsScript, DnsServer};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn options(server: &DnsServer) -> ResolverOptions {
    let query_timeout = Duration::from_millis(300);
    ResolverOptions { nameservers: vec![server.addr], query_timeout, attempts: 1, ..ResolverOptions::default() }
}

fn resolver_with(options: ResolverOptions) -> Resolver {
    Resolver::new(options, Arc::new(ProviderTable::builtin().unwrap())).unwrap()
}

async fn resolver(script: DnsScript) -> (Resolver, DnsServer) {
    let server = script.start().await;
    (resolver_with(options(&server)), server)
}

fn names(found: &MailHosts) -> Vec<&str> {
    found.hosts.iter().map(|host| host.name.as_str()).collect()
}

fn problem<T>(found: Result<T, DnsFailure>) -> Problem {
    found.err().expect("a failure").problem
}

#[tokio::test]
async fn hosts_come_by_preference_and_name_their_provider() {
    let script = DnsScript::new()
        .mx("acme.test", &[(20, "alt1.aspmx.l.google.com"), (10, "ASPMX.L.google.com"), (30, "backup.acme.test")])
        .mx("own.test", &[(10, "mx1.own.test"), (10, "mx2.own.test"), (20, "mx3.own.test")]);
    let (resolver, _server) = resolver(script).await;
    let acme = resolver.mail_hosts("acme.test").await.unwrap();
    assert_eq!(names(&acme), ["aspmx.l.google.com", "alt1.aspmx.l.google.com", "backup.acme.test"]);
    assert_eq!(&*acme.provider, "google", "only the best preference counts");
    let own = resolver.mail_hosts("own.test").await.unwrap();
    assert_eq!(&*own.provider, "mx:own.test");
    assert_eq!(own.hosts[2].name, "mx3.own.test");
}

#[tokio::test]
async fn equal_preferences_take_turns() {
    let (resolver, server) =
        resolver(DnsScript::new().mx("own.test", &[(1, "a.test"), (1, "b.test"), (1, "c.test")])).await;
    let mut first = std::collections::BTreeSet::new();
    for _ in 0..200 {
        first.insert(resolver.mail_hosts("own.test").await.unwrap().hosts[0].name.clone());
    }
    assert_eq!(first.len(), 3);
    assert_eq!(server.queries(), ["MX own.test"], "asked once, then remembered");
}

#[tokio::test]
async fn a_domain_without_mx_is_its_own_host() {
    let (resolver, _server) = resolver(DnsScript::new().address("plain.test", ip("8.8.8.8"))).await;
    let found = resolver.mail_hosts("plain.test").await.unwrap();
    assert_eq!(names(&found), ["plain.test"]);
    assert_eq!(resolver.addresses("plain.test").await.unwrap(), [ip("8.8.8.8")]);
}

#[tokio::test]
async fn the_six_cases_are_told_apart() {
    let script = DnsScript::new()
        .mx("null.test", &[(0, ".")])
        .address("v6only.test", ip("2001:4860:4860::8888"))
        .cname("alias-to-nothing.test", "nothing.test")
        .cname("alias.test", "real.test")
        .mx("real.test", &[(5, "mx.real.test")])
        .cname("loop.test", "loop.test")
        .fault("gone.test", DnsFault::NxDomain)
        .fault("servfail.test", DnsFault::ServFail)
        .fault("refused.test", DnsFault::Refused)
        .fault("silent.test", DnsFault::Silence)
        .fault("garbage.test", DnsFault::Garbage);
    let (resolver, _server) = resolver(script).await;
    for (domain, expected) in [
        ("gone.test", Problem::NoSuchDomain),
        ("never-heard-of.test", Problem::NoSuchDomain),
        ("null.test", Problem::NullMx),
        // It exists, has no MX, and no address of a family that we use.
        ("v6only.test", Problem::NoMailHost),
        ("servfail.test", Problem::DnsFailure),
        ("refused.test", Problem::DnsFailure),
        ("silent.test", Problem::DnsFailure),
        ("garbage.test", Problem::DnsFailure),
        ("no..name", Problem::DnsFailure),
        ("alias-to-nothing.test", Problem::NoSuchDomain),
    ] {
        assert_eq!(problem(resolver.mail_hosts(domain).await), expected, "{domain}");
    }
    assert_eq!(names(&resolver.mail_hosts("alias.test").await.unwrap()), ["mx.real.test"]);
    assert!(resolver.mail_hosts("loop.test").await.is_err());
}

/// hickory-dns #2814: such answers have been taken for failures.
#[tokio::test]
async fn negative_answers_without_soa_are_still_negative() {
    let script = DnsScript::new().without_soa().address("plain.test", ip("8.8.8.8"));
    let (resolver, _server) = resolver(script).await;
    assert_eq!(problem(resolver.mail_hosts("gone.test").await), Problem::NoSuchDomain);
    assert_eq!(names(&resolver.mail_hosts("plain.test").await.unwrap()), ["plain.test"]);
}

#[tokio::test]
async fn a_truncated_answer_is_asked_again_over_tcp() {
    let script = DnsScript::new().mx("big.test", &[(1, "mx.big.test")]).fault("big.test", DnsFault::Truncated);
    let (resolver, _server) = resolver(script).await;
    assert_eq!(names(&resolver.mail_hosts("big.test").await.unwrap()), ["mx.big.test"]);
}

/// One broken MX name must not bounce the domain's mail.
#[tokio::test]
async fn an_mx_that_leads_nowhere_is_not_a_missing_domain() {
    let (resolver, _server) = resolver(DnsScript::new().mx("own.test", &[(1, "gone.own.test")])).await;
    resolver.mail_hosts("own.test").await.unwrap();
    assert_eq!(problem(resolver.addresses("gone.own.test").await), Problem::Unreachable);
}

#[tokio::test]
async fn mail_does_not_go_inside() {
    let script = DnsScript::new()
        .address("inside.test", ip("127.0.0.1"))
        .address("inside.test", ip("10.0.0.1"))
        .address("half.test", ip("169.254.169.254"))
        .address("half.test", ip("8.8.8.8"));
    let (resolver, server) = resolver(script).await;
    assert_eq!(problem(resolver.addresses("inside.test").await), Problem::ForbiddenTarget);
    assert_eq!(resolver.addresses("half.test").await.unwrap(), [ip("8.8.8.8")]);
    let sandbox = resolver_with(ResolverOptions { allow_private_targets: true, ..options(&server) });
    assert_eq!(sandbox.addresses("inside.test").await.unwrap().len(), 2);
}

#[tokio::test]
async fn ipv4_comes_first_and_ipv6_only_if_asked_for() {
    let script = DnsScript::new().address("both.test", ip("2001:4860:4860::8888")).address("both.test", ip("8.8.8.8"));
    let (resolver, server) = resolver(script).await;
    assert_eq!(resolver.addresses("both.test").await.unwrap(), [ip("8.8.8.8")]);
    let both = resolver_with(ResolverOptions { use_ipv6: true, ..options(&server) });
    assert_eq!(both.addresses("both.test").await.unwrap(), [ip("8.8.8.8"), ip("2001:4860:4860::8888")]);
}

#[tokio::test]
async fn many_askers_make_one_question_and_failures_are_remembered() {
    let script = DnsScript::new().mx("own.test", &[(1, "mx.own.test")]).fault("bad.test", DnsFault::ServFail);
    let (resolver, server) = resolver(script).await;
    let askers: Vec<_> = (0..50)
        .map(|_| {
            let resolver = resolver.clone();
            tokio::spawn(async move { resolver.mail_hosts("own.test").await.is_ok() })
        })
        .collect();
    for asker in askers {
        assert!(asker.await.unwrap());
    }
    assert_eq!(server.queries(), ["MX own.test"]);
    assert_eq!(problem(resolver.mail_hosts("bad.test").await), Problem::DnsFailure);
    let asked = server.queries().len();
    assert_eq!(problem(resolver.mail_hosts("bad.test").await), Problem::DnsFailure);
    assert_eq!(server.queries().len(), asked, "not asked again at once");
}

#[tokio::test]
async fn published_texts_are_read_whole_and_afresh() {
    let long = "v=DKIM1; k=rsa; p=".to_owned() + &"A".repeat(600);
    let script = DnsScript::new()
        .text("s._domainkey.own.test", &long)
        .mx("own.test", &[(5, "MX.own.test")])
        .mx("quiet.test", &[(0, ".")]);
    let (resolver, server) = resolver(script.fault("down.test", DnsFault::ServFail)).await;
    for _ in 0..2 {
        assert_eq!(resolver.texts("s._domainkey.own.test").await.unwrap(), [long.as_str()]);
    }
    assert_eq!(server.queries().len(), 2, "nothing is remembered");
    assert!(resolver.texts("own.test").await.unwrap().is_empty(), "it has no text");
    assert!(resolver.texts("gone.test").await.unwrap().is_empty(), "it does not exist");
    assert_eq!(problem(resolver.texts("down.test").await), Problem::DnsFailure);
    assert_eq!(resolver.mx_names("own.test").await.unwrap(), ["mx.own.test"]);
    assert_eq!(resolver.mx_names("quiet.test").await.unwrap(), [""], "the null MX");
}

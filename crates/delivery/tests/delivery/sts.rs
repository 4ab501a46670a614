//! MTA-STS from the TXT record to the policy, against a scripted DNS server and a real HTTPS server.

use std::sync::Arc;

use tidings_delivery::{Resolver, ResolverOptions, StsClient, StsFault, StsMode, StsOptions, TlsClients};
use tidings_domain::{ProviderTable, TlsResult};
use tidings_testing::{Certificate, DnsFault, DnsScript, DnsServer, HttpsServer};

const HOST: &str = "mta-sts.acme.test";
const POLICY: &str = "version: STSv1\nmode: enforce\nmx: mx.acme.test\nmax_age: 86400\n";

struct World {
    client: StsClient,
    https: HttpsServer,
    _dns: DnsServer,
}

async fn world(certificate: &Certificate, trusted: &[&Certificate]) -> World {
    world_with(DnsScript::new(), certificate, trusted, true).await
}

async fn world_with(script: DnsScript, certificate: &Certificate, trusted: &[&Certificate], private: bool) -> World {
    let https = HttpsServer::start(certificate, POLICY).await;
    let dns = script
        .text("_mta-sts.acme.test", "v=STSv1; id=20261129T120000;")
        .text("_mta-sts.two.test", "v=STSv1; id=1;")
        .text("_mta-sts.two.test", "v=STSv1; id=2;")
        .address(HOST, https.addr.ip())
        .fault("_mta-sts.broken.test", DnsFault::ServFail)
        .start()
        .await;
    let options = ResolverOptions {
        nameservers: vec![dns.addr],
        allow_private_targets: private,
        attempts: 1,
        ..ResolverOptions::default()
    };
    let resolver = Resolver::new(options, Arc::new(ProviderTable::builtin().unwrap())).unwrap();
    let roots: Vec<_> = trusted.iter().map(|c| c.root()).collect();
    let tls = TlsClients::new(&roots).unwrap();
    let client = StsClient::new(resolver, &tls, StsOptions { https_port: https.addr.port() });
    World { client, https, _dns: dns }
}

async fn fault(world: &World) -> StsFault {
    world.client.fetch("acme.test").await.expect_err("it must fail")
}

#[tokio::test]
async fn the_record_leads_to_the_policy() {
    let certificate = Certificate::valid(HOST);
    let world = world(&certificate, &[&certificate]).await;
    assert_eq!(world.client.record("acme.test").await.unwrap().id.as_deref(), Some("20261129T120000"));
    assert_eq!(world.client.record("two.test").await.unwrap().id, None, "two records are none");
    assert_eq!(world.client.record("other.test").await.unwrap().id, None);
    assert!(world.client.record("broken.test").await.is_err(), "nothing is known");
    let (text, policy) = world.client.fetch("acme.test").await.unwrap();
    assert_eq!((text.as_str(), policy.mode), (POLICY, StsMode::Enforce));
    let port = world.https.addr.port();
    assert_eq!(world.https.requests(), [format!("GET /.well-known/mta-sts.txt HTTP/1.1 {HOST}:{port}")]);
}

#[tokio::test]
async fn a_certificate_that_is_not_the_hosts_makes_no_policy() {
    for certificate in [Certificate::valid("elsewhere.test"), Certificate::expired(HOST)] {
        let world = world(&certificate, &[&certificate]).await;
        assert_eq!(fault(&world).await.result, TlsResult::StsWebpkiInvalid);
        assert!(world.https.requests().is_empty());
    }
    let stranger = Certificate::valid(HOST);
    assert_eq!(fault(&world(&stranger, &[]).await).await.result, TlsResult::StsWebpkiInvalid);
}

#[tokio::test]
async fn answers_that_are_no_policy() {
    let certificate = Certificate::valid(HOST);
    let world = world(&certificate, &[&certificate]).await;
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n";
    let endless = format!("{head}\r\nversion: STSv1\n{}", "mx: a.test\n".repeat(10_000));
    let elsewhere = format!(
        "HTTP/1.1 301 Moved\r\nLocation: https://{HOST}:{}/\r\nContent-Length: 0\r\n\r\n",
        world.https.addr.port()
    );
    for (answer, result) in [
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", TlsResult::StsPolicyFetchError),
        (elsewhere.as_str(), TlsResult::StsPolicyFetchError),
        ("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nhi", TlsResult::StsPolicyFetchError),
        (endless.as_str(), TlsResult::StsPolicyFetchError),
        (&format!("{head}Content-Length: 100\r\n\r\nversion: STSv1"), TlsResult::StsPolicyFetchError),
        ("SSH-2.0-OpenSSH\r\n", TlsResult::StsPolicyFetchError),
        (&format!("{head}Content-Length: 5\r\n\r\nhello"), TlsResult::StsPolicyInvalid),
    ] {
        world.https.answer(answer);
        let before = world.https.requests().len();
        assert_eq!(fault(&world).await.result, result, "{answer:.60}");
        assert_eq!(world.https.requests().len(), before + 1, "no redirect is followed");
    }
}

/// A domain's owner must not make us knock at doors inside our own network.
#[tokio::test]
async fn a_policy_is_not_fetched_from_inside() {
    let certificate = Certificate::valid(HOST);
    let world = world_with(DnsScript::new(), &certificate, &[&certificate], false).await;
    let fault = fault(&world).await;
    assert_eq!(fault.result, TlsResult::StsPolicyFetchError);
    assert!(fault.detail.contains("must not go to"), "{fault}");
    assert!(world.https.requests().is_empty());
}

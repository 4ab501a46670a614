//! From a recipient's domain to a connection that is held to what the domain demands: real SQLite, DNS, HTTPS and SMTP on the wire.

use std::sync::Arc;

use tidings_bounce::ProviderBook;
use tidings_compose::Keys;
use tidings_delivery::{Connection, Offer, Resolver, ResolverOptions, StsOptions, TlsClients};
use tidings_domain::{
    DeliveryKind, Lane, Outcome, Phase, Problem, ProviderTable, Shared, TlsDemand, TlsPolicyType, TlsResult, TlsUse,
    UnixMs,
};
use tidings_store::{
    CampaignId, DeliveryId, RevisionId, Store, StoreOptions, StsPolicyRow, TlsSessions, Work, WorkspaceId, day_of,
};
use tidings_testing::{
    Act, Certificate, DnsFault, DnsScript, DnsServer, HttpsServer, SmtpScript, SmtpServer, TestDatabase,
};

use super::targets::{Spot, TargetOptions, Targets};
use crate::now;

const HOST: &str = "mx.acme.test";
const ENFORCE: &str = "version: STSv1\nmode: enforce\nmx: mx.acme.test\nmax_age: 86400\n";

struct World {
    targets: Targets,
    store: Store,
    smtp: SmtpServer,
    https: HttpsServer,
    dns: DnsServer,
    port: u16,
    database: TestDatabase,
    tls: TlsClients,
}

/// Which servers there are, and what they say.
struct Plan {
    dns: DnsScript,
    smtp: SmtpScript,
    policy: &'static str,
    /// Whom the sender trusts besides the world's authorities.
    trusted: Vec<Certificate>,
    validates: bool,
}

impl Plan {
    /// `acme.test` has one host with this certificate; the policy's server is as it should be.
    fn new(certificate: &Certificate) -> Self {
        Self {
            dns: DnsScript::new().mx("acme.test", &[(10, HOST)]).address(HOST, [127, 0, 0, 1].into()),
            smtp: SmtpScript::new().starttls(certificate.clone()),
            policy: ENFORCE,
            trusted: vec![certificate.clone()],
            validates: false,
        }
    }

    fn with_sts(mut self) -> Self {
        self.dns =
            self.dns.text("_mta-sts.acme.test", "v=STSv1; id=1;").address("mta-sts.acme.test", [127, 0, 0, 1].into());
        self
    }

    async fn start(self) -> World {
        let policy_host = Certificate::valid("mta-sts.acme.test");
        let https = HttpsServer::start(&policy_host, self.policy).await;
        let roots: Vec<_> = self.trusted.iter().map(Certificate::root).chain([policy_host.root()]).collect();
        let tls = TlsClients::new(&roots).expect("roots");
        let smtp = self.smtp.start().await;
        let dns = self.dns.start().await;
        let database = TestDatabase::sqlite();
        let store = Store::open(database.url(), StoreOptions::default()).await.expect("opens");
        let port = smtp.addr.port();
        let targets = targets(&store, &dns, port, self.validates, &tls, &https);
        World { targets, store, smtp, https, dns, port, database, tls }
    }
}

fn targets(
    store: &Store,
    dns: &DnsServer,
    port: u16,
    validates: bool,
    tls: &TlsClients,
    https: &HttpsServer,
) -> Targets {
    let options = ResolverOptions {
        nameservers: vec![dns.addr],
        smtp_port: port,
        allow_private_targets: true,
        validates,
        attempts: 1,
        ..ResolverOptions::default()
    };
    let table = Arc::new(ProviderTable::builtin().expect("a good table"));
    let resolver = Resolver::new(options, table).expect("a resolver");
    let sts = StsOptions { https_port: https.addr.port() };
    let options = TargetOptions { ehlo_name: "sender.example".to_owned(), source_ip: None, tls: tls.clone(), sts };
    let book = Shared::new(ProviderBook::builtin());
    Targets::new(store.clone(), resolver, Arc::new(Keys::new(&[7; 32])), book, options)
}

fn work() -> Work {
    Work {
        delivery: DeliveryId(1),
        attempt: 0,
        lane: Lane::Bulk,
        kind: DeliveryKind::Campaign,
        workspace: WorkspaceId(1),
        campaign: CampaignId(1),
        revision: RevisionId(1),
        route: None,
        provider: Arc::from("mx:acme.test"),
        recipient: "ana@acme.test".to_owned(),
        subscriber: None,
        first_attempt_at: None,
        window: None,
        deadline: None,
    }
}

impl World {
    async fn spots(&self) -> Result<Vec<Spot>, Outcome> {
        self.targets.spots(&work()).await
    }

    async fn connect(&self) -> Result<Connection, Outcome> {
        let spots = self.spots().await?;
        self.targets.open(&spots[0]).await
    }

    async fn failure(&self) -> (Phase, Problem, String) {
        match self.connect().await.map(|_| ()) {
            Err(Outcome::Broken { phase, problem, detail }) => (phase, problem, detail),
            other => panic!("{other:?}"),
        }
    }

    /// What has been counted so far.
    async fn sessions(&self) -> Vec<(TlsPolicyType, TlsResult, i64)> {
        self.targets.reports.write(&self.store).await;
        let found = self.store.tls_sessions_of("acme.test".to_owned(), day_of(now()), 100).await.expect("reads");
        found.into_iter().map(|TlsSessions { policy, result, n, .. }| (policy, result, n)).collect()
    }

    /// Another process on the same database: nothing in its memory.
    fn restarted(&self) -> Targets {
        targets(&self.store, &self.dns, self.port, false, &self.tls, &self.https)
    }
}

#[tokio::test]
async fn an_enforced_policy_demands_a_certificate_and_says_so() {
    let good = Plan::new(&Certificate::valid(HOST)).with_sts().start().await;
    let connection = good.connect().await.expect("opens");
    assert!(matches!(connection.peer().tls, TlsUse::Verified { .. }));
    assert_eq!(connection.peer().demand, TlsDemand::Sts);
    assert_eq!(good.sessions().await, [(TlsPolicyType::Sts, TlsResult::Success, 1)]);

    let bad = Plan::new(&Certificate::valid("other.test")).with_sts().start().await;
    let (phase, problem, detail) = bad.failure().await;
    assert_eq!((phase, problem), (Phase::StartTls, Problem::Tls));
    assert!(detail.contains("MTA-STS policy of acme.test demands"), "{detail}");
    assert_eq!(bad.smtp.connections(), 1, "no second try in plain text");
    assert_eq!(bad.sessions().await, [(TlsPolicyType::Sts, TlsResult::CertificateHostMismatch, 1)]);
}

/// An attacker who takes STARTTLS out of the dialogue gets no mail.
#[tokio::test]
async fn an_enforced_policy_takes_no_plain_text() {
    let plain = Plan { smtp: SmtpScript::new(), ..Plan::new(&Certificate::valid(HOST)) }.with_sts().start().await;
    let (phase, problem, detail) = plain.failure().await;
    assert_eq!((phase, problem), (Phase::StartTls, Problem::Tls), "{detail}");
    assert_eq!(plain.sessions().await, [(TlsPolicyType::Sts, TlsResult::StartTlsNotSupported, 1)]);
}

#[tokio::test]
async fn a_host_that_the_policy_does_not_name_gets_nothing() {
    let policy = "version: STSv1\nmode: enforce\nmx: other.acme.test\nmax_age: 86400\n";
    let world = Plan { policy, ..Plan::new(&Certificate::valid(HOST)) }.with_sts().start().await;
    let (_, problem, detail) = world.failure().await;
    assert_eq!(problem, Problem::Tls);
    assert!(detail.contains("does not name its mail host mx.acme.test"), "{detail}");
    assert_eq!(world.smtp.connections(), 0);
    assert_eq!(world.sessions().await, [(TlsPolicyType::Sts, TlsResult::ValidationFailure, 1)]);
}

#[tokio::test]
async fn a_policy_in_testing_reports_and_delivers() {
    let policy = "version: STSv1\nmode: testing\nmx: mx.acme.test\nmax_age: 86400\n";
    let world = Plan { policy, ..Plan::new(&Certificate::expired(HOST)) }.with_sts().start().await;
    let connection = world.connect().await.expect("opens");
    assert_eq!(connection.peer().demand, TlsDemand::StsTesting);
    assert!(matches!(connection.peer().tls, TlsUse::Unverified { .. }));
    assert_eq!(world.sessions().await, [(TlsPolicyType::Sts, TlsResult::CertificateExpired, 1)]);

    let none = "version: STSv1\nmode: none\nmax_age: 86400\n";
    let world = Plan { policy: none, ..Plan::new(&Certificate::expired(HOST)) }.with_sts().start().await;
    assert_eq!(world.connect().await.expect("opens").peer().demand, TlsDemand::Opportunistic);
    assert_eq!(world.sessions().await, [(TlsPolicyType::NoPolicyFound, TlsResult::Success, 1)]);
}

/// What is known costs nothing more: no question to DNS, no fetch.
#[tokio::test]
async fn after_the_first_mail_nothing_is_looked_up() {
    let world = Plan::new(&Certificate::valid(HOST)).with_sts().start().await;
    let askers = (0..20).map(|_| world.spots());
    for spots in futures_util::future::join_all(askers).await {
        assert_eq!(spots.expect("spots").len(), 1);
    }
    let asked = world.dns.queries();
    assert_eq!(world.https.requests().len(), 1, "one fetch for all who asked at once");
    assert_eq!(asked.iter().filter(|query| query.starts_with("MX")).count(), 1, "{asked:?}");
    assert_eq!(asked.iter().filter(|query| query.starts_with("TXT")).count(), 1, "{asked:?}");
    for _ in 0..20 {
        world.spots().await.expect("spots");
    }
    assert_eq!(world.dns.queries(), asked);
    assert_eq!(world.https.requests().len(), 1);
}

#[tokio::test]
async fn a_policy_outlives_restarts_and_what_hides_it() {
    let world = Plan::new(&Certificate::valid(HOST)).with_sts().start().await;
    world.spots().await.expect("spots");
    // Another process takes it from the database.
    let other = world.restarted();
    let spots = other.spots(&work()).await.expect("spots");
    assert_eq!((spots[0].held.demand, world.https.requests().len()), (TlsDemand::Sts, 1));
    // A new id, and a server that is broken: the old policy holds.
    let old = world.store.sts_policy("acme.test".to_owned(), now()).await.expect("reads").expect("kept");
    world.store.save_sts_policy(StsPolicyRow { policy_id: "0".to_owned(), ..old.clone() }).await.expect("saves");
    world.https.answer("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n");
    let spots = world.restarted().spots(&work()).await.expect("spots");
    assert_eq!((spots[0].held.demand, world.https.requests().len()), (TlsDemand::Sts, 2));
    // A server that says something new is believed, under a new id.
    world.https.answer_text("version: STSv1\nmode: none\nmax_age: 60\n");
    let spots = world.restarted().spots(&work()).await.expect("spots");
    assert_eq!(spots[0].held.demand, TlsDemand::Opportunistic);
    // One that has expired is none.
    let past = StsPolicyRow { expires_at_ms: now().0 - 1, ..old };
    world.store.save_sts_policy(past).await.expect("saves");
    world.https.answer("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n");
    let spots = world.restarted().spots(&work()).await.expect("spots");
    assert_eq!(spots[0].held.demand, TlsDemand::Opportunistic);
}

/// RFC 8461 §2: who can hide the record must not be able to take the policy away.
#[tokio::test]
async fn a_policy_holds_although_its_record_is_gone() {
    for fault in [DnsFault::NxDomain, DnsFault::ServFail] {
        let mut plan = Plan::new(&Certificate::valid(HOST)).with_sts();
        plan.dns = plan.dns.fault("_mta-sts.acme.test", fault);
        let world = plan.start().await;
        let row = StsPolicyRow {
            domain: "acme.test".to_owned(),
            policy_id: "1".to_owned(),
            policy: ENFORCE.to_owned(),
            fetched_at_ms: now().0,
            expires_at_ms: now().0 + UnixMs::HOUR,
        };
        world.store.save_sts_policy(row).await.expect("saves");
        assert_eq!(world.spots().await.expect("spots")[0].held.demand, TlsDemand::Sts, "{fault:?}");
        assert!(world.https.requests().is_empty());
    }
}

/// Signed, and with a TLSA record of this certificate's key.
fn with_dane(mut plan: Plan, data: &[u8]) -> Plan {
    // The port that the server will get is not known yet: the record stands under every name that begins so.
    plan.dns = plan.dns.signed("acme.test").signed(HOST).tlsa_at_any_port(HOST, [3, 1, 0], data);
    plan.validates = true;
    plan
}

#[tokio::test]
async fn dane_goes_before_mta_sts() {
    // No authority that anybody trusts: MTA-STS would refuse it.
    let own = Certificate::valid("whatever.test");
    let plan = Plan { trusted: Vec::new(), ..Plan::new(&own) }.with_sts();
    let world = with_dane(plan, own.public_key()).start().await;
    let connection = world.connect().await.expect("opens");
    assert_eq!(connection.peer().demand, TlsDemand::Dane);
    assert_eq!(world.sessions().await, [(TlsPolicyType::Tlsa, TlsResult::Success, 1)]);

    // And a certificate that MTA-STS would take is refused when DNS names another.
    let valid = Certificate::valid(HOST);
    let world = with_dane(Plan::new(&valid).with_sts(), own.public_key()).start().await;
    let (_, problem, detail) = world.failure().await;
    assert_eq!(problem, Problem::Tls);
    assert!(detail.contains("TLSA records of mx.acme.test demand TLS (DANE)"), "{detail}");
    assert_eq!(world.sessions().await, [(TlsPolicyType::Tlsa, TlsResult::TlsaInvalid, 1)]);
}

#[tokio::test]
async fn an_operator_can_require_tls_for_a_domain() {
    for (is_verified, certificate, opens) in [
        (false, Some(Certificate::expired(HOST)), true),
        (true, Some(Certificate::valid(HOST)), true),
        (true, Some(Certificate::expired(HOST)), false),
        (false, None, false),
    ] {
        let mut plan = Plan::new(&Certificate::valid(HOST));
        plan.trusted = certificate.iter().cloned().collect();
        plan.smtp = match &certificate {
            Some(certificate) => SmtpScript::new().starttls(certificate.clone()),
            None => SmtpScript::new(),
        };
        let world = plan.start().await;
        world.store.require_tls("acme.test".to_owned(), is_verified, "ana", now()).await.expect("adds");
        match world.connect().await {
            Ok(connection) => assert!(opens && connection.peer().demand == TlsDemand::Required),
            Err(Outcome::Broken { problem: Problem::Tls, detail, .. }) => {
                assert!(!opens && detail.contains("TLS is required for acme.test"), "{detail}");
            }
            Err(other) => panic!("{other:?}"),
        }
    }
}

/// What is known of providers counts as an operator's word.
#[tokio::test]
async fn some_providers_get_nothing_in_plain_text() {
    let world = Plan { smtp: SmtpScript::new(), ..Plan::new(&Certificate::valid(HOST)) }.start().await;
    let spots = world.targets.spots(&Work { provider: Arc::from("google"), ..work() }).await.expect("spots");
    assert_eq!(spots[0].held.demand, TlsDemand::Required);
    assert!(world.targets.open(&spots[0]).await.is_err());
    assert_eq!(world.connect().await.expect("others do").peer().tls, TlsUse::None);
}

/// Opportunistic TLS: one more try in plain text, and the host's broken handshake is remembered; what is said before a handshake is not.
#[tokio::test]
async fn a_broken_handshake_is_tried_once() {
    let mut plan = Plan::new(&Certificate::valid(HOST));
    plan.smtp = SmtpScript::new().starttls(Certificate::valid(HOST)).on("TLS", Act::Drop);
    let world = plan.start().await;
    for connections in [2, 3] {
        let connection = world.connect().await.expect("opens");
        assert_eq!((connection.peer().tls, world.smtp.connections()), (TlsUse::None, connections));
    }
    assert_eq!(world.sessions().await, [(TlsPolicyType::NoPolicyFound, TlsResult::ValidationFailure, 1)]);
    assert!(world.targets.memory.is_plain(HOST, std::time::Instant::now()));

    let mut plan = Plan::new(&Certificate::valid(HOST));
    let injected = Act::Bytes(b"220 go\r\n250 hello\r\n".to_vec());
    plan.smtp = SmtpScript::new().starttls(Certificate::valid(HOST)).on("STARTTLS", injected);
    let world = plan.start().await;
    world.connect().await.expect("opens in plain text");
    assert!(!world.targets.memory.is_plain(HOST, std::time::Instant::now()), "that may be somebody in between");
}

#[tokio::test]
async fn connections_are_shared_only_under_one_policy() {
    let world = Plan::new(&Certificate::valid(HOST)).start().await;
    let before = world.spots().await.expect("spots").remove(0);
    let again = world.spots().await.expect("spots").remove(0);
    assert!(before.same_peer(&again));
    world.store.require_tls("acme.test".to_owned(), true, "ana", now()).await.expect("adds");
    let after = world.restarted().spots(&work()).await.expect("spots").remove(0);
    assert!(!before.same_peer(&after), "a connection in the open must not carry what needs TLS");
}

#[tokio::test]
async fn a_domain_is_gone_when_dns_says_so_again_hours_later() {
    let world =
        Plan { dns: DnsScript::new().fault("acme.test", DnsFault::NxDomain), ..Plan::new(&Certificate::valid(HOST)) }
            .start()
            .await;
    assert_eq!(world.failure().await.1, Problem::NoSuchDomain, "the first time");
    assert_eq!(world.failure().await.1, Problem::NoSuchDomain, "a moment later");
    // As if the first answer had come three hours ago.
    world.store.forget_missing_domain("acme.test").await.expect("forgets");
    world.store.note_missing_domain("acme.test", UnixMs(now().0 - 3 * UnixMs::HOUR)).await.expect("notes");
    let (phase, problem, detail) = match world.restarted().spots(&work()).await {
        Err(Outcome::Broken { phase, problem, detail }) => (phase, problem, detail),
        other => panic!("{other:?}"),
    };
    assert_eq!((phase, problem), (Phase::Dns, Problem::DomainGone), "{detail}");
    assert!(detail.contains("3 hours ago"), "{detail}");
}

#[tokio::test]
async fn a_mail_over_a_held_connection_arrives() {
    let world = Plan::new(&Certificate::valid(HOST)).with_sts().start().await;
    let mut connection = world.connect().await.expect("opens");
    let envelope = tidings_delivery::Envelope { mail_from: "b@s.example", rcpt_to: "ana@acme.test", smtputf8: false };
    assert_eq!(connection.offer(&envelope, b"Subject: x\r\n\r\nx\r\n").await, Offer::AwaitsDot);
    assert!(matches!(connection.finish().await, Outcome::Accepted { .. }));
    assert_eq!(world.smtp.messages().len(), 1);
    drop(world.database);
}

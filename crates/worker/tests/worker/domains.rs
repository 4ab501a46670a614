//! The keeper of sending domains against a scripted DNS: what it finds, what it says of it, and what follows.

use std::sync::Arc;
use std::time::Duration;

use tidings_delivery::{Resolver, ResolverOptions};
use tidings_domain::{
    DkimAlgorithm, DkimKeyState, KEY_MISSED_FOR, ProviderTable, RecordKind, RecordState, RouteKind, SendingDomainName,
    SendingDomainState, dkim_host, dkim_value,
};
use tidings_store::*;
use tidings_testing::{DnsFault, DnsScript, TestDatabase};
use tidings_worker::{DomainKeeper, Looping, SendingFacts, Step, now};

const DOMAIN: &str = "shop.example";
const BOUNCES: &str = "bounces.shop.example";
const RSA: &str = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A";
const ED25519: &str = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

struct World {
    store: Store,
    workspace: Workspace,
    domain: SendingDomainId,
    database: TestDatabase,
}

impl World {
    async fn on(database: TestDatabase) -> Self {
        let store = Store::open(database.url(), StoreOptions::default()).await.expect("opens");
        let admin = NewAdmin {
            email: "a@shop.example".into(),
            name: "A".into(),
            password_hash: String::new(),
            workspace_name: "Shop".into(),
        };
        let (_, id) = store.add_admin(admin, now()).await.expect("an admin");
        let workspace = store.workspace(id);
        let key = |algorithm, selector: &str, public: &str| NewDkimKey {
            algorithm,
            selector: selector.to_owned(),
            public_key: public.to_owned(),
            private_sealed: "sealed".to_owned(),
        };
        let keys = vec![key(DkimAlgorithm::Rsa2048, "r", RSA), key(DkimAlgorithm::Ed25519, "e", ED25519)];
        let name = SendingDomainName::parse(DOMAIN).expect("a domain");
        let added = workspace.add_sending_domain(name, keys, "A".into(), now()).await.expect("adds");
        let AddedDomain::Yes(domain) = added else { panic!("it is new") };
        workspace.save_route(NewRoute::direct(), now()).await.expect("a route");
        Self { store, workspace, domain, database }
    }

    async fn add_route(&self, name: &str, route: NewRoute) -> RouteId {
        match self.workspace.add_route(name.to_owned(), route, now()).await.expect("adds") {
            SavedRoute::Yes(id) => id,
            other => panic!("{name}: {other:?}"),
        }
    }

    /// The look that missed a key was so much longer ago.
    fn let_pass(&self, time: Duration) {
        let ms = time.as_millis();
        self.database.execute(&format!("UPDATE dkim_keys SET missed_since_ms = missed_since_ms - {ms}"));
    }

    /// One wished-for look with this DNS.
    async fn look(&self, script: DnsScript) -> DomainDetails {
        let server = script.start().await;
        let options = ResolverOptions {
            nameservers: vec![server.addr],
            query_timeout: Duration::from_millis(300),
            attempts: 1,
            ..ResolverOptions::default()
        };
        let resolver =
            Resolver::new(options, Arc::new(ProviderTable::builtin().expect("the table"))).expect("resolver");
        let facts = SendingFacts {
            bounce_domain: Some(BOUNCES.to_owned()),
            server: "mail.shop.example".to_owned(),
            addresses: vec!["192.0.2.7".parse().expect("an address")],
        };
        let mut keeper = DomainKeeper::new(self.store.clone(), resolver, facts, None);
        self.workspace.want_domain_check(self.domain, now()).await.expect("wishes");
        assert_eq!(keeper.step().await.expect("a step"), Step::DidWork);
        assert_eq!(keeper.step().await.expect("a step"), Step::Idle, "one look answers one wish");
        self.workspace.sending_domain(self.domain).await.expect("reads")
    }
}

fn key_record(algorithm: DkimAlgorithm, selector: &str, public: &str) -> (String, String) {
    (dkim_host(selector, DOMAIN), dkim_value(algorithm, public))
}

/// All in order.
fn good_dns() -> DnsScript {
    let (rsa_name, rsa) = key_record(DkimAlgorithm::Rsa2048, "r", RSA);
    let (ed_name, ed) = key_record(DkimAlgorithm::Ed25519, "e", ED25519);
    DnsScript::new()
        .text(&rsa_name, &rsa)
        .cname(&ed_name, "keys.elsewhere.example")
        .text("keys.elsewhere.example", &ed)
        .text(BOUNCES, "verification=123")
        .text(BOUNCES, "v=spf1 include:_spf.shop.example -all")
        .text("_spf.shop.example", "v=spf1 ip4:192.0.2.0/24 ~all")
        .text("_dmarc.shop.example", "v=DMARC1; p=reject")
        .mx(BOUNCES, &[(10, "mail.shop.example")])
}

fn state(details: &DomainDetails, kind: RecordKind) -> (RecordState, &str) {
    let record = details.records.iter().find(|record| record.kind == kind).expect("it was looked for");
    (record.state, &record.detail)
}

#[tokio::test]
async fn a_domain_in_order_is_verified_and_signs() {
    for database in TestDatabase::each() {
        let world = World::on(database).await;
        let details = world.look(good_dns()).await;
        assert_eq!(details.domain.state, SendingDomainState::Verified);
        assert!(details.records.iter().all(|record| record.state == RecordState::Good), "{:?}", details.records);
        assert!(details.keys.iter().all(|key| key.state == DkimKeyState::Active));
        let tomorrow = details.domain.next_check_at_ms - now().0;
        assert!(tomorrow > 23 * 3_600_000, "in order, it is looked at tomorrow: {tomorrow}");
        assert_eq!(world.workspace.signing_domains().await.expect("reads")[0].keys.len(), 2);
    }
}

#[tokio::test]
async fn each_mistake_is_said_in_plain_words() {
    use RecordKind as K;
    use RecordState as S;
    let world = World::on(TestDatabase::sqlite()).await;
    let (rsa_name, rsa) = key_record(DkimAlgorithm::Rsa2048, "r", RSA);

    let details = world.look(DnsScript::new().text(&format!("{rsa_name}.{DOMAIN}"), &rsa)).await;
    assert_eq!(details.domain.state, SendingDomainState::Unverified);
    let soon = details.domain.next_check_at_ms - now().0;
    assert!(soon <= 600_000, "a new key is awaited closely: {soon}");
    let deeper = details.records.iter().find(|record| record.host == rsa_name).expect("it was looked for");
    assert!(deeper.state == S::Missing && deeper.detail.contains("Enter only “r._domainkey”"), "{}", deeper.detail);
    for (kind, words) in [(K::Spf, "no SPF record"), (K::Dmarc, "no DMARC record"), (K::BounceMx, "no MX record")] {
        let (state, detail) = state(&details, kind);
        assert!(state == S::Missing && detail.contains(words), "{kind}: {detail}");
    }

    let spf = async |text: &str| {
        let details = world.look(DnsScript::new().text(BOUNCES, text)).await;
        let (state, detail) = state(&details, K::Spf);
        (state, detail.to_owned())
    };
    let (state_of, detail) = spf("v=spf1 ip4:198.51.100.1 -all").await;
    assert!(state_of == S::Wrong && detail.contains("does not let 192.0.2.7 send"), "{detail}");
    let (state_of, detail) = spf("v=spf1 ipv4:192.0.2.7 -all").await;
    assert!(state_of == S::Broken && detail.contains("“ipv4:192.0.2.7”"), "{detail}");
    let (state_of, detail) = spf("v=spf1 include:gone.example -all").await;
    assert!(state_of == S::Broken && detail.contains("cannot work it out"), "{detail}");

    let twice = DnsScript::new().text(&rsa_name, &rsa).text(&rsa_name, &format!("{rsa}; n=again"));
    let details = world.look(twice).await;
    let record = details.records.iter().find(|record| record.host == rsa_name).expect("it was looked for");
    assert_eq!(record.state, S::Several);
    assert!(world.workspace.signing_domains().await.expect("reads")[0].keys.is_empty(), "nobody could verify it");
}

#[tokio::test]
async fn a_resolver_that_fails_changes_nothing_and_a_key_that_is_gone_is_used_no_more() {
    let world = World::on(TestDatabase::sqlite()).await;
    let before = world.look(good_dns()).await;
    for fault in [DnsFault::ServFail, DnsFault::Refused, DnsFault::Silence] {
        let names = ["r._domainkey.shop.example", "e._domainkey.shop.example", "_dmarc.shop.example", BOUNCES];
        let script = names.iter().fold(DnsScript::new(), |script, name| script.fault(name, fault));
        let details = world.look(script).await;
        assert_eq!(details.domain.state, SendingDomainState::Verified, "{fault:?}");
        assert_eq!(details.records, before.records, "{fault:?}");
    }
    assert_eq!(world.workspace.signing_domains().await.expect("reads")[0].keys.len(), 2);

    let without_keys = || DnsScript::new().text(BOUNCES, "v=spf1 ip4:192.0.2.7 -all");
    let details = world.look(without_keys()).await;
    assert_eq!(details.domain.state, SendingDomainState::Verified, "one look is not believed alone");
    assert_eq!(world.workspace.signing_domains().await.expect("reads")[0].keys.len(), 2);
    let missed = details.records.iter().find(|record| record.kind == RecordKind::Dkim).expect("it was looked for");
    assert!(missed.state == RecordState::Missing && missed.detail.contains("second look"), "{}", missed.detail);
    let again = details.domain.next_check_at_ms - now().0;
    assert!(again > 120_000 && again <= 180_000, "the second look is soon: {again}");
    let impatient = world.look(without_keys()).await;
    assert_eq!(impatient.domain.state, SendingDomainState::Verified, "a second look at once says nothing new");

    world.let_pass(KEY_MISSED_FOR);
    let details = world.look(good_dns()).await;
    assert!(details.keys.iter().all(|key| key.missed_since_ms.is_none()), "they are there again");
    assert_eq!(details.keys[0].published_at_ms, before.keys[0].published_at_ms, "as if nothing had been");
    world.look(without_keys()).await;
    world.let_pass(KEY_MISSED_FOR);
    let details = world.look(without_keys()).await;
    assert_eq!(details.domain.state, SendingDomainState::Failing);
    assert!(world.workspace.signing_domains().await.expect("reads")[0].keys.is_empty());
    let notices = world.workspace.domain_notices(now()).await.expect("reads");
    assert!(notices.iter().any(|notice| notice.trouble == DomainTrouble::Failing), "{notices:?}");
    assert!(notices.len() > 3, "and each record that is gone: {notices:?}");
    assert!(details.domain.next_check_at_ms - now().0 <= 600_000, "it is watched closely");
}

#[tokio::test]
async fn spf_has_to_name_every_address_that_mail_may_leave_from() {
    let world = World::on(TestDatabase::sqlite()).await;
    let spf = async |terms: &str| {
        let details = world.look(DnsScript::new().text(BOUNCES, &format!("v=spf1 {terms} -all"))).await;
        let record = details.records.into_iter().find(|record| record.kind == RecordKind::Spf).expect("looked for");
        (record.state, record.detail, record.expected)
    };
    assert_eq!(spf("ip4:192.0.2.7").await.0, RecordState::Good, "the only route leaves from the machine's address");

    let from = |v4: &str, v6: &str| NewRoute { source_v4: v4.into(), source_v6: v6.into(), ..NewRoute::direct() };
    let second = world.add_route("Second", from("198.51.100.8", "2001:db8::8")).await;
    let (state, detail, expected) = spf("ip4:192.0.2.7 ip4:198.51.100.8").await;
    assert_eq!(state, RecordState::Wrong);
    assert_eq!(detail, "The record does not let 2001:db8::8 (route “Second”) send.");
    assert_eq!(expected, "v=spf1 ip4:192.0.2.7 ip4:198.51.100.8 ip6:2001:db8::8 ~all");
    let (_, detail, _) = spf("ip4:192.0.2.9").await;
    assert!(detail.contains("192.0.2.7 (route “Main”), 198.51.100.8 (route “Second”), 2001:db8::8"), "{detail}");
    assert_eq!(spf("ip4:192.0.2.7 ip4:198.51.100.8 ip6:2001:db8::8").await.0, RecordState::Good);

    world.workspace.enable_route(second, false, now()).await.expect("switches off");
    assert_eq!(spf("ip4:192.0.2.7").await.0, RecordState::Good, "nothing leaves by a route that is off");

    world.add_route("Inside", from("10.0.0.8", "")).await;
    let relay = NewRoute { kind: RouteKind::Relay, host: "relay.example".into(), ..NewRoute::direct() };
    world.add_route("Relay", relay).await;
    let (state, detail, _) = spf("ip4:192.0.2.7").await;
    assert_eq!(state, RecordState::Good);
    assert!(detail.contains("no public address is set for “Inside”") && detail.contains("your relay"), "{detail}");
}

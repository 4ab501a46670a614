//! A campaign to receivers that greylist and limit connections: everybody gets it once, as it was signed, and nobody is punished.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use tidings_delivery::ResolverOptions;
use tidings_domain::{CampaignState, DeliveryState, DkimAlgorithm, ProviderLimits, ProviderTable};
use tidings_store::{CampaignId, NewRoute};
use tidings_testing::{DnsScript, DnsServer};
use tidings_tests::judges::{dkimpy, opendkim};
use tidings_tests::mail_servers::DOMAIN;
use tidings_tests::receivers::{Receiver, STRICT_CONNECTIONS, STRICT_MESSAGES};
use tidings_tests::sending_world::{Network, World};

/// Postfix answers more slowly after ten errors on one connection, and ends it after twenty.
const PEOPLE: usize = 24;
const UNKNOWN: usize = 3;
/// More than any of them takes at once, on each more than OpenSMTPD takes.
const CONNECTIONS: usize = 6;
const MESSAGES_PER_CONNECTION: usize = 100;

fn network(receiver: &Receiver, dns: &DnsServer) -> Network {
    let resolver = ResolverOptions {
        nameservers: vec![dns.addr],
        smtp_port: receiver.address().port(),
        allow_private_targets: true,
        ..ResolverOptions::default()
    };
    let limits = ProviderLimits {
        per_second: 1_000.0,
        connections: u32::try_from(CONNECTIONS).expect("few"),
        messages_per_connection: u32::try_from(MESSAGES_PER_CONNECTION).expect("few"),
    };
    let table = ProviderTable::builtin().and_then(|table| table.changed(Some(limits), &[])).expect("a table");
    Network { resolver, table, connections: CONNECTIONS }
}

async fn ended(world: &World, campaign: CampaignId) -> Option<BTreeMap<DeliveryState, i64>> {
    let overview = world.workspace.overview(campaign).await.expect("reads");
    let counts = overview.counts.into_iter().filter(|(_, n)| *n > 0).collect();
    (overview.head.state == CampaignState::Done).then_some(counts)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strict_receivers_get_every_message_once_as_it_was_signed() {
    const { assert!(CONNECTIONS > STRICT_CONNECTIONS && MESSAGES_PER_CONNECTION > STRICT_MESSAGES) };
    let host = format!("mx.{DOMAIN}");
    let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let dns = DnsScript::new().mx(DOMAIN, &[(10, &host)]).address(&host, here).start().await;
    for receiver in Receiver::each_strict() {
        let both = [DkimAlgorithm::Rsa2048, DkimAlgorithm::Ed25519];
        let mut world = World::new(&both, NewRoute::direct(), network(&receiver, &dns)).await;
        world.look(&["r", "e"]).await;
        let known: BTreeSet<String> = (0..PEOPLE).map(|n| format!("p{n}@{DOMAIN}")).collect();
        let unknown = (0..UNKNOWN).map(|n| format!("reject.{n}@{DOMAIN}"));
        let people: Vec<String> = known.iter().cloned().chain(unknown).collect();
        let campaign = world.launch("letters@news.shop.example", &people).await;
        let counts = world.run(async |world: &World| ended(world, campaign).await).await;
        let expected = [(DeliveryState::Accepted, PEOPLE as i64), (DeliveryState::HardBounced, UNKNOWN as i64)];
        assert_eq!(counts, expected.into(), "{}: {}", receiver.name, receiver.log());

        let kept = receiver.kept(PEOPLE);
        let to: BTreeSet<String> = kept.iter().map(|message| recipient(message)).collect();
        assert_eq!((kept.len(), &to), (PEOPLE, &known), "{}", receiver.name);
        let zone = world.published(&["r", "e"]).await;
        for message in &kept {
            assert_eq!(dkimpy(message, &zone), [true, true], "{}", receiver.name);
        }
        assert!(opendkim(&kept[0], &zone), "{}", receiver.name);
    }
}

/// In its field `To`.
fn recipient(message: &[u8]) -> String {
    let text = String::from_utf8_lossy(message).replace("\r\n ", " ").replace("\r\n\t", " ");
    let field = text.split("\r\n").find_map(|line| line.strip_prefix("To: ")).expect("a recipient");
    field.rsplit('<').next().unwrap_or_default().trim_end_matches('>').to_owned()
}

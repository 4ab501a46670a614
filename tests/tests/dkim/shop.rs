//! A shop with a relay that takes everything and keeps it.

use std::net::{Ipv4Addr, SocketAddr};

use tidings_delivery::ResolverOptions;
use tidings_domain::{DkimAlgorithm, ProviderTable, RouteKind, RouteTls, UnixMs};
use tidings_store::{CampaignId, NewRoute};
use tidings_testing::{Received, SmtpScript, SmtpServer};
use tidings_tests::judges::Zone;
use tidings_tests::sending_world::{Network, World};

pub struct Shop {
    world: World,
    receiver: SmtpServer,
    campaigns: usize,
}

impl Shop {
    pub async fn new(algorithms: &[DkimAlgorithm]) -> Self {
        Self::at_pace(algorithms, 0).await
    }

    /// `per_second`: messages by its route; 0: as fast as they go.
    pub async fn at_pace(algorithms: &[DkimAlgorithm], per_second: i32) -> Self {
        let receiver = SmtpScript::new().capabilities(&["PIPELINING", "8BITMIME", "SMTPUTF8"]).start().await;
        let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let network = Network {
            resolver: ResolverOptions { nameservers: vec![nowhere], ..ResolverOptions::default() },
            table: ProviderTable::builtin().expect("the table"),
            connections: 2,
        };
        let route = NewRoute { max_per_second: per_second, ..relay(receiver.addr) };
        Self { world: World::new(algorithms, route, network).await, receiver, campaigns: 0 }
    }

    pub async fn prepare(&self, kind: DkimAlgorithm, selector: &str) {
        self.world.prepare(kind, selector).await;
    }

    pub async fn look(&self, published: &[&str]) {
        self.world.look(published).await;
    }

    pub async fn published(&self, selectors: &[&str]) -> Zone {
        self.world.published(selectors).await
    }

    /// Sends a campaign to so many people, and returns what the receiver got of it.
    pub async fn send(&mut self, from: &str, people: usize) -> Vec<Received> {
        let before = self.receiver.messages().len();
        self.launch(from, people).await;
        let receiver = &self.receiver;
        self.world.run(async |_: &World| (receiver.messages().len() >= before + people).then_some(())).await;
        self.receiver.messages().split_off(before)
    }

    /// Sends a campaign that cannot be signed; returns why it was paused. Nothing of it reaches the receiver.
    pub async fn send_until_paused(&mut self, from: &str, people: usize) -> String {
        let before = self.receiver.messages().len();
        let campaign = self.launch(from, people).await;
        let reason = self
            .world
            .run(async |world: &World| {
                let head = world.workspace.campaign_head(campaign).await.expect("reads");
                head.paused_at_ms.map(|_| head.pause_reason)
            })
            .await;
        assert_eq!(self.receiver.messages().len(), before);
        reason
    }

    /// Sends two campaigns side by side, to so many people each; when some of both have arrived, a new key is prepared, published and found.
    /// Returns how many messages had arrived by then, and all of them.
    pub async fn send_two_and_change_keys(&mut self, people: usize, selector: &str) -> (usize, Vec<Received>) {
        self.launch("letters@shop.example", people).await;
        self.launch("letters@shop.example", people).await;
        let (receiver, mut changed_at) = (&self.receiver, None);
        self.world
            .run(async |world: &World| {
                let arrived = receiver.messages();
                if changed_at.is_none() && [1, 2].iter().all(|n| arrived.iter().any(|message| is_of(message, *n))) {
                    world.prepare(DkimAlgorithm::Rsa2048, selector).await;
                    let old: Vec<String> = world.keys().await.into_iter().map(|key| key.selector).collect();
                    let published: Vec<&str> = old.iter().map(String::as_str).collect();
                    changed_at = Some(receiver.messages().len());
                    world.look(&published).await;
                }
                (arrived.len() >= 2 * people).then_some(())
            })
            .await;
        (changed_at.expect("both were under way"), self.receiver.messages())
    }

    async fn launch(&mut self, from: &str, people: usize) -> CampaignId {
        self.campaigns += 1;
        let known = vec![("receiver.example".to_owned(), "mx:receiver.example".to_owned())];
        self.world.store.save_domain_providers(known, UnixMs(i64::MAX)).await.expect("saves");
        let n = self.campaigns;
        // One address needs SMTPUTF8.
        let local = |person: usize| if person == 0 { "ána".to_owned() } else { format!("p{person}") };
        let people: Vec<String> = (0..people).map(|person| format!("{}.{n}@receiver.example", local(person))).collect();
        self.world.launch(from, &people).await
    }
}

/// Of the shop's campaign with this number.
pub fn is_of(message: &Received, campaign: usize) -> bool {
    message.rcpt_to.contains(&format!(".{campaign}@"))
}

fn relay(at: SocketAddr) -> NewRoute {
    NewRoute {
        kind: RouteKind::Relay,
        host: at.ip().to_string(),
        port: at.port(),
        tls: RouteTls::None,
        max_connections: 2,
        ..NewRoute::direct()
    }
}

//! A campaign up to Queued, and from there to Done through the real dispatcher and sender.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidings_bounce::ProviderBook;
use tidings_compose::Keys;
use tidings_delivery::{Resolver, ResolverOptions, StsOptions, TlsClients};
use tidings_domain::{CampaignState, RouteKind, RouteTls, Shared, UnixMs};
use tidings_queue::Queue;
use tidings_store::{CampaignId, NewRoute, Store};
use tidings_worker::import::{FileImport, Importer, finish_import, start_from_file};
use tidings_worker::{
    Dispatcher, DispatcherOptions, Looping, Sender, SenderOptions, SenderParts, SiteOptions, Step, TargetOptions, now,
};
use tokio_util::sync::CancellationToken;

use super::message::{details, html, write_people};
use super::report::Used;
use super::{SendArguments, Variant};
use crate::bench::fan_out::{open_queue, open_store};
use crate::bench::process::cpu_time;
use crate::scene;

/// What is needed to send it.
pub struct Prepared {
    store: Store,
    queue: Queue,
    resolver: Resolver,
    book: Shared<ProviderBook>,
    campaign: CampaignId,
    connections: u16,
}

impl Prepared {
    /// Everything up to Queued: not measured.
    pub async fn new(
        folder: &Path,
        peer: SocketAddr,
        arguments: &SendArguments,
        Variant { servers, dkim }: Variant<'_>,
    ) -> anyhow::Result<Self> {
        let store = open_store(folder, servers.map(|(database, _)| database)).await?;
        let file = folder.join("people.csv");
        write_people(&file, arguments.messages)?;
        let route = NewRoute {
            kind: RouteKind::Relay,
            host: peer.ip().to_string(),
            port: peer.port(),
            tls: if arguments.tls { RouteTls::Opportunistic } else { RouteTls::None },
            ehlo_name: "bench.example".to_owned(),
            max_connections: i32::from(arguments.connections),
            ..NewRoute::direct()
        };
        let sender = scene::Sender {
            organisation: "Bench",
            postal_address: "1 Test Road",
            from_name: "Bench",
            from_email: "bench@sender.example",
        };
        let scene = scene::set_up(&store, &sender, route).await?;
        if let Some(kind) = dkim {
            kind.publish(&store, &scene.workspace, &bench_keys(), "sender.example").await?;
        }
        let list = scene.workspace.create_list("Bench".to_owned(), String::new(), now()).await?;
        let import = FileImport {
            workspace: scene.workspace.id(),
            list,
            path: file,
            consent_source: "bench".to_owned(),
            created_by: scene::ACTOR.to_owned(),
        };
        let id = start_from_file(&store, import).await?;
        finish_import(Importer::new(store.clone(), "bench"), &store, id, |_| ()).await?;
        // No DNS in a benchmark: the one domain's provider is told.
        let later = UnixMs(now().0 + UnixMs::DAY);
        store.save_domain_providers(vec![("bench.example".to_owned(), "mx:bench.example".to_owned())], later).await?;
        let plan = scene::CampaignPlan { details: details(), html: html(arguments.html_bytes), track: arguments.track };
        let campaign = scene::draft(&scene.workspace, list, plan).await?;
        scene::launch(&scene, campaign, "Bench").await?;
        let book = ProviderBook::builtin();
        let resolver = Resolver::new(ResolverOptions::default(), Arc::clone(book.base()))?;
        let queue = open_queue(servers.map(|(_, redis)| redis), "bench-send").await?;
        let book = Shared::new(book);
        let bench = Self { store, queue, resolver, book, campaign, connections: arguments.connections };
        let mut dispatcher = bench.dispatcher();
        while bench.state().await? == CampaignState::Queuing {
            dispatcher.step().await?;
        }
        Ok(bench)
    }

    fn dispatcher(&self) -> Dispatcher {
        Dispatcher::new(
            self.store.clone(),
            self.queue.clone(),
            self.resolver.clone(),
            self.book.clone(),
            DispatcherOptions::default(),
        )
    }

    async fn state(&self) -> anyhow::Result<CampaignState> {
        let active = self.store.active_campaigns().await?;
        Ok(active.iter().find(|c| c.id == self.campaign).map_or(CampaignState::Done, |c| c.state))
    }

    /// From Queued to Done, dispatcher and sender together.
    pub async fn send(self) -> anyhow::Result<Used> {
        let stop = CancellationToken::new();
        let mut dispatcher = self.dispatcher();
        let sender = Sender::new(SenderParts {
            store: self.store.clone(),
            queue: self.queue.clone(),
            resolver: self.resolver.clone(),
            keys: Arc::new(bench_keys()),
            book: self.book.clone(),
            site: SiteOptions { public_url: "https://bench.example".to_owned(), bounce_domain: None },
            targets: TargetOptions {
                ehlo_name: "bench.example".to_owned(),
                source_ip: None,
                tls: TlsClients::new(&[])?,
                sts: StsOptions::default(),
            },
            options: SenderOptions::new("bench".to_owned(), usize::from(self.connections)),
        });
        let (began, cpu) = (Instant::now(), cpu_time()?);
        let sending = tokio::spawn(sender.run(stop.clone()));
        while self.state().await? != CampaignState::Done {
            if dispatcher.step().await? == Step::Idle {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        let used = Used { wall: began.elapsed(), cpu: cpu_time()? - cpu };
        stop.cancel();
        sending.await?;
        Ok(used)
    }
}

fn bench_keys() -> Keys {
    Keys::new(&[7; 32])
}

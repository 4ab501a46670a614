//! `tidings bench bounces`: do bounces find their way back? Sends to people that a real mail server takes and cannot deliver to, and waits
//! for what it writes about them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use tidings_domain::{DeliveryState, RouteKind, RouteTls, SubscriberStatus};
use tidings_store::{CampaignDetails, CampaignId, NewRoute, PeopleFilter, Store, StoreOptions};
use tidings_worker::import::{FileImport, Importer, finish_import, start_from_file};
use tidings_worker::now;

use super::send::html;
use super::served::Served;
use crate::scene;

/// Mail servers write their reports within seconds; some collect them first.
const COME_BACK_WITHIN: Duration = Duration::from_secs(90);
const LOOK_EVERY: Duration = Duration::from_millis(100);

#[derive(clap::Args)]
pub struct BouncesArguments {
    /// The mail server that receives, on this machine.
    #[arg(long, value_name = "IP:PORT")]
    receiver: SocketAddr,
    /// Where our intake is to listen: the server's way to the bounce domain.
    #[arg(long, value_name = "IP:PORT")]
    intake: SocketAddr,
    /// The domain that the server takes mail for. It must take gone1, gone2, … and not be able to deliver to them, and must deliver to good1, good2, …
    #[arg(long)]
    domain: String,
    /// So many of each.
    #[arg(long, default_value_t = 5)]
    people: u32,
}

pub async fn run(arguments: BouncesArguments) -> anyhow::Result<ExitCode> {
    let folder = tempfile::tempdir().context("a temporary folder")?;
    let url = Served::database_url(folder.path(), None);
    let store = Store::open(&url, StoreOptions::default()).await?;
    let (scene, campaign) = prepare(&store, folder.path(), &arguments).await?;
    let mut served = Served::start_at(folder.path(), None, arguments.intake).await?;
    let began = Instant::now();
    let mut found = people(&scene, campaign).await?;
    while !is_over(&found, &arguments) && began.elapsed() < COME_BACK_WITHIN {
        tokio::time::sleep(LOOK_EVERY).await;
        found = people(&scene, campaign).await?;
    }
    for (email, person) in &found {
        println!("{email}: {}, {}: {}", person.state, person.status, person.reply.lines().next().unwrap_or_default());
    }
    let miscounts = store.miscounts(campaign).await?.len();
    served.kill().await?;
    let good = is_over(&found, &arguments) && miscounts == 0;
    let verdict = if good { "every bounce found its way back" } else { "not every bounce found its way back" };
    println!("{verdict} within {:.1} s; {miscounts} counters are wrong", began.elapsed().as_secs_f64());
    if !good {
        println!("{}", served.log()?);
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn prepare(
    store: &Store,
    folder: &Path,
    arguments: &BouncesArguments,
) -> anyhow::Result<(scene::Scene, CampaignId)> {
    let route = NewRoute {
        kind: RouteKind::Relay,
        host: arguments.receiver.ip().to_string(),
        port: arguments.receiver.port(),
        tls: RouteTls::None,
        ehlo_name: "localhost".to_owned(),
        max_connections: 4,
        ..NewRoute::direct()
    };
    let sender = scene::Sender {
        organisation: "Bench",
        postal_address: "1 Test Road",
        from_name: "Bench",
        from_email: "bench@sender.example",
    };
    let scene = scene::set_up(store, &sender, route).await?;
    let list = scene.workspace.create_list("Bench".to_owned(), String::new(), now()).await?;
    let file = folder.join("people.csv");
    let mut text = "email\n".to_owned();
    for number in 1..=arguments.people {
        for kind in ["gone", "good"] {
            let _ = writeln!(text, "{kind}{number}@{}", arguments.domain);
        }
    }
    std::fs::write(&file, text).context("writing the people")?;
    let import = FileImport {
        workspace: scene.workspace.id(),
        list,
        path: file,
        consent_source: "bench".to_owned(),
        created_by: scene::ACTOR.to_owned(),
    };
    let id = start_from_file(store, import).await?;
    finish_import(Importer::new(store.clone(), "bench"), store, id, |_| ()).await?;
    let later = tidings_domain::UnixMs(now().0 + tidings_domain::UnixMs::DAY);
    store.save_domain_providers(vec![(arguments.domain.clone(), format!("mx:{}", arguments.domain))], later).await?;
    let details = CampaignDetails {
        name: "Bench".to_owned(),
        from_name: "Bench".to_owned(),
        from_email: "bench@sender.example".to_owned(),
        subject: "Do you hear me?".to_owned(),
        ..CampaignDetails::default()
    };
    let plan = scene::CampaignPlan { details, html: html(2_000), track: false };
    let campaign = scene::draft(&scene.workspace, list, plan).await?;
    scene::launch(&scene, campaign, "Bench").await?;
    Ok((scene, campaign))
}

struct Standing {
    state: DeliveryState,
    status: SubscriberStatus,
    reply: String,
}

async fn people(scene: &scene::Scene, campaign: CampaignId) -> anyhow::Result<BTreeMap<String, Standing>> {
    let page = scene.workspace.people(campaign, PeopleFilter::default(), None, 1_000).await?;
    let mut found = BTreeMap::new();
    for person in page.people {
        let Some(id) = person.subscriber_id else { continue };
        let subscriber = scene.workspace.subscriber(id, now()).await?.subscriber;
        let reply = person.reply.unwrap_or_default();
        found.insert(person.recipient, Standing { state: person.state, status: subscriber.status, reply });
    }
    Ok(found)
}

fn is_over(found: &BTreeMap<String, Standing>, arguments: &BouncesArguments) -> bool {
    let is_right = |(email, standing): (&String, &Standing)| match email.starts_with("gone") {
        true => standing.state == DeliveryState::HardBounced && standing.status == SubscriberStatus::Bounced,
        false => standing.state == DeliveryState::Accepted && standing.status == SubscriberStatus::Active,
    };
    found.len() == 2 * arguments.people as usize && found.iter().all(is_right)
}

//! `tidings queue why`: why a campaign, a provider or one delivery waits, in the words of the page.

use std::process::ExitCode;

use anyhow::{Context, bail};
use chrono::{DateTime, Utc};
use tidings_domain::UnixMs;
use tidings_queue::{Health, Queue, RedisOptions, Snapshot};
use tidings_store::{CampaignId, DeliveryId, Store};
use tidings_web::waiting::{self, Answer, Facts};
use tidings_worker::now;

use crate::config::Config;
use crate::table::short;

#[derive(clap::Args)]
pub struct WhyArguments {
    /// This campaign (the number in its address).
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["provider", "id"])]
    campaign: Option<i64>,
    /// This provider, as the queues page names it: google, mx:example.org.
    #[arg(long, value_name = "NAME", conflicts_with = "id")]
    provider: Option<String>,
    /// This one delivery.
    #[arg(long, value_name = "NUMBER")]
    id: Option<i64>,
    /// For programs: one JSON object.
    #[arg(long)]
    json: bool,
}

/// The queue as far as this process can see it.
struct Seen {
    snapshot: Snapshot,
    health: Health,
    /// It lies inside the process that serves.
    is_hidden: bool,
}

pub async fn why(store: &Store, config: &Config, arguments: WhyArguments) -> anyhow::Result<ExitCode> {
    let seen = look(config).await?;
    let facts = waiting::process_facts(store, seen.health.clone(), now()).await?;
    let facts = Facts { warm_ups: waiting::warm_ups(store, &seen.snapshot.shards).await?, ..facts };
    let is_hidden = seen.is_hidden;
    let (about, facts) = facts_of(store, facts, seen.snapshot, &arguments).await?;
    let answer = Answer::new(about, &facts, &clock);
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&answer)?);
    } else {
        print(&answer);
        if is_hidden {
            println!("\nRates, holds and connections are known only to the process that serves: its page says more.");
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn look(config: &Config) -> anyhow::Result<Seen> {
    let Some(url) = &config.redis_url else {
        return Ok(Seen { snapshot: Snapshot::default(), health: Health::Up, is_hidden: true });
    };
    let mut options = RedisOptions::new(url);
    options.prefix.clone_from(&config.redis_prefix);
    let queue = Queue::redis(options).await.context("the queue in Redis cannot be read")?;
    Ok(Seen { snapshot: queue.snapshot().await, health: queue.health(), is_hidden: false })
}

async fn facts_of(
    store: &Store,
    facts: Facts,
    seen: Snapshot,
    arguments: &WhyArguments,
) -> anyhow::Result<(String, Facts)> {
    if let Some(provider) = &arguments.provider {
        let facts = waiting::of_provider(facts, store, provider, seen).await?;
        return Ok((provider.clone(), facts));
    }
    if let Some(id) = arguments.id {
        let row = store.queue_row(DeliveryId(id)).await?.with_context(|| format!("there is no delivery {id}"))?;
        let data = store.workspace(row.workspace_id);
        let overview = data.overview(row.campaign_id).await?;
        let history = data.delivery(row.campaign_id, row.id).await?;
        return Ok((row.recipient, waiting::of_delivery(facts, &overview, &history, &seen)));
    }
    let Some(id) = arguments.campaign else { bail!("say what waits: --campaign, --provider or --id") };
    let campaigns = store.operated_campaigns(Some(CampaignId(id))).await?;
    let campaign = campaigns.into_iter().next();
    let campaign = campaign.with_context(|| format!("there is no campaign {id}: its number stands in its address"))?;
    let overview = store.workspace(campaign.workspace).overview(campaign.id).await?;
    Ok((campaign.name, waiting::of_overview(facts, &overview, &seen)))
}

fn clock(at: UnixMs) -> String {
    let at = DateTime::<Utc>::from_timestamp_millis(at.0).unwrap_or_default();
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn print(answer: &Answer) {
    println!(
        "{}: {} being prepared, {} in the queue, {} in flight, {} put off",
        short(&answer.about, 80),
        answer.pending,
        answer.queued,
        answer.in_flight,
        answer.deferred
    );
    for reason in &answer.reasons {
        println!("\n{}: {}", reason.title, reason.sentence);
        let span = [
            reason.since.map(|at| format!("since {}", clock(at))),
            reason.until.map(|at| format!("until {}", clock(at))),
        ];
        let span: Vec<String> = span.into_iter().flatten().collect();
        if !span.is_empty() {
            println!("  {}", span.join(", "));
        }
        if !reason.more.is_empty() {
            println!("  {} {}", reason.more, reason.command);
        }
        for line in reason.reply.lines() {
            println!("  > {}", short(line, 300));
        }
    }
}

use std::process::ExitCode;

use anyhow::{Context, ensure};
use serde_json::json;
use tidings_domain::UnixMs;
use tidings_store::{DeliveryHistory, DeliveryId, OperatedCampaign, QueueRow, QueueSide, Store};
use tidings_worker::now;

use super::Which;
use crate::table::{self, about, short};

const REPLY_CHARACTERS: usize = 80;

#[derive(clap::Args)]
pub struct ListArguments {
    #[command(flatten)]
    which: Which,
    /// Dead letters of one campaign instead of what waits.
    #[arg(long, requires = "campaign")]
    dead: bool,
    /// Rows of each campaign, at most.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=100_000))]
    limit: i64,
    /// Go on behind this delivery: the last number of the page before.
    #[arg(long, default_value_t = 0, value_name = "NUMBER")]
    after: i64,
    /// For programs: one JSON object a line.
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
pub struct ShowArguments {
    /// The delivery's number.
    id: i64,
}

pub async fn list(store: &Store, arguments: ListArguments) -> anyhow::Result<ExitCode> {
    let campaigns = store.operated_campaigns(arguments.which.campaign()).await?;
    ensure!(
        arguments.which.campaign.is_none() || !campaigns.is_empty(),
        "there is no campaign {}: its number stands in the address of its page",
        arguments.which.campaign.unwrap_or_default()
    );
    let side = if arguments.dead { QueueSide::Dead } else { QueueSide::Open };
    let mut listed = 0;
    for campaign in &campaigns {
        let (filter, after) = (arguments.which.filter(), DeliveryId(arguments.after));
        let rows = store.queue_rows(campaign.id, side, filter, after, arguments.limit).await?;
        listed += rows.len();
        if arguments.json {
            rows.iter().for_each(|row| println!("{}", as_json(row)));
        } else if !rows.is_empty() {
            print_campaign(campaign, &rows, arguments.limit);
        }
    }
    if listed == 0 && !arguments.json {
        println!("nothing {}", if arguments.dead { "was given up" } else { "waits" });
    }
    Ok(ExitCode::SUCCESS)
}

fn print_campaign(campaign: &OperatedCampaign, rows: &[QueueRow], limit: i64) {
    let paused = if campaign.paused_at_ms.is_some() { ", paused" } else { "" };
    println!("campaign {} “{}” ({}{paused})", campaign.id, short(&campaign.name, 60), campaign.state);
    let at = now();
    let cells: Vec<Vec<String>> = rows.iter().map(|row| cells(row, at)).collect();
    table::print(&["DELIVERY", "STATE", "TRIES", "PROVIDER", "RECIPIENT", "NEXT", "REASON", "REPLY"], &cells);
    if let Some(last) = rows.last().filter(|_| i64::try_from(rows.len()) == Ok(limit)) {
        println!("there may be more: --campaign {} --after {}", campaign.id, last.id);
    }
    println!();
}

fn cells(row: &QueueRow, at: UnixMs) -> Vec<String> {
    let next = match row.due() {
        Some(due) if due > at => format!("in {}", about(due.since(at))),
        Some(_) => "now".to_owned(),
        None => "-".to_owned(),
    };
    vec![
        row.id.to_string(),
        if row.is_held() { "held".to_owned() } else { row.state.to_string() },
        row.attempt.to_string(),
        row.provider.clone().unwrap_or_else(|| "-".to_owned()),
        row.recipient.clone(),
        next,
        short(row.reason.as_deref().unwrap_or("-"), 40),
        short(row.reply.as_deref().unwrap_or(""), REPLY_CHARACTERS),
    ]
}

fn as_json(row: &QueueRow) -> serde_json::Value {
    json!({
        "delivery": row.id, "campaign": row.campaign_id, "recipient": row.recipient, "lane": row.lane.to_string(),
        "state": row.state.to_string(), "held": row.is_held(), "tries": row.attempt, "provider": row.provider,
        "route": row.route_id, "next_at_ms": row.due().map(|due| due.0), "updated_at_ms": row.updated_at_ms,
        "reason": row.reason, "reply": row.reply,
    })
}

pub async fn show(store: &Store, arguments: ShowArguments) -> anyhow::Result<ExitCode> {
    let id = DeliveryId(arguments.id);
    let row = store.queue_row(id).await?.with_context(|| format!("there is no delivery {id}"))?;
    let history = store.workspace(row.workspace_id).delivery(row.campaign_id, id).await?;
    print_row(&row, &history, now());
    Ok(ExitCode::SUCCESS)
}

fn print_row(row: &QueueRow, history: &DeliveryHistory, at: UnixMs) {
    let field = |name: &str, value: String| println!("{name:<12}{value}");
    field("delivery", row.id.to_string());
    field("campaign", row.campaign_id.to_string());
    field("recipient", row.recipient.clone());
    field("provider", history.provider.clone());
    field("lane", row.lane.to_string());
    field("route", row.route_id.map_or_else(|| "the campaign's".to_owned(), |route| route.to_string()));
    field("state", if row.is_held() { "held by an operator".to_owned() } else { row.state.to_string() });
    field("changed", format!("{} ago", about(at.since(UnixMs(row.updated_at_ms)))));
    if let Some(due) = row.due() {
        field("next try", if due > at { format!("in {}", about(due.since(at))) } else { "now".to_owned() });
    }
    if let Some(reason) = &row.reason {
        field("reason", reason.clone());
    }
    if let Some(reply) = &row.reply {
        field("reply", reply.lines().map(|line| short(line, 1_000)).collect::<Vec<_>>().join("\n            "));
    }
    println!(
        "\nattempts that are kept: {} of {} (one that was accepted at once is in the row itself)",
        history.attempts.len(),
        row.attempt
    );
    for attempt in &history.attempts {
        let ago = about(at.since(UnixMs(attempt.at_ms)));
        let route = attempt.route_id.and_then(|route| history.routes.get(&route)).map_or("-", String::as_str);
        let times = if attempt.times > 1 { format!(" (the last of {})", attempt.times) } else { String::new() };
        println!(
            "{:>3}. {ago} ago{times} by {route} at {} [{}], {}, {}, {} ms, {}: {}",
            attempt.number,
            attempt.host,
            attempt.ip,
            attempt.tls,
            attempt.phase,
            attempt.duration_ms,
            attempt.class,
            short(&attempt.reply, 300)
        );
    }
}

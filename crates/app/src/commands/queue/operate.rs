use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use anyhow::{bail, ensure};
use tidings_store::{CampaignId, Operated, OperatedCampaign, Operation, RouteId, Store};
use tidings_worker::now;

use super::Which;
use crate::table::short;

#[derive(clap::Args)]
pub struct OperateArguments {
    #[command(flatten)]
    which: Which,
    /// All that fits, of all campaigns under way. Without it one of --campaign, --provider, --reason and --id has to narrow it down.
    #[arg(long)]
    all: bool,
    /// Only say how many deliveries it would be.
    #[arg(long)]
    dry_run: bool,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

#[derive(clap::Args)]
pub struct MoveArguments {
    #[command(flatten)]
    operate: OperateArguments,
    /// The number of the route.
    #[arg(long, value_name = "NUMBER")]
    to_route: i64,
}

pub async fn move_to(store: &Store, arguments: MoveArguments) -> anyhow::Result<ExitCode> {
    let route = RouteId(arguments.to_route);
    ensure!(store.route_by_id(route).await?.is_some(), "there is no route {route}");
    operate(store, Operation::Move(route), arguments.operate).await
}

/// Counts, asks, and moves; each step is a transaction of its own, so ending it in the middle leaves nothing half done.
pub async fn operate(store: &Store, operation: Operation, arguments: OperateArguments) -> anyhow::Result<ExitCode> {
    let which = &arguments.which;
    let is_narrow =
        which.campaign.is_some() || which.provider.is_some() || which.reason.is_some() || which.id.is_some();
    ensure!(is_narrow || arguments.all, "say which deliveries: --campaign, --provider, --reason, --id, or --all");
    let campaigns = campaigns(store, operation, &arguments).await?;
    let mut found = Vec::new();
    for campaign in campaigns {
        let rows = store.would_operate(operation, campaign.id, which.filter(), now()).await?;
        if rows > 0 {
            println!("campaign {} “{}” ({}): {rows}", campaign.id, short(&campaign.name, 60), campaign.state);
            found.push((campaign.id, rows));
        }
    }
    let total: i64 = found.iter().map(|(_, rows)| rows).sum();
    let what = words(operation);
    println!("{total} to be {what}");
    if total == 0 || arguments.dry_run {
        return Ok(ExitCode::SUCCESS);
    }
    if !arguments.yes && !confirmed(&format!("{total} deliveries will be {what}. Go on?"))? {
        println!("nothing was changed");
        return Ok(ExitCode::FAILURE);
    }
    let mut moved = 0;
    for (campaign, _) in found {
        moved += one_campaign(store, operation, campaign, &arguments).await?;
    }
    println!("{moved} {what}");
    Ok(ExitCode::SUCCESS)
}

async fn campaigns(
    store: &Store,
    operation: Operation,
    arguments: &OperateArguments,
) -> anyhow::Result<Vec<OperatedCampaign>> {
    let only = match (arguments.which.campaign(), arguments.which.id) {
        (Some(campaign), _) => Some(campaign),
        (None, Some(id)) => match store.queue_row(tidings_store::DeliveryId(id)).await? {
            Some(row) => Some(row.campaign_id),
            None => bail!("there is no delivery {id}"),
        },
        (None, None) => None,
    };
    ensure!(
        operation != Operation::Retry || only.is_some(),
        "dead letters are tried again campaign by campaign: name one with --campaign, or one delivery with --id"
    );
    let campaigns = store.operated_campaigns(only).await?;
    ensure!(
        only.is_none() || !campaigns.is_empty(),
        "there is no such campaign: its number stands in the address of its page"
    );
    Ok(campaigns)
}

async fn one_campaign(
    store: &Store,
    operation: Operation,
    campaign: CampaignId,
    arguments: &OperateArguments,
) -> anyhow::Result<i64> {
    let mut moved = 0;
    loop {
        match store.operate(operation, campaign, arguments.which.filter(), &who(), now()).await? {
            Operated::Rows(0) => return Ok(moved),
            Operated::Rows(rows) => moved += rows,
            Operated::NotNow(state) => {
                println!("campaign {campaign} is {state}: that cannot be done there");
                return Ok(moved);
            }
            Operated::NoSuchCampaign => return Ok(moved),
            Operated::NoSuchRoute => {
                println!("campaign {campaign} belongs to another workspace than the route");
                return Ok(moved);
            }
        }
    }
}

/// As the campaign's history names who did it.
pub(super) fn who() -> String {
    "command line".to_owned()
}

fn words(operation: Operation) -> &'static str {
    match operation {
        Operation::Hold => "held",
        Operation::Release => "released",
        Operation::Flush => "tried at once",
        Operation::Retry => "tried again",
        Operation::Move(_) => "moved to the route",
        Operation::Delete => "taken out of the queue for good",
    }
}

pub(super) fn confirmed(question: &str) -> anyhow::Result<bool> {
    ensure!(std::io::stdin().is_terminal(), "nobody is there to be asked: say --yes, or look first with --dry-run");
    print!("{question} [y/N] ");
    std::io::stdout().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

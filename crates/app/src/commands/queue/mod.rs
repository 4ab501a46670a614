//! `tidings queue`: what is to be sent and why it is not sent yet, and what an operator can do about it. All of it is said to the
//! ledger; whoever runs finds it there, so it works beside a running `serve` as well as beside many processes.

mod dead;
mod list;
mod operate;
mod why;

use std::process::ExitCode;

use clap::Subcommand;
use tidings_store::{CampaignId, DeliveryId, QueueFilter};

use crate::config::Config;
use crate::ground::open_beside;

#[derive(Subcommand)]
pub enum QueueCommand {
    /// List deliveries that wait, or with --dead those that were given up.
    Ls(list::ListArguments),
    /// Show one delivery with all its attempts.
    Show(list::ShowArguments),
    /// Say why a campaign, a provider or one delivery waits.
    Why(why::WhyArguments),
    /// Dead letters of all campaigns: see, try again, discard, export.
    #[command(subcommand)]
    Dead(dead::DeadCommand),
    /// Keep deliveries back until they are released.
    Hold(operate::OperateArguments),
    /// Let held deliveries go on where they were.
    Release(operate::OperateArguments),
    /// Try deferred deliveries at once.
    Flush(operate::OperateArguments),
    /// Try dead letters again: deliveries that used up their retries or failed through no fault of the address.
    Retry(operate::OperateArguments),
    /// Send waiting deliveries by another route.
    Move(operate::MoveArguments),
    /// Take waiting deliveries out of the queue for good. Their campaign counts them as cancelled.
    Delete(operate::OperateArguments),
}

/// Which deliveries.
#[derive(clap::Args, Clone)]
pub struct Which {
    /// Of this campaign (the number in its address).
    #[arg(long, value_name = "NUMBER")]
    campaign: Option<i64>,
    /// To this provider, as the queues page names it: google, mx:example.org.
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// Whose last attempt ended for this reason, as `queue ls` shows it.
    #[arg(long, value_name = "WORD")]
    reason: Option<String>,
    /// This one delivery.
    #[arg(long, value_name = "NUMBER")]
    id: Option<i64>,
}

impl Which {
    fn campaign(&self) -> Option<CampaignId> {
        self.campaign.map(CampaignId)
    }

    fn filter(&self) -> QueueFilter {
        QueueFilter { provider: self.provider.clone(), reason: self.reason.clone(), delivery: self.id.map(DeliveryId) }
    }
}

pub async fn run(command: QueueCommand, config: Config) -> anyhow::Result<ExitCode> {
    use tidings_store::Operation as O;
    let store = open_beside(&config).await?;
    match command {
        QueueCommand::Ls(arguments) => list::list(&store, arguments).await,
        QueueCommand::Show(arguments) => list::show(&store, arguments).await,
        QueueCommand::Why(arguments) => why::why(&store, &config, arguments).await,
        QueueCommand::Dead(command) => dead::run(&store, command).await,
        QueueCommand::Hold(arguments) => operate::operate(&store, O::Hold, arguments).await,
        QueueCommand::Release(arguments) => operate::operate(&store, O::Release, arguments).await,
        QueueCommand::Flush(arguments) => operate::operate(&store, O::Flush, arguments).await,
        QueueCommand::Retry(arguments) => operate::operate(&store, O::Retry, arguments).await,
        QueueCommand::Move(arguments) => operate::move_to(&store, arguments).await,
        QueueCommand::Delete(arguments) => operate::operate(&store, O::Delete, arguments).await,
    }
}

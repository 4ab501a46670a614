use std::process::ExitCode;
use std::time::Duration;

use tidings_store::{PaceCommand, PaceOf, RouteId, Store};
use tidings_worker::now;

use crate::table::about;

/// No hold lasts longer: a week.
const MAX_HOLD_MINUTES: u64 = 7 * 24 * 60;
/// As the history names who did it.
const BY: &str = "command line";

#[derive(clap::Args)]
pub struct HoldArguments {
    #[command(flatten)]
    which: Which,
    /// For so many minutes, a week at most.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=MAX_HOLD_MINUTES))]
    minutes: u64,
    /// Why, for whoever asks.
    #[arg(long, value_name = "WORDS")]
    why: String,
}

#[derive(clap::Args)]
pub struct LiftArguments {
    #[command(flatten)]
    which: Which,
}

/// Which destination.
#[derive(clap::Args)]
struct Which {
    /// The provider's name, as `ls` shows it.
    name: String,
    /// Only on the route of this number.
    #[arg(long, value_name = "NUMBER")]
    route: Option<i64>,
}

impl Which {
    fn of(&self) -> PaceOf {
        PaceOf { provider: self.name.clone(), route: self.route.map(RouteId), stream: String::new() }
    }
}

pub async fn hold(store: &Store, arguments: HoldArguments) -> anyhow::Result<ExitCode> {
    let length = Duration::from_secs(60 * arguments.minutes);
    let command = PaceCommand::HoldUntil(now().plus(length));
    store.order_pace(arguments.which.of(), command, BY, &arguments.why, now()).await?;
    println!("{} is held for {}", arguments.which.name, about(length));
    Ok(ExitCode::SUCCESS)
}

pub async fn lift(store: &Store, arguments: LiftArguments) -> anyhow::Result<ExitCode> {
    store.order_pace(arguments.which.of(), PaceCommand::Lift, BY, "", now()).await?;
    println!("the holds of {} are lifted", arguments.which.name);
    Ok(ExitCode::SUCCESS)
}

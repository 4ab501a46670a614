//! `tidings providers`: who operates which mail hosts, how fast each is sent to, what its replies mean, and what slowed it. Orders are
//! written to the database; the dispatcher finds them within a second, so they work beside whatever runs.

mod operate;
mod show;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use clap::Subcommand;
use tidings_bounce::ProviderBook;
use tidings_domain::{ProviderFile, ProviderTable};
use tidings_store::Store;
use tidings_worker::BookKeeper;

use crate::config::Config;
use crate::ground::open_beside;

#[derive(Subcommand)]
pub enum ProvidersCommand {
    /// List the providers with their limits.
    Ls,
    /// Show one provider: limits, hosts, rules for its replies, what slowed it lately.
    Show {
        /// Its name, as `ls` shows it: google, mx:example.org.
        name: String,
    },
    /// Check a file of changes (TIDINGS_PROVIDERS_FILE) without using it.
    Check {
        /// The file.
        file: PathBuf,
    },
    /// Send nothing new to a provider for a while.
    Hold(operate::HoldArguments),
    /// End the holds of a provider, its own and an operator's, and let its knobs return at once.
    Lift(operate::LiftArguments),
}

pub async fn run(command: ProvidersCommand, config: Config) -> anyhow::Result<ExitCode> {
    if let ProvidersCommand::Check { file } = &command {
        return check(file);
    }
    let store = open_beside(&config).await?;
    match command {
        ProvidersCommand::Ls => show::list(&*book(&store, &config).await?),
        ProvidersCommand::Show { name } => show::one(&store, &*book(&store, &config).await?, &name).await,
        ProvidersCommand::Hold(arguments) => operate::hold(&store, arguments).await,
        ProvidersCommand::Lift(arguments) => operate::lift(&store, arguments).await,
        ProvidersCommand::Check { .. } => Ok(ExitCode::SUCCESS),
    }
}

/// What a process that starts now would have in force.
async fn book(store: &Store, config: &Config) -> anyhow::Result<Arc<ProviderBook>> {
    let keeper = BookKeeper::open(store.clone(), ProviderTable::builtin()?, config.providers_file.clone()).await?;
    Ok(keeper.book().current())
}

fn check(path: &PathBuf) -> anyhow::Result<ExitCode> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let named = || format!("{} has faults", path.display());
    let file = ProviderFile::parse(&text).with_context(named)?;
    let (providers, rules) = (file.providers.len(), file.rules.len());
    ProviderBook::builtin().with_file(file).map_err(|faults| anyhow!(faults)).with_context(named)?;
    println!("{}: no faults. It changes or adds {providers} providers and adds {rules} rules.", path.display());
    Ok(ExitCode::SUCCESS)
}

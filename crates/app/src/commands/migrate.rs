use std::process::ExitCode;

use anyhow::Context;
use tidings_store::{Store, StoreOptions};

use crate::config::Config;
use crate::ground::{cannot_open, ensure_database, without_password};

#[derive(clap::Args)]
pub struct MigrateArguments {
    /// Change nothing; end with 1 when steps are missing.
    #[arg(long)]
    check: bool,
}

/// Every process migrates at its start; this is for who wants it done before, in a step of its own.
pub async fn run(arguments: MigrateArguments, config: Config) -> anyhow::Result<ExitCode> {
    ensure_database(&config)?;
    let pending = Store::pending_migrations(&config.database_url).await.with_context(|| cannot_open(&config))?;
    let database = without_password(&config.database_url);
    if pending.is_empty() {
        println!("{database} is at this version ({})", env!("CARGO_PKG_VERSION"));
        return Ok(ExitCode::SUCCESS);
    }
    for step in &pending {
        println!("{} {step}", if arguments.check { "missing:" } else { "taking:" });
    }
    if arguments.check {
        return Ok(ExitCode::FAILURE);
    }
    Store::open(&config.database_url, StoreOptions::default()).await.with_context(|| cannot_open(&config))?;
    println!("{database} is at this version now ({})", env!("CARGO_PKG_VERSION"));
    Ok(ExitCode::SUCCESS)
}

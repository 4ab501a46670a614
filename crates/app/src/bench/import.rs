use std::process::ExitCode;

use anyhow::Context;
use tidings_worker::import::bench_import;

#[derive(clap::Args)]
pub struct ImportArguments {
    /// Rows of the generated file `email,first,last,city,plan`.
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
    /// A PostgreSQL database, empty and its own, instead of SQLite.
    #[arg(long)]
    database: Option<String>,
}

pub async fn run(arguments: ImportArguments) -> anyhow::Result<ExitCode> {
    let folder = tempfile::tempdir().context("a temporary folder")?;
    println!("{}", bench_import(arguments.rows, folder.path(), arguments.database.as_deref()).await?);
    Ok(ExitCode::SUCCESS)
}

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use tidings_domain::{ImportState, UnixMs};
use tidings_store::{ListId, Store, StoreError, StoreOptions, Workspace};
use tidings_worker::now;

use crate::config::Config;
use crate::instance::Instance;
use crate::scene;

#[derive(clap::Args)]
pub struct ImportArguments {
    /// A CSV file with a header; delimiter and encoding are recognised.
    file: PathBuf,
    /// The list's name; made if there is none.
    #[arg(long)]
    list: String,
    /// Where these people gave their consent: stored with every subscription.
    #[arg(long, default_value = "Imported on the command line")]
    consent: String,
}

/// Runs in this process. With SQLite the data folder must be free; with `serve` running, upload in the browser instead.
pub async fn run(arguments: ImportArguments, config: Config) -> anyhow::Result<ExitCode> {
    let _instance = Instance::open(&config.data_dir)?;
    let store = Store::open(&config.database_url, StoreOptions::default()).await?;
    let workspace = store
        .first_workspace()
        .await?
        .context("nothing is set up yet: run `tidings serve` and open the set-up link first")?;
    let workspace = store.workspace(workspace.id);
    let list = find_or_make(&workspace, &arguments.list, now()).await?;
    let bytes = std::fs::metadata(&arguments.file).with_context(|| format!("cannot read {}", arguments.file.display()))?.len();
    let bar = ProgressBar::new_spinner().with_style(ProgressStyle::with_template("{spinner} {human_pos} rows, {per_sec}, {elapsed}")?);
    println!("importing {} ({bytes} bytes) into “{}”", arguments.file.display(), arguments.list);
    let done = scene::import(&store, &workspace, list, &arguments.file, &arguments.consent, |rows| {
        bar.set_position(u64::try_from(rows).unwrap_or(0));
    })
    .await?;
    bar.finish_and_clear();
    println!(
        "{} rows: {} new, {} updated, {} duplicates in the file, {} invalid, {} suppressed",
        done.rows_read, done.rows_created, done.rows_updated, done.rows_duplicate, done.rows_invalid, done.rows_suppressed
    );
    if done.rows_invalid + done.rows_duplicate > 0 {
        println!("download the rejected rows at {}/imports/{}", config.public_url, done.id);
    }
    match done.state {
        ImportState::Done => Ok(ExitCode::SUCCESS),
        _ => bail!("the import did not finish: {}", done.error),
    }
}

async fn find_or_make(workspace: &Workspace, name: &str, now: UnixMs) -> anyhow::Result<ListId> {
    if let Some(found) = workspace.lists().await?.into_iter().find(|l| l.list.name == name) {
        return Ok(found.list.id);
    }
    match workspace.create_list(name.to_owned(), String::new(), now).await {
        Err(StoreError::Exists(_)) => bail!("the list “{name}” exists but could not be read: try again"),
        made => Ok(made?),
    }
}

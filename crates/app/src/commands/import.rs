use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use tidings_domain::{ImportState, UnixMs};
use tidings_store::{ListId, Store, StoreError, Workspace};
use tidings_worker::import::{FileImport, Importer, finish_import, start_from_file};
use tidings_worker::now;

use crate::config::Config;
use crate::ground::store_options;
use crate::instance::Instance;
use crate::runtime::IMPORTER;

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
    let is_shared = config.redis_url.is_some();
    let instance = match is_shared {
        true => Instance::share(&config.data_dir, config.secret_key)?,
        false => Instance::open(&config.data_dir)?,
    };
    let store = Store::open(&config.database_url, store_options(&instance)).await?;
    let workspace = store
        .first_workspace()
        .await?
        .context("nothing is set up yet: run `tidings serve` and open the set-up link first")?;
    let workspace = store.workspace(workspace.id);
    let list = find_or_make(&workspace, &arguments.list, now()).await?;
    let bar = ProgressBar::new(0)
        .with_style(ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} · {msg} · {elapsed}")?);
    println!("importing {} into “{}”", arguments.file.display(), arguments.list);
    let file = FileImport {
        workspace: workspace.id(),
        list,
        path: arguments.file,
        consent_source: arguments.consent,
        created_by: "command line".to_owned(),
    };
    let id = start_from_file(&store, file).await?;
    let importer = Importer::new(
        store.clone(),
        if is_shared { format!("command-{}", std::process::id()) } else { IMPORTER.to_owned() },
    );
    let done = finish_import(importer, &store, id, |import| {
        bar.set_length(u64::try_from(import.bytes_total).unwrap_or(0));
        bar.set_position(u64::try_from(import.bytes_done).unwrap_or(0));
        bar.set_message(format!("{} rows", import.counts.read));
    })
    .await?;
    bar.finish_and_clear();
    let counts = done.counts;
    println!(
        "{} rows: {} new, {} updated, {} duplicates in the file, {} invalid, {} suppressed",
        counts.read, counts.created, counts.updated, counts.duplicate, counts.invalid, counts.suppressed
    );
    if counts.invalid + counts.duplicate + counts.suppressed > 0 {
        println!("the rejected rows can be downloaded at {}/imports/{}", config.public_url, done.id);
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

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, ensure};
use tidings_domain::UnixMs;
use tidings_store::{Store, StoreOptions};
use tidings_worker::now;

use crate::config::Config;
use crate::ground::{is_postgres, without_password};
use crate::instance::Instance;
use crate::savings::{DUMP, Database, KEY, Manifest, SPOOL, SQLITE, copy, postgres_tool};
use crate::table::about;

#[derive(clap::Args)]
pub struct RestoreArguments {
    /// A folder that `tidings backup` made.
    folder: PathBuf,
}

/// Into an empty data folder, and with PostgreSQL into an empty database. What was waiting when the backup was made may have been sent
/// since, so all sending is locked until a person has looked.
pub async fn run(arguments: RestoreArguments, config: Config) -> anyhow::Result<ExitCode> {
    let folder = &arguments.folder;
    let manifest = Manifest::read(folder)?;
    let wanted = if is_postgres(&config) { Database::Postgres } else { Database::Sqlite };
    ensure!(
        manifest.database == wanted,
        "the backup is of {:?} and this installation is set to {wanted:?}: set DATABASE_URL to the same kind",
        manifest.database
    );
    refuse_what_is_there(&config, wanted)?;
    fs::create_dir_all(config.data_dir.join(SPOOL))
        .with_context(|| format!("cannot make the data folder {}", config.data_dir.display()))?;
    restore_key(&config, folder)?;
    // Nobody may start on it while it is half there.
    let held = match wanted {
        Database::Sqlite => Some(Instance::open(&config.data_dir)?),
        Database::Postgres => None,
    };
    restore_database(&config, folder, wanted).await?;
    for file in manifest.files.iter().filter(|file| file.path.starts_with(SPOOL)) {
        copy(&folder.join(&file.path), &config.data_dir.join(&file.path))?;
    }
    let age = about(now().since(UnixMs(manifest.made_at_ms)));
    let store =
        Store::open(&config.database_url, StoreOptions::default()).await.context("opening the restored database")?;
    store.lock_sending(format!("restored from a backup that was {age} old")).await?;
    drop(held);
    println!("restored from a backup of version {}, made {age} ago", manifest.version);
    println!(
        "Sending is LOCKED: what waits in it may have been sent since. Start it, look at the campaigns, cancel what is over,"
    );
    println!("then unlock it on the home page or with `tidings unlock-sending`.");
    Ok(ExitCode::SUCCESS)
}

fn refuse_what_is_there(config: &Config, wanted: Database) -> anyhow::Result<()> {
    let path = Path::new(config.database_url.strip_prefix("sqlite://").unwrap_or(&config.database_url));
    ensure!(
        wanted == Database::Postgres || !path.exists(),
        "{} exists: a restore never writes over a database. Name an empty folder with TIDINGS_DATA_DIR, or move the old one away",
        path.display()
    );
    Ok(())
}

fn restore_key(config: &Config, folder: &Path) -> anyhow::Result<()> {
    let to = config.data_dir.join(KEY);
    let saved = fs::read_to_string(folder.join(KEY)).context("reading the backup's key")?;
    if to.exists() {
        let there = fs::read_to_string(&to).with_context(|| format!("cannot read {}", to.display()))?;
        ensure!(
            there.trim() == saved.trim(),
            "{} is another installation's key: name an empty folder with TIDINGS_DATA_DIR",
            to.display()
        );
        return Ok(());
    }
    copy(&folder.join(KEY), &to)
}

async fn restore_database(config: &Config, folder: &Path, wanted: Database) -> anyhow::Result<()> {
    match wanted {
        Database::Sqlite => {
            let path = config.database_url.strip_prefix("sqlite://").unwrap_or(&config.database_url);
            copy(&folder.join(SQLITE), Path::new(path))
        }
        Database::Postgres => {
            ensure!(
                Store::is_empty(&config.database_url).await?,
                "{} has tables: a restore never writes over a database. Make an empty one",
                without_password(&config.database_url)
            );
            let dump = folder.join(DUMP).to_string_lossy().into_owned();
            let arguments = ["--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction", &dump];
            postgres_tool("pg_restore", &config.database_url, &arguments).await
        }
    }
}

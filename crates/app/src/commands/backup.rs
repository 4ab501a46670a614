use std::fs::{DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tidings_store::Store;
use tidings_worker::now;

use crate::config::Config;
use crate::ground::{is_postgres, open_beside};
use crate::savings::{DUMP, Database, FORMAT, KEY, Manifest, SPOOL, SQLITE, copy, files_of, postgres_tool, saved};

#[derive(clap::Args)]
pub struct BackupArguments {
    /// A folder that does not exist yet. What is in it opens all secrets: keep it as safe as the server.
    folder: PathBuf,
}

/// It works beside running processes. The database comes first, so that every upload that it names is saved after it.
pub async fn run(arguments: BackupArguments, config: Config) -> anyhow::Result<ExitCode> {
    let folder = &arguments.folder;
    let store = open_beside(&config).await?;
    let mut make = DirBuilder::new();
    make.mode(0o700);
    make.create(folder)
        .with_context(|| format!("cannot make {}: name a folder that is not there yet", folder.display()))?;
    make.create(folder.join(SPOOL)).with_context(|| format!("cannot write {}", folder.display()))?;
    let made_at = now();
    let (database, file) = save_database(&store, &config, folder).await?;
    save_key(&config, folder)?;
    let mut files = vec![saved(folder, file)?, saved(folder, KEY)?];
    for upload in files_of(&config.data_dir.join(SPOOL))? {
        let name = upload.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let path = format!("{SPOOL}/{name}");
        // An import that is done meanwhile removes its file, and needs it no more.
        if upload.exists() {
            copy(&upload, &folder.join(&path))?;
            files.push(saved(folder, &path)?);
        }
    }
    let bytes: u64 = files.iter().map(|file| file.bytes).sum();
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let count = files.len();
    Manifest { format: FORMAT, version, made_at_ms: made_at.0, database, files }.write(folder)?;
    println!("{count} files, {:.1} MiB, in {}", bytes as f64 / f64::from(1 << 20), folder.display());
    println!("`tidings restore {}` sets an empty installation up from it", folder.display());
    Ok(ExitCode::SUCCESS)
}

async fn save_database(store: &Store, config: &Config, folder: &Path) -> anyhow::Result<(Database, &'static str)> {
    if is_postgres(config) {
        let file = format!("--file={}", folder.join(DUMP).display());
        postgres_tool("pg_dump", &config.database_url, &["--format=custom", "--no-owner", "--no-privileges", &file])
            .await?;
        return Ok((Database::Postgres, DUMP));
    }
    store.copy_into(&folder.join(SQLITE).to_string_lossy()).await.context("copying the database")?;
    Ok((Database::Sqlite, SQLITE))
}

fn save_key(config: &Config, folder: &Path) -> anyhow::Result<()> {
    let to = folder.join(KEY);
    match config.secret_key {
        Some(key) => {
            std::fs::write(&to, STANDARD.encode(key)).with_context(|| format!("cannot write {}", to.display()))?;
        }
        None => copy(&config.data_dir.join(KEY), &to)?,
    }
    std::fs::set_permissions(&to, Permissions::from_mode(0o600))
        .with_context(|| format!("cannot protect {}", to.display()))
}

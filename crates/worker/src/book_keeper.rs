//! Keeps the provider table and the reply rules of a process up to date: each process reads the operator's file and the version of
//! what was changed on screen every few seconds, so that a change acts everywhere without a restart.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use tidings_bounce::ProviderBook;
use tidings_domain::{ProviderFile, ProviderTable, Shared};
use tidings_store::Store;
use tokio_util::sync::CancellationToken;

use crate::{Looping, Step, run_until_stopped};

/// A change is in force on every process within so long.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Longer files are no provider tables.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

pub struct BookKeeper {
    store: Store,
    path: Option<PathBuf>,
    book: Shared<ProviderBook>,
    /// The file as it was last read, and what is wrong with it.
    text: String,
    file_fault: Option<String>,
    /// As last read, and what is wrong with these changes.
    version: i64,
    change_fault: Option<String>,
}

impl BookKeeper {
    /// Reads everything once. `base` is the table that the program carries.
    ///
    /// # Errors
    /// The database or the file cannot be read, or the file has a fault: at the start there is no good table to go on with.
    pub async fn open(store: Store, base: ProviderTable, path: Option<PathBuf>) -> anyhow::Result<Self> {
        let book = Shared::new(ProviderBook::of(base));
        let (text, file_fault, change_fault) = (String::new(), None, None);
        let mut keeper = Self { store, path, book, text, file_fault, version: 0, change_fault };
        if let Some(fault) = keeper.look_at_file().await? {
            bail!(fault);
        }
        keeper.look().await?;
        Ok(keeper)
    }

    /// What is in force, now and later.
    #[must_use]
    pub fn book(&self) -> Shared<ProviderBook> {
        self.book.clone()
    }

    pub async fn run(mut self, stop: CancellationToken) {
        run_until_stopped(&mut self, &stop, LOOK_EVERY).await;
    }

    async fn look(&mut self) -> anyhow::Result<()> {
        let file = self.look_at_file().await.unwrap_or_else(|error| Some(format!("{error:#}")));
        let changes = self.look_at_changes().await?;
        let faults: Vec<String> = file.into_iter().chain(changes).collect();
        self.say((!faults.is_empty()).then(|| faults.join("\n")));
        Ok(())
    }

    /// What is wrong with the file, if anything is.
    async fn look_at_file(&mut self) -> anyhow::Result<Option<String>> {
        let Some(path) = &self.path else { return Ok(None) };
        let text = read(path).await?;
        if text != self.text {
            self.text = text;
            let book = self.book.current();
            let file = ProviderFile::parse(&self.text).map_err(|fault| fault.to_string());
            match file.and_then(|file| book.with_file(file)) {
                Ok(book) => {
                    self.book.replace(book);
                    self.file_fault = None;
                    tracing::info!(file = %path.display(), "the provider file is in force");
                }
                Err(fault) => self.file_fault = Some(format!("the provider file {}: {fault}", path.display())),
            }
        }
        Ok(self.file_fault.clone())
    }

    /// What is wrong with what was changed on screen, if anything is.
    async fn look_at_changes(&mut self) -> anyhow::Result<Option<String>> {
        if self.store.provider_version().await? != self.version {
            let changes = self.store.provider_overrides().await?;
            self.version = changes.version;
            match self.book.current().with_changes(changes.entries, changes.rules, changes.version) {
                Ok(book) => {
                    self.book.replace(book);
                    self.change_fault = None;
                    tracing::info!(version = self.version, "changed providers are in force");
                }
                Err(fault) => self.change_fault = Some(format!("the changes made on screen: {fault}")),
            }
        }
        Ok(self.change_fault.clone())
    }

    /// What was good before stays in force, and says so.
    fn say(&self, trouble: Option<String>) {
        let book = self.book.current();
        if book.trouble != trouble {
            if let Some(error) = &trouble {
                tracing::error!(error, "the last good provider table stays in force");
            }
            self.book.replace(book.in_trouble(trouble));
        }
    }
}

async fn read(path: &PathBuf) -> anyhow::Result<String> {
    let named = || format!("cannot read the provider file {}", path.display());
    match tokio::fs::metadata(path).await {
        Ok(facts) if facts.len() > MAX_FILE_BYTES => bail!("{} is longer than {MAX_FILE_BYTES} bytes", path.display()),
        Err(error) if error.kind() == ErrorKind::NotFound => bail!("there is no provider file {}", path.display()),
        other => other.with_context(named)?,
    };
    tokio::fs::read_to_string(path).await.with_context(named)
}

impl Looping for BookKeeper {
    const NAME: &'static str = "provider book";

    async fn step(&mut self) -> anyhow::Result<Step> {
        self.look().await?;
        Ok(Step::Idle)
    }
}

//! Empties a mailbox to which reports come, again and again.

use std::time::Duration;

use tidings_intake::mailbox::{MailboxConfig, MailboxReader};
use tidings_store::Store;
use tokio_util::sync::CancellationToken;

use crate::leadership::{Leadership, Standing};
use crate::{Looping, Step, StoredMail, run_until_stopped};

/// A mailbox is looked at again so soon after it was found empty. A failed round waits as long: servers lock out who tries a wrong
/// password too often.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// How often a process that may not empty it asks whether it may now.
const STAND_BY: Duration = Duration::from_secs(5);

/// The loop of one mailbox. Of several processes one empties it.
pub struct Mailbox {
    reader: MailboxReader,
    config: MailboxConfig,
    room: StoredMail,
    leadership: Option<Leadership>,
    /// The last round's fault: the same one is told once.
    fault: Option<String>,
    looked: Option<tokio::time::Instant>,
}

impl Mailbox {
    /// `stands_as`: this process's name, when there may be others.
    #[must_use]
    pub fn new(
        reader: MailboxReader,
        config: MailboxConfig,
        room: StoredMail,
        store: Store,
        stands_as: Option<String>,
    ) -> Self {
        let leadership = stands_as.map(|name| Leadership::of(&format!("mailbox {}", config.name), store, name));
        Self { reader, config, room, leadership, fault: None, looked: None }
    }

    pub async fn run(mut self, stop: CancellationToken) {
        run_until_stopped(&mut self, &stop, STAND_BY).await;
        if let Some(leadership) = &mut self.leadership {
            leadership.resign().await;
        }
    }
}

impl Looping for Mailbox {
    const NAME: &'static str = "mailbox";

    async fn step(&mut self) -> anyhow::Result<Step> {
        if let Some(leadership) = &mut self.leadership
            && leadership.check().await? == Standing::StandsBy
        {
            return Ok(Step::Idle);
        }
        if self.looked.is_some_and(|at| at.elapsed() < LOOK_EVERY) {
            return Ok(Step::Idle);
        }
        let name = &self.config.name;
        match self.reader.fetch_once(&self.config, &self.room).await {
            Ok(fetched) => {
                if self.fault.take().is_some() {
                    tracing::info!(mailbox = name, "the mailbox can be read again");
                }
                if fetched.kept > 0 {
                    tracing::info!(mailbox = name, kept = fetched.kept, removed = fetched.removed, "mail fetched");
                }
                if fetched.more {
                    return Ok(Step::DidWork);
                }
            }
            Err(error) => {
                let words = error.to_string();
                if self.fault.as_ref() != Some(&words) {
                    tracing::error!(mailbox = name, error = words, "the mailbox cannot be read; trying again");
                    self.fault = Some(words);
                }
            }
        }
        self.looked = Some(tokio::time::Instant::now());
        Ok(Step::Idle)
    }
}

use std::io::{self, Seek, SeekFrom};
use std::path::Path;
use std::time::Duration;

use tidings_store::{Store, StoreError, SuppressionImport, SuppressionSlice};
use tokio_util::sync::CancellationToken;

use crate::import::recognise::{Layout, Unusable, look};
use crate::import::records::{Damage, Next, Records};
use crate::import::suppression_rows::SuppressionColumns;
use crate::import::{LEASE, POLL};
use crate::{Looping, Step, now, run_until_stopped};

/// Rows of one commit: few enough that the database's one writer is held for some tens of milliseconds.
const SLICE_ROWS: usize = 4_000;
/// Shown of a row that was refused, in characters.
const SAMPLE_CHARS: usize = 200;

/// The loop that imports suppression lists, one at a time, a slice for each step. All it knows is in the store: after a kill
/// it goes on behind the last slice.
pub struct SuppressionImporter {
    store: Store,
    worker: String,
}

/// A file, opened where its import goes on.
struct Reader {
    records: Records<std::fs::File>,
    columns: SuppressionColumns,
}

impl SuppressionImporter {
    /// `worker`: its name on leases; one process at a time may use it.
    #[must_use]
    pub fn new(store: Store, worker: impl Into<String>) -> Self {
        Self { store, worker: worker.into() }
    }

    /// Works until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        run_until_stopped(&mut self, &stop, POLL).await;
    }

    /// Slice after slice, until the import is over or no longer ours.
    async fn import(&self, mut import: SuppressionImport) -> anyhow::Result<()> {
        let lease = millis(LEASE);
        let mut reader: Option<Reader> = None;
        loop {
            let asked = import.clone();
            let read = tokio::task::spawn_blocking(move || {
                let mut reader = match reader {
                    Some(reader) => reader,
                    None => Reader::open(&asked)?,
                };
                let slice = reader.slice(&asked)?;
                Ok::<_, Unusable>((reader, slice))
            });
            let (next, slice) = match read.await? {
                Ok(found) => found,
                Err(unusable) => return self.fail(&import, unusable.to_string()).await,
            };
            let (bytes_done, row_no, is_last) = (slice.bytes_done, slice.row_no, slice.is_last);
            let worker = self.worker.clone();
            match self.store.commit_suppression_slice(import.clone(), worker, lease, slice, now()).await {
                Ok(true) if !is_last => {}
                Ok(_) => return Ok(()),
                Err(StoreError::NotFound) => return self.fail(&import, LIST_GONE.to_owned()).await,
                Err(error) => return Err(error.into()),
            }
            (import.bytes_done, import.row_no) = (bytes_done, row_no);
            reader = Some(next);
        }
    }

    async fn fail(&self, import: &SuppressionImport, why: String) -> anyhow::Result<()> {
        Ok(self.store.fail_suppression_import(import.id, why, now()).await?)
    }

    /// Deletes the files of imports that are over.
    async fn sweep(&self) -> anyhow::Result<()> {
        for (id, path) in self.store.old_suppression_files().await? {
            match tokio::fs::remove_file(&path).await {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::warn!("the upload {path} stays: {error}");
                }
                _ => self.store.forget_suppression_file(id).await?,
            }
        }
        Ok(())
    }
}

const LIST_GONE: &str = "The list was deleted. The rows imported before that went with it.";
const NO_ENTRIES: &str = "No column has addresses, domains, patterns or hashes. Name the column “email”, and use MD5 or SHA-256 for hashes: SHA-1 cannot be compared.";

impl Reader {
    fn open(import: &SuppressionImport) -> Result<Self, Unusable> {
        let (mut file, layout, table) = look(Path::new(&import.path))?;
        let columns = SuppressionColumns::recognise(&table).ok_or(Unusable::OtherContent(NO_ENTRIES))?;
        let Layout { encoding, delimiter, first_byte, .. } = layout;
        let offset = if import.bytes_done == 0 { first_byte } else { import.bytes_done.unsigned_abs() };
        file.seek(SeekFrom::Start(offset))?;
        let mut records = Records::new(file, encoding, delimiter, offset, import.row_no);
        if import.bytes_done == 0 && columns.has_header {
            records.next()?;
        }
        Ok(Self { records, columns })
    }

    fn slice(&mut self, import: &SuppressionImport) -> io::Result<SuppressionSlice> {
        let mut slice = SuppressionSlice { layout: self.columns.origin.label().to_owned(), ..Default::default() };
        let mut rows = 0;
        while rows < SLICE_ROWS {
            rows += 1;
            let found = match self.records.next()? {
                Next::End => {
                    slice.is_last = true;
                    break;
                }
                Next::Damaged(Damage::OpenQuote) => Err("the line opens a quote that it does not close".to_owned()),
                Next::Damaged(Damage::TooLong) => Err("the row is too long".to_owned()),
                Next::Record => self.columns.read(&self.records.record(), import),
            };
            match found {
                Ok(entry) => slice.entries.push(entry),
                Err(reason) => {
                    let sample = || self.records.raw_text().chars().take(SAMPLE_CHARS).collect();
                    slice.refused.entry(reason).or_insert_with(|| (0, self.records.row_no(), sample())).0 += 1;
                }
            }
        }
        slice.bytes_done = i64::try_from(self.records.offset_after()).unwrap_or(i64::MAX);
        slice.row_no = self.records.row_no();
        Ok(slice)
    }
}

impl Looping for SuppressionImporter {
    const NAME: &'static str = "suppression importer";

    async fn step(&mut self) -> anyhow::Result<Step> {
        match self.store.next_suppression_import(self.worker.clone(), millis(LEASE), now()).await? {
            Some(import) => {
                self.import(import).await?;
                Ok(Step::DidWork)
            }
            None => {
                self.sweep().await?;
                Ok(Step::Idle)
            }
        }
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

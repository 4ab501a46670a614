use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use tidings_domain::{ColumnTarget, UnixMs};
use tidings_store::{Checkpoint, DueImport, Import, ImportSlice, RecordReader, SliceResult, Store};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::import::recognise::{Unusable, recognise, reopen};
use crate::import::window::{Window, Windows, record_reader};
use crate::import::{ABANDONED_AFTER, LEASE, MAX_SLICE_ROWS, MIN_SLICE_ROWS, POLL, SLICE_TARGET, SWEEP_EVERY};
use crate::{Looping, Step, now, run_until_stopped};

/// The loop that looks at uploads and imports them, one at a time. Everything it knows is in the store: a new one
/// goes on where an old one was killed.
pub struct Importer {
    store: Store,
    /// Its name on leases. One process at a time may use a name; a process that comes back under its name goes on at once.
    worker: String,
    run: Option<Run>,
    slice_rows: usize,
    swept: Option<Instant>,
}

/// The import under way.
struct Run {
    import: Import,
    list: tidings_store::ListId,
    email_column: String,
    windows: mpsc::Receiver<io::Result<Window>>,
    records: RecordReader,
    window: Option<Window>,
    /// Items of the window that are committed.
    done: usize,
}

impl Importer {
    #[must_use]
    pub fn new(store: Store, worker: impl Into<String>) -> Self {
        Self { store, worker: worker.into(), run: None, slice_rows: MAX_SLICE_ROWS / 2, swept: None }
    }

    /// Begins with slices of so many rows, before it has measured how many are right.
    #[must_use]
    pub fn with_slice_rows(mut self, rows: usize) -> Self {
        self.slice_rows = rows;
        self
    }

    /// Works until `stop`. Nothing is lost by an error of the database: the next step begins where the last commit was.
    pub async fn run(mut self, stop: CancellationToken) {
        run_until_stopped(&mut self, &stop, POLL).await;
    }

    async fn look(&self, import: Import) -> anyhow::Result<()> {
        let (path, chosen) = (import.path.clone(), import.format.chosen.clone());
        let found = tokio::task::spawn_blocking(move || recognise(Path::new(&path), &chosen)).await?;
        match found {
            Ok(analysis) if import.auto_start && !analysis.is_clear => {
                let headers: Vec<&str> = analysis.columns.iter().map(|c| c.header.as_str()).collect();
                let error = no_email_column(&headers);
                self.store.fail_import(import.id, error, now()).await?;
            }
            Ok(analysis) => {
                self.store.save_analysis(import.id, analysis, now()).await?;
            }
            Err(unusable) => {
                self.store.fail_import(import.id, unusable.to_string(), now()).await?;
            }
        }
        Ok(())
    }

    /// Takes the next import. False when there is none.
    async fn begin(&mut self) -> anyhow::Result<bool> {
        let lease_ms = millis(LEASE);
        let import = match self.store.next_import(self.worker.clone(), lease_ms, now()).await? {
            Some(DueImport::Run(import)) => *import,
            Some(DueImport::Recognise(_)) => return Ok(true),
            None => return Ok(false),
        };
        let Some((list, _)) = import.list.clone() else {
            self.store.fail_import(import.id, LIST_GONE.to_owned(), now()).await?;
            return Ok(true);
        };
        let (path, format, print) = (import.path.clone(), import.format.clone(), import.fingerprint.clone());
        let (columns, checkpoint) = (import.columns.clone(), import.checkpoint);
        let opened = tokio::task::spawn_blocking(move || {
            let (file, layout) = reopen(Path::new(&path), &format, &print)?;
            let records = record_reader(std::fs::File::open(&path)?, layout);
            Ok::<_, Unusable>((Windows::open(file, layout, &columns, checkpoint)?, records))
        });
        match opened.await? {
            Ok((windows, records)) => {
                let email = import.columns.iter().find(|c| c.target == ColumnTarget::Email);
                let email_column = email.map(|c| c.header.clone()).unwrap_or_default();
                let done = usize::try_from(checkpoint.done).context("the checkpoint is damaged")?;
                self.run =
                    Some(Run { list, email_column, windows: read_ahead(windows), records, window: None, done, import });
            }
            Err(unusable) => {
                self.fail(&import, &unusable).await?;
            }
        }
        Ok(true)
    }

    async fn fail(&mut self, import: &Import, why: &Unusable) -> anyhow::Result<Step> {
        self.run = None;
        self.store.fail_import(import.id, why.to_string(), now()).await?;
        Ok(Step::DidWork)
    }

    async fn commit(&mut self, mut run: Run) -> anyhow::Result<Step> {
        let Some(window) = run.window.take() else { return Ok(Step::DidWork) };
        let slice = slice(&run, &window, &self.worker, self.slice_rows);
        let (after, is_last) = (slice.to, slice.is_last);
        let (rows, began) = (slice.range.len() + slice.invalid_range.len(), Instant::now());
        match self.store.commit_import_slice(slice, now()).await? {
            SliceResult::Committed(_) => {
                self.adapt(rows, began.elapsed());
                run.done = usize::try_from(after.done).unwrap_or(0);
                if after.offset == window.from.offset && !is_last {
                    run.window = Some(window);
                }
                self.run = (!is_last).then_some(run);
                if is_last {
                    self.swept = None;
                }
            }
            // Cancelled, or another worker's now: the store says what is next.
            SliceResult::Lost => {}
            SliceResult::ListGone => {
                self.store.fail_import(run.import.id, LIST_GONE.to_owned(), now()).await?;
            }
        }
        Ok(Step::DidWork)
    }

    /// Makes the next slice hold the writer about as long as [`SLICE_TARGET`], by small steps, because one slow commit says
    /// little.
    fn adapt(&mut self, rows: usize, took: Duration) {
        // The short rest of a window says nothing.
        if rows < self.slice_rows {
            return;
        }
        let rows = rows as f64;
        let fitting = rows * SLICE_TARGET.as_secs_f64() / took.as_secs_f64().max(1e-6);
        let bounded = fitting.clamp(self.slice_rows as f64 / 1.5, self.slice_rows as f64 * 1.5);
        self.slice_rows = (bounded as usize).clamp(MIN_SLICE_ROWS, MAX_SLICE_ROWS);
    }

    /// Deletes uploads that are no longer needed, now and then.
    async fn sweep(&mut self) -> anyhow::Result<Step> {
        if self.swept.is_some_and(|at| at.elapsed() < SWEEP_EVERY) {
            return Ok(Step::Idle);
        }
        let abandoned = UnixMs(now().0.saturating_sub(millis(ABANDONED_AFTER)));
        for old in self.store.old_spools(abandoned).await? {
            match tokio::fs::remove_file(&old.path).await {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::warn!("the upload {} stays: {error}", old.path);
                }
                _ => self.store.forget_spool(old.id, now()).await?,
            }
        }
        self.swept = Some(Instant::now());
        Ok(Step::Idle)
    }
}

const LIST_GONE: &str = "The list was deleted. The rows imported before that are subscribers without this list; choose another list and import the file again.";

fn no_email_column(headers: &[&str]) -> String {
    let shown: Vec<String> = headers.iter().take(10).map(|h| format!("“{h}”")).collect();
    let more = if headers.len() > 10 { ", …" } else { "" };
    format!(
        "No column has e-mail addresses. The file has {}{more}. Name the column with the addresses “email”, or check the delimiter.",
        shown.join(", ")
    )
}

/// Reads windows on a thread of its own, one ahead of the writer.
fn read_ahead(mut windows: Windows<std::fs::File>) -> mpsc::Receiver<io::Result<Window>> {
    let (sender, receiver) = mpsc::channel(1);
    let runtime = tokio::runtime::Handle::current();
    tokio::task::spawn_blocking(move || {
        // The place is reserved before the window is read: two windows are in memory, never three.
        while let Ok(place) = runtime.block_on(sender.reserve()) {
            let window = windows.next();
            let is_over = window.as_ref().map_or(true, |w| w.is_last);
            place.send(window);
            if is_over {
                return;
            }
        }
    });
    receiver
}

impl Looping for Importer {
    const NAME: &'static str = "importer";

    /// Looks at one file, or commits one slice of the import under way.
    async fn step(&mut self) -> anyhow::Result<Step> {
        // A person waits for the look, so it goes before the next slice of a long import.
        if let Some(import) = self.store.next_upload().await? {
            self.look(import).await?;
            return Ok(Step::DidWork);
        }
        if self.run.is_none() && !self.begin().await? {
            return self.sweep().await;
        }
        let Some(mut run) = self.run.take() else { return Ok(Step::DidWork) };
        if run.window.is_none() {
            match run.windows.recv().await {
                Some(Ok(window)) => run.window = Some(window),
                Some(Err(error)) => return self.fail(&run.import, &Unusable::Unreadable(error)).await,
                None => anyhow::bail!("the reader of import {} has stopped", run.import.id),
            }
        }
        self.commit(run).await
    }
}

/// The next slice: valid rows first, then invalid ones.
fn slice(run: &Run, window: &Window, worker: &str, rows: usize) -> ImportSlice {
    let (valid, items) = (window.rows.len(), window.items());
    let end = (run.done + rows).min(items);
    let is_window_end = end == items;
    let to = match is_window_end {
        true => window.next,
        false => Checkpoint { done: i64::try_from(end).unwrap_or(i64::MAX), ..window.from },
    };
    let window_bytes = window.next.offset - window.from.offset;
    let share = end as f64 / items.max(1) as f64;
    ImportSlice {
        import: run.import.id,
        workspace: run.import.workspace_id,
        list: run.list,
        worker: worker.to_owned(),
        consent_source: run.import.consent_source.clone(),
        email_column: run.email_column.clone(),
        from: Checkpoint { done: i64::try_from(run.done).unwrap_or(i64::MAX), ..window.from },
        to,
        bytes_done: window.from.offset + (window_bytes as f64 * share) as i64,
        rows: window.rows.clone(),
        records: run.records.clone(),
        range: run.done.min(valid)..end.min(valid),
        invalid: window.invalid.clone(),
        invalid_range: run.done.max(valid) - valid..end.max(valid) - valid,
        is_last: is_window_end && window.is_last,
        lease_ms: millis(LEASE),
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

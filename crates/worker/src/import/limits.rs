//! Every bound of an import, in one place.

use std::time::Duration;

/// One record of the file, with its line ends: what is longer is rejected as one row, and reading goes on at the next line.
pub const MAX_RECORD_BYTES: usize = 1024 * 1024;
/// One cell that is kept.
pub const MAX_CELL_BYTES: usize = 64 * 1024;
/// A first or last name: it goes into mail headers.
pub const MAX_NAME_BYTES: usize = 500;
pub const MAX_COLUMNS: usize = 500;

/// How much of a file's beginning is looked at to recognise it. At least one whole record must fit.
pub const SAMPLE_BYTES: usize = 1024 * 1024;
/// Records of the sample that vote on delimiter and columns.
pub const SAMPLE_ROWS: usize = 200;
/// Rows shown before the import begins, and characters shown of each cell.
pub const PREVIEW_ROWS: usize = 20;
pub const PREVIEW_CHARS: usize = 80;

/// Text of a window's rows; two windows are in memory at once, one written while the next is read. Larger ones touch fewer
/// pages of the index. A checkpoint counts rows inside a window, so these three belong to the meaning of stored checkpoints.
pub const WINDOW_BYTES: usize = 7 * 1024 * 1024;
/// Text of a window's invalid rows.
pub const WINDOW_INVALID_BYTES: usize = 4 * 1024 * 1024;
/// What is reserved for a window's text; only what is used is ever touched. So much that the allocator maps it apart and gives it
/// back at once: glibc keeps freed blocks of up to 32 MiB, which would hold the memory of two more windows.
pub const WINDOW_RESERVED_BYTES: usize = 33 * 1024 * 1024;
pub const WINDOW_ROWS: usize = 75_000;

/// How long a slice should hold the database's one writer, and the rows it may have.
pub const SLICE_TARGET: Duration = Duration::from_millis(80);
pub const MIN_SLICE_ROWS: usize = 500;
pub const MAX_SLICE_ROWS: usize = 20_000;

/// Another worker takes an import over when its own has not committed anything for this long.
pub const LEASE: Duration = Duration::from_secs(15);
/// How often an idle importer looks for work.
pub const POLL: Duration = Duration::from_millis(300);
/// Uploads of failed imports and of ones that nobody came back to are kept for this long.
pub const ABANDONED_AFTER: Duration = Duration::from_secs(7 * 24 * 3600);
/// How often an idle importer looks for files to delete.
pub const SWEEP_EVERY: Duration = Duration::from_secs(60);

//! Imports of subscribers from CSV files of any size, in memory that does not grow with them.
//!
//! A file goes three ways: [`recognise()`] looks at its beginning and says how to read it; a thread reads it in *windows* of
//! parsed rows (`window`), each sorted by address; the [`Importer`] commits a window in short slices, each with its
//! checkpoint in the same transaction. A kill at any point costs at most one slice, which had not been counted.

mod bench;
mod cells;
mod columns;
mod delimiter;
mod encoding;
mod importer;
mod limits;
mod recognise;
mod records;
mod scan;
mod source;
mod start;
mod suppression_rows;
mod suppressions;
mod window;

pub use bench::{ImportBench, bench_import};
pub use importer::Importer;
pub use limits::*;
pub use recognise::{Unusable, recognise};
pub use start::{FileImport, finish_import, start_from_file};
pub use suppressions::SuppressionImporter;

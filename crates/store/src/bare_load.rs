//! The floor that an import is measured against when the machine has no `sqlite3` shell.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;

use crate::{StoreError, StoreResult};

diesel::table! {
    people (email) {
        email -> Text,
        first -> Text,
        last -> Text,
        city -> Text,
        plan -> Text,
    }
}

/// Loads a file of five plain columns (no quotes) into a bare table of a new SQLite file, in one transaction, and makes a unique
/// index: only for the benchmark.
///
/// # Errors
/// The file's, and SQLite's.
pub fn bare_load(file: &Path, database: &Path) -> StoreResult<()> {
    let unreadable = |error: std::io::Error| StoreError::Corrupt(error.to_string());
    let lines = BufReader::new(File::open(file).map_err(unreadable)?).lines();
    let url = database.to_string_lossy();
    let mut conn = SqliteConnection::establish(&url).map_err(|e| StoreError::Connect(e.to_string()))?;
    conn.batch_execute("CREATE TABLE people (email TEXT, first TEXT, last TEXT, city TEXT, plan TEXT)")?;
    conn.transaction(|c| {
        for line in lines.skip(1) {
            let line = line.map_err(unreadable)?;
            let mut cells = line.split(',');
            let mut cell = || cells.next().unwrap_or_default();
            let row = (
                people::email.eq(cell()),
                people::first.eq(cell()),
                people::last.eq(cell()),
                people::city.eq(cell()),
                people::plan.eq(cell()),
            );
            diesel::insert_into(people::table).values(row).execute(c)?;
        }
        StoreResult::Ok(())
    })?;
    Ok(conn.batch_execute("CREATE UNIQUE INDEX people_by_email ON people (email)")?)
}

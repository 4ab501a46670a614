use std::io;
use std::path::{Path, PathBuf};

use rand::RngCore;
use tokio::fs::File;
use tokio::io::AsyncWriteExt;

/// An upload never takes the disk's last space: the database needs it to record what is sent.
pub(in crate::pages) const MIN_FREE_BYTES: u64 = 512 * 1024 * 1024;
/// How often the free space is looked at while a file comes in, in bytes written.
const CHECK_EVERY_BYTES: u64 = 64 * 1024 * 1024;

/// A file that an upload is written to; deleted with the value unless it was kept.
pub(in crate::pages) struct Spool {
    path: PathBuf,
    file: File,
    bytes: u64,
    checked_at: u64,
    is_kept: bool,
}

#[derive(Debug, thiserror::Error)]
pub(in crate::pages) enum SpoolError {
    #[error("The disk has only {} MiB left, too little for this file. Ask the operator to make room, then upload it again.", .free >> 20)]
    DiskFull { free: u64 },
    #[error("The file could not be stored: {0}. Ask the operator to look at the upload folder, then upload it again.")]
    Io(#[from] io::Error),
}

impl Spool {
    /// Makes a file with a random name, if `expected` more bytes leave enough room.
    pub async fn create(folder: &Path, expected: u64) -> Result<Self, SpoolError> {
        tokio::fs::create_dir_all(folder).await?;
        check_room(folder, expected)?;
        let mut name = [0; 16];
        rand::rng().fill_bytes(&mut name);
        let name: String = name.iter().map(|byte| format!("{byte:02x}")).collect();
        let path = folder.join(format!("import-{name}.csv"));
        let file = File::create_new(&path).await?;
        Ok(Self { path, file, bytes: 0, checked_at: 0, is_kept: false })
    }

    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), SpoolError> {
        self.bytes += bytes.len() as u64;
        if self.bytes - self.checked_at >= CHECK_EVERY_BYTES {
            self.checked_at = self.bytes;
            check_room(&self.path, 0)?;
        }
        self.file.write_all(bytes).await.map_err(|error| match error.kind() {
            io::ErrorKind::StorageFull => SpoolError::DiskFull { free: 0 },
            _ => SpoolError::Io(error),
        })
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Makes the file last: it is on the disk before the database speaks of it.
    pub async fn finish(&mut self) -> Result<&Path, SpoolError> {
        self.file.flush().await?;
        self.file.sync_all().await?;
        Ok(&self.path)
    }

    /// From now on the importer deletes it.
    pub fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        if !self.is_kept
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            tracing::warn!("the upload {} is left over: {error}", self.path.display());
        }
    }
}

fn check_room(path: &Path, expected: u64) -> Result<(), SpoolError> {
    let free = crate::disk::free_bytes(path)?;
    if free.saturating_sub(expected) < MIN_FREE_BYTES { Err(SpoolError::DiskFull { free }) } else { Ok(()) }
}

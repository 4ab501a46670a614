//! The room on the disk that holds uploads and, in the embedded mode, the ledger.

use std::io;
use std::path::Path;

/// With less than this, pages say so: the database is about to refuse every write, and sending stops with it.
pub const LOW_BYTES: u64 = 64 * 1024 * 1024;

/// Bytes that this process may still write there.
///
/// # Errors
/// The folder's.
pub fn free_bytes(folder: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(folder).map_err(io::Error::from)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// The bytes that are left when they are too few. A folder that is not made yet says nothing.
#[must_use]
pub fn low(folder: &Path) -> Option<u64> {
    free_bytes(folder).ok().filter(|free| *free < LOW_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_full_disk_is_low() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(low(&folder.path().join("not there")), None);
        let free = free_bytes(folder.path()).unwrap();
        assert_eq!(low(folder.path()).is_some(), free < LOW_BYTES);
    }
}

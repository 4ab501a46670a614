//! What belongs to one installation on disk: its folder, its lock, its key.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The data folder, held by one process at a time.
pub struct Instance {
    /// All tokens and sealed secrets stand on this. Losing it breaks the links in mails already sent.
    pub key: [u8; 32],
    locks: Vec<File>,
}

/// Base64 of 32 octets.
pub fn parse_key(text: &str) -> Option<[u8; 32]> {
    STANDARD.decode(text.trim()).ok().and_then(|bytes| bytes.try_into().ok())
}

impl Instance {
    /// Makes the folder on first use, takes its lock, reads or makes its key.
    ///
    /// # Errors
    /// Another process holds it, or the folder cannot be written.
    pub fn open(folder: &Path) -> anyhow::Result<Self> {
        make(folder)?;
        let lock = lock(&folder.join("lock"), folder)?;
        let key = read_or_make_key(&folder.join("instance.key"))?;
        Ok(Self { key, locks: vec![lock] })
    }

    /// Takes an SQLite file too: named by its path, it may lie outside the folder, where another instance could name it as well.
    ///
    /// # Errors
    /// Another process holds it, or nothing can be written beside it.
    pub fn hold(&mut self, database: &Path) -> anyhow::Result<()> {
        let mut beside = database.as_os_str().to_owned();
        beside.push(".lock");
        self.locks.push(lock(Path::new(&beside), database)?);
        Ok(())
    }

    /// For one of several processes: they may share the folder, and each has the key from its configuration or from there.
    ///
    /// # Errors
    /// The folder cannot be written, or its key is damaged.
    pub fn share(folder: &Path, key: Option<[u8; 32]>) -> anyhow::Result<Self> {
        make(folder)?;
        let key = match key {
            Some(key) => key,
            None => read_or_make_key(&folder.join("instance.key"))?,
        };
        Ok(Self { key, locks: Vec::new() })
    }
}

fn make(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder.join("spool"))
        .with_context(|| format!("cannot make the data folder {}: check its owner and free space", folder.display()))
}

/// Two processes on one SQLite file would each think that the other's deliveries in flight are leftovers of a crash.
fn lock(path: &Path, what: &Path) -> anyhow::Result<File> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            bail!(
                "another Tidings process is running on {}. Stop it, or give this one a data folder of its own with TIDINGS_DATA_DIR, and no DATABASE_URL that leads to the other's file",
                what.display()
            )
        }
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("cannot lock {}", path.display())),
    }
}

fn read_or_make_key(path: &Path) -> anyhow::Result<[u8; 32]> {
    if path.exists() {
        let mut text = String::new();
        File::open(path)
            .and_then(|mut f| f.read_to_string(&mut text))
            .with_context(|| format!("cannot read {}", path.display()))?;
        return parse_key(&text).with_context(|| format!("{} is damaged: restore it from your backup", path.display()));
    }
    let key: [u8; 32] = rand::random();
    let mut file = OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    file.write_all(STANDARD.encode(key).as_bytes())
        .and_then(|()| file.sync_all())
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_at_a_time_and_the_key_stays() {
        let folder = tempfile::tempdir().expect("folder");
        let first = Instance::open(folder.path()).expect("opens");
        let key = first.key;
        let second = Instance::open(folder.path()).err().expect("refused").to_string();
        assert!(second.contains("another Tidings process"), "{second}");
        let elsewhere = tempfile::tempdir().expect("folder");
        let file = folder.path().join("tidings.sqlite3");
        let (mut first, mut third) = (first, Instance::open(elsewhere.path()).expect("another folder"));
        first.hold(&file).expect("its own");
        assert!(third.hold(&file).is_err(), "one file, named by two");
        drop(first);
        assert_eq!(Instance::open(folder.path()).expect("opens again").key, key);
    }
}

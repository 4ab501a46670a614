//! The shape of a backup: a folder with the database, the key, the uploads that wait for their import, and a manifest that holds them
//! together by their checksums.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::process::Command;

pub const MANIFEST: &str = "manifest.json";
pub const KEY: &str = "instance.key";
pub const SQLITE: &str = "tidings.sqlite3";
pub const DUMP: &str = "database.dump";
pub const SPOOL: &str = "spool";
/// Raised when a backup of before can no longer be read as it was.
pub const FORMAT: u32 = 1;
const CHUNK_BYTES: usize = 256 * 1024;

#[derive(Debug, Serialize, Deserialize)]
pub struct Manifest {
    pub format: u32,
    /// The program that made it.
    pub version: String,
    pub made_at_ms: i64,
    pub database: Database,
    pub files: Vec<Saved>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Database {
    Sqlite,
    Postgres,
}

/// A file, by its path inside the folder.
#[derive(Debug, Serialize, Deserialize)]
pub struct Saved {
    pub path: String,
    pub bytes: u64,
    pub sha256: String,
}

impl Manifest {
    /// # Errors
    /// It is no backup of ours, or not all of it is there unchanged.
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join(MANIFEST);
        let text = fs::read_to_string(&path)
            .with_context(|| format!("{} is no backup: it has no {MANIFEST}", folder.display()))?;
        let manifest: Self = serde_json::from_str(&text).with_context(|| format!("{} is damaged", path.display()))?;
        ensure!(
            manifest.format == FORMAT,
            "this backup has the form {}, and this version reads {FORMAT}",
            manifest.format
        );
        for file in &manifest.files {
            let is_inside = Path::new(&file.path).components().all(|c| matches!(c, std::path::Component::Normal(_)));
            ensure!(is_inside, "the manifest names {:?}, which is not inside the backup", file.path);
            let found = saved(folder, &file.path)?;
            ensure!(
                found.sha256 == file.sha256,
                "{} is not as it was saved: the backup is damaged, take another one",
                file.path
            );
        }
        Ok(manifest)
    }

    /// Written last: a folder without it is no backup.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let path = folder.join(MANIFEST);
        let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        serde_json::to_writer_pretty(&file, self)?;
        file.sync_all().with_context(|| format!("cannot write {}", path.display()))
    }
}

/// A file of a backup with its size and checksum.
pub fn saved(folder: &Path, path: &str) -> anyhow::Result<Saved> {
    let full = folder.join(path);
    let mut file = File::open(&full).with_context(|| format!("cannot read {}", full.display()))?;
    let (mut sum, mut bytes, mut chunk) = (Sha256::new(), 0, vec![0; CHUNK_BYTES]);
    loop {
        let n = file.read(&mut chunk).with_context(|| format!("cannot read {}", full.display()))?;
        if n == 0 {
            break;
        }
        sum.update(&chunk[..n]);
        bytes += n as u64;
    }
    let sha256 = sum.finalize().iter().map(|octet| format!("{octet:02x}")).collect();
    Ok(Saved { path: path.to_owned(), bytes, sha256 })
}

/// Copies a file and makes sure that it is on the disk.
pub fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::copy(from, to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    File::open(to).and_then(|file| file.sync_all()).with_context(|| format!("cannot write {}", to.display()))
}

/// Files of a folder, not of folders inside it; none when it is not there.
pub fn files_of(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("cannot read {}", folder.display()))?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Runs PostgreSQL's own tool. The password goes by the environment: a command line can be read by every user of the machine.
pub async fn postgres_tool(tool: &str, url: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let (url, password) = apart(url);
    let mut command = Command::new(tool);
    command.arg(format!("--dbname={url}")).args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    if let Some(password) = password {
        command.env("PGPASSWORD", password);
    }
    let ended = match command.output().await {
        Ok(ended) => ended,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => bail!(
            "{tool} is not installed here: install the PostgreSQL client of the server's version or later (Debian: apt install postgresql-client)"
        ),
        Err(error) => return Err(error).with_context(|| format!("starting {tool}")),
    };
    ensure!(ended.status.success(), "{tool} failed: {}", String::from_utf8_lossy(&ended.stderr).trim());
    Ok(())
}

/// The URL without its password, and the password with its percent signs resolved.
fn apart(url: &str) -> (String, Option<String>) {
    let Some(scheme) = url.find("://").map(|at| at + 3) else { return (url.to_owned(), None) };
    let Some(at) = url[scheme..].find('@').map(|n| scheme + n) else { return (url.to_owned(), None) };
    match url[scheme..at].split_once(':') {
        Some((user, password)) => (format!("{}{user}{}", &url[..scheme], &url[at..]), Some(unescape(password))),
        None => (url.to_owned(), None),
    }
}

fn unescape(text: &str) -> String {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        let hex = more
            .get(..2)
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match hex.filter(|_| *first == b'%') {
            Some(octet) => {
                octets.push(octet);
                rest = &more[2..];
            }
            None => {
                octets.push(*first);
                rest = more;
            }
        }
    }
    String::from_utf8_lossy(&octets).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_leaves_the_command_line() {
        let check = |url: &str, bare: &str, password: Option<&str>| {
            assert_eq!(apart(url), (bare.to_owned(), password.map(str::to_owned)));
        };
        check("postgres://ana:p%40ss@db/x", "postgres://ana@db/x", Some("p@ss"));
        check("postgres://ana@db/x", "postgres://ana@db/x", None);
        check("postgres:///x", "postgres:///x", None);
    }

    #[test]
    fn a_changed_file_and_a_path_outside_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join(KEY), "k").expect("writes");
        let mut manifest = Manifest {
            format: FORMAT,
            version: "1".into(),
            made_at_ms: 0,
            database: Database::Sqlite,
            files: vec![saved(folder.path(), KEY).expect("reads")],
        };
        manifest.write(folder.path()).expect("writes");
        Manifest::read(folder.path()).expect("is whole");
        fs::write(folder.path().join(KEY), "x").expect("writes");
        assert!(Manifest::read(folder.path()).expect_err("damaged").to_string().contains("not as it was saved"));
        manifest.files[0].path = "../etc/passwd".into();
        manifest.write(folder.path()).expect("writes");
        assert!(Manifest::read(folder.path()).expect_err("outside").to_string().contains("not inside"));
    }
}

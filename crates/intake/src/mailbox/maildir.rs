//! Maildir: a directory of files, one for each mail. `new/` is what nobody has seen, `cur/` the rest.

use std::fs;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use tokio::task::spawn_blocking;

use super::batch::keep_all;
use super::{After, BATCH_MAILS, Fetched, MailboxConfig, MailboxError, MailboxReader, PAGE_MAILS, key};
use crate::{Arrival, ArrivalSource, KEPT_BYTES, Mailroom};

/// Folders that are named to an operator who named a wrong one.
const MAX_NAMED_FOLDERS: usize = 50;

#[derive(Debug, Clone)]
struct File {
    path: PathBuf,
    key: String,
}

/// What is done with a mail that is stored.
#[derive(Debug, Clone)]
enum Farewell {
    Stay,
    Remove,
    /// Into this directory.
    Move(PathBuf),
}

pub(super) async fn round(
    reader: &MailboxReader,
    config: &MailboxConfig,
    path: &Path,
    mailroom: &impl Mailroom,
) -> Result<Fetched, MailboxError> {
    let prefix = key::prefix("maildir", &config.name, &[&path.to_string_lossy()]);
    let (root, most, after) = (path.to_owned(), reader.limits.listed_mails, config.after.clone());
    let (files, farewell) = blocking(path, move || Ok((list(&root, &prefix, most)?, farewell(&root, &after)?))).await?;
    let mut fetched = Fetched::default();
    let mut batch = Vec::new();
    let mut taken = 0;
    for page in files.chunks(PAGE_MAILS) {
        if fetched.more {
            break;
        }
        let known = mailroom.known(page.iter().map(|file| file.key.clone()).collect()).await?;
        for file in page {
            if taken == reader.limits.mails_per_round {
                fetched.more = true;
                break;
            }
            fetched.seen += 1;
            if known.contains(&file.key) {
                part_with(file, &farewell, &mut fetched).await?;
                fetched.skipped += u64::from(matches!(farewell, Farewell::Stay));
                continue;
            }
            taken += 1;
            match read(file, config, reader.limits.mail_octets).await? {
                Some(arrival) => batch.push((file, arrival)),
                None => fetched.skipped += 1,
            }
            if batch.len() == BATCH_MAILS {
                keep(std::mem::take(&mut batch), mailroom, &farewell, &mut fetched).await?;
            }
        }
    }
    keep(batch, mailroom, &farewell, &mut fetched).await?;
    Ok(fetched)
}

async fn keep(
    batch: Vec<(&File, Arrival)>,
    mailroom: &impl Mailroom,
    farewell: &Farewell,
    fetched: &mut Fetched,
) -> Result<(), MailboxError> {
    let (kept, trouble) = keep_all(mailroom, batch).await;
    for file in kept {
        fetched.kept += 1;
        part_with(file, farewell, fetched).await?;
    }
    trouble.map_or(Ok(()), |trouble| Err(trouble.into()))
}

async fn part_with(file: &File, farewell: &Farewell, fetched: &mut Fetched) -> Result<(), MailboxError> {
    let (from, farewell) = (file.path.clone(), farewell.clone());
    let parted = blocking(&file.path, move || match &farewell {
        Farewell::Stay => Ok(false),
        Farewell::Remove => gone_is_fine(&from, fs::remove_file(&from)),
        Farewell::Move(to) => {
            let name = from.file_name().unwrap_or_default();
            gone_is_fine(&from, fs::rename(&from, to.join(name)))
        }
    });
    fetched.removed += u64::from(parted.await?);
    Ok(())
}

/// A mail reader may move or remove a file at any time.
fn gone_is_fine(path: &Path, result: io::Result<()>) -> Result<bool, MailboxError> {
    match result {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(failed(path, &error)),
    }
}

/// The files of `new/` and `cur/`, oldest first: a name begins with the second of its delivery.
fn list(root: &Path, prefix: &str, most: usize) -> Result<Vec<File>, MailboxError> {
    let mut files = Vec::new();
    for folder in ["new", "cur"] {
        let folder = root.join(folder);
        let entries = fs::read_dir(&folder).map_err(|error| failed(&folder, &error))?;
        for entry in entries.take(most) {
            let path = entry.map_err(|error| failed(&folder, &error))?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            if name.starts_with('.') {
                continue;
            }
            // The flags behind the colon change, and so does the folder; the name before it stays.
            let unique = name.split(':').next().unwrap_or(name);
            files.push(File { key: format!("{prefix}:{unique}"), path });
        }
    }
    files.sort_by(|a, b| a.path.file_name().cmp(&b.path.file_name()));
    Ok(files)
}

/// `None` when it is gone, no plain file, or too large.
async fn read(file: &File, config: &MailboxConfig, most: u64) -> Result<Option<Arrival>, MailboxError> {
    let path = file.path.clone();
    let Some((data, size)) =
        blocking(&file.path, move || read_head(&path, most).map_err(|error| failed(&path, &error))).await?
    else {
        return Ok(None);
    };
    Ok(Some(Arrival {
        source: ArrivalSource::Maildir(config.name.clone()),
        key: Some(file.key.clone()),
        mail_from: String::new(),
        rcpt_to: Vec::new(),
        data,
        size,
    }))
}

fn read_head(path: &Path, most: u64) -> io::Result<Option<(Vec<u8>, u64)>> {
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        metadata => metadata?,
    };
    // A link could lead to any file of the machine, and a pipe would never end.
    if !metadata.is_file() || metadata.len() > most {
        tracing::warn!(path = %path.display(), octets = metadata.len(), "not a mail, or too large: it stays in the mailbox");
        return Ok(None);
    }
    let mut head = Vec::new();
    match fs::File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        file => file?.take(KEPT_BYTES as u64).read_to_end(&mut head)?,
    };
    let rest = metadata.len().saturating_sub(head.len() as u64);
    let mut data = with_crlf(&head);
    let size = data.len() as u64 + rest;
    data.truncate(KEPT_BYTES);
    Ok(Some((data, size)))
}

/// Files of a Maildir end their lines with LF; a mail ends them with CRLF.
fn with_crlf(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + text.len() / 40);
    for line in text.split_inclusive(|octet| *octet == b'\n') {
        match line.strip_suffix(b"\n") {
            Some(line) => {
                out.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
                out.extend_from_slice(b"\r\n");
            }
            None => out.extend_from_slice(line),
        }
    }
    out
}

fn farewell(root: &Path, after: &After) -> Result<Farewell, MailboxError> {
    let folder = match after {
        After::Keep => return Ok(Farewell::Stay),
        After::Delete => return Ok(Farewell::Remove),
        After::MoveTo(folder) => folder,
    };
    // Maildir++: a folder is a directory with a dot before its name, and `cur/` in it.
    let directory = root.join(format!(".{folder}")).join("cur");
    if folder.contains(['/', '\0']) || !directory.is_dir() {
        return Err(MailboxError::NoFolder { folder: folder.clone(), folders: folders(root) });
    }
    Ok(Farewell::Move(directory))
}

fn folders(root: &Path) -> Vec<String> {
    let names = fs::read_dir(root).into_iter().flatten().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let folders = names.filter(|name| root.join(name).join("cur").is_dir());
    folders.filter_map(|name| name.strip_prefix('.').map(str::to_owned)).take(MAX_NAMED_FOLDERS).collect()
}

fn failed(path: &Path, error: &io::Error) -> MailboxError {
    let advice = match error.kind() {
        ErrorKind::NotFound => "a Maildir has the directories new and cur; check the path",
        ErrorKind::PermissionDenied => "give the user that runs Tidings the right to read and remove files there",
        _ => "check the disk",
    };
    MailboxError::Directory { path: path.to_owned(), detail: format!("{error}; {advice}") }
}

/// Files block; the loops that send mail must not.
async fn blocking<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce() -> Result<T, MailboxError> + Send + 'static,
) -> Result<T, MailboxError> {
    spawn_blocking(work).await.map_err(|error| failed(path, &io::Error::other(error)))?
}

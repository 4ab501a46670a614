use std::collections::{HashMap, VecDeque};
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::message::content_hash;

/// Every copy that was accepted. A copy is recorded before its 250 is written, in memory and, if asked, in a file that
/// outlives a `kill -9`.
#[derive(Debug)]
pub struct Recorder {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    by_recipient: HashMap<Box<str>, u32>,
    total: u64,
    log: Option<File>,
    /// The newest messages whole, for tests that read them.
    messages: VecDeque<Accepted>,
    keep_messages: usize,
}

/// One accepted copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Canonical, as in RCPT.
    pub recipient: String,
    pub mail_from: String,
    /// Empty if the message had none.
    pub message_id: String,
    /// Tells contents apart.
    pub fingerprint: u64,
    /// The connection's number, over all providers.
    pub connection: u64,
    pub tls: bool,
    /// The message, dots unstuffed.
    pub text: Vec<u8>,
}

/// One line of the log file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// From 1, in the order of acceptance.
    pub seq: u64,
    pub unix_ms: u64,
    pub recipient: String,
    pub message_id: String,
    pub octets: usize,
    pub fingerprint: u64,
    pub connection: u64,
    /// See [`content_hash`].
    pub content: String,
}

impl Recorder {
    /// Keeps the last `keep_messages` messages whole, of all others the recipient only. With `log` it appends to that
    /// file, and counts what it already holds.
    ///
    /// # Errors
    /// The file cannot be opened, or is not a log.
    pub fn new(log: Option<&Path>, keep_messages: usize) -> io::Result<Self> {
        let mut inner = Inner { keep_messages, ..Inner::default() };
        if let Some(path) = log {
            if path.exists() {
                read_log(path, |entry| inner.count(&entry.recipient))?;
            }
            inner.log = Some(OpenOptions::new().create(true).append(true).open(path)?);
        }
        Ok(Self { inner: Mutex::new(inner) })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a copy.
    ///
    /// # Errors
    /// The log cannot be written: the copy must then not be accepted.
    pub fn accept(&self, copy: Accepted) -> io::Result<()> {
        let mut inner = self.lock();
        let seq = inner.total + 1;
        if let Some(log) = &mut inner.log {
            // One write, so that a line is whole or absent.
            log.write_all(line(seq, &copy).as_bytes())?;
        }
        inner.count(&copy.recipient);
        if inner.keep_messages > 0 {
            if inner.messages.len() == inner.keep_messages {
                inner.messages.pop_front();
            }
            inner.messages.push_back(copy);
        }
        Ok(())
    }

    /// Copies accepted so far.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.lock().total
    }

    #[must_use]
    pub fn copies_for(&self, recipient: &str) -> u32 {
        self.lock().by_recipient.get(recipient).copied().unwrap_or(0)
    }

    /// Recipients and how many copies each has: at least one.
    #[must_use]
    pub fn accepted_by_recipient(&self) -> HashMap<String, u32> {
        self.lock().by_recipient.iter().map(|(recipient, copies)| (recipient.to_string(), *copies)).collect()
    }

    /// Recipients with more than one copy.
    #[must_use]
    pub fn doubled(&self) -> Vec<(String, u32)> {
        let inner = self.lock();
        let doubled = inner.by_recipient.iter().filter(|(_, copies)| **copies > 1);
        doubled.map(|(recipient, copies)| (recipient.to_string(), *copies)).collect()
    }

    /// The newest messages, oldest first.
    #[must_use]
    pub fn messages(&self) -> Vec<Accepted> {
        self.lock().messages.iter().cloned().collect()
    }
}

impl Inner {
    fn count(&mut self, recipient: &str) {
        self.total += 1;
        match self.by_recipient.get_mut(recipient) {
            Some(copies) => *copies += 1,
            None => drop(self.by_recipient.insert(recipient.into(), 1)),
        }
    }
}

fn line(seq: u64, copy: &Accepted) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis());
    // What came over the wire must not be able to make a second line, or a ninth field.
    let id: String = copy.message_id.chars().filter(|c| !c.is_control()).collect();
    let Accepted { recipient, fingerprint, connection, text, .. } = copy;
    let content = content_hash(text);
    format!("{seq}\t{now}\t{recipient}\t{id}\t{}\t{fingerprint:016x}\t{connection}\t{content}\n", text.len())
}

/// Reads a recorder's log, line by line. A last line that a crash cut off is passed over.
///
/// # Errors
/// The file cannot be read, or has a line that is no entry.
pub fn read_log(path: &Path, mut each: impl FnMut(LogEntry)) -> io::Result<()> {
    let mut reader = BufReader::new(File::open(path)?);
    let mut text = String::new();
    while reader.read_line(&mut text)? > 0 {
        let Some(whole) = text.strip_suffix('\n') else { break };
        let entry = entry(whole).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not a recorder's log"))?;
        each(entry);
        text.clear();
    }
    Ok(())
}

fn entry(line: &str) -> Option<LogEntry> {
    let mut fields = line.split('\t');
    Some(LogEntry {
        seq: fields.next()?.parse().ok()?,
        unix_ms: fields.next()?.parse().ok()?,
        recipient: fields.next()?.to_owned(),
        message_id: fields.next()?.to_owned(),
        octets: fields.next()?.parse().ok()?,
        fingerprint: u64::from_str_radix(fields.next()?, 16).ok()?,
        connection: fields.next()?.parse().ok()?,
        content: fields.next()?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copy(recipient: &str) -> Accepted {
        Accepted {
            recipient: recipient.into(),
            mail_from: "b@sender.example".into(),
            message_id: "<1\t2@sender.example>".into(),
            fingerprint: 7,
            connection: 3,
            tls: false,
            text: b"Subject: x\r\n\r\n".to_vec(),
        }
    }

    #[test]
    fn the_log_survives_and_is_counted_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("accepted.tsv");
        let recorder = Recorder::new(Some(&path), 1).expect("opens");
        for recipient in ["a@x.example", "b@x.example", "a@x.example"] {
            recorder.accept(copy(recipient)).expect("records");
        }
        assert_eq!((recorder.total(), recorder.messages().len()), (3, 1));
        drop(recorder);
        std::fs::OpenOptions::new().append(true).open(&path).expect("opens").write_all(b"4\t17").expect("writes");
        let again = Recorder::new(Some(&path), 0).expect("opens");
        assert_eq!((again.total(), again.copies_for("a@x.example")), (3, 2));
        assert_eq!(again.doubled(), [("a@x.example".to_owned(), 2)]);
        let mut entries = Vec::new();
        read_log(&path, |e| entries.push(e)).expect("reads");
        assert_eq!((entries[1].seq, entries[1].octets, &*entries[1].message_id), (2, 14, "<12@sender.example>"));
        assert_eq!(entries[1].content, content_hash(b"Subject: x\r\n\r\n"));
    }
}

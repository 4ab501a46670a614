use std::collections::HashMap;

use super::client::Ended;
use super::login::{LoggedIn, log_in};
use super::names::{folder as folder_name, readable, set};
use super::response::{Mail, Response, Status};
use crate::mailbox::batch::keep_all;
use crate::mailbox::error::said;
use crate::mailbox::{
    Account, After, BATCH_MAILS, Fetched, MailboxConfig, MailboxError, MailboxReader, PAGE_MAILS, key,
};
use crate::{Arrival, ArrivalSource, KEPT_BYTES, Mailroom};

/// Folders that are named to an operator who named a wrong one.
const MAX_NAMED_FOLDERS: usize = 50;

pub(in crate::mailbox) async fn round(
    reader: &MailboxReader,
    config: &MailboxConfig,
    account: &Account,
    folder: &str,
    mailroom: &impl Mailroom,
) -> Result<Fetched, MailboxError> {
    let mut imap = log_in(reader, account).await?;
    let selected = imap.select(folder, &config.after).await?;
    let prefix = key::prefix("imap", &config.name, &[&account.host, &account.user, folder]);
    let prefix = format!("{prefix}:{}", selected.validity);
    let mut round = Round { imap, reader, config, prefix, fetched: Fetched::default() };
    let wanted = round.look_through(mailroom, selected.exists).await?;
    for batch in wanted.chunks(BATCH_MAILS) {
        round.take(mailroom, batch).await?;
    }
    // Everything is done; a server that does not say goodbye changes nothing.
    let _: Result<Ended, MailboxError> = round.imap.client.try_it("LOGOUT", "LOGOUT", None, drop).await;
    Ok(round.fetched)
}

struct Selected {
    exists: u32,
    /// A UID means a mail only together with it (RFC 3501 §2.3.1.1).
    validity: u32,
}

/// A mail to be fetched.
struct Wanted {
    uid: u32,
    octets: u64,
}

impl LoggedIn {
    async fn select(&mut self, folder: &str, after: &After) -> Result<Selected, MailboxError> {
        // EXAMINE cannot change anything by accident.
        let verb = if *after == After::Keep { "EXAMINE" } else { "SELECT" };
        let (mut exists, mut validity) = (0, None);
        let command = format!("{verb} {}", folder_name(folder));
        let ended = self
            .client
            .try_it(verb, &command, None, |response| match response {
                Response::Exists(count) => exists = count,
                Response::Untagged { words, .. } => {
                    validity = validity.or(words.code.as_deref().and_then(uid_validity))
                }
                _ => {}
            })
            .await?;
        if ended.status != Status::Ok {
            return Err(self.no_folder(folder, verb, ended).await);
        }
        if *after != After::Keep && ended.words.code.is_some_and(|code| code.eq_ignore_ascii_case("READ-ONLY")) {
            return Err(MailboxError::ReadOnly { folder: folder.to_owned() });
        }
        let validity = validity
            .ok_or_else(|| MailboxError::NotUnderstood { command: verb, detail: "it has no UIDVALIDITY".to_owned() })?;
        Ok(Selected { exists, validity })
    }

    /// Why a command that names a folder was refused: because there is none, or for a reason of the server's.
    async fn no_folder(&mut self, folder: &str, command: &'static str, ended: Ended) -> MailboxError {
        let mut folders = Vec::new();
        let listed = self.client.must("LIST", "LIST \"\" \"*\"", |response| match response {
            Response::Folder(name) if folders.len() < MAX_NAMED_FOLDERS => folders.push(readable(&name)),
            _ => {}
        });
        match listed.await {
            Ok(_) if !folders.iter().any(|known| known == folder) => {
                MailboxError::NoFolder { folder: folder.to_owned(), folders }
            }
            Ok(_) => MailboxError::Refused { command, reply: said(ended.words.text.as_bytes()) },
            Err(error) => error,
        }
    }
}

fn uid_validity(code: &str) -> Option<u32> {
    let (name, number) = code.split_once(' ')?;
    if name.eq_ignore_ascii_case("UIDVALIDITY") { number.trim().parse().ok() } else { None }
}

struct Round<'a> {
    imap: LoggedIn,
    reader: &'a MailboxReader,
    config: &'a MailboxConfig,
    prefix: String,
    fetched: Fetched,
}

impl Round<'_> {
    /// Lists the folder page by page, until the round has enough to do. What is known from before is removed on the way.
    async fn look_through(&mut self, mailroom: &impl Mailroom, exists: u32) -> Result<Vec<Wanted>, MailboxError> {
        let (mut wanted, mut known_before) = (Vec::new(), Vec::new());
        let mut first = 1;
        while first <= exists && !self.fetched.more {
            let last = exists.min(first.saturating_add(PAGE_MAILS as u32 - 1));
            let page = self.page(first, last).await?;
            let known = mailroom.known(page.iter().map(|mail| self.key(mail.uid)).collect()).await?;
            for mail in page {
                if known.contains(&self.key(mail.uid)) {
                    known_before.push(mail.uid);
                } else if wanted.len() == self.reader.limits.mails_per_round {
                    self.fetched.more = true;
                    break;
                } else if mail.octets > self.reader.limits.mail_octets {
                    let mailbox = &self.config.name;
                    tracing::warn!(mailbox, octets = mail.octets, "a mail is too large and stays in the mailbox");
                    self.fetched.skipped += 1;
                } else {
                    wanted.push(mail);
                }
                self.fetched.seen += 1;
            }
            first = last.saturating_add(1);
        }
        if self.config.after == After::Keep {
            self.fetched.skipped += known_before.len() as u64;
        }
        for uids in known_before.chunks(PAGE_MAILS) {
            self.remove(uids).await?;
        }
        Ok(wanted)
    }

    async fn page(&mut self, first: u32, last: u32) -> Result<Vec<Wanted>, MailboxError> {
        let mut page: Vec<Wanted> = Vec::new();
        let command = format!("FETCH {first}:{last} (UID FLAGS RFC822.SIZE)");
        self.imap
            .client
            .must("FETCH", &command, |response| match response {
                Response::Fetch(Mail { uid: Some(uid), octets, deleted: false, .. }) if page.len() < PAGE_MAILS => {
                    page.push(Wanted { uid, octets: octets.unwrap_or(0) });
                }
                _ => {}
            })
            .await?;
        page.sort_by_key(|mail| mail.uid);
        page.dedup_by_key(|mail| mail.uid);
        Ok(page)
    }

    /// Fetches mails, stores them, and removes those that are stored.
    async fn take(&mut self, mailroom: &impl Mailroom, wanted: &[Wanted]) -> Result<(), MailboxError> {
        let mut bodies = self.fetch(wanted).await?;
        let arrivals = wanted.iter().filter_map(|mail| {
            let data = bodies.remove(&mail.uid)?;
            Some((mail.uid, self.arrival(mail, data)))
        });
        let arrivals: Vec<_> = arrivals.collect();
        self.fetched.skipped += (wanted.len() - arrivals.len()) as u64;
        let (kept, trouble) = keep_all(mailroom, arrivals).await;
        self.fetched.kept += kept.len() as u64;
        self.remove(&kept).await?;
        trouble.map_or(Ok(()), |trouble| Err(trouble.into()))
    }

    /// The heads of mails. One that is missing is gone, or the server cannot read it: the others must not suffer.
    async fn fetch(&mut self, wanted: &[Wanted]) -> Result<HashMap<u32, Vec<u8>>, MailboxError> {
        let uids: Vec<u32> = wanted.iter().map(|mail| mail.uid).collect();
        let mut bodies = HashMap::new();
        let command = format!("UID FETCH {} (UID BODY.PEEK[]<0.{KEPT_BYTES}>)", set(&uids));
        let ended = self
            .imap
            .client
            .try_it("UID FETCH", &command, None, |response| match response {
                Response::Fetch(Mail { uid: Some(uid), body: Some(body), .. }) if uids.contains(&uid) => {
                    bodies.insert(uid, body);
                }
                _ => {}
            })
            .await?;
        match ended.status {
            Status::Bad => {
                Err(MailboxError::Refused { command: "UID FETCH", reply: said(ended.words.text.as_bytes()) })
            }
            Status::No => {
                let reply = said(ended.words.text.as_bytes());
                tracing::warn!(mailbox = self.config.name, reply, "mails could not be fetched and stay in the mailbox");
                Ok(bodies)
            }
            _ => Ok(bodies),
        }
    }

    fn key(&self, uid: u32) -> String {
        format!("{}:{uid}", self.prefix)
    }

    fn arrival(&self, mail: &Wanted, mut data: Vec<u8>) -> Arrival {
        let size = mail.octets.max(data.len() as u64);
        data.truncate(KEPT_BYTES);
        Arrival {
            source: ArrivalSource::Imap(self.config.name.clone()),
            key: Some(self.key(mail.uid)),
            mail_from: String::new(),
            rcpt_to: Vec::new(),
            data,
            size,
        }
    }

    async fn remove(&mut self, uids: &[u32]) -> Result<(), MailboxError> {
        if uids.is_empty() {
            return Ok(());
        }
        let set = set(uids);
        match &self.config.after {
            After::Keep => return Ok(()),
            After::MoveTo(target) if self.imap.can("MOVE") => {
                self.put_into("UID MOVE", &set, target).await?;
            }
            After::MoveTo(target) => {
                self.put_into("UID COPY", &set, target).await?;
                self.delete(&set).await?;
            }
            After::Delete => self.delete(&set).await?,
        }
        self.fetched.removed += uids.len() as u64;
        Ok(())
    }

    async fn put_into(&mut self, verb: &'static str, set: &str, target: &str) -> Result<(), MailboxError> {
        let command = format!("{verb} {set} {}", folder_name(target));
        let ended = self.imap.client.try_it(verb, &command, None, drop).await?;
        match ended.status {
            Status::Ok => Ok(()),
            _ => Err(self.imap.no_folder(target, verb, ended).await),
        }
    }

    /// Without UIDPLUS (RFC 4315), EXPUNGE takes along what other programs have marked: it was to go anyway.
    async fn delete(&mut self, set: &str) -> Result<(), MailboxError> {
        self.imap.client.must("UID STORE", &format!("UID STORE {set} +FLAGS.SILENT (\\Deleted)"), drop).await?;
        if self.imap.can("UIDPLUS") {
            self.imap.client.must("UID EXPUNGE", &format!("UID EXPUNGE {set}"), drop).await?;
        } else {
            self.imap.client.must("EXPUNGE", "EXPUNGE", drop).await?;
        }
        Ok(())
    }
}

//! POP3 (RFC 1939, with CAPA and STLS from RFC 2449 and 2595).

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::batch::keep_all;
use super::error::{said, said_without};
use super::wire::Wire;
use super::{
    Account, After, BATCH_MAILS, Fetched, MailboxConfig, MailboxError, MailboxReader, PAGE_MAILS, Security, key,
};
use crate::{Arrival, ArrivalSource, KEPT_BYTES, Mailroom};

/// RFC 2449 §4 allows 512; some servers talk more in their greeting.
const MAX_LINE_OCTETS: usize = 4 * 1024;
/// RFC 1939 §7: one to 70 visible characters.
const MAX_UIDL_OCTETS: usize = 70;
const MAX_CAPABILITIES: usize = 200;
/// Lines of a list beyond those that are kept. The mails behind them come in a later round.
const MAX_IGNORED_LINES: usize = 10_000_000;

/// A mail as the server lists it.
struct Listed {
    number: u32,
    key: String,
    octets: u64,
}

pub(super) async fn round(
    reader: &MailboxReader,
    config: &MailboxConfig,
    account: &Account,
    mailroom: &impl Mailroom,
) -> Result<Fetched, MailboxError> {
    let mut pop3 = Pop3::log_in(reader, account).await?;
    let prefix = key::prefix("pop3", &config.name, &[&account.host, &account.user]);
    let listed = pop3.list(&prefix, reader.limits.listed_mails).await?;
    let mut fetched = Fetched::default();
    let result = pop3.take(reader, config, mailroom, listed, &mut fetched).await;
    // Only QUIT removes what was marked (RFC 1939 §6), so it is said after trouble of our own too.
    if matches!(result, Ok(()) | Err(MailboxError::Storage(_))) {
        pop3.command("QUIT", "QUIT").await?;
    }
    result.map(|()| fetched)
}

struct Pop3 {
    wire: Wire,
}

impl Pop3 {
    async fn log_in(reader: &MailboxReader, account: &Account) -> Result<Self, MailboxError> {
        let mut pop3 = Self { wire: reader.connect(account).await? };
        pop3.answer("the greeting").await?;
        if account.security == Security::StartTls {
            if !pop3.capabilities().await?.is_some_and(|offered| has(&offered, "STLS")) {
                return Err(MailboxError::NoStartTls);
            }
            pop3.command("STLS", "STLS").await?;
            pop3.wire = reader.secure(pop3.wire, account).await?;
        }
        let offered = pop3.capabilities().await?;
        pop3.authenticate(account, offered.as_deref()).await?;
        Ok(pop3)
    }

    /// `None` from a server of before RFC 2449.
    async fn capabilities(&mut self) -> Result<Option<Vec<String>>, MailboxError> {
        match self.command("CAPA", "CAPA").await {
            Ok(_) => self.lines(MAX_CAPABILITIES).await.map(Some),
            Err(MailboxError::Refused { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn authenticate(&mut self, account: &Account, offered: Option<&[String]>) -> Result<(), MailboxError> {
        let password = account.password.reveal();
        let result = if offered.is_none_or(|offered| has(offered, "USER")) {
            match self.command("USER", &format!("USER {}", account.user)).await {
                Ok(_) => self.command("PASS", &format!("PASS {password}")).await,
                refused => refused,
            }
        } else if offered.is_some_and(offers_plain) {
            let response = STANDARD.encode(format!("\0{}\0{password}", account.user));
            self.command("AUTH", &format!("AUTH PLAIN {response}")).await
        } else {
            return Err(MailboxError::NoPasswordLogin);
        };
        match result {
            Ok(_) => Ok(()),
            // RFC 2449 §8.1.1, RFC 3206: the password is right, or was not looked at.
            Err(MailboxError::Refused { reply, .. }) if reply.starts_with("[IN-USE]") || reply.starts_with("[SYS/") => {
                Err(MailboxError::Refused { command: "the login", reply })
            }
            Err(MailboxError::Refused { reply, .. }) => Err(MailboxError::WrongPassword {
                user: account.user.clone(),
                reply: said_without(reply.as_bytes(), password),
            }),
            Err(error) => Err(error),
        }
    }

    async fn list(&mut self, prefix: &str, most: usize) -> Result<Vec<Listed>, MailboxError> {
        self.command("LIST", "LIST").await?;
        let sizes: HashMap<u32, u64> = self
            .lines(most)
            .await?
            .iter()
            .filter_map(|line| pair(line))
            .filter_map(|(n, s)| Some((n, s.parse().ok()?)))
            .collect();
        match self.command("UIDL", "UIDL").await {
            Err(MailboxError::Refused { .. }) => return Err(MailboxError::NoUidl),
            answer => answer?,
        };
        let lines = self.lines(most).await?;
        let listed = lines.iter().filter_map(|line| pair(line)).filter(|(_, uidl)| is_uidl(uidl));
        Ok(listed
            .map(|(number, uidl)| Listed {
                number,
                key: format!("{prefix}:{uidl}"),
                octets: sizes.get(&number).copied().unwrap_or(0),
            })
            .collect())
    }

    async fn take(
        &mut self,
        reader: &MailboxReader,
        config: &MailboxConfig,
        mailroom: &impl Mailroom,
        listed: Vec<Listed>,
        fetched: &mut Fetched,
    ) -> Result<(), MailboxError> {
        let mut batch = Vec::new();
        let mut taken = 0;
        for page in listed.chunks(PAGE_MAILS) {
            if fetched.more {
                break;
            }
            let known = mailroom.known(page.iter().map(|mail| mail.key.clone()).collect()).await?;
            for mail in page {
                if taken == reader.limits.mails_per_round {
                    fetched.more = true;
                    break;
                }
                fetched.seen += 1;
                if known.contains(&mail.key) {
                    self.remove(config, mail.number, fetched).await?;
                    fetched.skipped += u64::from(config.after == After::Keep);
                    continue;
                }
                taken += 1;
                match self.retrieve(reader, config, mail).await? {
                    Some(arrival) => batch.push((mail.number, arrival)),
                    None => fetched.skipped += 1,
                }
                if batch.len() == BATCH_MAILS {
                    self.keep(config, mailroom, std::mem::take(&mut batch), fetched).await?;
                }
            }
        }
        self.keep(config, mailroom, batch, fetched).await
    }

    /// The mail, or nothing when it is too large, gone, or the server cannot read it.
    async fn retrieve(
        &mut self,
        reader: &MailboxReader,
        config: &MailboxConfig,
        mail: &Listed,
    ) -> Result<Option<Arrival>, MailboxError> {
        let most = reader.limits.mail_octets;
        if mail.octets > most {
            tracing::warn!(mailbox = config.name, octets = mail.octets, "a mail is too large and stays in the mailbox");
            return Ok(None);
        }
        match self.command("RETR", &format!("RETR {}", mail.number)).await {
            Ok(_) => {}
            Err(MailboxError::Refused { reply, .. }) => {
                tracing::warn!(mailbox = config.name, reply, "a mail could not be fetched and stays in the mailbox");
                return Ok(None);
            }
            Err(error) => return Err(error),
        }
        let received = self.wire.mail(KEPT_BYTES, most).await?;
        Ok(Some(Arrival {
            source: ArrivalSource::Pop3(config.name.clone()),
            key: Some(mail.key.clone()),
            mail_from: String::new(),
            rcpt_to: Vec::new(),
            data: received.kept,
            size: received.size,
        }))
    }

    /// Stores them, and marks those that are stored for removal.
    async fn keep(
        &mut self,
        config: &MailboxConfig,
        mailroom: &impl Mailroom,
        batch: Vec<(u32, Arrival)>,
        fetched: &mut Fetched,
    ) -> Result<(), MailboxError> {
        let (kept, trouble) = keep_all(mailroom, batch).await;
        for number in kept {
            fetched.kept += 1;
            self.remove(config, number, fetched).await?;
        }
        trouble.map_or(Ok(()), |trouble| Err(trouble.into()))
    }

    async fn remove(&mut self, config: &MailboxConfig, number: u32, fetched: &mut Fetched) -> Result<(), MailboxError> {
        if config.after == After::Keep {
            return Ok(());
        }
        match self.command("DELE", &format!("DELE {number}")).await {
            Ok(_) => fetched.removed += 1,
            // Somebody else was faster.
            Err(MailboxError::Refused { .. }) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Sends a line and reads the first line of its answer. `name` is what may be shown of it.
    async fn command(&mut self, name: &'static str, line: &str) -> Result<Vec<u8>, MailboxError> {
        self.wire.send(format!("{line}\r\n").as_bytes()).await?;
        self.answer(name).await
    }

    async fn answer(&mut self, command: &'static str) -> Result<Vec<u8>, MailboxError> {
        let line = self.wire.line(MAX_LINE_OCTETS).await?;
        if line.starts_with(b"+OK") {
            Ok(line)
        } else if let Some(reply) = line.strip_prefix(b"-ERR") {
            Err(MailboxError::Refused { command, reply: said(reply) })
        } else {
            Err(MailboxError::NotUnderstood { command, detail: said(&line) })
        }
    }

    /// The lines of an answer up to its dot, the first `most` of them.
    async fn lines(&mut self, most: usize) -> Result<Vec<String>, MailboxError> {
        let (mut lines, mut ignored) = (Vec::new(), 0);
        loop {
            let line = self.wire.line(MAX_LINE_OCTETS).await?;
            if line == b"." {
                return Ok(lines);
            }
            ignored += usize::from(lines.len() == most);
            if ignored > MAX_IGNORED_LINES {
                return Err(MailboxError::TooMuch { what: "a list without an end" });
            }
            if lines.len() < most {
                lines.push(String::from_utf8_lossy(&line).into_owned());
            }
        }
    }
}

fn has(offered: &[String], capability: &str) -> bool {
    offered.iter().filter_map(|line| line.split(' ').next()).any(|name| name.eq_ignore_ascii_case(capability))
}

fn offers_plain(offered: &[String]) -> bool {
    let mut mechanisms = offered.iter().filter(|line| line.get(..5).is_some_and(|s| s.eq_ignore_ascii_case("SASL ")));
    mechanisms.any(|line| line.split(' ').any(|mechanism| mechanism.eq_ignore_ascii_case("PLAIN")))
}

/// A number and what belongs to it.
fn pair(line: &str) -> Option<(u32, &str)> {
    let (number, rest) = line.split_once(' ')?;
    Some((number.parse().ok()?, rest.trim()))
}

fn is_uidl(text: &str) -> bool {
    (1..=MAX_UIDL_OCTETS).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_graphic())
}

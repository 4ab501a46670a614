//! Takes arrivals to the database, many in one transaction.

use std::collections::HashSet;
use std::sync::Arc;

use tidings_compose::{BOUNCE_PREFIX, Keys, TokenKind, UNSUBSCRIBE_PREFIX};
use tidings_intake::{Arrival, ArrivalSource, Mailroom, RecipientVerdict, Trouble};
use tidings_store::{NewReport, Store};
use tokio::sync::{mpsc, oneshot};

use crate::now;

/// Reports of one transaction.
const BATCH_REPORTS: usize = 256;
/// Octets of one transaction: what makes a batch heavy is not the number.
const BATCH_BYTES: usize = 8 * 1024 * 1024;
/// Arrivals that wait for a transaction; those after them wait at their own sockets.
const WAITING_ARRIVALS: usize = 256;

/// Local parts of the bounce domain that take mail without a signature: who runs feedback loops registers one of them, and RFC 2142 and
/// RFC 5321 §4.5.1 want the others. Only a token of ours inside the mail gives it a consequence.
const OPEN_ADDRESSES: [&str; 6] = ["feedback", "fbl", "abuse", "postmaster", "mailer-daemon", "unsubscribe"];

/// A [`Mailroom`] that is the database. Cloning it is cheap; it ends with its last clone.
#[derive(Clone)]
pub struct StoredMail {
    store: Store,
    keys: Arc<Keys>,
    /// Lower case. `None`: nothing is taken by SMTP.
    domain: Option<Arc<str>>,
    waiting: mpsc::Sender<(NewReport, oneshot::Sender<Result<(), Trouble>>)>,
}

impl StoredMail {
    #[must_use]
    pub fn new(store: Store, keys: Arc<Keys>, domain: Option<&str>) -> Self {
        let (waiting, arrivals) = mpsc::channel(WAITING_ARRIVALS);
        tokio::spawn(keep_all(store.clone(), arrivals));
        Self { store, keys, domain: domain.map(|d| Arc::from(d.to_lowercase())), waiting }
    }
}

impl Mailroom for StoredMail {
    async fn keep(&self, arrival: Arrival) -> Result<(), Trouble> {
        let (answer, kept) = oneshot::channel();
        let stopped = || Trouble("this process is stopping".to_owned());
        self.waiting.send((report(arrival), answer)).await.map_err(|_| stopped())?;
        kept.await.map_err(|_| stopped())?
    }

    async fn known(&self, keys: Vec<String>) -> Result<HashSet<String>, Trouble> {
        let known = self.store.known_reports(keys).await.map_err(|error| Trouble(error.to_string()))?;
        Ok(known.into_iter().collect())
    }

    fn verdict(&self, rcpt: &str) -> RecipientVerdict {
        let Some(own) = &self.domain else { return RecipientVerdict::Foreign };
        let Some((local, domain)) = rcpt.rsplit_once('@') else {
            return if rcpt.eq_ignore_ascii_case("postmaster") {
                RecipientVerdict::Ours
            } else {
                RecipientVerdict::Unknown
            };
        };
        if !domain.eq_ignore_ascii_case(own) {
            return RecipientVerdict::Foreign;
        }
        let is_signed = signed(&self.keys, local).is_some();
        let is_open = OPEN_ADDRESSES.iter().any(|open| local.eq_ignore_ascii_case(open));
        if is_signed || is_open { RecipientVerdict::Ours } else { RecipientVerdict::Unknown }
    }
}

/// What a local part of ours names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signed {
    Bounce(i64),
    Unsubscribe(i64),
}

/// Reads a local part that we made; mail servers may have changed its case.
pub(super) fn signed(keys: &Keys, local: &str) -> Option<Signed> {
    let local = local.to_ascii_lowercase();
    if let Some(token) = local.strip_prefix(BOUNCE_PREFIX) {
        return keys.open(TokenKind::Bounce, token).map(Signed::Bounce);
    }
    keys.open(TokenKind::UnsubscribeMail, local.strip_prefix(UNSUBSCRIBE_PREFIX)?).map(Signed::Unsubscribe)
}

fn report(arrival: Arrival) -> NewReport {
    let (source, source_name) = match arrival.source {
        ArrivalSource::Smtp(peer) => ("smtp", peer.to_string()),
        ArrivalSource::Imap(name) => ("imap", name),
        ArrivalSource::Pop3(name) => ("pop3", name),
        ArrivalSource::Maildir(name) => ("maildir", name),
        ArrivalSource::Pipe => ("pipe", String::new()),
    };
    NewReport {
        received_at: now(),
        source: source.to_owned(),
        source_name,
        dedup_key: arrival.key,
        mail_from: arrival.mail_from,
        rcpt_to: arrival.rcpt_to.join(" "),
        size_bytes: i64::try_from(arrival.size).unwrap_or(i64::MAX),
        raw: arrival.data,
        workspace: None,
    }
}

async fn keep_all(store: Store, mut arrivals: mpsc::Receiver<(NewReport, oneshot::Sender<Result<(), Trouble>>)>) {
    while let Some(first) = arrivals.recv().await {
        let mut bytes = first.0.raw.len();
        let mut batch = vec![first];
        while batch.len() < BATCH_REPORTS && bytes < BATCH_BYTES {
            let Ok(next) = arrivals.try_recv() else { break };
            bytes += next.0.raw.len();
            batch.push(next);
        }
        let (reports, answers): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        let kept = store.keep_reports(reports).await.map(drop).map_err(|error| {
            tracing::error!(%error, "reports cannot be kept: whoever brings them has to bring them again");
            Trouble(error.to_string())
        });
        for answer in answers {
            // Whoever went away meanwhile brings it again.
            drop(answer.send(kept.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_store::StoreOptions;
    use tidings_testing::TestDatabase;

    async fn mailroom(database: &TestDatabase) -> StoredMail {
        let store = Store::open(database.url(), StoreOptions::default()).await.expect("opens");
        StoredMail::new(store, Arc::new(Keys::new(&[3; 32])), Some("Bounces.example"))
    }

    #[tokio::test]
    async fn only_addresses_that_we_made_or_must_have_are_taken() {
        let database = TestDatabase::sqlite();
        let room = mailroom(&database).await;
        let keys = Keys::new(&[3; 32]);
        let bounce = format!("b-{}@bounces.example", keys.seal(TokenKind::Bounce, 7));
        let leave = format!("u-{}@bounces.example", keys.seal(TokenKind::UnsubscribeMail, 7));
        for ours in [&bounce, &bounce.to_uppercase(), &leave, "abuse@BOUNCES.example", "Postmaster"] {
            assert_eq!(room.verdict(ours), RecipientVerdict::Ours, "{ours}");
        }
        let of_another = format!("b-{}@bounces.example", Keys::new(&[4; 32]).seal(TokenKind::Bounce, 7));
        for unknown in [&of_another, "b-@bounces.example", "ana@bounces.example", ""] {
            assert_eq!(room.verdict(unknown), RecipientVerdict::Unknown, "{unknown}");
        }
        for foreign in [&bounce.replace("bounces.", "x.bounces."), "ana@other.example"] {
            assert_eq!(room.verdict(foreign), RecipientVerdict::Foreign, "{foreign}");
        }
    }

    #[tokio::test]
    async fn many_arrivals_at_once_are_all_kept_and_the_same_one_once() {
        for database in TestDatabase::each() {
            let room = mailroom(&database).await;
            let arrival = |n: usize| Arrival {
                source: ArrivalSource::Imap("bounces".to_owned()),
                key: Some(format!("imap:bounces:1:{}", n % 300)),
                mail_from: String::new(),
                rcpt_to: Vec::new(),
                data: b"Subject: x\r\n\r\n".to_vec(),
                size: 14,
            };
            let all = (0..600).map(|n| room.keep(arrival(n)));
            assert!(futures_util::future::join_all(all).await.iter().all(Result::is_ok));
            assert_eq!(room.store.unread_reports().await.expect("counts"), 300);
            let asked = vec!["imap:bounces:1:7".to_owned(), "imap:bounces:1:900".to_owned()];
            assert_eq!(room.known(asked).await.expect("answers").len(), 1);
        }
    }
}

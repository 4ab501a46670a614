//! What DNS said of the sending domains, and what follows for their keys: one loop asks for all workspaces.

use std::collections::HashMap;

use diesel::prelude::*;
use tidings_domain::{
    DkimKeyState, Judged, KEY_MISSED_FOR, ROTATION_OVERLAP, RecordKind, RecordState, SendingDomainState, UnixMs, Word,
};

use crate::connection::on;
use crate::dkim_keys::{self, DkimKey};
use crate::schema::domain_records;
use crate::schema::domain_records::dsl as records;
use crate::schema::sending_domains::dsl;
use crate::sending_domains::{DomainDetails, DomainRecord, SendingDomain, details};
use crate::text::storable;
use crate::words::Db;
use crate::{AnyConn, DkimKeyId, SendingDomainId, Store, StoreResult, WorkspaceId};

/// What stands in DNS is a stranger's text: so much of it is kept.
pub const MAX_FOUND_CHARS: usize = 1_000;

/// One record, looked for.
#[derive(Debug, Clone)]
pub struct CheckedRecord {
    pub kind: RecordKind,
    pub host: String,
    pub expected: String,
    pub judged: Judged,
    pub found: String,
}

/// A record as its row.
#[derive(Insertable)]
#[diesel(table_name = domain_records)]
struct NewRecord {
    workspace_id: WorkspaceId,
    domain_id: SendingDomainId,
    host: String,
    kind: Db<RecordKind>,
    expected: String,
    state: Db<RecordState>,
    detail: String,
    found: String,
    since_ms: i64,
    was_good: bool,
    checked_at_ms: i64,
}

/// What DNS says of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeySeen {
    Published,
    /// An answer, and not this key.
    NotPublished,
    /// An answer: nothing, or an empty key. Only for one that retires this is as it should be.
    Withdrawn,
    /// No answer: all stays as it was.
    Unknown,
}

/// All that one look at a domain brought.
#[derive(Debug, Clone)]
pub struct DomainCheck {
    pub domain: SendingDomainId,
    pub records: Vec<CheckedRecord>,
    pub keys: Vec<(DkimKeyId, KeySeen)>,
    /// A wish that came since then is still open.
    pub began_at: UnixMs,
    pub next_check_at: UnixMs,
}

impl Store {
    /// Domains that are to be looked at, the longest due first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn domains_due(&self, now: UnixMs, limit: i64) -> StoreResult<Vec<DomainDetails>> {
        self.read(move |conn| {
            let due: Vec<SendingDomain> = dsl::sending_domains
                .filter(dsl::next_check_at_ms.le(now.0))
                .order(dsl::next_check_at_ms)
                .limit(limit)
                .select(SendingDomain::as_select())
                .load(conn)?;
            due.into_iter().map(|domain| details(conn, domain)).collect()
        })
        .await
    }

    /// The domains of all workspaces.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn all_sending_domains(&self, limit: i64) -> StoreResult<Vec<DomainDetails>> {
        self.read(move |conn| {
            let all: Vec<SendingDomain> =
                dsl::sending_domains.order(dsl::id).limit(limit).select(SendingDomain::as_select()).load(conn)?;
            all.into_iter().map(|domain| details(conn, domain)).collect()
        })
        .await
    }

    /// Keeps what DNS said, and lets follow what follows: a prepared key that is published takes over, the one before it retires, one that has
    /// retired long enough and is withdrawn ends, and the domain is verified or fails. All in one transaction. Returns how the domain
    /// stands; `None` when it was removed meanwhile.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn settle_domain_check(
        &self,
        check: DomainCheck,
        now: UnixMs,
    ) -> StoreResult<Option<SendingDomainState>> {
        self.write(move |conn| {
            let found = dsl::sending_domains.find(check.domain).select(SendingDomain::as_select()).first(conn);
            let Some(domain) = found.optional()? else { return Ok(None) };
            keep_records(conn, &domain, check.records, now)?;
            let seen: HashMap<DkimKeyId, KeySeen> = check.keys.into_iter().collect();
            note_seen(conn, domain.id, &seen, check.began_at, now)?;
            move_keys(conn, domain.id, &seen, now)?;
            let signs = dkim_keys::of(conn, domain.id)?.iter().any(is_usable);
            let state = stand(conn, &domain, signs, now)?;
            let wished_since = domain.next_check_at_ms > check.began_at.0;
            let next = if wished_since { domain.next_check_at_ms } else { check.next_check_at.0 };
            let times = (dsl::checked_at_ms.eq(now.0), dsl::next_check_at_ms.eq(next));
            diesel::update(dsl::sending_domains.find(domain.id)).set(times).execute(conn)?;
            Ok(Some(state))
        })
        .await
    }
}

fn is_usable(key: &DkimKey) -> bool {
    key.state == DkimKeyState::Active && key.published_at_ms.is_some()
}

/// Each record keeps since when it is as it is, and stays as it was when nobody answered. Those that are not looked for any more are
/// forgotten.
fn keep_records(
    conn: &mut AnyConn,
    domain: &SendingDomain,
    checked: Vec<CheckedRecord>,
    now: UnixMs,
) -> StoreResult<()> {
    let before = details(conn, domain.clone())?.records;
    let rows: Vec<_> = checked
        .into_iter()
        .map(|record| {
            let known = before.iter().find(|known| known.kind == record.kind && known.host == record.host);
            NewRecord::of(domain, as_it_is_now(record, known, now))
        })
        .collect();
    diesel::delete(records::domain_records.filter(records::domain_id.eq(domain.id))).execute(conn)?;
    on!(conn, |c| diesel::insert_into(records::domain_records).values(&rows).execute(c))?;
    Ok(())
}

impl NewRecord {
    fn of(domain: &SendingDomain, record: DomainRecord) -> Self {
        Self {
            workspace_id: domain.workspace_id,
            domain_id: domain.id,
            host: record.host,
            kind: Db(record.kind),
            expected: record.expected,
            state: Db(record.state),
            detail: record.detail,
            found: record.found,
            since_ms: record.since_ms,
            was_good: record.was_good,
            checked_at_ms: record.checked_at_ms,
        }
    }
}

fn as_it_is_now(record: CheckedRecord, known: Option<&DomainRecord>, now: UnixMs) -> DomainRecord {
    let state = record.judged.state;
    if let Some(known) = known
        && state == RecordState::Unknown
    {
        return known.clone();
    }
    DomainRecord {
        since_ms: known.filter(|known| known.state == state).map_or(now.0, |known| known.since_ms),
        was_good: state == RecordState::Good || known.is_some_and(|known| known.was_good),
        checked_at_ms: now.0,
        host: record.host,
        kind: record.kind,
        expected: record.expected,
        state,
        detail: storable(&record.judged.detail).into_owned(),
        found: storable(&cut(&record.found)).into_owned(),
    }
}

fn cut(text: &str) -> String {
    text.chars().take(MAX_FOUND_CHARS).collect()
}

/// A key whose record is not there is not used from this commit on. Of one that was there, two looks have to agree: a name server that is
/// being set up says for a minute that there is no such name, and mail is being signed meanwhile.
fn note_seen(
    conn: &mut AnyConn,
    domain: SendingDomainId,
    seen: &HashMap<DkimKeyId, KeySeen>,
    looked_at: UnixMs,
    now: UnixMs,
) -> StoreResult<()> {
    for key in dkim_keys::of(conn, domain)?.iter().filter(|key| key.is_living()) {
        match (seen.get(&key.id), key.published_at_ms) {
            (Some(KeySeen::Published), since) if since.is_none() || key.missed_since_ms.is_some() => {
                dkim_keys::note_published(conn, key.id, since.or(Some(now.0)))?;
            }
            (Some(KeySeen::NotPublished | KeySeen::Withdrawn), Some(_)) => match key.missed_since_ms {
                None => dkim_keys::note_missed(conn, key.id, looked_at)?,
                Some(since) if looked_at.since(UnixMs(since)) >= KEY_MISSED_FOR => {
                    dkim_keys::note_published(conn, key.id, None)?;
                }
                Some(_) => {}
            },
            _ => {}
        }
    }
    Ok(())
}

/// Of each kind the newest published key signs, and only it.
fn move_keys(
    conn: &mut AnyConn,
    domain: SendingDomainId,
    seen: &HashMap<DkimKeyId, KeySeen>,
    now: UnixMs,
) -> StoreResult<()> {
    let keys = dkim_keys::of(conn, domain)?;
    for key in &keys {
        match key.state {
            DkimKeyState::Prepared if key.published_at_ms.is_some() => {
                let before = |other: &&DkimKey| other.algorithm == key.algorithm && other.state == DkimKeyState::Active;
                keys.iter().filter(before).try_for_each(|old| dkim_keys::retire(conn, old.id, now))?;
                dkim_keys::activate(conn, key.id, now)?;
            }
            DkimKeyState::Retiring if is_over(key, now) && seen.get(&key.id) == Some(&KeySeen::Withdrawn) => {
                dkim_keys::revoke(conn, key.id, DkimKeyState::Retiring, now)?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn is_over(key: &DkimKey, now: UnixMs) -> bool {
    key.retired_at_ms.is_some_and(|at| now.since(UnixMs(at)) >= ROTATION_OVERLAP)
}

/// The domain's state by what stands in DNS now.
fn stand(conn: &mut AnyConn, domain: &SendingDomain, signs: bool, now: UnixMs) -> StoreResult<SendingDomainState> {
    use SendingDomainState as S;
    let state = match (domain.state, signs) {
        (_, true) => S::Verified,
        (S::Unverified, false) => S::Unverified,
        (S::Verified | S::Failing, false) => S::Failing,
    };
    if state == domain.state {
        return Ok(state);
    }
    let from = dsl::sending_domains.find(domain.id).filter(dsl::state.eq(domain.state.as_str()));
    let failing_since = (state == S::Failing).then_some(now.0);
    let verified_at = domain.verified_at_ms.or((state == S::Verified).then_some(now.0));
    let facts =
        (dsl::state.eq(Db(state)), dsl::failing_since_ms.eq(failing_since), dsl::verified_at_ms.eq(verified_at));
    diesel::update(from).set(facts).execute(conn)?;
    Ok(state)
}

//! What a person should know of the workspace's sending domains, for the home page.

use diesel::prelude::*;
use tidings_domain::{DkimKeyState, ROTATION_DUE, RecordKind, RecordState, SendingDomainState, UnixMs, Word};

use crate::schema::{dkim_keys, domain_records, sending_domains};
use crate::words::Db;
use crate::{AnyConn, SendingDomainId, StoreResult, Workspace, WorkspaceId};

/// More are not told of on one page.
const MAX_NOTICES: i64 = 20;

/// Something about one domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainNotice {
    pub domain: SendingDomainId,
    pub name: String,
    pub trouble: DomainTrouble,
    /// Since when; of a key, since when it is in use.
    pub since: UnixMs,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DomainTrouble {
    /// No key in use stands in DNS: mail from the domain waits.
    Failing,
    /// A record was there and is gone, or is not what it was.
    RecordLost { kind: RecordKind, host: String, detail: String },
    /// A key has been in use for long, and none is prepared to follow it.
    RotationDue { selector: String },
}

impl Workspace {
    /// The worst first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn domain_notices(&self, now: UnixMs) -> StoreResult<Vec<DomainNotice>> {
        self.read(move |conn, ws| {
            let mut notices = failing(conn, ws)?;
            notices.extend(lost(conn, ws)?);
            notices.extend(old_keys(conn, ws, now)?);
            Ok(notices)
        })
        .await
    }
}

fn failing(conn: &mut AnyConn, ws: WorkspaceId) -> StoreResult<Vec<DomainNotice>> {
    let rows: Vec<(SendingDomainId, String, Option<i64>)> = sending_domains::table
        .filter(sending_domains::workspace_id.eq(ws))
        .filter(sending_domains::state.eq(SendingDomainState::Failing.as_str()))
        .order(sending_domains::name)
        .limit(MAX_NOTICES)
        .select((sending_domains::id, sending_domains::name, sending_domains::failing_since_ms))
        .load(conn)?;
    let notice = |(domain, name, since): (_, _, Option<i64>)| DomainNotice {
        domain,
        name,
        trouble: DomainTrouble::Failing,
        since: UnixMs(since.unwrap_or_default()),
    };
    Ok(rows.into_iter().map(notice).collect())
}

fn lost(conn: &mut AnyConn, ws: WorkspaceId) -> StoreResult<Vec<DomainNotice>> {
    type Row = (SendingDomainId, String, Db<RecordKind>, String, String, i64);
    let bad: Vec<&str> = RecordState::ALL.iter().filter(|state| state.is_bad()).map(|state| state.as_str()).collect();
    let rows: Vec<Row> = domain_records::table
        .inner_join(sending_domains::table.on(sending_domains::id.eq(domain_records::domain_id)))
        .filter(domain_records::workspace_id.eq(ws))
        .filter(domain_records::was_good.eq(true))
        .filter(domain_records::state.eq_any(bad))
        .order((sending_domains::name, domain_records::kind, domain_records::host))
        .limit(MAX_NOTICES)
        .select((
            sending_domains::id,
            sending_domains::name,
            domain_records::kind,
            domain_records::host,
            domain_records::detail,
            domain_records::since_ms,
        ))
        .load(conn)?;
    let notice = |(domain, name, kind, host, detail, since): Row| DomainNotice {
        domain,
        name,
        trouble: DomainTrouble::RecordLost { kind: kind.0, host, detail },
        since: UnixMs(since),
    };
    Ok(rows.into_iter().map(notice).collect())
}

fn old_keys(conn: &mut AnyConn, ws: WorkspaceId, now: UnixMs) -> StoreResult<Vec<DomainNotice>> {
    let before = now.0 - i64::try_from(ROTATION_DUE.as_millis()).unwrap_or(i64::MAX);
    let followers = diesel::alias!(dkim_keys as followers);
    let follower = followers
        .filter(followers.field(dkim_keys::domain_id).eq(dkim_keys::domain_id))
        .filter(followers.field(dkim_keys::algorithm).eq(dkim_keys::algorithm))
        .filter(followers.field(dkim_keys::state).eq(DkimKeyState::Prepared.as_str()));
    let rows: Vec<(SendingDomainId, String, String, Option<i64>)> = dkim_keys::table
        .inner_join(sending_domains::table.on(sending_domains::id.eq(dkim_keys::domain_id)))
        .filter(dkim_keys::workspace_id.eq(ws))
        .filter(dkim_keys::state.eq(DkimKeyState::Active.as_str()))
        .filter(dkim_keys::activated_at_ms.le(before))
        .filter(diesel::dsl::not(diesel::dsl::exists(follower)))
        .order((sending_domains::name, dkim_keys::id))
        .limit(MAX_NOTICES)
        .select((sending_domains::id, sending_domains::name, dkim_keys::selector, dkim_keys::activated_at_ms))
        .load(conn)?;
    let notice = |(domain, name, selector, since): (_, _, _, Option<i64>)| DomainNotice {
        domain,
        name,
        trouble: DomainTrouble::RotationDue { selector },
        since: UnixMs(since.unwrap_or_default()),
    };
    Ok(rows.into_iter().map(notice).collect())
}

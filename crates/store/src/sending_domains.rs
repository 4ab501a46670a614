//! The domains that a workspace sends as.

use diesel::prelude::*;
use tidings_domain::{RecordKind, RecordState, SendingDomainName, SendingDomainState, UnixMs};

use crate::dkim_keys::{self, DkimKey, NewDkimKey};
use crate::schema::sending_domains::dsl;
use crate::schema::{domain_records, sending_domains};
use crate::words::Db;
use crate::{AnyConn, SendingDomainId, StoreError, StoreResult, Workspace, WorkspaceId};

/// Of one workspace.
pub const MAX_SENDING_DOMAINS: i64 = 100;
/// Of one domain: its keys, those that are gone too, and what belongs to the return path.
const MAX_RECORDS: i64 = 200;

#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = sending_domains)]
pub struct SendingDomain {
    pub id: SendingDomainId,
    pub workspace_id: WorkspaceId,
    pub name: String,
    #[diesel(deserialize_as = Db<SendingDomainState>)]
    pub state: SendingDomainState,
    pub created_by: String,
    pub created_at_ms: i64,
    /// The first time.
    pub verified_at_ms: Option<i64>,
    pub failing_since_ms: Option<i64>,
    pub checked_at_ms: Option<i64>,
    pub next_check_at_ms: i64,
}

/// A record that DNS should have, and how it stands.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = domain_records)]
pub struct DomainRecord {
    pub host: String,
    #[diesel(deserialize_as = Db<RecordKind>)]
    pub kind: RecordKind,
    /// What to publish; empty when what is there will do.
    pub expected: String,
    #[diesel(deserialize_as = Db<RecordState>)]
    pub state: RecordState,
    /// What is wrong with it, or worth knowing, in a sentence.
    pub detail: String,
    /// What stands there, as far as it is kept.
    pub found: String,
    /// Since when it is in this state.
    pub since_ms: i64,
    pub was_good: bool,
    pub checked_at_ms: i64,
}

/// A domain with all that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainDetails {
    pub domain: SendingDomain,
    /// Oldest first; revoked ones too.
    pub keys: Vec<DkimKey>,
    pub records: Vec<DomainRecord>,
}

/// What became of the wish to add a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddedDomain {
    Yes(SendingDomainId),
    Exists,
    /// There are [`MAX_SENDING_DOMAINS`] already.
    TooMany,
}

impl Workspace {
    /// All of them, by name.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn sending_domains(&self) -> StoreResult<Vec<SendingDomain>> {
        self.read(|conn, ws| {
            let own = dsl::sending_domains.filter(dsl::workspace_id.eq(ws)).order(dsl::name);
            Ok(own.limit(MAX_SENDING_DOMAINS).select(SendingDomain::as_select()).load(conn)?)
        })
        .await
    }

    /// # Errors
    /// [`StoreError::NotFound`] when it is not this workspace's.
    pub async fn sending_domain(&self, id: SendingDomainId) -> StoreResult<DomainDetails> {
        self.read(move |conn, ws| {
            let own = dsl::sending_domains.filter(dsl::workspace_id.eq(ws)).filter(dsl::id.eq(id));
            let domain = own.select(SendingDomain::as_select()).first(conn)?;
            details(conn, domain)
        })
        .await
    }

    /// With its first keys. DNS is asked at once.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn add_sending_domain(
        &self,
        name: SendingDomainName,
        keys: Vec<NewDkimKey>,
        by: String,
        now: UnixMs,
    ) -> StoreResult<AddedDomain> {
        let added = self
            .write(move |conn, ws| {
                let there: i64 = dsl::sending_domains.filter(dsl::workspace_id.eq(ws)).count().get_result(conn)?;
                if there >= MAX_SENDING_DOMAINS {
                    return Ok(AddedDomain::TooMany);
                }
                let row = (
                    dsl::workspace_id.eq(ws),
                    dsl::name.eq(name.as_str()),
                    dsl::created_by.eq(by),
                    dsl::created_at_ms.eq(now.0),
                    dsl::next_check_at_ms.eq(now.0),
                );
                let id = diesel::insert_into(dsl::sending_domains).values(row).returning(dsl::id).get_result(conn)?;
                keys.into_iter().try_for_each(|key| dkim_keys::insert(conn, (ws, id), key, now))?;
                Ok(AddedDomain::Yes(id))
            })
            .await;
        match added {
            Err(StoreError::Exists(_)) => Ok(AddedDomain::Exists),
            other => other,
        }
    }

    /// DNS is to be asked now.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when it is not this workspace's.
    pub async fn want_domain_check(&self, id: SendingDomainId, now: UnixMs) -> StoreResult<()> {
        self.write(move |conn, ws| {
            let own = dsl::sending_domains.filter(dsl::workspace_id.eq(ws)).filter(dsl::id.eq(id));
            match diesel::update(own).set(dsl::next_check_at_ms.eq(now.0)).execute(conn)? {
                0 => Err(StoreError::NotFound),
                _ => Ok(()),
            }
        })
        .await
    }

    /// With its keys, which are destroyed. Returns its name.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when it is not this workspace's.
    pub async fn remove_sending_domain(&self, id: SendingDomainId) -> StoreResult<String> {
        self.write(move |conn, ws| {
            let own = dsl::sending_domains.filter(dsl::workspace_id.eq(ws)).filter(dsl::id.eq(id));
            let name = own.select(dsl::name).first(conn)?;
            diesel::delete(dsl::sending_domains.find(id)).execute(conn)?;
            Ok(name)
        })
        .await
    }
}

/// What belongs to the domain.
pub(crate) fn details(conn: &mut AnyConn, domain: SendingDomain) -> StoreResult<DomainDetails> {
    let keys = dkim_keys::of(conn, domain.id)?;
    let records = domain_records::table
        .filter(domain_records::domain_id.eq(domain.id))
        .order((domain_records::kind, domain_records::host))
        .limit(MAX_RECORDS)
        .select(DomainRecord::as_select())
        .load(conn)?;
    Ok(DomainDetails { domain, keys, records })
}

//! The keys that sign for a domain. The private half is sealed before it comes here, and never opened here.

use diesel::prelude::*;
use tidings_domain::{DkimAlgorithm, DkimKeyState, SendingDomainState, UnixMs, Word};

use crate::schema::dkim_keys::dsl;
use crate::schema::{dkim_keys, sending_domains};
use crate::sending_domains::MAX_SENDING_DOMAINS;
use crate::words::Db;
use crate::{AnyConn, DkimKeyId, SendingDomainId, StoreError, StoreResult, Workspace, WorkspaceId};

/// Of one domain, without those that are revoked: two in use, two that follow, two that retire, and some room.
const MAX_LIVING_KEYS: i64 = 10;
/// Of one domain, shown: a change every six months fills a decade and more.
const MAX_KEYS_SHOWN: i64 = 100;

#[derive(Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = dkim_keys)]
pub struct DkimKey {
    pub id: DkimKeyId,
    pub workspace_id: WorkspaceId,
    pub domain_id: SendingDomainId,
    #[diesel(deserialize_as = Db<DkimAlgorithm>)]
    pub algorithm: DkimAlgorithm,
    pub selector: String,
    /// The tag `p=` of its record.
    pub public_key: String,
    /// Sealed with the instance's key; empty once it is revoked.
    pub private_sealed: String,
    #[diesel(deserialize_as = Db<DkimKeyState>)]
    pub state: DkimKeyState,
    pub created_at_ms: i64,
    /// Since when its record is found in DNS; `None` while it is not.
    pub published_at_ms: Option<i64>,
    pub activated_at_ms: Option<i64>,
    pub retired_at_ms: Option<i64>,
    pub revoked_at_ms: Option<i64>,
    /// Since when DNS says that it is not there, though it was: believed when a later look agrees.
    pub missed_since_ms: Option<i64>,
}

/// Not even the sealed text belongs into a log.
impl std::fmt::Debug for DkimKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DkimKey")
            .field("id", &self.id)
            .field("selector", &self.selector)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// A key that was just made, its private half sealed.
#[derive(Clone)]
pub struct NewDkimKey {
    pub algorithm: DkimAlgorithm,
    pub selector: String,
    pub public_key: String,
    pub private_sealed: String,
}

/// A domain that signs, or should: with the keys that may be used, which is those that are active and stand in DNS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningDomain {
    pub name: String,
    pub state: SendingDomainState,
    pub keys: Vec<DkimKey>,
}

/// What became of the wish to change a domain's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyMade {
    Yes,
    /// One of the kind is prepared already: it comes first.
    OnePrepared,
    TooMany,
}

/// What became of the wish to end a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyRevoked {
    /// With its selector.
    Yes(String),
    /// It signs: another one must take over first.
    InUse,
}

impl DkimKey {
    /// The place that the private key is sealed for (`Keys::seal_secret`): who seals and who opens say the same. A selector is used once in
    /// the life of a domain, so the two of them name the row.
    #[must_use]
    pub fn seal_context(workspace: WorkspaceId, domain: &str, selector: &str) -> String {
        format!("workspace {workspace} dkim key {selector} of {domain}")
    }

    /// Still there: it has a record to publish or to keep.
    #[must_use]
    pub fn is_living(&self) -> bool {
        self.state != DkimKeyState::Revoked
    }
}

impl Workspace {
    /// Every domain with the keys that may sign for it. Empty when the workspace has none.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn signing_domains(&self) -> StoreResult<Vec<SigningDomain>> {
        self.read(|conn, ws| {
            let domains: Vec<(SendingDomainId, String, Db<SendingDomainState>)> = sending_domains::table
                .filter(sending_domains::workspace_id.eq(ws))
                .order(sending_domains::id)
                .limit(MAX_SENDING_DOMAINS)
                .select((sending_domains::id, sending_domains::name, sending_domains::state))
                .load(conn)?;
            let usable = dsl::dkim_keys
                .filter(dsl::workspace_id.eq(ws))
                .filter(dsl::state.eq(DkimKeyState::Active.as_str()))
                .filter(dsl::published_at_ms.is_not_null())
                .order(dsl::id);
            let keys: Vec<DkimKey> =
                usable.limit(MAX_SENDING_DOMAINS * MAX_LIVING_KEYS).select(DkimKey::as_select()).load(conn)?;
            let of = |id| keys.iter().filter(|key| key.domain_id == id).cloned().collect();
            Ok(domains
                .into_iter()
                .map(|(id, name, state)| SigningDomain { name, state: state.0, keys: of(id) })
                .collect())
        })
        .await
    }

    /// Adds keys that are to take over from those in use: all of them or none. DNS is asked at once.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the domain is not this workspace's.
    pub async fn prepare_keys(
        &self,
        domain: SendingDomainId,
        keys: Vec<NewDkimKey>,
        now: UnixMs,
    ) -> StoreResult<KeyMade> {
        self.write(move |conn, ws| {
            let own = sending_domains::table.filter(sending_domains::workspace_id.eq(ws)).find(domain);
            if diesel::update(own).set(sending_domains::next_check_at_ms.eq(now.0)).execute(conn)? == 0 {
                return Err(StoreError::NotFound);
            }
            let living: Vec<DkimKey> = of(conn, domain)?.into_iter().filter(DkimKey::is_living).collect();
            let is_prepared = |key: &DkimKey| {
                key.state == DkimKeyState::Prepared && keys.iter().any(|new| new.algorithm == key.algorithm)
            };
            if living.iter().any(is_prepared) {
                return Ok(KeyMade::OnePrepared);
            }
            if i64::try_from(living.len() + keys.len()).unwrap_or(i64::MAX) > MAX_LIVING_KEYS {
                return Ok(KeyMade::TooMany);
            }
            keys.into_iter().try_for_each(|key| insert(conn, (ws, domain), key, now))?;
            Ok(KeyMade::Yes)
        })
        .await
    }

    /// Ends a key that does not sign, and destroys its private half.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when it is not this workspace's, or has ended already.
    pub async fn revoke_key(&self, domain: SendingDomainId, key: DkimKeyId, now: UnixMs) -> StoreResult<KeyRevoked> {
        self.write(move |conn, ws| {
            let own = dsl::dkim_keys.filter(dsl::workspace_id.eq(ws)).filter(dsl::domain_id.eq(domain)).find(key);
            let key: DkimKey = own.select(DkimKey::as_select()).first(conn)?;
            match key.state {
                DkimKeyState::Active => Ok(KeyRevoked::InUse),
                DkimKeyState::Revoked => Err(StoreError::NotFound),
                from @ (DkimKeyState::Prepared | DkimKeyState::Retiring) => {
                    revoke(conn, key.id, from, now)?;
                    Ok(KeyRevoked::Yes(key.selector))
                }
            }
        })
        .await
    }
}

/// All keys of a domain, oldest first.
pub(crate) fn of(conn: &mut AnyConn, domain: SendingDomainId) -> StoreResult<Vec<DkimKey>> {
    let newest = dsl::dkim_keys.filter(dsl::domain_id.eq(domain)).order(dsl::id.desc()).limit(MAX_KEYS_SHOWN);
    let mut keys: Vec<DkimKey> = newest.select(DkimKey::as_select()).load(conn)?;
    keys.reverse();
    Ok(keys)
}

pub(crate) fn insert(
    conn: &mut AnyConn,
    (workspace, domain): (WorkspaceId, SendingDomainId),
    new: NewDkimKey,
    now: UnixMs,
) -> StoreResult<()> {
    let row = (
        dsl::workspace_id.eq(workspace),
        dsl::domain_id.eq(domain),
        dsl::algorithm.eq(Db(new.algorithm)),
        dsl::selector.eq(new.selector),
        dsl::public_key.eq(new.public_key),
        dsl::private_sealed.eq(new.private_sealed),
        dsl::created_at_ms.eq(now.0),
    );
    diesel::insert_into(dsl::dkim_keys).values(row).execute(conn)?;
    Ok(())
}

/// It signs from now on.
pub(crate) fn activate(conn: &mut AnyConn, key: DkimKeyId, now: UnixMs) -> StoreResult<()> {
    let prepared = dsl::dkim_keys.find(key).filter(dsl::state.eq(DkimKeyState::Prepared.as_str()));
    let active = (dsl::state.eq(DkimKeyState::Active.as_str()), dsl::activated_at_ms.eq(now.0));
    diesel::update(prepared).set(active).execute(conn)?;
    Ok(())
}

/// Another one signs from now on; its record stays for the overlap.
pub(crate) fn retire(conn: &mut AnyConn, key: DkimKeyId, now: UnixMs) -> StoreResult<()> {
    let active = dsl::dkim_keys.find(key).filter(dsl::state.eq(DkimKeyState::Active.as_str()));
    let retiring = (dsl::state.eq(DkimKeyState::Retiring.as_str()), dsl::retired_at_ms.eq(now.0));
    diesel::update(active).set(retiring).execute(conn)?;
    Ok(())
}

/// The private half is gone for good.
pub(crate) fn revoke(conn: &mut AnyConn, key: DkimKeyId, from: DkimKeyState, now: UnixMs) -> StoreResult<()> {
    let ending = dsl::dkim_keys.find(key).filter(dsl::state.eq(from.as_str()));
    let revoked = (
        dsl::state.eq(DkimKeyState::Revoked.as_str()),
        dsl::private_sealed.eq(""),
        dsl::revoked_at_ms.eq(now.0),
        dsl::published_at_ms.eq(None::<i64>),
    );
    diesel::update(ending).set(revoked).execute(conn)?;
    Ok(())
}

/// Its record was found, or is gone: nothing is missed any more.
pub(crate) fn note_published(conn: &mut AnyConn, key: DkimKeyId, since: Option<i64>) -> StoreResult<()> {
    let facts = (dsl::published_at_ms.eq(since), dsl::missed_since_ms.eq(None::<i64>));
    diesel::update(dsl::dkim_keys.find(key)).set(facts).execute(conn)?;
    Ok(())
}

/// One look did not find its record.
pub(crate) fn note_missed(conn: &mut AnyConn, key: DkimKeyId, since: UnixMs) -> StoreResult<()> {
    diesel::update(dsl::dkim_keys.find(key)).set(dsl::missed_since_ms.eq(since.0)).execute(conn)?;
    Ok(())
}

//! Recipient domains to which nothing goes without TLS, by an operator's word. For the installation: a connection is shared by all
//! who send to the same host.

use diesel::prelude::*;
use tidings_domain::UnixMs;

use crate::connection::on;
use crate::schema::tls_required_domains;
use crate::schema::tls_required_domains::dsl;
use crate::{Store, StoreResult};

/// A person writes them by hand.
pub const MAX_TLS_REQUIRED_DOMAINS: i64 = 1_000;

#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = tls_required_domains)]
pub struct TlsRequired {
    pub domain: String,
    /// Also the certificate has to be valid for the mail host's name.
    pub is_verified: bool,
    pub added_by: String,
    pub added_at_ms: i64,
}

impl Store {
    /// All of them, by name; there are never more than [`MAX_TLS_REQUIRED_DOMAINS`].
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn tls_required_domains(&self) -> StoreResult<Vec<TlsRequired>> {
        self.read(|conn| {
            let all = dsl::tls_required_domains.order(dsl::domain).limit(MAX_TLS_REQUIRED_DOMAINS);
            Ok(all.select(TlsRequired::as_select()).load(conn)?)
        })
        .await
    }

    /// Adds a domain (lower-case A-labels), or says anew what it needs. Returns `false`, and changes nothing, when there are
    /// [`MAX_TLS_REQUIRED_DOMAINS`] others.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn require_tls(&self, domain: String, is_verified: bool, by: &str, now: UnixMs) -> StoreResult<bool> {
        let by = by.to_owned();
        self.write(move |conn| {
            let others: i64 = dsl::tls_required_domains.filter(dsl::domain.ne(&domain)).count().get_result(conn)?;
            if others >= MAX_TLS_REQUIRED_DOMAINS {
                return Ok(false);
            }
            let facts = (dsl::is_verified.eq(is_verified), dsl::added_by.eq(&by), dsl::added_at_ms.eq(now.0));
            on!(conn, |c| diesel::insert_into(tls_required_domains::table)
                .values((dsl::domain.eq(&domain), facts))
                .on_conflict(tls_required_domains::domain)
                .do_update()
                .set(facts)
                .execute(c))?;
            Ok(true)
        })
        .await
    }

    /// Returns whether it was there.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn stop_requiring_tls(&self, domain: String) -> StoreResult<bool> {
        self.write(move |conn| Ok(diesel::delete(dsl::tls_required_domains.find(domain)).execute(conn)? > 0)).await
    }
}

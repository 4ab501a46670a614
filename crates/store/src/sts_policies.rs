//! MTA-STS policies of recipient domains, as fetched: kept through restarts and shared by all workers.

use diesel::prelude::*;
use tidings_domain::UnixMs;

use crate::connection::on;
use crate::schema::sts_policies;
use crate::schema::sts_policies::dsl;
use crate::text::storable;
use crate::{Store, StoreResult};

/// A domain's policy (RFC 8461 §3.2).
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = sts_policies)]
pub struct StsPolicyRow {
    pub domain: String,
    /// The id of the TXT record that led to it.
    pub policy_id: String,
    /// As it was served.
    pub policy: String,
    pub fetched_at_ms: i64,
    /// From then on it must not be used.
    pub expires_at_ms: i64,
}

impl Store {
    /// The policy of a domain, if there is one that has not expired.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn sts_policy(&self, domain: String, now: UnixMs) -> StoreResult<Option<StsPolicyRow>> {
        self.read(move |conn| {
            let row = dsl::sts_policies.find(domain).filter(dsl::expires_at_ms.gt(now.0));
            Ok(row.select(StsPolicyRow::as_select()).first(conn).optional()?)
        })
        .await
    }

    /// Keeps a policy in the place of the one before.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn save_sts_policy(&self, row: StsPolicyRow) -> StoreResult<()> {
        let row = StsPolicyRow { policy: storable(&row.policy).into_owned(), ..row };
        self.write(move |conn| {
            on!(conn, |c| diesel::insert_into(sts_policies::table)
                .values(&row)
                .on_conflict(sts_policies::domain)
                .do_update()
                .set(&row)
                .execute(c))?;
            Ok(())
        })
        .await
    }

    /// Removes what has expired. Returns how many there were.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn forget_expired_sts_policies(&self, now: UnixMs) -> StoreResult<usize> {
        self.write(move |conn| {
            Ok(diesel::delete(sts_policies::table.filter(dsl::expires_at_ms.le(now.0))).execute(conn)?)
        })
        .await
    }
}

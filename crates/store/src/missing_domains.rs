//! Domains of which DNS said that they do not exist. One answer may be a resolver's mistake; a second one, much later, is believed.

use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::BigInt;
use tidings_domain::UnixMs;

use crate::connection::on;
use crate::fixed::{Bind, Fixed, fixed_sql};
use crate::schema::missing_domains::dsl;
use crate::{Store, StoreResult};

/// An answer that is older than this counts no more: between two retries of one delivery there is less.
const HOLDS_MS: i64 = 12 * UnixMs::HOUR;

impl Store {
    /// Keeps that DNS said now that the domain, or its mail host, does not exist. Returns how long ago it said so first, with no
    /// longer silence than half a day in between.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn note_missing_domain(&self, domain: &str, now: UnixMs) -> StoreResult<Duration> {
        let binds = [Bind::Text(domain.to_owned()), Bind::Int(now.0), Bind::Int(now.0), Bind::Int(now.0 - HOLDS_MS)];
        self.write(move |conn| {
            let first: Vec<i64> = on!(conn, |c| Fixed::<Note>::new(binds).load(c))?;
            Ok(first.first().map_or(Duration::ZERO, |first| now.since(UnixMs(*first))))
        })
        .await
    }

    /// The domain was found after all.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn forget_missing_domain(&self, domain: &str) -> StoreResult<()> {
        let domain = domain.to_owned();
        self.write(move |conn| {
            diesel::delete(dsl::missing_domains.find(domain)).execute(conn)?;
            Ok(())
        })
        .await
    }

    /// Removes answers that count no more. Returns how many there were.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn forget_old_missing_domains(&self, now: UnixMs) -> StoreResult<usize> {
        self.write(move |conn| {
            let old = dsl::missing_domains.filter(dsl::last_at_ms.lt(now.0 - HOLDS_MS));
            Ok(diesel::delete(old).execute(conn)?)
        })
        .await
    }
}

fixed_sql!(Note -> BigInt,
    "INSERT INTO missing_domains (domain, first_at_ms, last_at_ms) VALUES (?, ?, ?) \
     ON CONFLICT (domain) DO UPDATE SET last_at_ms = excluded.last_at_ms, \
     first_at_ms = CASE WHEN missing_domains.last_at_ms < ? THEN excluded.first_at_ms ELSE missing_domains.first_at_ms END \
     RETURNING first_at_ms");

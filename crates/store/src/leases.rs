//! Loops that one process runs for all: the others stand by, and one takes over when the holder has been silent for too long.
//!
//! A lease keeps work from being done twice for nothing. It is no lock: a holder that was stopped and woke up again may believe in an
//! old one, so every statement of such a loop is guarded by the state it starts from.

use diesel::prelude::*;
use diesel::sql_types::Text;
use tidings_domain::UnixMs;

use crate::connection::on;
use crate::fixed::{Bind, Fixed, fixed_sql};
use crate::{Store, StoreResult};

impl Store {
    /// Takes or keeps the lease of that name for `ttl_ms` from now, unless another holds it. Returns whether it is ours.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn hold_lease(&self, name: &str, holder: &str, ttl_ms: i64, now: UnixMs) -> StoreResult<bool> {
        let binds =
            [Bind::Text(name.to_owned()), Bind::Text(holder.to_owned()), Bind::Int(now.0 + ttl_ms), Bind::Int(now.0)];
        self.write(move |conn| {
            let held: Vec<String> = on!(conn, |c| Fixed::<Hold>::new(binds).load(c))?;
            Ok(!held.is_empty())
        })
        .await
    }

    /// Gives the lease back, so that another takes over at once.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn release_lease(&self, name: &str, holder: &str) -> StoreResult<()> {
        let binds = [Bind::Text(name.to_owned()), Bind::Text(holder.to_owned())];
        self.write(move |conn| {
            let _: Vec<String> = on!(conn, |c| Fixed::<Release>::new(binds).load(c))?;
            Ok(())
        })
        .await
    }
}

fixed_sql!(Hold -> Text,
    "INSERT INTO leases (name, holder, until_ms) VALUES (?, ?, ?) \
     ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until_ms = excluded.until_ms \
     WHERE leases.holder = excluded.holder OR leases.until_ms < ? RETURNING holder");

fixed_sql!(Release -> Text, "DELETE FROM leases WHERE name = ? AND holder = ? RETURNING holder");

//! The lock on all sending: set when a backup is restored, because some of what it has as waiting was sent after the backup was made.
//! While it stands no intent is granted, so that no final dot leaves, whoever runs.

use diesel::prelude::*;

use crate::connection::on;
use crate::schema::instance;
use crate::{AnyConn, Store, StoreResult};

const FACT: &str = "sending_locked";

impl Store {
    /// Locks all sending, and says why.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn lock_sending(&self, why: String) -> StoreResult<()> {
        self.replace_fact(FACT, why).await.map(|_| ())
    }

    /// Why sending is locked; `None` when it is not.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn sending_lock(&self) -> StoreResult<Option<String>> {
        self.read(locked).await
    }

    /// Lets sending begin, at a person's word. Returns whether it was locked.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn unlock_sending(&self) -> StoreResult<bool> {
        self.write(|conn| Ok(on!(conn, |c| diesel::delete(instance::table.find(FACT)).execute(c))? > 0)).await
    }
}

/// Inside the transaction of the intents.
pub(crate) fn locked(conn: &mut AnyConn) -> StoreResult<Option<String>> {
    Ok(instance::table.find(FACT).select(instance::value).first(conn).optional()?)
}

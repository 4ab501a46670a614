use tidings_store::{Store, StoreResult};

use crate::now;

/// To be called before the loops start, by the one process that owns the embedded queue: every row in `sending` belongs to a process that
/// ended between the final dot and its reply. Returns how many are in doubt now.
///
/// # Errors
/// The database cannot be written.
pub async fn recover(store: &Store) -> StoreResult<i64> {
    let recovered = store.recover(now()).await?;
    if recovered.in_doubt > 0 {
        tracing::warn!(
            deliveries = recovered.in_doubt,
            "in doubt: the process ended between their final dot and its reply"
        );
    }
    Ok(recovered.in_doubt)
}

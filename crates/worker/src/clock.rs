use std::time::{SystemTime, UNIX_EPOCH};

use tidings_domain::UnixMs;

/// The present. Loops ask here and pass it on; nothing below them asks.
#[must_use]
pub fn now() -> UnixMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMs(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

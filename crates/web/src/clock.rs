use std::time::{SystemTime, UNIX_EPOCH};

use tidings_domain::UnixMs;

/// The present instant. The one clock of the pages and probes.
#[must_use]
pub fn now() -> UnixMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMs(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

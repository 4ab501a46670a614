use crate::UnixMs;

/// An operator holds a delivery by moving its next try out of reach: far beyond any date, and by so much that taking the same amount off
/// gives the old instant back. A held row stays `deferred`, so its campaign is not done, and nothing of its history is lost.
pub const HELD_MS: i64 = 4_000_000_000_000_000;

/// The next try of a held row.
#[must_use]
pub const fn hold(next_at: UnixMs) -> UnixMs {
    UnixMs(next_at.0 + HELD_MS)
}

/// `None`: the row is not held, and this is its next try.
#[must_use]
pub const fn held_until_released(next_at: UnixMs) -> Option<UnixMs> {
    if next_at.0 >= HELD_MS { Some(UnixMs(next_at.0 - HELD_MS)) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_is_taken_back_exactly() {
        let next_at = UnixMs(1_795_000_000_123);
        assert_eq!(held_until_released(hold(next_at)), Some(next_at));
        assert_eq!(held_until_released(next_at), None);
    }
}

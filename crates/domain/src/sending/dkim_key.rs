use std::time::Duration;

use crate::UnixMs;
use crate::word::words;

/// A retiring key stays in DNS for so long after its last use: mail may wait in queues for days before somebody verifies it
/// (M3AAWG asks for seven).
pub const ROTATION_OVERLAP: Duration = Duration::from_secs(7 * 24 * 3600);
/// A key in use for longer should be changed (M3AAWG: every six months).
pub const ROTATION_DUE: Duration = Duration::from_secs(180 * 24 * 3600);
/// A key in use that DNS does not have any more is believed to be gone when a look this much later says so too.
pub const KEY_MISSED_FOR: Duration = Duration::from_secs(3 * 60);

words! {
    /// RFC 6376 and RFC 8463. Large receivers verify only RSA so far; the short one is for those that can do both.
    pub enum DkimAlgorithm {
        Rsa2048 = "rsa2048",
        Ed25519 = "ed25519",
    }
}

words! {
    /// The life of a key.
    pub enum DkimKeyState {
        /// Made, to be published. Nothing is signed with it yet.
        Prepared = "prepared",
        /// Found in DNS: it signs.
        Active = "active",
        /// Another key signs; this one stays in DNS for who verifies late.
        Retiring = "retiring",
        /// Its record is gone or empty, and the private key is destroyed.
        Revoked = "revoked",
    }
}

impl DkimAlgorithm {
    /// The tag `k=` of its record.
    #[must_use]
    pub const fn key_type(self) -> &'static str {
        match self {
            Self::Rsa2048 => "rsa",
            Self::Ed25519 => "ed25519",
        }
    }
}

/// A selector that no key of the domain has had: the day, the kind, and a number from the second of a day on. `t20261129r`.
#[must_use]
pub fn new_selector(algorithm: DkimAlgorithm, now: UnixMs, is_taken: impl Fn(&str) -> bool) -> String {
    let kind = match algorithm {
        DkimAlgorithm::Rsa2048 => 'r',
        DkimAlgorithm::Ed25519 => 'e',
    };
    let first = format!("t{}{kind}", day(now));
    (1_u32..)
        .map(|n| if n == 1 { first.clone() } else { format!("{first}{n}") })
        .find(|selector| !is_taken(selector))
        .unwrap_or(first)
}

/// `YYYYMMDD` in UTC (the civil calendar from days, by Howard Hinnant's algorithm).
fn day(now: UnixMs) -> String {
    let z = now.0.div_euclid(UnixMs::DAY) + 719_468;
    let (era, of_era) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}{month:02}{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_name_the_day_and_are_new() {
        let at = UnixMs(1_795_429_805_123);
        assert_eq!(new_selector(DkimAlgorithm::Rsa2048, at, |_| false), "t20261123r");
        assert_eq!(new_selector(DkimAlgorithm::Ed25519, at, |s| s == "t20261123e"), "t20261123e2");
        assert_eq!(new_selector(DkimAlgorithm::Ed25519, at, |s| !s.ends_with('3')), "t20261123e3");
        assert_eq!(day(UnixMs(0)), "19700101");
        assert_eq!(day(UnixMs(951_782_400_000)), "20000229");
    }
}

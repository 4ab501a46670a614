//! Numbers and instants as people read them.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use tidings_domain::UnixMs;

/// `128412` is `128,412`.
pub fn number(n: i64) -> String {
    let digits = n.unsigned_abs().to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if n < 0 {
        grouped.push('\u{2212}');
    }
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// An instant in three forms: for the eye, for the pointer, for the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct When {
    /// `4 min ago`
    pub relative: String,
    /// `23 Nov 2026, 09:14:05 CET`
    pub exact: String,
    /// RFC 3339, for the `datetime` attribute.
    pub machine: String,
}

impl When {
    pub fn new(at: UnixMs, now: UnixMs, zone: Tz) -> Self {
        let instant = DateTime::<Utc>::from_timestamp_millis(at.0).unwrap_or_default();
        let local = instant.with_timezone(&zone);
        Self {
            relative: relative(at, now, || local.format("%-d %b %Y").to_string()),
            exact: local.format("%-d %b %Y, %H:%M:%S %Z").to_string(),
            machine: instant.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        }
    }
}

/// `14:32`, or `24 Nov, 14:32` on another day.
pub fn clock(at: UnixMs, now: UnixMs, zone: Tz) -> String {
    let local = |at: UnixMs| DateTime::<Utc>::from_timestamp_millis(at.0).unwrap_or_default().with_timezone(&zone);
    let (at, now) = (local(at), local(now));
    let format = if at.date_naive() == now.date_naive() { "%H:%M" } else { "%-d %b, %H:%M" };
    at.format(format).to_string()
}

fn relative(at: UnixMs, now: UnixMs, date: impl Fn() -> String) -> String {
    let (ahead, ms) = (at > now, (now.0 - at.0).abs());
    let span = match ms {
        ms if ms < 10 * UnixMs::SECOND => return if ahead { "in a moment" } else { "just now" }.to_owned(),
        ms if ms < UnixMs::MINUTE => format!("{} s", ms / UnixMs::SECOND),
        ms if ms < UnixMs::HOUR => format!("{} min", ms / UnixMs::MINUTE),
        ms if ms < UnixMs::DAY => format!("{} h", ms / UnixMs::HOUR),
        ms if ms < 14 * UnixMs::DAY => format!("{} d", ms / UnixMs::DAY),
        _ => return date(),
    };
    if ahead { format!("in {span}") } else { format!("{span} ago") }
}

/// The zone of a stored name. A name that was valid when it was saved and is not known any more shows UTC, and says so.
pub fn zone(name: &str) -> Tz {
    name.parse().unwrap_or(Tz::UTC)
}

/// `1 list`, `2 lists`.
pub fn count_of(n: i64, one: &str, many: &str) -> String {
    format!("{} {}", number(n), if n == 1 { one } else { many })
}

/// A cell of a CSV. One that a spreadsheet would take for a formula gets an apostrophe before it; NUL goes away.
pub fn harmless(cell: &str) -> String {
    let clean = cell.replace('\0', "");
    if clean.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) { format!("'{clean}") } else { clean }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        for bad in ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "\0=1"] {
            assert!(harmless(bad).starts_with('\''), "{bad:?}");
        }
        assert_eq!(harmless("550 5.1.1 a=b"), "550 5.1.1 a=b");
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(number(0), "0");
        assert_eq!(number(999), "999");
        assert_eq!(number(1_000), "1,000");
        assert_eq!(number(9_412_008), "9,412,008");
        assert_eq!(number(-1_204), "\u{2212}1,204");
    }

    #[test]
    fn instants_are_near_or_dated() {
        let now = UnixMs(1_795_426_445_000);
        let check = |ms_ago: i64, expected: &str| {
            let when = When::new(UnixMs(now.0 - ms_ago), now, zone("Europe/Amsterdam"));
            assert_eq!(when.relative, expected);
        };
        check(3 * UnixMs::SECOND, "just now");
        check(4 * UnixMs::MINUTE, "4 min ago");
        check(3 * UnixMs::HOUR, "3 h ago");
        check(3 * UnixMs::DAY, "3 d ago");
        check(-40 * UnixMs::MINUTE, "in 40 min");
        check(40 * UnixMs::DAY, "14 Oct 2026");
        assert_eq!(When::new(now, now, zone("Europe/Amsterdam")).exact, "23 Nov 2026, 10:34:05 CET");
        assert_eq!(zone("Not/Known"), Tz::UTC);
    }
}

//! What the columns of a suppression list mean: our own export, those of Mailchimp, SendGrid, Amazon SES and listmonk, and plain
//! lists of addresses, domains, patterns or hashes.

use chrono::{DateTime, NaiveDateTime};
use tidings_domain::{SuppressionEntry, SuppressionReason, Word};
use tidings_store::{NewSuppression, Scope, SuppressionImport};

use crate::import::MAX_CELL_BYTES;
use crate::import::cells::{address_text, value_text};
use crate::import::records::Record;

/// Kept of what another platform said, in octets.
const MAX_EVIDENCE_BYTES: usize = 2_000;

/// Headings in lower case without anything but letters and digits.
const VALUE: &[&str] = &[
    "value",
    "email",
    "emailaddress",
    "mail",
    "address",
    "recipient",
    "entry",
    "domain",
    "pattern",
    "hash",
    "md5",
    "sha256",
    "emailmd5",
    "emailsha256",
    "md5hash",
    "sha256hash",
    "hashedemail",
    "emailhash",
];
const SINCE: &[&str] =
    &["since", "unsubtime", "cleantime", "lastupdatetime", "created", "createdat", "timestamp", "date", "addedat"];
const EVIDENCE: &[&str] = &["evidence", "unsubreason", "description", "note", "comment"];

/// Where a list came from, told by its headings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    Ours,
    MailchimpUnsubscribed,
    MailchimpCleaned,
    SendGridBounces,
    SendGridSpamReports,
    Ses,
    Listmonk,
    Plain,
}

impl Origin {
    pub fn label(self) -> &'static str {
        match self {
            Self::Ours => "A Tidings export",
            Self::MailchimpUnsubscribed => "Mailchimp, unsubscribed contacts",
            Self::MailchimpCleaned => "Mailchimp, cleaned contacts",
            Self::SendGridBounces => "SendGrid, bounces or blocks",
            Self::SendGridSpamReports => "SendGrid, spam reports",
            Self::Ses => "Amazon SES, account suppression list",
            Self::Listmonk => "listmonk, subscribers",
            Self::Plain => "A plain list",
        }
    }

    /// The reason that the whole list stands for.
    fn reason(self) -> Option<SuppressionReason> {
        match self {
            Self::MailchimpUnsubscribed => Some(SuppressionReason::Unsubscribe),
            Self::MailchimpCleaned | Self::SendGridBounces => Some(SuppressionReason::HardBounce),
            Self::SendGridSpamReports => Some(SuppressionReason::Complaint),
            Self::Listmonk => Some(SuppressionReason::Blocklist),
            Self::Ours | Self::Ses | Self::Plain => None,
        }
    }
}

/// Which column says what.
#[derive(Debug, Clone)]
pub(crate) struct SuppressionColumns {
    pub origin: Origin,
    pub has_header: bool,
    value: usize,
    reason: Option<usize>,
    scope: Option<usize>,
    since: Option<usize>,
    expires: Option<usize>,
    evidence: Option<usize>,
    status: Option<usize>,
}

impl SuppressionColumns {
    /// From the file's first rows. `None`: no column has entries of a suppression list.
    pub fn recognise(table: &[Vec<String>]) -> Option<Self> {
        let first = table.first()?;
        let has_header = first.iter().all(|cell| SuppressionEntry::parse(unquoted(cell)).is_err());
        let heads: Vec<String> = first.iter().filter(|_| has_header).map(|head| plain(head)).collect();
        let at = |names: &[&str]| names.iter().find_map(|name| heads.iter().position(|head| head == name));
        let rows = &table[usize::from(has_header)..];
        let value = at(VALUE).or_else(|| fullest(rows))?;
        let reason = at(&["reason", "type"]).or_else(|| (!has_header).then(|| reasons(rows, value)).flatten());
        Some(Self {
            origin: origin(&heads),
            has_header,
            value,
            reason,
            scope: at(&["scope"]),
            since: at(SINCE),
            expires: at(&["expires", "expiresat"]),
            evidence: at(EVIDENCE),
            status: at(&["status"]),
        })
    }

    /// One row as an entry, or what is wrong with it.
    pub fn read(&self, record: &Record<'_>, import: &SuppressionImport) -> Result<NewSuppression, String> {
        if (0..record.len()).any(|i| record.cell_bytes(i) > MAX_CELL_BYTES) {
            return Err(format!("a cell is longer than {} KiB", MAX_CELL_BYTES >> 10));
        }
        let cell = |at: Option<usize>| at.map(|i| value_text(&record.cell(i)).into_owned()).unwrap_or_default();
        if self.origin == Origin::Listmonk && cell(self.status) != "blocklisted" {
            return Err("the subscriber is not blocklisted in listmonk".to_owned());
        }
        let value = record.cell(self.value);
        let entry = SuppressionEntry::parse(unquoted(address_text(&value))).map_err(|error| error.to_string())?;
        let said = cell(self.reason);
        let named = reason_of(&said);
        let reason = named.or(self.origin.reason()).unwrap_or(import.reason);
        let mut evidence = cell(self.evidence);
        if evidence.is_empty() && named.is_none() {
            evidence = said;
        }
        evidence.truncate(evidence.floor_char_boundary(MAX_EVIDENCE_BYTES));
        let scope = match cell(self.scope) {
            text if text.is_empty() => import.scope(),
            // A list's id means nothing in another installation, so only the lanes travel.
            text => Scope::parse(&text).filter(|scope| !matches!(scope, Scope::List(_))).unwrap_or(import.scope()),
        };
        let source = format!("import of {}, {}", import.file_name, import.created_by);
        let (since_ms, expires_at_ms) = (instant(&cell(self.since)), instant(&cell(self.expires)));
        Ok(NewSuppression { scope, evidence, since_ms, expires_at_ms, ..NewSuppression::of(entry, reason, source) })
    }
}

/// Our exports put an apostrophe before what a spreadsheet would take for a formula.
fn unquoted(cell: &str) -> &str {
    let cell = cell.trim();
    cell.strip_prefix('\'').filter(|rest| rest.starts_with(['=', '+', '-', '@'])).unwrap_or(cell)
}

fn plain(heading: &str) -> String {
    heading.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn origin(heads: &[String]) -> Origin {
    let has = |name: &str| heads.iter().any(|head| head == name);
    match () {
        () if has("kind") && has("value") => Origin::Ours,
        () if has("unsubtime") => Origin::MailchimpUnsubscribed,
        () if has("cleantime") => Origin::MailchimpCleaned,
        () if has("email") && has("created") && has("reason") => Origin::SendGridBounces,
        () if has("email") && has("created") && has("ip") => Origin::SendGridSpamReports,
        () if has("lastupdatetime") || (has("emailaddress") && has("reason")) => Origin::Ses,
        () if has("uuid") && has("email") && has("status") && has("attributes") => Origin::Listmonk,
        () => Origin::Plain,
    }
}

/// The column with the most cells that are entries.
fn fullest(rows: &[Vec<String>]) -> Option<usize> {
    let width = rows.iter().map(Vec::len).max()?;
    let entries = |column: usize| {
        let is_entry =
            |row: &&Vec<String>| row.get(column).is_some_and(|c| SuppressionEntry::parse(unquoted(c)).is_ok());
        rows.iter().filter(is_entry).count()
    };
    let best = (0..width).max_by_key(|column| (entries(*column), width - column))?;
    (entries(best) > 0).then_some(best)
}

/// In a list without headings, the other column in which every cell is a word for a reason.
fn reasons(rows: &[Vec<String>], value: usize) -> Option<usize> {
    let width = rows.iter().map(Vec::len).max()?;
    let all = |column: usize| rows.iter().all(|row| row.get(column).is_some_and(|cell| reason_of(cell).is_some()));
    (0..width).find(|column| *column != value && all(*column))
}

/// The reason that a word of ours or of another platform means.
fn reason_of(text: &str) -> Option<SuppressionReason> {
    use SuppressionReason as R;
    if let Ok(reason) = R::parse(text) {
        return Some(reason);
    }
    match plain(text).as_str() {
        "bounce" | "bounced" | "hardbounce" | "hardbounced" | "permanent" | "cleaned" | "invalid" => {
            Some(R::HardBounce)
        }
        "complaint" | "complained" | "spam" | "spamreport" | "spamcomplaint" | "abuse" => Some(R::Complaint),
        "unsubscribe" | "unsubscribed" | "optout" | "optedout" => Some(R::Unsubscribe),
        "blocklist" | "blocklisted" | "blacklist" | "blacklisted" | "blocked" | "manual" => Some(R::Blocklist),
        "onhold" | "softbounce" | "softbounced" => Some(R::OnHold),
        _ => None,
    }
}

/// An instant in milliseconds: seconds or milliseconds since the epoch, RFC 3339, or a date and time that is taken for UTC.
fn instant(text: &str) -> Option<i64> {
    const LAST_IN_SECONDS: i64 = 100_000_000_000;
    if let Ok(number) = text.parse::<i64>() {
        return (number > 0).then_some(if number < LAST_IN_SECONDS { number * 1_000 } else { number });
    }
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Some(at.timestamp_millis());
    }
    let at = ["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S%.f UTC", "%m/%d/%Y %H:%M"]
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
        .or_else(|| NaiveDateTime::parse_from_str(&format!("{text} 00:00"), "%Y-%m-%d %H:%M").ok());
    at.map(|at| at.and_utc().timestamp_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_of_all_platforms() {
        assert_eq!(instant("1700000000"), Some(1_700_000_000_000));
        assert_eq!(instant("1700000000000"), Some(1_700_000_000_000));
        assert_eq!(instant("2023-11-14T22:13:20Z"), Some(1_700_000_000_000));
        assert_eq!(instant("2023-11-14 22:13:20"), Some(1_700_000_000_000));
        assert_eq!(instant("2023-11-14"), Some(1_699_920_000_000));
        assert_eq!(instant(""), None);
        assert_eq!(instant("soon"), None);
    }

    #[test]
    fn words_of_other_platforms_are_reasons() {
        assert_eq!(reason_of("BOUNCE"), Some(SuppressionReason::HardBounce));
        assert_eq!(reason_of("Spam report"), Some(SuppressionReason::Complaint));
        assert_eq!(reason_of("550 5.1.1 unknown"), None);
    }
}

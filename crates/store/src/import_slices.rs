//! The one write of an import: a slice of rows with its rejects, counts and checkpoint, in one transaction.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use diesel::prelude::*;
use tidings_domain::{ImportState, ImportTransition, RejectKind, SubscriptionStatus, UnixMs};

use crate::import_people::{Known, Person, insert_new, known, subscribe_known, update_known};
use crate::schema::{imports, suppressions};
use crate::stops::{Hit, Stops};
use crate::words::Db;
use crate::{
    AnyConn, Checkpoint, ImportCounts, ImportId, ImportRow, ImportRows, ListId, NewReject, RecordPlace, Scope, Store,
    StoreResult, SuppressionKey, WorkspaceId, import_rejects, imports as import_table, list_counts,
};

/// Values of one IN list when suppressions are looked up.
const LOOKUP_AT_ONCE: usize = 5_000;
/// A rejected row's text is kept up to here.
pub const MAX_RECORD_KEPT_BYTES: usize = 8 * 1024;

const SAME_ADDRESS: &str = "an earlier row has the same address; this row's values were used";
const SUPPRESSED: &str = "the address is suppressed";
const UNSUBSCRIBED: &str = "the person unsubscribed from this list";

/// Part of a window of rows, and where the import stands before and after it.
#[derive(Debug, Clone)]
pub struct ImportSlice {
    pub import: ImportId,
    pub workspace: WorkspaceId,
    pub list: ListId,
    pub worker: String,
    pub consent_source: String,
    /// The header of the column with the addresses, for the report.
    pub email_column: String,
    pub from: Checkpoint,
    pub to: Checkpoint,
    pub bytes_done: i64,
    /// Sorted.
    pub rows: Arc<ImportRows>,
    pub records: RecordReader,
    pub range: Range<usize>,
    pub invalid: Arc<Vec<NewReject>>,
    pub invalid_range: Range<usize>,
    /// Nothing comes after it.
    pub is_last: bool,
    pub lease_ms: i64,
}

/// Reads a row's text from the file: what a reject shows. The file is local, so reading in the transaction is quick.
#[derive(Clone)]
pub struct RecordReader(pub Arc<dyn Fn(RecordPlace) -> String + Send + Sync>);

impl fmt::Debug for RecordReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecordReader")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SliceResult {
    /// What this slice added to the counts.
    Committed(ImportCounts),
    /// The import stands elsewhere: cancelled, or another worker went on with it. Nothing was written.
    Lost,
    /// The list was deleted. Nothing was written.
    ListGone,
}

impl Store {
    /// Writes one slice: all of it, or nothing.
    ///
    /// # Errors
    /// The database's own; then nothing was written and the same slice may be tried again.
    pub async fn commit_import_slice(&self, slice: ImportSlice, now: UnixMs) -> StoreResult<SliceResult> {
        let key = self.suppression_key();
        self.write(move |conn| {
            if !advance(conn, &slice, now)? {
                return refusal(conn, &slice);
            }
            let counts = write_rows(conn, &slice, key, now)?;
            add_counts(conn, &slice, counts)?;
            if slice.is_last {
                import_table::step(conn, slice.import, ImportTransition::Finish, now)?;
            }
            Ok(SliceResult::Committed(counts))
        })
        .await
    }
}

/// Moves the checkpoint, if it stands where this slice begins: the guard against two writers of one import.
fn advance(conn: &mut AnyConn, slice: &ImportSlice, now: UnixMs) -> StoreResult<bool> {
    let here = imports::table
        .filter(imports::id.eq(slice.import))
        .filter(imports::workspace_id.eq(slice.workspace))
        .filter(imports::state.eq(Db(ImportState::Running)))
        .filter(imports::leased_by.eq(&slice.worker))
        .filter(imports::list_id.eq(slice.list))
        .filter(imports::offset_bytes.eq(slice.from.offset))
        .filter(imports::window_done.eq(slice.from.done));
    let there = (
        imports::offset_bytes.eq(slice.to.offset),
        imports::row_no.eq(slice.to.row_no),
        imports::window_done.eq(slice.to.done),
        imports::bytes_done.eq(slice.bytes_done),
        imports::leased_until_ms.eq(now.0 + slice.lease_ms),
        imports::updated_at_ms.eq(now.0),
    );
    Ok(diesel::update(here).set(there).execute(conn)? == 1)
}

fn refusal(conn: &mut AnyConn, slice: &ImportSlice) -> StoreResult<SliceResult> {
    let list: Option<Option<ListId>> =
        imports::table.find(slice.import).select(imports::list_id).first(conn).optional()?;
    Ok(if list == Some(None) { SliceResult::ListGone } else { SliceResult::Lost })
}

fn add_counts(conn: &mut AnyConn, slice: &ImportSlice, n: ImportCounts) -> StoreResult<()> {
    let sums = (
        imports::rows_read.eq(imports::rows_read + n.read),
        imports::rows_created.eq(imports::rows_created + n.created),
        imports::rows_updated.eq(imports::rows_updated + n.updated),
        imports::rows_duplicate.eq(imports::rows_duplicate + n.duplicate),
        imports::rows_invalid.eq(imports::rows_invalid + n.invalid),
        imports::rows_suppressed.eq(imports::rows_suppressed + n.suppressed),
    );
    diesel::update(imports::table.find(slice.import)).set(sums).execute(conn)?;
    Ok(())
}

fn write_rows(conn: &mut AnyConn, slice: &ImportSlice, key: SuppressionKey, now: UnixMs) -> StoreResult<ImportCounts> {
    let rows: Vec<ImportRow<'_>> = slice.rows.range(slice.range.clone()).collect();
    let blocked = Blocked::among(conn, slice, &rows, key, now)?;
    let mut rejects = Rejects::default();
    let people = people(&rows, &blocked, &mut rejects, slice);

    let made = insert_new(conn, slice, &people, now)?;
    let mut counts = ImportCounts { created: made.count, ..ImportCounts::default() };
    let mut subscribed = made.count;
    if made.count < count(people.len()) {
        let met = known(conn, slice, &people, &made)?;
        let (free, left): (Vec<Known>, Vec<Known>) =
            met.into_iter().partition(|k| k.status != Some(SubscriptionStatus::Unsubscribed));
        for known in &left {
            people[known.person]
                .rows
                .iter()
                .for_each(|row| rejects.add(row, RejectKind::Suppressed, UNSUBSCRIBED, slice));
        }
        update_known(conn, slice, &people, &free, now)?;
        subscribed += subscribe_known(conn, slice, &free, now)?;
        counts.updated = count(free.iter().filter(|k| !k.seen).count());
        let left: HashSet<usize> = left.iter().map(|k| k.person).collect();
        let seen: HashSet<usize> = free.iter().filter(|k| k.seen).map(|k| k.person).collect();
        for (i, person) in people.iter().enumerate().filter(|(i, _)| !left.contains(i)) {
            let repeats = if seen.contains(&i) { person.rows } else { &person.rows[1..] };
            repeats.iter().for_each(|row| rejects.add(row, RejectKind::Duplicate, SAME_ADDRESS, slice));
        }
    } else {
        let repeats = people.iter().flat_map(|person| &person.rows[1..]);
        repeats.for_each(|row| rejects.add(row, RejectKind::Duplicate, SAME_ADDRESS, slice));
    }
    list_counts::shift(conn, slice.workspace, slice.list, SubscriptionStatus::Subscribed, subscribed)?;

    let invalid = slice.invalid.get(slice.invalid_range.clone()).unwrap_or_default();
    let all: Vec<&NewReject> = rejects.0.iter().chain(invalid).collect();
    import_rejects::insert(conn, slice.workspace, slice.import, &all)?;
    counts.read = count(rows.len() + invalid.len());
    counts.invalid = count(invalid.len());
    counts.duplicate = rejects.of(RejectKind::Duplicate);
    counts.suppressed = rejects.of(RejectKind::Suppressed);
    Ok(counts)
}

#[derive(Default)]
struct Rejects(Vec<NewReject>);

impl Rejects {
    fn add(&mut self, row: &ImportRow<'_>, kind: RejectKind, reason: &str, slice: &ImportSlice) {
        let record = (slice.records.0)(row.place);
        let (column, reason) = (slice.email_column.clone(), reason.to_owned());
        self.0.push(NewReject { row_no: row.row_no, kind, column, reason, record });
    }

    fn of(&self, kind: RejectKind) -> i64 {
        count(self.0.iter().filter(|r| r.kind == kind).count())
    }
}

/// Rows by address, each address once, without the suppressed ones.
fn people<'a>(
    rows: &'a [ImportRow<'a>],
    blocked: &Blocked<'_>,
    rejects: &mut Rejects,
    slice: &ImportSlice,
) -> Vec<Person<'a>> {
    let mut people = Vec::with_capacity(rows.len());
    for same in rows.chunk_by(|a, b| a.email == b.email) {
        if blocked.holds(&same[0]) {
            same.iter().for_each(|row| rejects.add(row, RejectKind::Suppressed, SUPPRESSED, slice));
        } else {
            people.push(merged(same));
        }
    }
    people
}

/// The values of several rows of one person: the last one that says something wins.
fn merged<'a>(rows: &'a [ImportRow<'a>]) -> Person<'a> {
    let last = |part: fn(&ImportRow<'a>) -> &'a str| rows.iter().map(part).rfind(|p| !p.is_empty()).unwrap_or_default();
    let first = &rows[0];
    Person {
        email: first.email,
        domain: first.domain,
        first_name: last(|r| r.first_name),
        last_name: last(|r| r.last_name),
        attributes: if rows.len() == 1 { Cow::Borrowed(first.attributes) } else { Cow::Owned(merged_attributes(rows)) },
        rows,
    }
}

fn merged_attributes(rows: &[ImportRow<'_>]) -> String {
    let mut all = serde_json::Map::new();
    for row in rows {
        if let Ok(serde_json::Value::Object(some)) = serde_json::from_str(row.attributes) {
            all.extend(some);
        }
    }
    serde_json::Value::Object(all).to_string()
}

/// The suppressed addresses among a slice's rows: of all mail, or of the list that they are to join.
struct Blocked<'a> {
    emails: HashSet<&'a str>,
}

impl<'a> Blocked<'a> {
    fn among(
        conn: &mut AnyConn,
        slice: &ImportSlice,
        rows: &[ImportRow<'a>],
        key: SuppressionKey,
        now: UnixMs,
    ) -> StoreResult<Self> {
        let own = suppressions::workspace_id.eq(slice.workspace);
        let plain: bool = diesel::select(diesel::dsl::exists(suppressions::table.filter(own))).get_result(conn)?;
        if !plain && Stops::special(conn, slice.workspace, key, now)?.is_none() {
            return Ok(Self { emails: HashSet::new() });
        }
        let stops = Stops::all(conn, slice.workspace, key, now)?;
        let stands = |hit: &Hit| matches!(hit.scope, Scope::All) || hit.scope == Scope::List(slice.list);
        let mut emails = HashSet::new();
        for some in rows.chunks(LOOKUP_AT_ONCE) {
            let found = stops.among(conn, some.iter().map(|row| row.email))?;
            emails.extend(found.iter().filter(|(_, hits)| hits.iter().any(stands)).map(|(at, _)| some[*at].email));
        }
        Ok(Self { emails })
    }

    fn holds(&self, row: &ImportRow<'_>) -> bool {
        !self.emails.is_empty() && self.emails.contains(row.email)
    }
}

pub(crate) fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

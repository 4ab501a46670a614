//! Imports of suppression lists: what a person sees of them, and the importer's side, slice by slice.

use std::collections::BTreeMap;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use tidings_domain::{SuppressionReason, UnixMs, Word};

use crate::connection::on;
use crate::fixed::{Bind, Fixed, fixed_sql};
use crate::schema::suppression_imports::{self, dsl};
use crate::schema::suppression_refusals;
use crate::suppression_bulk::merge;
use crate::suppression_events::{NewEvent, tell};
use crate::suppression_scope::Scope;
use crate::suppressions::check_scope;
use crate::text::storable;
use crate::words::Db;
use crate::{AnyConn, MAX_PATTERNS, NewSuppression, Store, StoreResult, SuppressionImportId, Workspace, WorkspaceId};

/// No page shows more imports than this.
const IMPORTS_SHOWN: i64 = 20;
/// Old files that one sweep is told of.
const SPOOLS_AT_ONCE: i64 = 20;

/// A file to import.
#[derive(Debug, Clone)]
pub struct NewSuppressionImport {
    pub file_name: String,
    /// Ours to delete afterwards.
    pub path: String,
    pub bytes_total: i64,
    /// For rows that name none of their own.
    pub scope: Scope,
    pub reason: SuppressionReason,
    pub note: String,
    pub created_by: String,
}

#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = suppression_imports)]
pub struct SuppressionImport {
    pub id: SuppressionImportId,
    pub workspace_id: WorkspaceId,
    pub file_name: String,
    #[diesel(column_name = spool_path)]
    pub path: String,
    /// `ready`, `running`, `done`, `failed` or `cancelled`.
    pub state: String,
    list_id: i64,
    lane: i16,
    #[diesel(deserialize_as = Db<SuppressionReason>)]
    pub reason: SuppressionReason,
    pub note: String,
    /// What the file was recognised as, in words.
    pub layout: String,
    pub bytes_total: i64,
    /// Everything before this octet is committed.
    pub bytes_done: i64,
    pub row_no: i64,
    pub rows_read: i64,
    pub rows_added: i64,
    /// An entry that is as strong was there.
    pub rows_known: i64,
    pub rows_refused: i64,
    /// In words for the person.
    pub error: String,
    pub created_by: String,
    pub created_at_ms: i64,
    pub finished_at_ms: Option<i64>,
}

impl SuppressionImport {
    #[must_use]
    pub fn scope(&self) -> Scope {
        Scope::of(self.list_id, self.lane)
    }

    /// The importer has work with it.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.state.as_str(), "ready" | "running")
    }
}

/// Rows refused for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = suppression_refusals)]
pub struct Refusal {
    pub reason: String,
    pub n: i64,
    pub first_row: i64,
    /// What stood in the first, cut short.
    pub sample: String,
}

/// Part of a file, parsed.
#[derive(Debug, Clone, Default)]
pub struct SuppressionSlice {
    pub entries: Vec<NewSuppression>,
    /// By reason: how many, the first row, and what stood there.
    pub refused: BTreeMap<String, (i64, i64, String)>,
    /// Place in the file, and number of the last record, behind this part.
    pub bytes_done: i64,
    pub row_no: i64,
    pub layout: String,
    pub is_last: bool,
}

impl Workspace {
    /// Records a file for the importer.
    ///
    /// # Errors
    /// [`crate::StoreError::NotFound`] when the scope's list is not this workspace's.
    pub async fn import_suppressions(
        &self,
        new: NewSuppressionImport,
        now: UnixMs,
    ) -> StoreResult<SuppressionImportId> {
        self.write(move |conn, ws| {
            check_scope(conn, ws, new.scope)?;
            let row = (
                dsl::workspace_id.eq(ws),
                dsl::file_name.eq(new.file_name),
                dsl::spool_path.eq(new.path),
                dsl::state.eq("ready"),
                dsl::list_id.eq(new.scope.list_column()),
                dsl::lane.eq(new.scope.lane_column()),
                dsl::reason.eq(Db(new.reason)),
                dsl::note.eq(new.note),
                dsl::bytes_total.eq(new.bytes_total),
                dsl::created_by.eq(new.created_by),
                dsl::created_at_ms.eq(now.0),
                dsl::updated_at_ms.eq(now.0),
            );
            Ok(diesel::insert_into(suppression_imports::table).values(row).returning(dsl::id).get_result(conn)?)
        })
        .await
    }

    /// The newest.
    ///
    /// # Errors
    /// The database's own.
    pub async fn suppression_imports(&self) -> StoreResult<Vec<SuppressionImport>> {
        self.read(|conn, ws| {
            let mine = dsl::suppression_imports.filter(dsl::workspace_id.eq(ws)).order(dsl::id.desc());
            Ok(mine.limit(IMPORTS_SHOWN).select(SuppressionImport::as_select()).load(conn)?)
        })
        .await
    }

    /// One import with its refusals, the most frequent first.
    ///
    /// # Errors
    /// [`crate::StoreError::NotFound`] when it is not of this list.
    pub async fn suppression_import(&self, id: SuppressionImportId) -> StoreResult<(SuppressionImport, Vec<Refusal>)> {
        self.read(move |conn, ws| {
            let row = dsl::suppression_imports.filter(dsl::workspace_id.eq(ws)).filter(dsl::id.eq(id));
            let import: SuppressionImport = row.select(SuppressionImport::as_select()).first(conn)?;
            let refusals = suppression_refusals::table
                .filter(suppression_refusals::import_id.eq(id))
                .order((suppression_refusals::n.desc(), suppression_refusals::reason))
                .select(Refusal::as_select())
                .load(conn)?;
            Ok((import, refusals))
        })
        .await
    }

    /// Stops an import after the rows that are committed; they stay. False when it is over already.
    ///
    /// # Errors
    /// The database's own.
    pub async fn cancel_suppression_import(&self, id: SuppressionImportId, now: UnixMs) -> StoreResult<bool> {
        self.write(move |conn, ws| {
            let mine = dsl::suppression_imports.filter(dsl::workspace_id.eq(ws)).filter(dsl::id.eq(id));
            let open = mine.filter(dsl::state.eq_any(["ready", "running"]));
            let over = (dsl::state.eq("cancelled"), dsl::finished_at_ms.eq(now.0), dsl::updated_at_ms.eq(now.0));
            Ok(diesel::update(open).set(over).execute(conn)? == 1)
        })
        .await
    }
}

impl Store {
    /// The oldest import with work in it that no other worker's lease covers; the lease is taken.
    ///
    /// # Errors
    /// The database's own.
    pub async fn next_suppression_import(
        &self,
        worker: String,
        lease_ms: i64,
        now: UnixMs,
    ) -> StoreResult<Option<SuppressionImport>> {
        let due = move |conn: &mut AnyConn, worker: &str| -> StoreResult<Option<SuppressionImportId>> {
            Ok(dsl::suppression_imports
                .filter(dsl::state.eq_any(["ready", "running"]))
                .filter(dsl::leased_until_ms.le(now.0).or(dsl::leased_by.eq(worker)))
                .order(dsl::id)
                .select(dsl::id)
                .first(conn)
                .optional()?)
        };
        let name = worker.clone();
        if self.read(move |conn| due(conn, &name)).await?.is_none() {
            return Ok(None);
        }
        self.write(move |conn| {
            let Some(id) = due(conn, &worker)? else { return Ok(None) };
            let mine = dsl::suppression_imports
                .filter(dsl::id.eq(id))
                .filter(dsl::leased_until_ms.le(now.0).or(dsl::leased_by.eq(&worker)));
            let leased = (
                dsl::state.eq("running"),
                dsl::leased_by.eq(&worker),
                dsl::leased_until_ms.eq(now.0 + lease_ms),
                dsl::updated_at_ms.eq(now.0),
            );
            if diesel::update(mine).set(leased).execute(conn)? == 0 {
                return Ok(None);
            }
            Ok(Some(dsl::suppression_imports.find(id).select(SuppressionImport::as_select()).first(conn)?))
        })
        .await
    }

    /// Writes one part: entries, refusals, counts and place in one transaction. False, and nothing written, when the import
    /// stands elsewhere: cancelled, or another worker's.
    ///
    /// # Errors
    /// The database's own; the same part may be tried again.
    pub async fn commit_suppression_slice(
        &self,
        import: SuppressionImport,
        worker: String,
        lease_ms: i64,
        slice: SuppressionSlice,
        now: UnixMs,
    ) -> StoreResult<bool> {
        self.write(move |conn| {
            let here = dsl::suppression_imports
                .filter(dsl::id.eq(import.id))
                .filter(dsl::state.eq("running"))
                .filter(dsl::leased_by.eq(&worker))
                .filter(dsl::bytes_done.eq(import.bytes_done))
                .filter(dsl::row_no.eq(import.row_no));
            let there = (
                dsl::bytes_done.eq(slice.bytes_done),
                dsl::row_no.eq(slice.row_no),
                dsl::layout.eq(&slice.layout),
                dsl::leased_until_ms.eq(now.0 + lease_ms),
                dsl::updated_at_ms.eq(now.0),
            );
            if diesel::update(here).set(there).execute(conn)? != 1 {
                return Ok(false);
            }
            write_slice(conn, &import, slice, now)?;
            Ok(true)
        })
        .await
    }

    /// Ends an import whose file cannot be used, with the reason in words for the person.
    ///
    /// # Errors
    /// The database's own.
    pub async fn fail_suppression_import(
        &self,
        id: SuppressionImportId,
        error: String,
        now: UnixMs,
    ) -> StoreResult<()> {
        self.write(move |conn| {
            let open = dsl::suppression_imports.filter(dsl::id.eq(id)).filter(dsl::state.eq_any(["ready", "running"]));
            let over = (dsl::state.eq("failed"), dsl::error.eq(error), dsl::finished_at_ms.eq(now.0));
            diesel::update(open).set(over).execute(conn)?;
            Ok(())
        })
        .await
    }

    /// Files of imports that are over.
    ///
    /// # Errors
    /// The database's own.
    pub async fn old_suppression_files(&self) -> StoreResult<Vec<(SuppressionImportId, String)>> {
        self.read(|conn| {
            let over =
                dsl::suppression_imports.filter(dsl::spool_path.ne("")).filter(dsl::finished_at_ms.is_not_null());
            Ok(over.order(dsl::id).limit(SPOOLS_AT_ONCE).select((dsl::id, dsl::spool_path)).load(conn)?)
        })
        .await
    }

    /// Records that the file is gone.
    ///
    /// # Errors
    /// The database's own.
    pub async fn forget_suppression_file(&self, id: SuppressionImportId) -> StoreResult<()> {
        self.write(move |conn| {
            diesel::update(dsl::suppression_imports.find(id)).set(dsl::spool_path.eq("")).execute(conn)?;
            Ok(())
        })
        .await
    }
}

fn write_slice(
    conn: &mut AnyConn,
    import: &SuppressionImport,
    mut slice: SuppressionSlice,
    now: UnixMs,
) -> StoreResult<()> {
    let merged = merge(conn, import.workspace_id, &slice.entries, now)?;
    if merged.too_many > 0 {
        let reason = format!("one list has at most {MAX_PATTERNS} patterns");
        slice.refused.entry(reason).or_insert((0, slice.row_no, String::new())).0 += merged.too_many;
    }
    let refused: i64 = slice.refused.values().map(|(n, _, _)| n).sum();
    let sums = (
        dsl::rows_read.eq(dsl::rows_read + merged.added + merged.known + refused),
        dsl::rows_added.eq(dsl::rows_added + merged.added),
        dsl::rows_known.eq(dsl::rows_known + merged.known),
        dsl::rows_refused.eq(dsl::rows_refused + refused),
    );
    diesel::update(dsl::suppression_imports.find(import.id)).set(sums).execute(conn)?;
    for (reason, (n, first_row, sample)) in slice.refused {
        let sample = storable(&sample).into_owned();
        let binds =
            [Bind::Int(import.id.0), Bind::Text(reason), Bind::Int(n), Bind::Int(first_row), Bind::Text(sample)];
        on!(conn, |c| Fixed::<Refuse>::new(binds).execute(c))?;
    }
    if slice.is_last { finish(conn, import, now) } else { Ok(()) }
}

fixed_sql!(Refuse -> (BigInt, Text),
    "INSERT INTO suppression_refusals (import_id, reason, n, first_row, sample) VALUES (?, ?, ?, ?, ?) \
     ON CONFLICT (import_id, reason) DO UPDATE SET n = suppression_refusals.n + excluded.n");

fn finish(conn: &mut AnyConn, import: &SuppressionImport, now: UnixMs) -> StoreResult<()> {
    let row = dsl::suppression_imports.find(import.id);
    let over = (dsl::state.eq("done"), dsl::finished_at_ms.eq(now.0));
    diesel::update(row).set(over).execute(conn)?;
    let (added, read): (i64, i64) = row.select((dsl::rows_added, dsl::rows_read)).first(conn)?;
    let note = format!("{added} of {read} rows of {}. {}", import.file_name, import.note);
    let event = NewEvent {
        who: &import.created_by,
        action: "imported",
        scope: import.scope().to_string(),
        reason: import.reason.as_str(),
        note: note.trim(),
        ..NewEvent::default()
    };
    tell(conn, import.workspace_id, &event, now)
}

//! Imports of files with subscribers: what a person sees and decides.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use tidings_domain::{ColumnTarget, ImportState, ImportTransition, UnixMs};

use crate::schema::{imports, lists};
use crate::words::Db;
use crate::{AnyConn, ImportId, ListId, StoreError, StoreResult, Workspace, WorkspaceId};

/// No page of the history shows more imports than this.
const IMPORTS_SHOWN: i64 = 50;

/// A file to import.
#[derive(Debug, Clone)]
pub struct NewImport {
    pub list: ListId,
    pub file_name: String,
    pub path: String,
    /// The file is ours to delete after the import: an upload, not a file that somebody named.
    pub delete_file: bool,
    pub bytes_total: i64,
    /// Goes on without a person's review when the columns are clear.
    pub auto_start: bool,
    pub consent_source: String,
    pub created_by: String,
}

/// How the file is to be read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ImportFormat {
    /// WHATWG name, such as `UTF-8` or `windows-1252`.
    pub encoding: String,
    pub delimiter: String,
    pub has_header: bool,
    /// What a person chose instead of what was recognised.
    pub chosen: FormatChoice,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct FormatChoice {
    pub encoding: Option<String>,
    pub delimiter: Option<String>,
    pub has_header: Option<bool>,
}

/// One column of the file, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportColumn {
    pub header: String,
    /// [`ColumnTarget`] in its text form.
    #[serde(rename = "field", with = "target_text")]
    pub target: ColumnTarget,
    /// The first rows' values, cut short.
    #[serde(default)]
    pub samples: Vec<String>,
}

mod target_text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use tidings_domain::ColumnTarget;

    pub fn serialize<S: Serializer>(target: &ColumnTarget, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(target)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<ColumnTarget, D::Error> {
        let text = String::deserialize(d)?;
        ColumnTarget::parse(&text).ok_or_else(|| D::Error::custom(format!("unknown field {text:?}")))
    }
}

/// Everything before this place in the file is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Checkpoint {
    /// Byte of the file where the present window of records begins; 0 before the first.
    pub offset: i64,
    /// Number of the last record before it, counted as a spreadsheet counts rows.
    pub row_no: i64,
    /// Items of that window that are committed: its valid rows sorted by address, then its invalid ones.
    pub done: i64,
}

/// Every row read has one of the other ends: the table itself checks the sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ImportCounts {
    pub read: i64,
    pub created: i64,
    pub updated: i64,
    pub duplicate: i64,
    pub invalid: i64,
    pub suppressed: i64,
}

#[derive(Debug, Clone)]
pub struct Import {
    pub id: ImportId,
    pub workspace_id: WorkspaceId,
    /// `None` once the list was deleted.
    pub list: Option<(ListId, String)>,
    pub file_name: String,
    /// Empty once the file is deleted.
    pub path: String,
    pub bytes_total: i64,
    pub fingerprint: String,
    pub state: ImportState,
    pub auto_start: bool,
    pub format: ImportFormat,
    pub columns: Vec<ImportColumn>,
    pub consent_source: String,
    pub checkpoint: Checkpoint,
    pub bytes_done: i64,
    pub counts: ImportCounts,
    pub error: String,
    pub created_by: String,
    pub created_at_ms: i64,
    pub started_at_ms: Option<i64>,
    pub updated_at_ms: i64,
    pub finished_at_ms: Option<i64>,
}

impl Workspace {
    /// Records a file for the importer, which looks at it next.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the list is not this workspace's.
    pub async fn create_import(&self, new: NewImport, now: UnixMs) -> StoreResult<ImportId> {
        self.write(move |conn, ws| {
            let list = lists::table.filter(lists::workspace_id.eq(ws)).filter(lists::id.eq(new.list));
            let list: ListId = list.select(lists::id).first(conn)?;
            let row = (
                imports::workspace_id.eq(ws),
                imports::list_id.eq(list),
                imports::file_name.eq(new.file_name),
                imports::spool_path.eq(new.path),
                imports::delete_file.eq(new.delete_file),
                imports::bytes_total.eq(new.bytes_total),
                imports::auto_start.eq(new.auto_start),
                imports::state.eq(Db(ImportState::Uploaded)),
                imports::consent_source.eq(new.consent_source),
                imports::created_by.eq(new.created_by),
                imports::created_at_ms.eq(now.0),
                imports::updated_at_ms.eq(now.0),
            );
            Ok(diesel::insert_into(imports::table).values(row).returning(imports::id).get_result(conn)?)
        })
        .await
    }

    /// # Errors
    /// [`StoreError::NotFound`] when it is not this workspace's.
    pub async fn import(&self, id: ImportId) -> StoreResult<Import> {
        self.read(move |conn, ws| load(conn, id).and_then(|i| owned(i, ws))).await
    }

    /// The newest imports, those before `before` if given.
    ///
    /// # Errors
    /// The database's own.
    pub async fn imports(&self, before: Option<ImportId>) -> StoreResult<Vec<Import>> {
        self.read(move |conn, ws| {
            let rows: Vec<Row> = imports::table
                .left_join(lists::table.on(lists::id.nullable().eq(imports::list_id)))
                .filter(imports::workspace_id.eq(ws))
                .filter(imports::id.lt(before.unwrap_or(ImportId(i64::MAX))))
                .order(imports::id.desc())
                .limit(IMPORTS_SHOWN)
                .select(Row::as_select())
                .load(conn)?;
            rows.into_iter().map(Import::try_from).collect()
        })
        .await
    }

    /// An import of this file into this list that is not over yet: what a repeated command goes on with.
    ///
    /// # Errors
    /// The database's own.
    pub async fn open_import_of(&self, path: String, list: ListId) -> StoreResult<Option<ImportId>> {
        self.read(move |conn, ws| {
            let open = [ImportState::Uploaded, ImportState::Ready, ImportState::Running].map(Db);
            Ok(imports::table
                .filter(imports::workspace_id.eq(ws))
                .filter(imports::list_id.eq(list))
                .filter(imports::spool_path.eq(path))
                .filter(imports::state.eq_any(open))
                .order(imports::id.desc())
                .select(imports::id)
                .first(conn)
                .optional()?)
        })
        .await
    }

    /// Lets the importer look at the file again, read as a person says. False when the import has moved on.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when it is not this workspace's.
    pub async fn reread_import(&self, id: ImportId, chosen: FormatChoice, now: UnixMs) -> StoreResult<bool> {
        self.write(move |conn, ws| {
            let import = owned(load(conn, id)?, ws)?;
            let format = to_json(&ImportFormat { chosen, ..import.format })?;
            diesel::update(imports::table.find(id)).set(imports::format.eq(format)).execute(conn)?;
            step(conn, id, ImportTransition::Reread, now)
        })
        .await
    }

    /// Settles the columns and hands the import to the importer. False when it has moved on.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when it is not this workspace's.
    pub async fn approve_import(&self, id: ImportId, targets: Vec<ColumnTarget>, now: UnixMs) -> StoreResult<bool> {
        self.write(move |conn, ws| {
            let mut import = owned(load(conn, id)?, ws)?;
            if !step(conn, id, ImportTransition::Approve, now)? {
                return Ok(false);
            }
            for (column, target) in import.columns.iter_mut().zip(targets) {
                column.target = target;
            }
            let mapping = to_json(&import.columns)?;
            diesel::update(imports::table.find(id)).set(imports::mapping.eq(mapping)).execute(conn)?;
            Ok(true)
        })
        .await
    }

    /// Stops an import after the rows that are committed; they stay. False when it is over already.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when it is not this workspace's.
    pub async fn cancel_import(&self, id: ImportId, now: UnixMs) -> StoreResult<bool> {
        self.write(move |conn, ws| {
            owned(load(conn, id)?, ws)?;
            step(conn, id, ImportTransition::Cancel, now)
        })
        .await
    }
}

/// The one way to change an import's state. False when it does not stand where the move begins.
pub(crate) fn step(conn: &mut AnyConn, id: ImportId, t: ImportTransition, now: UnixMs) -> StoreResult<bool> {
    let from: Vec<_> = t.from().iter().copied().map(Db).collect();
    let row = imports::table.filter(imports::id.eq(id)).filter(imports::state.eq_any(from));
    let finished = t.to().is_over().then_some(now.0);
    let moved = diesel::update(row)
        .set((imports::state.eq(Db(t.to())), imports::updated_at_ms.eq(now.0), imports::finished_at_ms.eq(finished)))
        .execute(conn)?;
    Ok(moved == 1)
}

pub(crate) fn load(conn: &mut AnyConn, id: ImportId) -> StoreResult<Import> {
    let row: Row = imports::table
        .left_join(lists::table.on(lists::id.nullable().eq(imports::list_id)))
        .filter(imports::id.eq(id))
        .select(Row::as_select())
        .first(conn)?;
    row.try_into()
}

fn owned(import: Import, ws: WorkspaceId) -> StoreResult<Import> {
    if import.workspace_id == ws { Ok(import) } else { Err(StoreError::NotFound) }
}

pub(crate) fn to_json<T: Serialize>(value: &T) -> StoreResult<String> {
    serde_json::to_string(value).map_err(|e| StoreError::Corrupt(e.to_string()))
}

fn from_json<'a, T: Deserialize<'a>>(text: &'a str) -> StoreResult<T> {
    serde_json::from_str(text).map_err(|e| StoreError::Corrupt(format!("import: {e}")))
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = imports)]
struct Row {
    id: ImportId,
    workspace_id: WorkspaceId,
    #[diesel(select_expression = (lists::id, lists::name).nullable())]
    list: Option<(ListId, String)>,
    file_name: String,
    spool_path: String,
    bytes_total: i64,
    fingerprint: String,
    state: Db<ImportState>,
    auto_start: bool,
    format: String,
    mapping: String,
    consent_source: String,
    offset_bytes: i64,
    row_no: i64,
    window_done: i64,
    bytes_done: i64,
    rows_read: i64,
    rows_created: i64,
    rows_updated: i64,
    rows_duplicate: i64,
    rows_invalid: i64,
    rows_suppressed: i64,
    error: String,
    created_by: String,
    created_at_ms: i64,
    started_at_ms: Option<i64>,
    updated_at_ms: i64,
    finished_at_ms: Option<i64>,
}

impl TryFrom<Row> for Import {
    type Error = StoreError;

    fn try_from(row: Row) -> StoreResult<Self> {
        Ok(Self {
            format: from_json(&row.format)?,
            columns: from_json(&row.mapping)?,
            checkpoint: Checkpoint { offset: row.offset_bytes, row_no: row.row_no, done: row.window_done },
            counts: ImportCounts {
                read: row.rows_read,
                created: row.rows_created,
                updated: row.rows_updated,
                duplicate: row.rows_duplicate,
                invalid: row.rows_invalid,
                suppressed: row.rows_suppressed,
            },
            id: row.id,
            workspace_id: row.workspace_id,
            list: row.list,
            file_name: row.file_name,
            path: row.spool_path,
            bytes_total: row.bytes_total,
            fingerprint: row.fingerprint,
            state: row.state.0,
            auto_start: row.auto_start,
            consent_source: row.consent_source,
            bytes_done: row.bytes_done,
            error: row.error,
            created_by: row.created_by,
            created_at_ms: row.created_at_ms,
            started_at_ms: row.started_at_ms,
            updated_at_ms: row.updated_at_ms,
            finished_at_ms: row.finished_at_ms,
        })
    }
}

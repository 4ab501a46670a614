//! Rows of an import that did not become a subscriber of their own, each with its reason and its text.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::upsert::excluded;
use tidings_domain::RejectKind;

use crate::connection::on;
use crate::schema::{import_reject_counts, import_rejects};
use crate::words::Db;
use crate::{AnyConn, ImportId, StoreResult, Workspace, WorkspaceId};

/// Rows of one INSERT: seven binds each, far below both backends' limits.
const REJECTS_AT_ONCE: usize = 500;
/// How many reasons a report lists.
const GROUPS_SHOWN: i64 = 100;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewReject {
    pub row_no: i64,
    pub kind: RejectKind,
    /// The column at fault, as the file's header names it; empty when it is the whole row.
    pub column: String,
    pub reason: String,
    pub record: String,
}

#[derive(Debug, Clone)]
pub struct Reject {
    pub row_no: i64,
    pub kind: RejectKind,
    pub column: String,
    pub reason: String,
    pub record: String,
}

#[derive(Debug, Clone)]
pub struct RejectGroup {
    pub kind: RejectKind,
    pub column: String,
    pub reason: String,
    pub rows: i64,
}

impl Workspace {
    /// The reasons, most frequent first.
    ///
    /// # Errors
    /// The database's own.
    pub async fn import_reject_groups(&self, id: ImportId) -> StoreResult<Vec<RejectGroup>> {
        use import_reject_counts::dsl;
        self.read(move |conn, ws| {
            let rows: Vec<(Db<RejectKind>, String, String, i64)> = dsl::import_reject_counts
                .filter(dsl::import_id.eq(id))
                .filter(dsl::workspace_id.eq(ws))
                .order((dsl::n.desc(), dsl::reason))
                .limit(GROUPS_SHOWN)
                .select((dsl::kind, dsl::column_name, dsl::reason, dsl::n))
                .load(conn)?;
            let group = |(kind, column, reason, rows): (Db<RejectKind>, _, _, _)| RejectGroup {
                kind: kind.0,
                column,
                reason,
                rows,
            };
            Ok(rows.into_iter().map(group).collect())
        })
        .await
    }

    /// The rejected rows after `row_no`, in the file's order.
    ///
    /// # Errors
    /// The database's own.
    pub async fn import_rejects(&self, id: ImportId, row_no: i64, limit: i64) -> StoreResult<Vec<Reject>> {
        use import_rejects::dsl;
        self.read(move |conn, ws| {
            let rows: Vec<(i64, Db<RejectKind>, String, String, String)> = dsl::import_rejects
                .filter(dsl::import_id.eq(id))
                .filter(dsl::workspace_id.eq(ws))
                .filter(dsl::row_no.gt(row_no))
                .order(dsl::row_no)
                .limit(limit)
                .select((dsl::row_no, dsl::kind, dsl::column_name, dsl::reason, dsl::record))
                .load(conn)?;
            let reject = |(row_no, kind, column, reason, record): (_, Db<RejectKind>, _, _, _)| Reject {
                row_no,
                kind: kind.0,
                column,
                reason,
                record,
            };
            Ok(rows.into_iter().map(reject).collect())
        })
        .await
    }
}

/// Writes rejects and their counts.
pub(crate) fn insert(conn: &mut AnyConn, ws: WorkspaceId, import: ImportId, rejects: &[&NewReject]) -> StoreResult<()> {
    use import_rejects::dsl;
    for some in rejects.chunks(REJECTS_AT_ONCE) {
        let rows: Vec<_> = some
            .iter()
            .map(|r| {
                (
                    dsl::import_id.eq(import),
                    dsl::row_no.eq(r.row_no),
                    dsl::workspace_id.eq(ws),
                    dsl::kind.eq(Db(r.kind)),
                    dsl::column_name.eq(&r.column),
                    dsl::reason.eq(&r.reason),
                    dsl::record.eq(&r.record),
                )
            })
            .collect();
        on!(conn, |c| diesel::insert_into(dsl::import_rejects).values(&rows).execute(c))?;
    }
    count(conn, ws, import, rejects)
}

fn count(conn: &mut AnyConn, ws: WorkspaceId, import: ImportId, rejects: &[&NewReject]) -> StoreResult<()> {
    use import_reject_counts::dsl;
    let mut groups: HashMap<(RejectKind, &str, &str), i64> = HashMap::new();
    for reject in rejects {
        *groups.entry((reject.kind, &reject.column, &reject.reason)).or_default() += 1;
    }
    for ((kind, column, reason), n) in groups {
        let row = (
            dsl::import_id.eq(import),
            dsl::kind.eq(Db(kind)),
            dsl::column_name.eq(column),
            dsl::reason.eq(reason),
            dsl::workspace_id.eq(ws),
            dsl::n.eq(n),
        );
        on!(conn, |c| diesel::insert_into(dsl::import_reject_counts)
            .values(&row)
            .on_conflict((dsl::import_id, dsl::kind, dsl::column_name, dsl::reason))
            .do_update()
            .set(dsl::n.eq(dsl::n + excluded(dsl::n)))
            .execute(c))?;
    }
    Ok(())
}

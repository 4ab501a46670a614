//! The importer's side of an import: which one is next, what was recognised, how it ended, whose files may go.

use diesel::prelude::*;
use tidings_domain::{ImportState, ImportTransition, UnixMs};

use crate::imports::{load, step, to_json};
use crate::schema::imports;
use crate::words::Db;
use crate::{Import, ImportColumn, ImportFormat, ImportId, Store, StoreResult};

/// No sweep deletes more files than this at once.
const SPOOLS_AT_ONCE: i64 = 20;

/// What the importer is to do next.
#[derive(Debug, Clone)]
pub enum DueImport {
    /// Look at the file.
    Recognise(Box<Import>),
    /// Import it, from its checkpoint on; the lease is taken.
    Run(Box<Import>),
}

/// What the importer found in a file.
#[derive(Debug, Clone)]
pub struct Analysis {
    pub format: ImportFormat,
    pub columns: Vec<ImportColumn>,
    pub fingerprint: String,
    /// Everything that an import needs was recognised: one that asks for no review may start.
    pub is_clear: bool,
}

/// A file of ours that nobody needs any more.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = imports)]
pub struct OldSpool {
    pub id: ImportId,
    #[diesel(column_name = spool_path)]
    pub path: String,
}

impl Store {
    /// The next import with work in it, oldest first. Files to look at come before files to import, because a person waits
    /// for the look; a file under import comes only when no other worker's lease on it is alive.
    ///
    /// # Errors
    /// The database's own.
    pub async fn next_import(&self, worker: String, lease_ms: i64, now: UnixMs) -> StoreResult<Option<DueImport>> {
        if let Some(import) = self.next_upload().await? {
            return Ok(Some(DueImport::Recognise(Box::new(import))));
        }
        let due: Option<ImportId> = self
            .read({
                let worker = worker.clone();
                move |conn| {
                    Ok(imports::table
                        .filter(imports::state.eq_any([ImportState::Ready, ImportState::Running].map(Db)))
                        .filter(imports::leased_until_ms.le(now.0).or(imports::leased_by.eq(worker)))
                        .order(imports::id)
                        .select(imports::id)
                        .first(conn)
                        .optional()?)
                }
            })
            .await?;
        let Some(id) = due else { return Ok(None) };
        self.write(move |conn| {
            step(conn, id, ImportTransition::Start, now)?;
            let mine = imports::table
                .filter(imports::id.eq(id))
                .filter(imports::state.eq(Db(ImportState::Running)))
                .filter(imports::leased_until_ms.le(now.0).or(imports::leased_by.eq(&worker)));
            let leased = (imports::leased_by.eq(&worker), imports::leased_until_ms.eq(now.0 + lease_ms));
            if diesel::update(mine).set(leased).execute(conn)? == 0 {
                return Ok(None);
            }
            let first = imports::table.filter(imports::id.eq(id)).filter(imports::started_at_ms.is_null());
            diesel::update(first).set(imports::started_at_ms.eq(now.0)).execute(conn)?;
            Ok(Some(DueImport::Run(Box::new(load(conn, id)?))))
        })
        .await
    }

    /// The oldest file that waits to be looked at. Looking twice does no harm, so it takes no lease.
    ///
    /// # Errors
    /// The database's own.
    pub async fn next_upload(&self) -> StoreResult<Option<Import>> {
        self.read(|conn| {
            let id: Option<ImportId> = imports::table
                .filter(imports::state.eq(Db(ImportState::Uploaded)))
                .order(imports::id)
                .select(imports::id)
                .first(conn)
                .optional()?;
            id.map(|id| load(conn, id)).transpose()
        })
        .await
    }

    /// Keeps what was recognised, and asks a person unless the import goes on by itself. False when it was cancelled.
    ///
    /// # Errors
    /// The database's own.
    pub async fn save_analysis(&self, id: ImportId, found: Analysis, now: UnixMs) -> StoreResult<bool> {
        self.write(move |conn| {
            let auto_start: bool = imports::table.find(id).select(imports::auto_start).first(conn)?;
            let next =
                if auto_start && found.is_clear { ImportTransition::Approve } else { ImportTransition::Recognise };
            if !step(conn, id, next, now)? {
                return Ok(false);
            }
            let kept = (
                imports::format.eq(to_json(&found.format)?),
                imports::mapping.eq(to_json(&found.columns)?),
                imports::fingerprint.eq(found.fingerprint),
            );
            diesel::update(imports::table.find(id)).set(kept).execute(conn)?;
            Ok(true)
        })
        .await
    }

    /// Ends an import whose file cannot be used, with the reason in words for the person.
    ///
    /// # Errors
    /// The database's own.
    pub async fn fail_import(&self, id: ImportId, error: String, now: UnixMs) -> StoreResult<bool> {
        self.write(move |conn| {
            let failed = step(conn, id, ImportTransition::Fail, now)?;
            if failed {
                diesel::update(imports::table.find(id)).set(imports::error.eq(error)).execute(conn)?;
            }
            Ok(failed)
        })
        .await
    }

    /// Any tenant's import: for the importer and the command line.
    ///
    /// # Errors
    /// [`crate::StoreError::NotFound`] when it is gone.
    pub async fn any_import(&self, id: ImportId) -> StoreResult<Import> {
        self.read(move |conn| load(conn, id)).await
    }

    /// Uploads that may be deleted: those of imports done or cancelled, and those of failed ones and of ones that nobody
    /// came back to, when nothing has moved since `abandoned_before`.
    ///
    /// # Errors
    /// The database's own.
    pub async fn old_spools(&self, abandoned_before: UnixMs) -> StoreResult<Vec<OldSpool>> {
        self.read(move |conn| {
            let over = imports::state.eq_any([ImportState::Done, ImportState::Cancelled].map(Db));
            let idle = imports::state.eq_any([ImportState::Failed, ImportState::Review].map(Db));
            Ok(imports::table
                .filter(imports::spool_path.ne(""))
                .filter(imports::delete_file.eq(true))
                .filter(over.or(idle.and(imports::updated_at_ms.lt(abandoned_before.0))))
                .order(imports::id)
                .limit(SPOOLS_AT_ONCE)
                .select(OldSpool::as_select())
                .load(conn)?)
        })
        .await
    }

    /// Records that an import's file is gone; one still in review is cancelled with it.
    ///
    /// # Errors
    /// The database's own.
    pub async fn forget_spool(&self, id: ImportId, now: UnixMs) -> StoreResult<()> {
        self.write(move |conn| {
            step(conn, id, ImportTransition::Cancel, now)?;
            diesel::update(imports::table.find(id)).set(imports::spool_path.eq("")).execute(conn)?;
            Ok(())
        })
        .await
    }
}

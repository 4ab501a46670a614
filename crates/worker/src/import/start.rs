use std::path::PathBuf;

use anyhow::Context;
use tidings_store::{Import, ImportId, ListId, NewImport, Store, WorkspaceId};

use crate::import::{Importer, POLL};
use crate::{Looping, Step, now};

/// A file on this machine that somebody names: read where it is, never deleted, imported without a review.
#[derive(Debug, Clone)]
pub struct FileImport {
    pub workspace: WorkspaceId,
    pub list: ListId,
    pub path: PathBuf,
    pub consent_source: String,
    pub created_by: String,
}

/// Records the file for the importer; the same file into the same list goes on where it was left.
///
/// # Errors
/// The file cannot be read, or the database's.
pub async fn start_from_file(store: &Store, file: FileImport) -> anyhow::Result<ImportId> {
    let shown = file.path.display().to_string();
    let path = tokio::fs::canonicalize(&file.path).await.with_context(|| format!("{shown} cannot be read"))?;
    let bytes = tokio::fs::metadata(&path).await.with_context(|| format!("{shown} cannot be read"))?.len();
    let name = path.file_name().map_or_else(|| shown.clone(), |n| n.to_string_lossy().into_owned());
    let path = path.to_str().with_context(|| format!("the path of {shown} is not UTF-8"))?.to_owned();
    let workspace = store.workspace(file.workspace);
    if let Some(open) = workspace.open_import_of(path.clone(), file.list).await? {
        return Ok(open);
    }
    let new = NewImport {
        list: file.list,
        file_name: name,
        path,
        delete_file: false,
        bytes_total: i64::try_from(bytes)?,
        auto_start: true,
        consent_source: file.consent_source,
        created_by: file.created_by,
    };
    Ok(workspace.create_import(new, now()).await?)
}

/// Works until this import is over, telling its progress after each step. Returns it as it ended: done, failed with
/// its error, or cancelled.
///
/// # Errors
/// The database's; the import stands where it stood and can be gone on with.
pub async fn finish_import(
    mut importer: Importer,
    store: &Store,
    id: ImportId,
    mut progress: impl FnMut(&Import),
) -> anyhow::Result<Import> {
    loop {
        let import = store.any_import(id).await?;
        progress(&import);
        if import.state.is_over() {
            return Ok(import);
        }
        if importer.step().await? == Step::Idle {
            // Another process holds it: its lease ends, or it does.
            tokio::time::sleep(POLL).await;
        }
    }
}

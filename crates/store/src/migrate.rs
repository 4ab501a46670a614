use diesel::backend::Backend;
use diesel::migration::MigrationSource;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::schema::instance;
use crate::{AnyConn, StoreError, StoreResult};

const POSTGRES: EmbeddedMigrations = embed_migrations!("../../migrations/postgres");
const SQLITE: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");

/// Several processes start at once: one migrates, the others wait for it. Any number will do, if nobody else uses it.
const MIGRATION_LOCK: i64 = 0x0071_6469_6e67_7321;

/// The fact of the installation that names the newest step which every program on this schema must know. A migration after which the
/// version before cannot work any more, because it takes something away, writes its own there (ARCHITECTURE.md, "Upgrades").
const OLDEST_STEP: &str = "schema_needs";

/// Brings the schema to this version. Returns how many migrations ran.
pub(crate) fn up(conn: &mut AnyConn) -> StoreResult<usize> {
    if let AnyConn::Pg(c) = conn {
        locking(c, "SELECT pg_advisory_lock($1)")?;
    }
    let ran = pending(conn);
    if let AnyConn::Pg(c) = conn {
        locking(c, "SELECT pg_advisory_unlock($1)")?;
    }
    ran
}

fn pending(conn: &mut AnyConn) -> StoreResult<usize> {
    refuse_newer(conn)?;
    let ran = match conn {
        AnyConn::Pg(c) => c.run_pending_migrations(POSTGRES).map(|ran| ran.len()),
        AnyConn::Lite(c) => c.run_pending_migrations(SQLITE).map(|ran| ran.len()),
    };
    ran.map_err(failed)
}

/// The steps of this version that the schema has not taken.
pub(crate) fn missing(conn: &mut AnyConn) -> StoreResult<Vec<String>> {
    refuse_newer(conn)?;
    match conn {
        AnyConn::Pg(c) => not_applied(c, POSTGRES),
        AnyConn::Lite(c) => not_applied(c, SQLITE),
    }
}

/// For a command that must not change the schema under running processes.
pub(crate) fn refuse_pending(conn: &mut AnyConn) -> StoreResult<()> {
    match missing(conn)?.len() {
        0 => Ok(()),
        n => Err(StoreError::Migrate(format!(
            "its schema lacks {n} steps of this version: run `tidings migrate`, or start the processes of this version"
        ))),
    }
}

fn not_applied<C, DB>(conn: &mut C, ours: EmbeddedMigrations) -> StoreResult<Vec<String>>
where
    DB: Backend,
    C: MigrationHarness<DB>,
    EmbeddedMigrations: MigrationSource<DB>,
{
    let pending = conn.pending_migrations(ours).map_err(failed)?;
    Ok(pending.iter().map(|migration| migration.name().to_string()).collect())
}

fn locking(conn: &mut PgConnection, sql: &str) -> StoreResult<()> {
    diesel::sql_query(sql).bind::<BigInt, _>(MIGRATION_LOCK).execute(conn)?;
    Ok(())
}

/// A schema with steps that this program does not know belongs to a newer one, which may run beside it: versions next to each other only
/// add. What this one would break, or could not live with, is marked.
fn refuse_newer(conn: &mut AnyConn) -> StoreResult<()> {
    let unknown = match conn {
        AnyConn::Pg(c) => unknown(c, &POSTGRES)?,
        AnyConn::Lite(c) => unknown(c, &SQLITE)?,
    };
    if unknown.is_empty() {
        return Ok(());
    }
    let needs: Option<String> = instance::table.find(OLDEST_STEP).select(instance::value).first(conn).optional()?;
    match needs.filter(|step| unknown.contains(step)) {
        None => Ok(()),
        Some(step) => Err(StoreError::Migrate(format!(
            "its schema has the step {step}, which this version does not know and cannot work with: a newer Tidings has used it. Start that version or a later one"
        ))),
    }
}

/// The steps that the schema has taken and that this program does not know.
fn unknown<C, DB>(conn: &mut C, ours: &EmbeddedMigrations) -> StoreResult<Vec<String>>
where
    DB: Backend,
    C: MigrationHarness<DB>,
    EmbeddedMigrations: MigrationSource<DB>,
{
    let known: Vec<String> = MigrationSource::<DB>::migrations(ours)
        .map_err(failed)?
        .iter()
        .map(|m| m.name().version().to_string())
        .collect();
    let applied = conn.applied_migrations().map_err(failed)?;
    Ok(applied.iter().map(ToString::to_string).filter(|version| !known.contains(version)).collect())
}

fn failed(error: Box<dyn std::error::Error + Send + Sync>) -> StoreError {
    StoreError::Migrate(error.to_string())
}

/// Takes every migration back: for the test that goes up, down and up.
pub(crate) fn down(conn: &mut AnyConn) -> StoreResult<usize> {
    let ran = match conn {
        AnyConn::Pg(c) => c.revert_all_migrations(POSTGRES).map(|v| v.len()),
        AnyConn::Lite(c) => c.revert_all_migrations(SQLITE).map(|v| v.len()),
    };
    ran.map_err(failed)
}

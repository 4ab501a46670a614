use diesel::backend::Backend;
use diesel::migration::MigrationSource;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::{AnyConn, StoreError, StoreResult};

const POSTGRES: EmbeddedMigrations = embed_migrations!("../../migrations/postgres");
const SQLITE: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");

/// Several processes start at once: one migrates, the others wait for it. Any number will do, if nobody else uses it.
const MIGRATION_LOCK: i64 = 0x0071_6469_6e67_7321;

/// Brings the schema to this version. Returns how many migrations ran.
pub(crate) fn up(conn: &mut AnyConn) -> StoreResult<usize> {
    match conn {
        AnyConn::Pg(c) => {
            locking(c, "SELECT pg_advisory_lock($1)")?;
            let ran = pending(c, POSTGRES);
            locking(c, "SELECT pg_advisory_unlock($1)")?;
            ran
        }
        AnyConn::Lite(c) => pending(c, SQLITE),
    }
}

/// The steps of this version that the schema has not taken.
pub(crate) fn missing(conn: &mut AnyConn) -> StoreResult<Vec<String>> {
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
    let failed = |e: Box<dyn std::error::Error + Send + Sync>| StoreError::Migrate(e.to_string());
    refuse_newer(conn, &ours)?;
    let pending = conn.pending_migrations(ours).map_err(failed)?;
    Ok(pending.iter().map(|migration| migration.name().to_string()).collect())
}

fn locking(conn: &mut PgConnection, sql: &str) -> StoreResult<()> {
    diesel::sql_query(sql).bind::<BigInt, _>(MIGRATION_LOCK).execute(conn)?;
    Ok(())
}

/// A schema with steps that this program does not know belongs to a newer one; writing to it could break what that one relies on.
fn pending<C, DB>(conn: &mut C, ours: EmbeddedMigrations) -> StoreResult<usize>
where
    DB: Backend,
    C: MigrationHarness<DB>,
    EmbeddedMigrations: MigrationSource<DB>,
{
    let failed = |e: Box<dyn std::error::Error + Send + Sync>| StoreError::Migrate(e.to_string());
    refuse_newer(conn, &ours)?;
    Ok(conn.run_pending_migrations(ours).map_err(failed)?.len())
}

fn refuse_newer<C, DB>(conn: &mut C, ours: &EmbeddedMigrations) -> StoreResult<()>
where
    DB: Backend,
    C: MigrationHarness<DB>,
    EmbeddedMigrations: MigrationSource<DB>,
{
    let failed = |e: Box<dyn std::error::Error + Send + Sync>| StoreError::Migrate(e.to_string());
    let known: Vec<String> = MigrationSource::<DB>::migrations(ours)
        .map_err(failed)?
        .iter()
        .map(|m| m.name().version().to_string())
        .collect();
    let applied = conn.applied_migrations().map_err(failed)?;
    if let Some(newer) = applied.iter().map(ToString::to_string).find(|version| !known.contains(version)) {
        return Err(StoreError::Migrate(format!(
            "its schema has the step {newer}, which this version does not know: a newer Tidings has used it. Start that version or a later one"
        )));
    }
    Ok(())
}

/// Takes every migration back: for the test that goes up, down and up.
pub(crate) fn down(conn: &mut AnyConn) -> StoreResult<usize> {
    let ran = match conn {
        AnyConn::Pg(c) => c.revert_all_migrations(POSTGRES).map(|v| v.len()),
        AnyConn::Lite(c) => c.revert_all_migrations(SQLITE).map(|v| v.len()),
    };
    ran.map_err(|e| StoreError::Migrate(e.to_string()))
}

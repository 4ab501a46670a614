use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::{AnyConn, StoreError, StoreResult};

const POSTGRES: EmbeddedMigrations = embed_migrations!("../../migrations/postgres");
const SQLITE: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");

/// Brings the schema to this version. Returns how many migrations ran.
pub(crate) fn up(conn: &mut AnyConn) -> StoreResult<usize> {
    let ran = match conn {
        AnyConn::Pg(c) => c.run_pending_migrations(POSTGRES).map(|v| v.len()),
        AnyConn::Lite(c) => c.run_pending_migrations(SQLITE).map(|v| v.len()),
    };
    ran.map_err(|e| StoreError::Migrate(e.to_string()))
}

/// Takes every migration back: for the test that goes up, down and up.
pub(crate) fn down(conn: &mut AnyConn) -> StoreResult<usize> {
    let ran = match conn {
        AnyConn::Pg(c) => c.revert_all_migrations(POSTGRES).map(|v| v.len()),
        AnyConn::Lite(c) => c.revert_all_migrations(SQLITE).map(|v| v.len()),
    };
    ran.map_err(|e| StoreError::Migrate(e.to_string()))
}

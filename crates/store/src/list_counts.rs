//! How many subscriptions of each list stand in each status: kept by whoever moves them, in the same transaction.

use diesel::prelude::*;
use diesel::upsert::excluded;
use tidings_domain::SubscriptionStatus;

use crate::connection::on;
use crate::schema::list_counts::dsl;
use crate::words::Db;
use crate::{AnyConn, ListId, StoreResult, WorkspaceId};

/// Adds `delta` (which may be negative) to one count.
pub(crate) fn shift(
    conn: &mut AnyConn,
    ws: WorkspaceId,
    list: ListId,
    status: SubscriptionStatus,
    delta: i64,
) -> StoreResult<()> {
    let row = (dsl::list_id.eq(list), dsl::status.eq(Db(status)), dsl::workspace_id.eq(ws), dsl::n.eq(delta));
    on!(conn, |c| diesel::insert_into(dsl::list_counts)
        .values(&row)
        .on_conflict((dsl::list_id, dsl::status))
        .do_update()
        .set(dsl::n.eq(dsl::n + excluded(dsl::n)))
        .execute(c))?;
    Ok(())
}

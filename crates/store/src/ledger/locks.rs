//! Who waits for whom on PostgreSQL. Group commits of one campaign go on side by side; whatever changes the campaign itself waits for those
//! that have begun, and those that come after it wait for the change. Advisory locks stand in one fair line, where a pause gets its turn
//! however many workers commit; row locks that are shared let every newcomer in before it.
//!
//! SQLite has one writer, and nothing of this.

use std::collections::BTreeSet;

use diesel::prelude::*;
use diesel::sql_types::Text;

use crate::fixed::{Bind, Fixed, fixed_sql};
use crate::{AnyConn, CampaignId, StoreResult};

/// Locks of one database are told apart by their numbers: that of a campaign is made of what it is for, the schema and the id.
macro_rules! lock_text {
    ($lock:literal, $what:literal, $id:literal) => {
        concat!($lock, "(hashtextextended('", $what, " ' || COALESCE(current_schema(), ''), ", $id, "))::TEXT")
    };
}

fixed_sql!(Hold -> Text,
    lite: "SELECT ?",
    pg: concat!("SELECT ", lock_text!("pg_advisory_xact_lock", "campaign", "?")));

/// Keeps the campaign as it is until the transaction ends, and waits for the group commits that have begun.
pub(super) fn hold(conn: &mut AnyConn, id: CampaignId) -> StoreResult<()> {
    if let AnyConn::Pg(c) = conn {
        Fixed::<Hold>::new([Bind::Int(id.0)]).execute(c)?;
    }
    Ok(())
}

fixed_sql!(
    /// The first attempt of a queued campaign changes it, so that its commit is alone from the beginning: two that share the lock could not
    /// both get the whole of it. The inner query is sorted before any lock is taken.
    Share -> Text,
    lite: "SELECT ?",
    pg: concat!(
        "SELECT CASE WHEN state = 'queued' THEN ", lock_text!("pg_advisory_xact_lock", "campaign", "id"),
        " ELSE ", lock_text!("pg_advisory_xact_lock_shared", "campaign", "id"),
        " END FROM (SELECT id, state FROM campaigns WHERE id = ANY(?) ORDER BY id) AS c"
    )
);

/// For a group commit. What is read of the campaigns afterwards holds until it ends.
pub(super) fn share(conn: &mut AnyConn, ids: &BTreeSet<CampaignId>) -> StoreResult<()> {
    if let AnyConn::Pg(c) = conn {
        Fixed::<Share>::new([Bind::ids(ids.iter().map(|id| id.0))]).execute(c)?;
    }
    Ok(())
}

fixed_sql!(Refusals -> Text,
lite: "SELECT ?",
pg: concat!(
    "SELECT ", lock_text!("pg_advisory_xact_lock", "refusals", "id"),
    " FROM (SELECT id FROM unnest(?) AS x (id) ORDER BY id) AS c"
));

/// Groups of replies, marks of subscribers and counts of lists are met in no order of all: commits that write them follow each other.
pub(super) fn refusals(conn: &mut AnyConn, ids: &BTreeSet<CampaignId>) -> StoreResult<()> {
    if let AnyConn::Pg(c) = conn
        && !ids.is_empty()
    {
        Fixed::<Refusals>::new([Bind::ids(ids.iter().map(|id| id.0))]).execute(c)?;
    }
    Ok(())
}

//! Who changed a suppression list, when, and why.

use diesel::prelude::*;
use tidings_domain::UnixMs;

use crate::schema::suppression_events::{self, dsl};
use crate::{AnyConn, StoreResult, Workspace, WorkspaceId};

/// One change, as the page tells it.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = suppression_events)]
pub struct SuppressionEvent {
    pub id: i64,
    pub at_ms: i64,
    pub who: String,
    /// `added`, `imported`, `removed` or `erased`.
    pub action: String,
    /// Empty, like the value, when it is about many entries.
    pub kind: String,
    pub value: String,
    /// [`crate::Scope`] in its text form.
    pub scope: String,
    pub reason: String,
    /// Why, in the person's words.
    pub note: String,
}

/// A change to be told of.
#[derive(Debug, Clone, Default)]
pub(crate) struct NewEvent<'a> {
    pub who: &'a str,
    pub action: &'static str,
    pub kind: &'a str,
    pub value: &'a str,
    pub scope: String,
    pub reason: &'a str,
    pub note: &'a str,
}

impl Workspace {
    /// The changes of this list, newest first; with a value, only those of exactly this one.
    ///
    /// # Errors
    /// The database's own.
    pub async fn suppression_events(
        &self,
        value: Option<String>,
        before: Option<i64>,
        limit: i64,
    ) -> StoreResult<Vec<SuppressionEvent>> {
        self.read(move |conn, ws| {
            let mut query = dsl::suppression_events.filter(dsl::workspace_id.eq(ws)).into_boxed();
            if let Some(value) = value {
                query = query.filter(dsl::value.eq(value));
            }
            if let Some(before) = before {
                query = query.filter(dsl::id.lt(before));
            }
            Ok(query.order(dsl::id.desc()).limit(limit).select(SuppressionEvent::as_select()).load(conn)?)
        })
        .await
    }
}

pub(crate) fn tell(conn: &mut AnyConn, ws: WorkspaceId, event: &NewEvent<'_>, now: UnixMs) -> StoreResult<()> {
    diesel::insert_into(suppression_events::table)
        .values((
            dsl::workspace_id.eq(ws),
            dsl::at_ms.eq(now.0),
            dsl::who.eq(event.who),
            dsl::action.eq(event.action),
            dsl::kind.eq(event.kind),
            dsl::value.eq(event.value),
            dsl::scope.eq(&event.scope),
            dsl::reason.eq(event.reason),
            dsl::note.eq(event.note),
        ))
        .execute(conn)?;
    Ok(())
}

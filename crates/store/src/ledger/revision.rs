use diesel::prelude::*;
use tidings_domain::UnixMs;

use crate::schema::revisions;
use crate::{AnyConn, CampaignId, RevisionId, Store, StoreResult, WorkspaceId};

/// Content as it is frozen: at launch, or for one test message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Insertable, Queryable, Selectable)]
#[diesel(table_name = revisions)]
pub struct FrozenContent {
    pub subject: String,
    pub preview_text: String,
    pub from_name: String,
    pub from_email: String,
    pub reply_to: String,
    pub html: String,
    pub text: String,
    pub track_opens: bool,
    pub track_clicks: bool,
    pub postal_address: String,
    pub list_name: String,
    /// JSON array of link targets; a click token names one by its position.
    pub links: String,
}

/// Frozen content with its place.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = revisions)]
pub struct Revision {
    pub id: RevisionId,
    pub workspace_id: WorkspaceId,
    pub campaign_id: CampaignId,
    #[diesel(embed)]
    pub content: FrozenContent,
}

impl Store {
    /// A revision never changes, so who has loaded one may keep it.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn revision(&self, id: RevisionId) -> StoreResult<Option<Revision>> {
        self.read(move |conn| Ok(revisions::table.find(id).select(Revision::as_select()).first(conn).optional()?)).await
    }
}

pub(crate) fn insert(
    conn: &mut AnyConn,
    (workspace, campaign): (WorkspaceId, CampaignId),
    content: &FrozenContent,
    now: UnixMs,
) -> StoreResult<RevisionId> {
    let place = (
        revisions::workspace_id.eq(workspace),
        revisions::campaign_id.eq(campaign),
        revisions::created_at_ms.eq(now.0),
    );
    Ok(diesel::insert_into(revisions::table).values((place, content)).returning(revisions::id).get_result(conn)?)
}

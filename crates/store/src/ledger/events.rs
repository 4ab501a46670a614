use diesel::prelude::*;
use tidings_domain::UnixMs;

use crate::schema::campaign_events;
use crate::{AnyConn, CampaignId, StoreResult, WorkspaceId};

/// Who did what no person did.
pub const SYSTEM_ACTOR: &str = "Tidings";

/// Writes one line of a campaign's history, in the transaction of what it tells.
pub(crate) fn record(
    conn: &mut AnyConn,
    (workspace, campaign): (WorkspaceId, CampaignId),
    actor: &str,
    what: &str,
    now: UnixMs,
) -> StoreResult<()> {
    diesel::insert_into(campaign_events::table)
        .values((
            campaign_events::workspace_id.eq(workspace),
            campaign_events::campaign_id.eq(campaign),
            campaign_events::at_ms.eq(now.0),
            campaign_events::actor.eq(actor),
            campaign_events::what.eq(what),
        ))
        .execute(conn)?;
    Ok(())
}

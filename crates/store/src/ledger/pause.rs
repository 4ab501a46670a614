use diesel::prelude::*;
use tidings_domain::{CampaignState, UnixMs, Word};

use super::campaign::Applied;
use super::{events, locks, watch};
use crate::schema::campaigns;
use crate::{AnyConn, CampaignId, StoreResult, Workspace, WorkspaceId};

impl Workspace {
    /// Pauses a launched campaign. When this returns, no intent commits any more; what is between its final dot and its
    /// reply finishes.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn pause(&self, campaign: CampaignId, by: &str, reason: &str, now: UnixMs) -> StoreResult<Applied> {
        let (by, reason) = (by.to_owned(), reason.to_owned());
        self.write(move |conn, workspace| pause(conn, (workspace, campaign), &by, &reason, now)).await
    }

    /// Lets a paused campaign go on, and takes its attention for dealt with.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn resume(&self, campaign: CampaignId, by: &str, now: UnixMs) -> StoreResult<Applied> {
        let by = by.to_owned();
        self.write(move |conn, workspace| {
            locks::hold(conn, campaign)?;
            let paused = campaigns::table
                .filter(campaigns::id.eq(campaign))
                .filter(campaigns::workspace_id.eq(workspace))
                .filter(campaigns::state.eq_any(active_words()))
                .filter(campaigns::paused_at_ms.is_not_null());
            let resumed = diesel::update(paused)
                .set((
                    campaigns::paused_at_ms.eq(None::<i64>),
                    campaigns::paused_by.eq(""),
                    campaigns::pause_reason.eq(""),
                    campaigns::attention.eq(""),
                    campaigns::updated_at_ms.eq(now.0),
                ))
                .execute(conn)?;
            if resumed == 0 {
                return Ok(Applied::LostRace);
            }
            watch::begin_anew(conn, (workspace, campaign))?;
            events::record(conn, (workspace, campaign), &by, "resumed", now)?;
            Ok(Applied::Yes)
        })
        .await
    }

    /// Says in words what a person should look at; an empty text takes it back.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn raise_attention(&self, campaign: CampaignId, words: &str) -> StoreResult<()> {
        let words = words.to_owned();
        self.write(move |conn, workspace| {
            let own = campaigns::table.filter(campaigns::id.eq(campaign)).filter(campaigns::workspace_id.eq(workspace));
            diesel::update(own).set(campaigns::attention.eq(words)).execute(conn)?;
            Ok(())
        })
        .await
    }
}

/// Pauses inside a transaction.
pub(super) fn pause(
    conn: &mut AnyConn,
    (workspace, campaign): (WorkspaceId, CampaignId),
    by: &str,
    reason: &str,
    now: UnixMs,
) -> StoreResult<Applied> {
    locks::hold(conn, campaign)?;
    let running = campaigns::table
        .filter(campaigns::id.eq(campaign))
        .filter(campaigns::workspace_id.eq(workspace))
        .filter(campaigns::state.eq_any(active_words()))
        .filter(campaigns::paused_at_ms.is_null());
    let paused = diesel::update(running)
        .set((
            campaigns::paused_at_ms.eq(now.0),
            campaigns::paused_by.eq(by),
            campaigns::pause_reason.eq(reason),
            campaigns::updated_at_ms.eq(now.0),
        ))
        .execute(conn)?;
    if paused == 0 {
        return Ok(Applied::LostRace);
    }
    let what = if reason.is_empty() { "paused".to_owned() } else { format!("paused: {reason}") };
    events::record(conn, (workspace, campaign), by, &what, now)?;
    Ok(Applied::Yes)
}

fn active_words() -> Vec<&'static str> {
    CampaignState::ALL.iter().filter(|s| s.is_active()).map(|s| s.as_str()).collect()
}

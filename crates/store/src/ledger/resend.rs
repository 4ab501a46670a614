use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable};
use tidings_domain::{CampaignState, CampaignTransition, UnixMs};

use super::campaign;
use super::counts::{Deltas, Owner};
use super::events;
use super::months::Span;
use super::step::Step;
use crate::connection::on;
use crate::fixed::{Bind, Fixed, fixed_sql};
use crate::{CampaignId, ProviderId, ReplyGroupId, StoreResult, Workspace};

/// Rows of one call. A crash leaves at most as many in doubt as there were connections, so this is seldom reached.
const RESEND_MAX_ROWS: i64 = 10_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resent {
    /// So many rows are due now; the dispatcher brings them back to the queue.
    Rows(i64),
    /// The campaign is cancelled, not launched, or not in this workspace.
    NotSendable,
}

impl Workspace {
    /// Sends again what is in doubt, at a person's word: some recipients may get a second copy. The rows become due now;
    /// a campaign that was done is sending again.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn resend_in_doubt(&self, id: CampaignId, by: &str, now: UnixMs) -> StoreResult<Resent> {
        let by = by.to_owned();
        self.write(move |conn, workspace| {
            let state = campaign::lock(conn, id)?.filter(|c| c.workspace == workspace).map(|c| c.state);
            if !matches!(state, Some(CampaignState::Sending | CampaignState::Done)) {
                return Ok(Resent::NotSendable);
            }
            let (from, to) = (Step::SEND_AGAIN.from().code(), Step::SEND_AGAIN.to().code());
            let [first, last] = Span::of(conn, id)?.binds();
            let binds = [
                Bind::Int(i64::from(to)),
                Bind::Int(now.0),
                Bind::Int(now.0),
                Bind::Int(i64::from(from)),
                Bind::Int(id.0),
                first,
                last,
                Bind::Int(RESEND_MAX_ROWS),
            ];
            let rows: Vec<(ProviderId, Option<ReplyGroupId>)> = on!(conn, |c| Fixed::<SendAgain>::new(binds).load(c))?;
            if rows.is_empty() {
                return Ok(Resent::Rows(0));
            }
            let mut deltas = Deltas::default();
            for (provider, group) in &rows {
                let owner = Owner { workspace, campaign: id, provider: *provider, group: *group };
                deltas.step(owner, Step::SEND_AGAIN, 1);
            }
            deltas.write(conn)?;
            events::record(conn, (workspace, id), &by, &format!("sending {} in doubt again", rows.len()), now)?;
            if state == Some(CampaignState::Done) {
                campaign::transit(conn, id, CampaignTransition::Reopen, &by, now)?;
            }
            Ok(Resent::Rows(i64::try_from(rows.len()).unwrap_or(i64::MAX)))
        })
        .await
    }
}

// Deferred until now, so that the way back to the queue is the one that every retry takes.
fixed_sql!(SendAgain -> (BigInt, Nullable<BigInt>),
    "UPDATE deliveries SET state = ?, next_at_ms = ?, updated_at_ms = ? WHERE +state = ? AND id IN \
     (SELECT id FROM deliveries WHERE campaign_id = ? AND id BETWEEN ? AND ? AND state = 14 AND state > 10 AND kind = 0 ORDER BY id LIMIT ?) \
     RETURNING provider_id, reply_group_id");

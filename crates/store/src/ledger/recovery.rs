use diesel::prelude::*;
use diesel::sql_types::{BigInt, SmallInt};
use tidings_domain::{DeliveryKind, UnixMs};

use super::counts::{Deltas, Owner};
use super::months::Span;
use super::step::Step;
use crate::connection::on;
use crate::fixed::{Bind, Fixed, fixed_sql};
use crate::words::Code;
use crate::{CampaignId, ProviderId, Store, StoreResult, WorkspaceId};

/// Why a row that was in flight at the end of the process stands in doubt.
const INTERRUPTED: &str = "interrupted: the process ended between the final dot and its reply";

/// What the start of a process found of the one before it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Attempts whose intent was committed and whose outcome never was: nobody knows whether they arrived.
    pub in_doubt: i64,
}

impl Store {
    /// Calls every attempt in flight in doubt (C5). Only for a process that alone sends from this database, before it
    /// starts to: with several, another's attempts are in flight too.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn recover(&self, now: UnixMs) -> StoreResult<Recovered> {
        self.lose_sight(None, UnixMs(i64::MAX), now).await
    }

    /// Calls attempts in doubt, of one campaign or of all, whose intent was committed before `silent_since` and that have not
    /// ended: whoever made them is known to be gone, and the lease that would have told is lost.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn lose_sight(
        &self,
        campaign: Option<CampaignId>,
        silent_since: UnixMs,
        now: UnixMs,
    ) -> StoreResult<Recovered> {
        self.write(move |conn| {
            let span = campaign.map_or(Ok(Span::ALL), |id| Span::of(conn, id))?;
            let [first, last] = span.binds();
            let campaign = campaign.map(|id| id.0);
            let binds = [
                Bind::Int(i64::from(Step::LOSE_SIGHT.to().code())),
                Bind::Text(INTERRUPTED.to_owned()),
                Bind::Int(now.0),
                Bind::Int(i64::from(Step::LOSE_SIGHT.from().code())),
                Bind::Int(silent_since.0),
                first,
                last,
                Bind::MaybeInt(campaign),
                Bind::MaybeInt(campaign),
            ];
            let rows: Vec<(WorkspaceId, CampaignId, ProviderId, Code<DeliveryKind>)> =
                on!(conn, |c| Fixed::<LoseSight>::new(binds).load(c))?;
            let mut deltas = Deltas::default();
            for (workspace, campaign, provider, kind) in &rows {
                if kind.0 == DeliveryKind::Campaign {
                    let owner = Owner { workspace: *workspace, campaign: *campaign, provider: *provider, group: None };
                    deltas.step(owner, Step::LOSE_SIGHT, 1);
                }
            }
            deltas.write(conn)?;
            Ok(Recovered { in_doubt: i64::try_from(rows.len()).unwrap_or(i64::MAX) })
        })
        .await
    }
}

macro_rules! lose_sight_text {
    ($id:literal) => {
        concat!(
            "UPDATE deliveries SET state = ?, reason = ?, updated_at_ms = ? WHERE state = ? AND state < 10 AND updated_at_ms <= ? \
             AND ",
            $id,
            " BETWEEN ? AND ? AND (CAST(? AS BIGINT) IS NULL OR campaign_id = ?) \
             RETURNING workspace_id, campaign_id, provider_id, kind"
        )
    };
}

fixed_sql!(
    /// No more rows than there are connections: the open index holds them together.
    LoseSight -> (BigInt, BigInt, BigInt, SmallInt),
    lite: lose_sight_text!("+id"),
    pg: lose_sight_text!("id")
);

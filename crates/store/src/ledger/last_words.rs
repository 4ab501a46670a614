//! What each provider said last to a campaign: one row for each, written by every worker.

use std::collections::BTreeMap;

use tidings_domain::UnixMs;

use super::outcomes::Ending;
use crate::fixed::{Bind, fixed_sql, write_rows};
use crate::text::storable;
use crate::{AnyConn, CampaignId, ProviderId, StoreResult, WorkspaceId};

/// In the order in which every transaction takes these rows.
#[derive(Default)]
pub(super) struct LastWords(BTreeMap<(CampaignId, ProviderId), Said>);

struct Said {
    workspace: WorkspaceId,
    words: String,
}

impl LastWords {
    pub(super) fn of(endings: &[Ending]) -> Self {
        let mut last = BTreeMap::new();
        for ending in endings.iter().filter(|ending| ending.fact.is_counted()) {
            if let Some(reply) = &ending.outcome.reply {
                last.insert((ending.fact.campaign, ending.fact.provider), (ending.fact.workspace, &reply.text));
            }
        }
        let said = |(workspace, text): (WorkspaceId, &String)| Said { workspace, words: storable(text).into_owned() };
        Self(last.into_iter().map(|(key, last)| (key, said(last))).collect())
    }

    pub(super) fn write(self, conn: &mut AnyConn, now: UnixMs) -> StoreResult<()> {
        let row = |((campaign, provider), said): ((CampaignId, ProviderId), Said)| {
            [Bind::Int(campaign.0), Bind::Int(provider.0), Bind::Int(said.workspace.0), Bind::Text(said.words)]
        };
        Ok(write_rows::<Write, _>(conn, &[Bind::Int(now.0)], self.0.into_iter().map(row).collect())?)
    }
}

macro_rules! words_text {
    ($rows:literal) => {
        concat!(
            "INSERT INTO provider_replies (at_ms, campaign_id, provider_id, workspace_id, reply) ",
            $rows,
            " ON CONFLICT (campaign_id, provider_id) DO UPDATE SET reply = excluded.reply, at_ms = excluded.at_ms"
        )
    };
}

fixed_sql!(Write -> (),
    lite: words_text!("VALUES (?, ?, ?, ?, ?)"),
    pg: words_text!("SELECT ?, x.* FROM unnest(?, ?, ?, ?) AS x (campaign, provider, workspace, words) ORDER BY campaign, provider"));

//! What each provider said last to a campaign: one row for each, written by every worker.

use std::collections::BTreeMap;

use diesel::prelude::*;
use tidings_domain::UnixMs;

use super::outcomes::Ending;
use crate::fixed::{Bind, Fixed, fixed_sql};
use crate::text::storable;
use crate::{AnyConn, CampaignId, ProviderId, StoreResult, WorkspaceId};

/// In the order in which every transaction takes these rows.
#[derive(Default)]
pub(super) struct LastWords(BTreeMap<(CampaignId, ProviderId), Said>);

struct Said {
    workspace: WorkspaceId,
    words: String,
}

type Line = ((CampaignId, ProviderId), Said);

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
        match conn {
            AnyConn::Lite(c) => self.0.into_iter().try_for_each(|line| write_one(c, line, now)),
            AnyConn::Pg(c) => write_all(c, &self.0.into_iter().collect::<Vec<_>>(), now),
        }
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

fn write_one(conn: &mut SqliteConnection, ((campaign, provider), said): Line, now: UnixMs) -> StoreResult<()> {
    let binds = [
        Bind::Int(now.0),
        Bind::Int(campaign.0),
        Bind::Int(provider.0),
        Bind::Int(said.workspace.0),
        Bind::Text(said.words),
    ];
    Fixed::<Write>::new(binds).execute(conn)?;
    Ok(())
}

fn write_all(conn: &mut PgConnection, lines: &[Line], now: UnixMs) -> StoreResult<()> {
    if lines.is_empty() {
        return Ok(());
    }
    let ints = |part: fn(&Line) -> i64| Bind::Ints(lines.iter().map(|line| Some(part(line))).collect());
    let binds = [
        Bind::Int(now.0),
        ints(|((campaign, _), _)| campaign.0),
        ints(|((_, provider), _)| provider.0),
        ints(|(_, said)| said.workspace.0),
        Bind::MaybeTexts(lines.iter().map(|(_, said)| Some(said.words.clone())).collect()),
    ];
    Fixed::<Write>::new(binds).execute(conn)?;
    Ok(())
}

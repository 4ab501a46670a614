//! Stops a campaign whose recipients bounce or complain too much, before it harms the standing of everything else that is sent.

use std::collections::BTreeMap;

use diesel::prelude::*;
use diesel::sql_types::Bool;
use tidings_domain::{Alarm, BounceClass, ContentSums, ContentWindows, DeliveryState, Sums, UnixMs, Windows, Word};

use super::campaign::Applied;
use super::{SYSTEM_ACTOR, events, pause};
use crate::connection::on;
use crate::schema::{campaign_windows, campaigns, delivery_counts, providers, reply_groups};
use crate::words::Code;
use crate::{AnyConn, CampaignId, ProviderId, Store, StoreError, StoreResult, WorkspaceId, bounce_rules};

/// Complaints come for days; a campaign that is done cannot be stopped any more, but its owner is told.
const WATCHED_AFTER_DONE_MS: i64 = 3 * UnixMs::DAY;

impl Store {
    /// Judges the campaigns that send, and those that ended in the last days, by the limits of their workspaces. Returns which were
    /// paused or ask for attention since this call, with the reason.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn watch_campaigns(&self, now: UnixMs) -> StoreResult<Vec<(CampaignId, Alarm)>> {
        let watched = self.read(move |conn| watched(conn, now)).await?;
        let mut alarms = Vec::new();
        for one in watched {
            if self.read(move |conn| one.has_news(conn)).await? {
                let found = self.write(move |conn| one.judge(conn, now)).await?;
                alarms.extend(found.map(|alarm| (one.campaign, alarm)));
            }
        }
        Ok(alarms)
    }
}

#[derive(Debug, Clone, Copy, Queryable)]
struct Watched {
    workspace: WorkspaceId,
    campaign: CampaignId,
    audience: Option<i64>,
}

fn watched(conn: &mut AnyConn, now: UnixMs) -> StoreResult<Vec<Watched>> {
    let columns = (campaigns::workspace_id, campaigns::id, campaigns::audience_total);
    // Literals: the partial index serves only a condition that it can read.
    let active = campaigns::table
        .filter(diesel::dsl::sql::<Bool>("state IN ('queuing', 'queued', 'sending')"))
        .filter(campaigns::paused_at_ms.is_null());
    let mut all: Vec<Watched> = active.select(columns).load(conn)?;
    let lately = campaigns::table
        .filter(diesel::dsl::sql::<Bool>("state = 'done'"))
        .filter(campaigns::done_at_ms.gt(now.0 - WATCHED_AFTER_DONE_MS))
        .filter(campaigns::attention.eq(""));
    all.extend(lately.select(columns).load::<Watched>(conn)?);
    Ok(all)
}

impl Watched {
    /// Whether there is anything to write: nearly always there is not.
    fn has_news(&self, conn: &mut AnyConn) -> StoreResult<bool> {
        let seen = Seen::of(conn, self.campaign)?;
        if seen.sums.ended == 0 && seen.content.is_empty() {
            return Ok(false);
        }
        let mut windows = load(conn, self.campaign)?;
        let alarm = self.alarm(conn, &windows, &seen)?;
        let said: String = campaigns::table.find(self.campaign).select(campaigns::attention).first(conn)?;
        Ok(alarm.is_some_and(|alarm| alarm.pauses() || said.is_empty()) || seen.roll(&mut windows))
    }

    /// The worst of what is seen: one that pauses stands before one that only warns.
    fn alarm(&self, conn: &mut AnyConn, windows: &Windows, seen: &Seen) -> StoreResult<Option<Alarm>> {
        let limits = bounce_rules::rules(conn, self.workspace)?.limits;
        let harm = windows.judge(seen.sums, self.audience.unwrap_or(i64::MAX), &limits);
        if harm.as_ref().is_some_and(Alarm::pauses) {
            return Ok(harm);
        }
        let refused = seen.content.iter().find_map(|(provider, sums)| windows.content.judge(provider, *sums));
        Ok(refused.map(Alarm::Content).or(harm))
    }

    fn judge(&self, conn: &mut AnyConn, now: UnixMs) -> StoreResult<Option<Alarm>> {
        let seen = Seen::of(conn, self.campaign)?;
        let mut windows = load(conn, self.campaign)?;
        let alarm = self.alarm(conn, &windows, &seen)?;
        if seen.roll(&mut windows) {
            save(conn, (self.workspace, self.campaign), &windows)?;
        }
        let Some(alarm) = alarm else { return Ok(None) };
        let words = alarm.to_string();
        let own = campaigns::table.find(self.campaign);
        let said: String = own.select(campaigns::attention).first(conn)?;
        let key = (self.workspace, self.campaign);
        let stopped = alarm.pauses() && pause::pause(conn, key, SYSTEM_ACTOR, &words, now)? == Applied::Yes;
        if !said.is_empty() && !stopped {
            return Ok(None);
        }
        diesel::update(own).set(campaigns::attention.eq(&words)).execute(conn)?;
        if !stopped {
            events::record(conn, key, SYSTEM_ACTOR, &words, now)?;
        }
        Ok(Some(alarm))
    }
}

/// A person looked and lets the campaign go on: what was before is not held against it again.
pub(super) fn begin_anew(conn: &mut AnyConn, key: (WorkspaceId, CampaignId)) -> StoreResult<()> {
    let seen = Seen::of(conn, key.1)?;
    let content = ContentWindows::from(seen.content.iter().map(|(provider, sums)| (provider.as_str(), *sums)));
    save(conn, key, &Windows::from(seen.sums, content))
}

/// What is judged of a campaign.
struct Seen {
    sums: Sums,
    /// Of the providers that refused any message for what it says.
    content: Vec<(String, ContentSums)>,
}

impl Seen {
    fn of(conn: &mut AnyConn, campaign: CampaignId) -> StoreResult<Self> {
        Ok(Self { sums: sums(conn, campaign)?, content: content(conn, campaign)? })
    }

    /// Returns whether anything changed.
    fn roll(&self, windows: &mut Windows) -> bool {
        let mut rolled = windows.roll(self.sums);
        for (provider, sums) in &self.content {
            rolled |= windows.content.roll(provider, *sums);
        }
        rolled
    }
}

/// Replies are counted as they come, also those after which a message is tried again.
fn content(conn: &mut AnyConn, campaign: CampaignId) -> StoreResult<Vec<(String, ContentSums)>> {
    let own = reply_groups::table.filter(reply_groups::campaign_id.eq(campaign));
    let refusing: Vec<ProviderId> = own
        .filter(reply_groups::class.eq(BounceClass::ContentBlocked.as_str()))
        .select(reply_groups::provider_id)
        .distinct()
        .load(conn)?;
    refusing.into_iter().map(|provider| content_at(conn, campaign, provider)).collect()
}

fn content_at(conn: &mut AnyConn, campaign: CampaignId, provider: ProviderId) -> StoreResult<(String, ContentSums)> {
    let name: String = providers::table.find(provider).select(providers::name).first(conn)?;
    let groups: Vec<(String, i64)> = reply_groups::table
        .filter(reply_groups::campaign_id.eq(campaign))
        .filter(reply_groups::provider_id.eq(provider))
        .select((reply_groups::class, reply_groups::n))
        .load(conn)?;
    let accepted: Vec<i64> = delivery_counts::table
        .filter(delivery_counts::campaign_id.eq(campaign))
        .filter(delivery_counts::provider_id.eq(provider))
        .filter(delivery_counts::state.eq_any([DeliveryState::Accepted.code(), DeliveryState::Complained.code()]))
        .select(delivery_counts::n)
        .load(conn)?;
    let is_content = |group: &&(String, i64)| group.0 == BounceClass::ContentBlocked.as_str();
    let refused = groups.iter().filter(is_content).map(|(_, n)| n).sum();
    let ended = accepted.iter().sum::<i64>() + groups.iter().map(|(_, n)| n).sum::<i64>();
    Ok((name, ContentSums { ended, refused }))
}

fn sums(conn: &mut AnyConn, campaign: CampaignId) -> StoreResult<Sums> {
    use DeliveryState as S;
    let counts: Vec<(Code<DeliveryState>, i64)> = delivery_counts::table
        .filter(delivery_counts::campaign_id.eq(campaign))
        .select((delivery_counts::state, delivery_counts::n))
        .load(conn)?;
    let mut by_state: BTreeMap<DeliveryState, i64> = BTreeMap::new();
    for (state, n) in counts {
        *by_state.entry(state.0).or_default() += n;
    }
    let of = |states: &[S]| states.iter().filter_map(|s| by_state.get(s)).sum();
    Ok(Sums {
        ended: of(&[S::Accepted, S::HardBounced, S::SoftBounced, S::Failed, S::Complained]),
        hard_bounced: of(&[S::HardBounced]),
        complained: of(&[S::Complained]),
    })
}

fn load(conn: &mut AnyConn, campaign: CampaignId) -> StoreResult<Windows> {
    let json: Option<String> =
        campaign_windows::table.find(campaign.0).select(campaign_windows::windows).first(conn).optional()?;
    json.map_or_else(
        || Ok(Windows::default()),
        |json| {
            serde_json::from_str(&json).map_err(|e| StoreError::Corrupt(format!("windows of campaign {campaign}: {e}")))
        },
    )
}

fn save(conn: &mut AnyConn, (workspace, campaign): (WorkspaceId, CampaignId), windows: &Windows) -> StoreResult<()> {
    let json = serde_json::to_string(windows).map_err(|e| StoreError::Corrupt(e.to_string()))?;
    on!(conn, |c| diesel::insert_into(campaign_windows::table)
        .values((
            campaign_windows::campaign_id.eq(campaign.0),
            campaign_windows::workspace_id.eq(workspace.0),
            campaign_windows::windows.eq(&json),
        ))
        .on_conflict(campaign_windows::campaign_id)
        .do_update()
        .set(campaign_windows::windows.eq(&json))
        .execute(c))?;
    Ok(())
}

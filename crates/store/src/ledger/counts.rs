use std::collections::BTreeMap;

use diesel::prelude::*;
use tidings_domain::{BounceClass, DeliveryState, SkipReason, Word};

use super::step::Step;
use crate::connection::on;
use crate::fixed::{Bind, Fixed, fixed_sql};
use crate::schema::{deliveries, delivery_counts, fanouts};
use crate::words::Code;
use crate::{AnyConn, CampaignId, ProviderId, Store, StoreResult, WorkspaceId};

/// The rows of one campaign that one counter counts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CountKey {
    pub campaign: CampaignId,
    pub provider: ProviderId,
    /// `DeliveryState::code`
    pub state: i16,
    /// The skip reason; the class of a message that came back; else empty.
    pub detail: String,
}

/// A counter that differs from the rows it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Miscount {
    pub key: CountKey,
    pub counted: i64,
    pub rows: i64,
}

/// The changes that one transaction makes to the counters: summed up here, then written once for each key, in key
/// order, so that two transactions never wait for each other in a ring.
#[derive(Debug, Default)]
pub(crate) struct Deltas {
    sums: BTreeMap<CountKey, (WorkspaceId, i64)>,
}

/// Whose row a change is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owner {
    pub workspace: WorkspaceId,
    pub campaign: CampaignId,
    pub provider: ProviderId,
}

/// What is counted apart within a state. A closed set of words: a reason in somebody's own words would make a counter for each.
pub(crate) fn detail(state: DeliveryState, reason: Option<&str>) -> &'static str {
    let reason = reason.unwrap_or_default();
    match state {
        DeliveryState::Skipped => SkipReason::parse(reason).map_or("", SkipReason::as_str),
        DeliveryState::HardBounced | DeliveryState::SoftBounced | DeliveryState::Failed => {
            BounceClass::parse(reason).map_or("", BounceClass::as_str)
        }
        _ => "",
    }
}

impl Deltas {
    pub(crate) fn add(&mut self, owner: Owner, state: DeliveryState, detail: &str, n: i64) {
        let key = CountKey {
            campaign: owner.campaign,
            provider: owner.provider,
            state: state.code(),
            detail: detail.to_owned(),
        };
        self.sums.entry(key).or_insert((owner.workspace, 0)).1 += n;
    }

    /// A row took this step to an end or back from one. `was` and `reason`: what stood in the row, and stands in it now.
    pub(crate) fn end(&mut self, owner: Owner, step: Step, was: Option<&str>, reason: Option<&str>) {
        self.add(owner, step.from(), detail(step.from(), was), -1);
        self.add(owner, step.to(), detail(step.to(), reason), 1);
    }

    /// `n` rows took this step between states without a detail, and kept their provider.
    pub(crate) fn step(&mut self, owner: Owner, step: Step, n: i64) {
        self.add(owner, step.from(), "", -n);
        self.add(owner, step.to(), "", n);
    }

    pub(crate) fn skip(&mut self, owner: Owner, from: DeliveryState, reason: SkipReason) {
        self.add(owner, from, "", -1);
        self.add(owner, DeliveryState::Skipped, reason.as_str(), 1);
    }

    pub(crate) fn write(self, conn: &mut AnyConn) -> StoreResult<()> {
        for (key, (workspace, n)) in self.sums {
            if n == 0 {
                continue;
            }
            let binds = [
                Bind::Int(key.campaign.0),
                Bind::Int(key.provider.0),
                Bind::Int(key.state.into()),
                Bind::Text(key.detail),
                Bind::Int(workspace.0),
                Bind::Int(n),
            ];
            on!(conn, |c| Fixed::<AddToCount>::new(binds).execute(c))?;
        }
        Ok(())
    }
}

fixed_sql!(AddToCount -> (),
    "INSERT INTO delivery_counts (campaign_id, provider_id, state, detail, workspace_id, n) VALUES (?, ?, ?, ?, ?, ?) \
     ON CONFLICT (campaign_id, provider_id, state, detail) DO UPDATE SET n = delivery_counts.n + excluded.n");

/// The campaign's rows in the states that `wanted` picks, by its counters.
pub(crate) fn total(
    conn: &mut AnyConn,
    campaign: CampaignId,
    wanted: impl Fn(DeliveryState) -> bool,
) -> StoreResult<i64> {
    let counts: Vec<(Code<DeliveryState>, i64)> = delivery_counts::table
        .filter(delivery_counts::campaign_id.eq(campaign))
        .select((delivery_counts::state, delivery_counts::n))
        .load(conn)?;
    Ok(counts.into_iter().filter(|(state, _)| wanted(state.0)).map(|(_, n)| n).sum())
}

impl Store {
    /// Counts a campaign's rows and compares with the counters: empty when they agree. Where retention took the
    /// rows, there is nothing to compare. Reads every row of the campaign, so it is for tests and for the doctor, never for a page.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn miscounts(&self, campaign: CampaignId) -> StoreResult<Vec<Miscount>> {
        self.read_long(move |conn| {
            let removed = fanouts::table.find(campaign).filter(fanouts::rows_removed_at_ms.is_not_null());
            if diesel::select(diesel::dsl::exists(removed)).get_result(conn)? {
                return Ok(Vec::new());
            }
            let counted = load_counters(conn, campaign)?;
            let rows = count_rows(conn, campaign)?;
            let keys = counted.keys().chain(rows.keys()).cloned().collect::<std::collections::BTreeSet<_>>();
            let of = |map: &BTreeMap<CountKey, i64>, key: &CountKey| map.get(key).copied().unwrap_or(0);
            let all = keys.into_iter().map(|key| (of(&counted, &key), of(&rows, &key), key));
            Ok(all.filter(|(c, r, _)| c != r).map(|(counted, rows, key)| Miscount { key, counted, rows }).collect())
        })
        .await
    }
}

fn load_counters(conn: &mut AnyConn, campaign: CampaignId) -> StoreResult<BTreeMap<CountKey, i64>> {
    let rows: Vec<(ProviderId, i16, String, i64)> = delivery_counts::table
        .filter(delivery_counts::campaign_id.eq(campaign))
        .select((delivery_counts::provider_id, delivery_counts::state, delivery_counts::detail, delivery_counts::n))
        .load(conn)?;
    let key = |(provider, state, detail, n)| (CountKey { campaign, provider, state, detail }, n);
    Ok(rows.into_iter().map(key).collect())
}

fn count_rows(conn: &mut AnyConn, campaign: CampaignId) -> StoreResult<BTreeMap<CountKey, i64>> {
    let rows: Vec<(ProviderId, i16, Option<String>, i64)> = deliveries::table
        .filter(deliveries::campaign_id.eq(campaign))
        .filter(deliveries::kind.eq(tidings_domain::DeliveryKind::Campaign.code()))
        .group_by((deliveries::provider_id, deliveries::state, deliveries::reason))
        .select((deliveries::provider_id, deliveries::state, deliveries::reason, diesel::dsl::count_star()))
        .load(conn)?;
    let mut sums = BTreeMap::new();
    for (provider, state, reason, n) in rows {
        let known = DeliveryState::from_code(state);
        let detail = known.map_or("", |known| detail(known, reason.as_deref())).to_owned();
        *sums.entry(CountKey { campaign, provider, state, detail }).or_insert(0) += n;
    }
    Ok(sums)
}

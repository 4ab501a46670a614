use std::collections::BTreeMap;

use diesel::prelude::*;
use diesel::sql_types::BigInt;
use tidings_domain::{BounceClass, DeliveryState, SkipReason, Word};

use super::step::Step;
use crate::connection::on;
use crate::fixed::{Bind, Fixed, fixed_sql, write_rows};
use crate::schema::{deliveries, delivery_counts, fanouts};
use crate::words::Code;
use crate::{AnyConn, CampaignId, ProviderId, ReplyGroupId, Store, StoreResult, WorkspaceId};

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
    groups: BTreeMap<ReplyGroupId, Standing>,
}

/// How many deliveries of one group of replies stand put off and given up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Standing {
    deferred: i64,
    dead: i64,
}

impl Standing {
    fn of(&mut self, state: DeliveryState) -> Option<&mut i64> {
        match state {
            DeliveryState::Deferred => Some(&mut self.deferred),
            DeliveryState::SoftBounced | DeliveryState::Failed => Some(&mut self.dead),
            _ => None,
        }
    }
}

/// Whose row a change is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owner {
    pub workspace: WorkspaceId,
    pub campaign: CampaignId,
    pub provider: ProviderId,
    /// Of the row's last refusal. Matters only for rows that are, were or become deferred or dead letters.
    pub group: Option<ReplyGroupId>,
}

impl Owner {
    pub(crate) fn within(self, group: ReplyGroupId) -> Self {
        Self { group: Some(group), ..self }
    }
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
        if let Some(group) = owner.group
            && let Some(sum) = self.groups.entry(group).or_default().of(state)
        {
            *sum += n;
        }
    }

    /// A dead letter left its group and kept its state.
    pub(crate) fn discard(&mut self, group: ReplyGroupId) {
        self.groups.entry(group).or_default().dead -= 1;
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
        write_groups(conn, &self.groups)?;
        let moved = self.sums.into_iter().filter(|(_, (_, n))| *n != 0);
        let row = |(key, (workspace, n)): (CountKey, (WorkspaceId, i64))| {
            [
                Bind::Int(key.campaign.0),
                Bind::Int(key.provider.0),
                Bind::Int(key.state.into()),
                Bind::Text(key.detail),
                Bind::Int(workspace.0),
                Bind::Int(n),
            ]
        };
        Ok(write_rows::<AddToCounts, _>(conn, &[], moved.map(row).collect())?)
    }
}

macro_rules! add_text {
    ($rows:literal) => {
        concat!(
            "INSERT INTO delivery_counts (campaign_id, provider_id, state, detail, workspace_id, n) ",
            $rows,
            " ON CONFLICT (campaign_id, provider_id, state, detail) DO UPDATE SET n = delivery_counts.n + excluded.n"
        )
    };
}

fixed_sql!(AddToCounts -> (),
    lite: add_text!("VALUES (?, ?, ?, ?, ?, ?)"),
    pg: add_text!("SELECT * FROM unnest(?, ?, ?, ?, ?, ?) AS x (campaign, provider, state, detail, workspace, n) \
                   ORDER BY campaign, provider, state, detail"));

/// In the order of their keys, as the outcomes take them, and before the counters.
fn write_groups(conn: &mut AnyConn, groups: &BTreeMap<ReplyGroupId, Standing>) -> StoreResult<()> {
    let moved: Vec<_> = groups.iter().filter(|(_, change)| **change != Standing::default()).collect();
    if moved.len() > 1
        && let AnyConn::Pg(c) = conn
    {
        Fixed::<LockGroups>::new([Bind::ids(moved.iter().map(|(id, _)| id.0))]).load::<i64>(c)?;
    }
    for (id, change) in moved {
        let binds = [Bind::Int(change.deferred), Bind::Int(change.dead), Bind::Int(id.0)];
        on!(conn, |c| Fixed::<AddToGroup>::new(binds).execute(c))?;
    }
    Ok(())
}

fixed_sql!(LockGroups -> BigInt,
    lite: "SELECT id FROM reply_groups WHERE id IN (SELECT value FROM json_each(?))",
    pg: "SELECT id FROM reply_groups WHERE id = ANY(?) ORDER BY campaign_id, provider_id, text_key COLLATE \"C\" FOR UPDATE");

fixed_sql!(AddToGroup -> (), "UPDATE reply_groups SET deferred = deferred + ?, dead = dead + ? WHERE id = ?");

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

/// A group of replies whose sums differ from the rows they count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMiscount {
    pub group: ReplyGroupId,
    /// Deferred and dead, as summed up.
    pub counted: (i64, i64),
    /// As the rows stand.
    pub rows: (i64, i64),
}

impl Store {
    /// As [`Store::miscounts`], for the groups of replies: reads every deferred row and dead letter of the campaign.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn group_miscounts(&self, campaign: CampaignId) -> StoreResult<Vec<GroupMiscount>> {
        self.read(move |conn| {
            let rows: Vec<(i64, i64, i64, i64, i64)> =
                on!(conn, |c| Fixed::<GroupSums>::new([Bind::Int(campaign.0)]).load(c))?;
            let found = rows.into_iter().map(|(id, deferred, dead, deferred_rows, dead_rows)| GroupMiscount {
                group: ReplyGroupId(id),
                counted: (deferred, dead),
                rows: (deferred_rows, dead_rows),
            });
            Ok(found.filter(|group| group.counted != group.rows).collect())
        })
        .await
    }
}

fixed_sql!(GroupSums -> (BigInt, BigInt, BigInt, BigInt, BigInt),
    "SELECT g.id, g.deferred, g.dead, \
     (SELECT COUNT(*) FROM deliveries d WHERE d.reply_group_id = g.id AND d.state = 3 AND d.kind = 0), \
     (SELECT COUNT(*) FROM deliveries d WHERE d.reply_group_id = g.id AND d.state IN (12, 13) AND d.kind = 0) \
     FROM reply_groups g WHERE g.campaign_id = ?");

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

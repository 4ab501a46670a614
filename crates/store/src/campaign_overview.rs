//! All numbers of one campaign's overview, from incremental sums: no statement here reads the ledger row by row.

use std::collections::BTreeMap;

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};
use tidings_domain::DeliveryState;

use crate::campaigns::head;
use crate::ledger::months::in_month_of;
use crate::schema::{
    campaign_events, campaign_lists, campaign_responses, deliveries, delivery_counts, fanouts, pools, provider_replies,
    providers, reply_groups, routes, workers,
};
use crate::words::Code;
use crate::{
    AnyConn, CampaignHead, CampaignId, CampaignList, Heartbeat, ProviderId, StoreResult, Way, Workspace, WorkspaceId,
};

/// The largest providers are shown one by one; the rest as one row.
const PROVIDER_ROWS: i64 = 12;
const GROUP_ROWS: i64 = 20;
const EVENT_ROWS: i64 = 30;
const WORKER_ROWS: i64 = 200;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastReply {
    pub text: String,
    pub at_ms: i64,
}

/// The ledger rows of one provider, by state.
#[derive(Debug, Clone)]
pub struct ProviderProgress {
    pub id: ProviderId,
    /// Empty: not looked up yet.
    pub name: String,
    pub counts: BTreeMap<DeliveryState, i64>,
    pub last_reply: Option<LastReply>,
}

/// Refusals with the same meaning, of one provider.
#[derive(Debug, Clone, Queryable)]
pub struct ReplyGroup {
    pub provider: String,
    pub class: String,
    pub enhanced: Option<String>,
    /// One of the replies, verbatim.
    pub sample: String,
    pub n: i64,
    pub first_at_ms: i64,
    pub last_at_ms: i64,
}

/// What recipients did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = campaign_responses)]
pub struct Responses {
    pub opened_unique: i64,
    pub clicked_unique: i64,
    pub unsubscribed: i64,
}

#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = campaign_events)]
pub struct CampaignEvent {
    pub at_ms: i64,
    pub actor: String,
    pub what: String,
}

/// The last sign of life of a process.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = workers)]
pub struct WorkerBeat {
    pub id: String,
    pub role: String,
    pub host: String,
    pub heartbeat_at_ms: i64,
    /// The lanes that it sends from, with commas between; empty for all.
    pub lanes: String,
}

impl From<Heartbeat> for WorkerBeat {
    fn from(beat: Heartbeat) -> Self {
        let Heartbeat { id, role, host, heartbeat_at_ms, lanes, .. } = beat;
        Self { id, role, host, heartbeat_at_ms, lanes }
    }
}

#[derive(Debug, Clone)]
pub struct Overview {
    pub head: CampaignHead,
    pub lists: Vec<CampaignList>,
    /// `None` while no route is chosen, or when it was deleted.
    pub route: Option<String>,
    /// Subscriptions beyond the first of the same person, known once fan-out has begun.
    pub duplicates: i64,
    /// Ledger rows by state: their sum is the audience.
    pub counts: BTreeMap<DeliveryState, i64>,
    /// Skipped rows by reason.
    pub skipped: BTreeMap<String, i64>,
    /// The largest first.
    pub providers: Vec<ProviderProgress>,
    /// The sum over all smaller providers, and how many they are; `None` when all are shown.
    pub smaller_providers: Option<(i64, BTreeMap<DeliveryState, i64>)>,
    /// The most frequent first.
    pub groups: Vec<ReplyGroup>,
    pub responses: Responses,
    /// The newest first.
    pub events: Vec<CampaignEvent>,
    /// The latest sign of life first.
    pub workers: Vec<WorkerBeat>,
    /// When the first deferred delivery is due.
    pub next_due_at_ms: Option<i64>,
}

impl Workspace {
    /// Everything that the overview shows, read in one go.
    ///
    /// # Errors
    /// [`crate::StoreError::NotFound`], and the database's own.
    pub async fn overview(&self, id: CampaignId) -> StoreResult<Overview> {
        self.read(move |conn, ws| {
            let head = head(conn, ws, id)?;
            let (counts, skipped) = counts(conn, id)?;
            let (providers, smaller_providers) = provider_progress(conn, id, &counts)?;
            let deferred = counts.get(&DeliveryState::Deferred).copied().unwrap_or(0);
            Ok(Overview {
                lists: lists(conn, ws, id)?,
                route: route(conn, &head)?,
                duplicates: duplicates(conn, id)?,
                counts,
                skipped,
                providers,
                smaller_providers,
                groups: groups(conn, id)?,
                responses: responses(conn, id)?,
                events: events(conn, id)?,
                workers: latest_workers(conn)?,
                next_due_at_ms: if deferred > 0 { next_due(conn, id)? } else { None },
                head,
            })
        })
        .await
    }

    /// The providers of a campaign by size, for the filter of the people page: at most a dozen.
    ///
    /// # Errors
    /// The database's own.
    pub async fn campaign_providers(&self, id: CampaignId) -> StoreResult<Vec<(ProviderId, String)>> {
        self.read(move |conn, ws| {
            head(conn, ws, id)?;
            let largest = largest_providers(conn, id)?;
            let names = names(conn, &largest)?;
            Ok(largest.into_iter().filter_map(|p| names.get(&p).map(|n| (ProviderId(p), n.clone()))).collect())
        })
        .await
    }
}

type Counts = BTreeMap<DeliveryState, i64>;

fn counts(conn: &mut AnyConn, id: CampaignId) -> StoreResult<(Counts, BTreeMap<String, i64>)> {
    let rows: Vec<(Code<DeliveryState>, String, i64)> = delivery_counts::table
        .filter(delivery_counts::campaign_id.eq(id.0))
        .group_by((delivery_counts::state, delivery_counts::detail))
        .select((delivery_counts::state, delivery_counts::detail, sql::<BigInt>("CAST(SUM(n) AS BIGINT)")))
        .load(conn)?;
    let mut counts = Counts::new();
    let mut skipped = BTreeMap::new();
    for (Code(state), detail, n) in rows {
        *counts.entry(state).or_default() += n;
        if state == DeliveryState::Skipped && n != 0 {
            skipped.insert(detail, n);
        }
    }
    counts.retain(|_, n| *n != 0);
    Ok((counts, skipped))
}

fn largest_providers(conn: &mut AnyConn, id: CampaignId) -> StoreResult<Vec<i64>> {
    let largest: Vec<(i64, i64)> = delivery_counts::table
        .filter(delivery_counts::campaign_id.eq(id.0))
        .group_by(delivery_counts::provider_id)
        .select((delivery_counts::provider_id, sql::<BigInt>("CAST(SUM(n) AS BIGINT)")))
        .order((sql::<BigInt>("SUM(n) DESC"), delivery_counts::provider_id))
        .limit(PROVIDER_ROWS + 1)
        .load(conn)?;
    // Provider 0 holds the skipped, too: it counts as one of the rows only while something there can still move.
    Ok(largest.into_iter().filter(|(_, n)| *n > 0).map(|(p, _)| p).collect())
}

type Smaller = Option<(i64, Counts)>;

fn provider_progress(
    conn: &mut AnyConn,
    id: CampaignId,
    all: &Counts,
) -> StoreResult<(Vec<ProviderProgress>, Smaller)> {
    let largest = largest_providers(conn, id)?;
    let mut by_provider = counts_of(conn, id, &largest)?;
    let mut names = names(conn, &largest)?;
    let mut replies = last_replies(conn, id, &largest)?;
    let shown: Vec<ProviderProgress> = largest
        .into_iter()
        .map(|p| ProviderProgress {
            id: ProviderId(p),
            name: names.remove(&p).unwrap_or_default(),
            counts: by_provider.remove(&p).unwrap_or_default(),
            last_reply: replies.remove(&p),
        })
        .collect();
    let rest = rest(all, &shown);
    if rest.is_empty() {
        return Ok((shown, None));
    }
    let of_all: i64 = delivery_counts::table
        .filter(delivery_counts::campaign_id.eq(id.0))
        .select(diesel::dsl::count(delivery_counts::provider_id).aggregate_distinct())
        .first(conn)?;
    let others = of_all - i64::try_from(shown.len()).unwrap_or(of_all);
    Ok((shown, Some((others, rest))))
}

/// What is left of the whole when the shown providers are taken off.
fn rest(all: &Counts, shown: &[ProviderProgress]) -> Counts {
    let mut rest = all.clone();
    for provider in shown {
        for (state, n) in &provider.counts {
            *rest.entry(*state).or_default() -= n;
        }
    }
    rest.retain(|_, n| *n > 0);
    rest
}

fn counts_of(conn: &mut AnyConn, id: CampaignId, ids: &[i64]) -> StoreResult<BTreeMap<i64, Counts>> {
    let rows: Vec<(i64, Code<DeliveryState>, i64)> = delivery_counts::table
        .filter(delivery_counts::campaign_id.eq(id.0))
        .filter(delivery_counts::provider_id.eq_any(ids.to_vec()))
        .group_by((delivery_counts::provider_id, delivery_counts::state))
        .select((delivery_counts::provider_id, delivery_counts::state, sql::<BigInt>("CAST(SUM(n) AS BIGINT)")))
        .load(conn)?;
    let mut found: BTreeMap<i64, Counts> = BTreeMap::new();
    for (provider, Code(state), n) in rows {
        found.entry(provider).or_default().insert(state, n);
    }
    Ok(found)
}

fn names(conn: &mut AnyConn, ids: &[i64]) -> StoreResult<BTreeMap<i64, String>> {
    let named = providers::table.filter(providers::id.eq_any(ids.to_vec()));
    Ok(named.select((providers::id, providers::name)).load(conn)?.into_iter().collect())
}

fn last_replies(conn: &mut AnyConn, id: CampaignId, ids: &[i64]) -> StoreResult<BTreeMap<i64, LastReply>> {
    let rows: Vec<(i64, String, i64)> = provider_replies::table
        .filter(provider_replies::campaign_id.eq(id.0))
        .filter(provider_replies::provider_id.eq_any(ids.to_vec()))
        .select((provider_replies::provider_id, provider_replies::reply, provider_replies::at_ms))
        .load(conn)?;
    Ok(rows.into_iter().map(|(p, text, at_ms)| (p, LastReply { text, at_ms })).collect())
}

fn groups(conn: &mut AnyConn, id: CampaignId) -> StoreResult<Vec<ReplyGroup>> {
    Ok(reply_groups::table
        .inner_join(providers::table.on(providers::id.eq(reply_groups::provider_id)))
        .filter(reply_groups::campaign_id.eq(id.0))
        .filter(reply_groups::n.gt(0))
        .order((reply_groups::n.desc(), reply_groups::last_at_ms.desc()))
        .limit(GROUP_ROWS)
        .select((
            providers::name,
            reply_groups::class,
            reply_groups::enhanced,
            reply_groups::sample,
            reply_groups::n,
            reply_groups::first_at_ms,
            reply_groups::last_at_ms,
        ))
        .load(conn)?)
}

fn lists(conn: &mut AnyConn, ws: WorkspaceId, id: CampaignId) -> StoreResult<Vec<CampaignList>> {
    let of = campaign_lists::table
        .filter(campaign_lists::campaign_id.eq(id.0))
        .filter(campaign_lists::workspace_id.eq(ws.0));
    Ok(of.order(campaign_lists::list_name).select(CampaignList::as_select()).load(conn)?)
}

fn route(conn: &mut AnyConn, head: &CampaignHead) -> StoreResult<Option<String>> {
    Ok(match Way::of(head.route_id, head.pool_id) {
        None => None,
        Some(Way::Route(id)) => routes::table.find(id).select(routes::name).first(conn).optional()?,
        Some(Way::Pool(id)) => {
            let name: Option<String> = pools::table.find(id).select(pools::name).first(conn).optional()?;
            name.map(|name| format!("the pool {name}"))
        }
    })
}

fn duplicates(conn: &mut AnyConn, id: CampaignId) -> StoreResult<i64> {
    let row = fanouts::table.filter(fanouts::campaign_id.eq(id.0)).select(fanouts::duplicates);
    Ok(row.first(conn).optional()?.unwrap_or(0))
}

fn responses(conn: &mut AnyConn, id: CampaignId) -> StoreResult<Responses> {
    let row = campaign_responses::table.filter(campaign_responses::campaign_id.eq(id.0));
    Ok(row.select(Responses::as_select()).first(conn).optional()?.unwrap_or_default())
}

fn events(conn: &mut AnyConn, id: CampaignId) -> StoreResult<Vec<CampaignEvent>> {
    let of = campaign_events::table.filter(campaign_events::campaign_id.eq(id.0)).order(campaign_events::id.desc());
    Ok(of.limit(EVENT_ROWS).select(CampaignEvent::as_select()).load(conn)?)
}

fn latest_workers(conn: &mut AnyConn) -> StoreResult<Vec<WorkerBeat>> {
    let latest = workers::table.order(workers::heartbeat_at_ms.desc()).limit(WORKER_ROWS);
    Ok(latest.select(WorkerBeat::as_select()).load(conn)?)
}

/// The unary plus keeps both planners on the small index of due rows, where the first hit is the answer.
fn next_due(conn: &mut AnyConn, id: CampaignId) -> StoreResult<Option<i64>> {
    let deferred = in_month_of(conn, id)?
        .filter(sql::<Bool>("state = 3 AND next_at_ms < 4000000000000000 AND +campaign_id = ").bind::<BigInt, _>(id.0))
        .order(deliveries::next_at_ms)
        .select(deliveries::next_at_ms);
    Ok(deferred.first::<Option<i64>>(conn).optional()?.flatten())
}

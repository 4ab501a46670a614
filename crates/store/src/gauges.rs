//! What operators measure: a handful of sums for dashboards and alarms, each from an index or from the incremental counters.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};
use tidings_domain::{CampaignState, DeliveryState, ImportState, Lane, UnixMs};

use crate::connection::on;
use crate::fixed::{Bind, Fixed, fixed_sql};
use crate::schema::{campaigns, delivery_counts, imports, leases};
use crate::words::{Code, Db};
use crate::{AnyConn, Store, StoreResult, pace_attention};

/// Ended campaigns are counted for this long, so that late bounces and complaints still show.
pub const ENDED_COUNT_FOR_MS: i64 = 7 * UnixMs::DAY;
/// Campaigns that are looked at for the oldest waiting delivery.
const OLDEST_CAMPAIGNS: i64 = 200;

#[derive(Debug, Clone, Default)]
pub struct Gauges {
    /// Campaigns under way, by state.
    pub campaigns: BTreeMap<CampaignState, i64>,
    /// Of those, how many are paused.
    pub paused: i64,
    /// Of those, how many need a person's attention.
    pub attention: i64,
    /// Destinations that block us now.
    pub blocked: i64,
    /// Ledger rows of campaigns under way and of those that ended within [`ENDED_COUNT_FOR_MS`].
    pub deliveries: BTreeMap<DeliveryState, i64>,
    /// Since when the first queued delivery of each lane has waited; campaigns that are paused are not looked at.
    pub oldest_queued: BTreeMap<Lane, UnixMs>,
    /// Open imports by state, and what is read of their files.
    pub imports: BTreeMap<ImportState, i64>,
    pub import_bytes_done: i64,
    pub import_bytes_total: i64,
}

/// The database as this process reaches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolState {
    pub connections: u32,
    pub idle: u32,
    pub limit: u32,
}

/// Who holds a lease, and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseHolder {
    pub holder: String,
    pub until: UnixMs,
}

impl Store {
    /// The rows of one provider in all campaigns under way, by state.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn provider_left(&self, provider: &str) -> StoreResult<BTreeMap<DeliveryState, i64>> {
        let binds = [Bind::Text(provider.to_owned())];
        self.read(move |conn| {
            let rows: Vec<(Code<DeliveryState>, i64)> = on!(conn, |c| Fixed::<ProviderLeft>::new(binds).load(c))?;
            Ok(rows.into_iter().map(|(state, n)| (state.0, n)).collect())
        })
        .await
    }

    /// # Errors
    /// The database cannot be read.
    pub async fn gauges(&self, now: UnixMs) -> StoreResult<Gauges> {
        self.read(move |conn| {
            let mut gauges = Gauges { deliveries: deliveries(conn, now)?, ..Gauges::default() };
            count_campaigns(conn, &mut gauges)?;
            gauges.blocked = pace_attention::count_blocks(conn, now)?;
            let oldest: Vec<(Code<Lane>, i64)> =
                on!(conn, |c| Fixed::<OldestQueued>::new([Bind::Int(OLDEST_CAMPAIGNS)]).load(c))?;
            for (Code(lane), at) in oldest {
                let first = gauges.oldest_queued.entry(lane).or_insert(UnixMs(at));
                *first = (*first).min(UnixMs(at));
            }
            count_imports(conn, &mut gauges)?;
            Ok(gauges)
        })
        .await
    }

    /// Asks the database for nothing, and says how long the answer took.
    ///
    /// # Errors
    /// The database cannot be reached.
    pub async fn ping(&self) -> StoreResult<Duration> {
        self.read(|conn| {
            let began = Instant::now();
            diesel::select(diesel::dsl::sql::<BigInt>("1")).execute(conn)?;
            Ok(began.elapsed())
        })
        .await
    }

    #[must_use]
    pub fn pool(&self) -> PoolState {
        self.pool_state()
    }

    /// # Errors
    /// The database cannot be read.
    pub async fn lease_holder(&self, name: &str) -> StoreResult<Option<LeaseHolder>> {
        let name = name.to_owned();
        self.read(move |conn| {
            let row: Option<(String, i64)> =
                leases::table.find(name).select((leases::holder, leases::until_ms)).first(conn).optional()?;
            Ok(row.map(|(holder, until)| LeaseHolder { holder, until: UnixMs(until) }))
        })
        .await
    }
}

fn count_campaigns(conn: &mut AnyConn, gauges: &mut Gauges) -> StoreResult<()> {
    let rows: Vec<(Db<CampaignState>, Option<i64>, String)> = campaigns::table
        // Literals: the partial index serves only a condition that it can read.
        .filter(sql::<Bool>("campaigns.state IN ('queuing', 'queued', 'sending')"))
        .select((campaigns::state, campaigns::paused_at_ms, campaigns::attention))
        .load(conn)?;
    for state in CampaignState::ALL_ACTIVE {
        gauges.campaigns.insert(state, 0);
    }
    for (state, paused_at, attention) in rows {
        *gauges.campaigns.entry(state.0).or_default() += 1;
        gauges.paused += i64::from(paused_at.is_some());
        gauges.attention += i64::from(!attention.is_empty());
    }
    Ok(())
}

fn deliveries(conn: &mut AnyConn, now: UnixMs) -> StoreResult<BTreeMap<DeliveryState, i64>> {
    let since = now.0 - ENDED_COUNT_FOR_MS;
    let counted = campaigns::table
        .filter(
            sql::<Bool>("campaigns.state IN ('queuing', 'queued', 'sending') OR campaigns.done_at_ms > ")
                .bind::<BigInt, _>(since)
                .sql(" OR campaigns.cancelled_at_ms > ")
                .bind::<BigInt, _>(since),
        )
        .select(campaigns::id);
    let rows: Vec<(Code<DeliveryState>, i64)> = delivery_counts::table
        .filter(delivery_counts::campaign_id.eq_any(counted))
        .group_by(delivery_counts::state)
        .select((delivery_counts::state, sql::<BigInt>("CAST(SUM(n) AS BIGINT)")))
        .load(conn)?;
    Ok(rows.into_iter().map(|(Code(state), n)| (state, n)).collect())
}

fn count_imports(conn: &mut AnyConn, gauges: &mut Gauges) -> StoreResult<()> {
    let rows: Vec<(Db<ImportState>, i64, i64)> = imports::table
        .filter(sql::<Bool>("imports.state IN ('uploaded', 'ready', 'running')"))
        .select((imports::state, imports::bytes_done, imports::bytes_total))
        .load(conn)?;
    for (state, done, total) in rows {
        *gauges.imports.entry(state.0).or_default() += 1;
        gauges.import_bytes_done += done;
        gauges.import_bytes_total += total;
    }
    Ok(())
}

macro_rules! oldest_text {
    ($months:literal, $first:literal) => {
        concat!(
            "SELECT d.lane, (SELECT MIN(m.updated_at_ms) FROM deliveries m WHERE m.id >= d.id AND m.id < d.id + 100 \
             AND m.campaign_id = d.campaign_id AND m.state = 1) FROM (SELECT (SELECT q.id FROM deliveries q \
             WHERE q.campaign_id = c.id AND q.state = 1 AND q.state < 10",
            $first,
            " ORDER BY q.id LIMIT 1) AS first FROM campaigns c",
            $months,
            " WHERE c.state IN ('queuing', 'queued', 'sending') AND c.paused_at_ms IS NULL ORDER BY c.id LIMIT ?) o \
             JOIN deliveries d ON d.id = o.first"
        )
    };
}

fixed_sql!(
    /// The oldest of the first queued rows of each campaign: rows are queued in the order of their ids, but for those that come back from
    /// a retry. The first is found by the index of open rows; the others by their numbers, which follow it.
    OldestQueued -> (diesel::sql_types::SmallInt, BigInt),
    lite: oldest_text!("", ""),
    pg: oldest_text!(" LEFT JOIN fanouts f ON f.campaign_id = c.id",
        " AND q.id >= COALESCE(f.ledger_month, 0) << 40 AND q.id < (COALESCE(f.ledger_month, 0) + 1) << 40")
);

fixed_sql!(ProviderLeft -> (diesel::sql_types::SmallInt, BigInt),
    "SELECT d.state, CAST(SUM(d.n) AS BIGINT) FROM delivery_counts d JOIN campaigns c ON c.id = d.campaign_id \
     JOIN providers p ON p.id = d.provider_id WHERE c.state IN ('queuing', 'queued', 'sending') AND p.name = ? GROUP BY d.state");

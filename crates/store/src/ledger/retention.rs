//! Taking away the rows of campaigns that ended long ago. Their sums stay, and so do the links in their mails
//! ([`crate::kept_recipients`]).
//!
//! PostgreSQL drops a month's part when every campaign of the month has ended; SQLite deletes the rows of one campaign after the other.
//! Both go in bounded steps: first what is to be kept is written down, then the rows go.

use std::collections::BTreeMap;

use diesel::connection::SimpleConnection;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, SmallInt};
use tidings_domain::{CampaignState, DeliveryState, UnixMs};

use super::months::{Month, Span};
use super::{SYSTEM_ACTOR, events};
use crate::fixed::{Bind, Fixed, fixed_sql};
use crate::kept_recipients::{Owner, keep};
use crate::schema::{attempts, campaigns, deliveries, fanouts, instance, reply_groups};
use crate::words::{Code, Db};
use crate::{
    AnyConn, CampaignId, DeliveryId, RevisionId, Store, StoreResult, SubscriberId, WorkspaceId, connection::on,
};

/// Rows that one step reads.
const KEEP_ROWS: i64 = 20_000;
/// Rows that one step deletes from SQLite.
const DELETE_ROWS: i64 = 5_000;
/// Whoever waits behind the drop of a part waits no longer than this; then the drop is tried again later.
const DROP_WAIT_MS: u32 = 500;

/// What one step of retention did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retention {
    /// Nothing is old enough, or something in the oldest month still moves.
    Nothing,
    /// So many rows were looked through; there is more to do.
    Step(i64),
    /// The rows of so many campaigns are gone.
    Removed(usize),
}

impl Store {
    /// One step of taking away rows whose campaigns were launched more than `months` full months ago and have ended.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn remove_old_rows(&self, months: u32, now: UnixMs) -> StoreResult<Retention> {
        let oldest_kept = Month(Month::of(now).0 - i64::from(months));
        self.write(move |conn| match conn {
            AnyConn::Pg(_) => by_month(conn, oldest_kept, now),
            AnyConn::Lite(_) => by_campaign(conn, oldest_kept, now),
        })
        .await
    }
}

type Ended = (CampaignId, WorkspaceId, i64, Option<i64>, Db<CampaignState>);

/// Campaigns that have rows, by their part of the ledger.
fn with_rows(conn: &mut AnyConn) -> StoreResult<BTreeMap<i64, Vec<Ended>>> {
    let rows: Vec<Ended> = fanouts::table
        .inner_join(campaigns::table.on(campaigns::id.eq(fanouts::campaign_id)))
        .filter(fanouts::rows_removed_at_ms.is_null())
        .order((fanouts::ledger_month, campaigns::id))
        .select((
            campaigns::id,
            campaigns::workspace_id,
            fanouts::ledger_month,
            campaigns::queuing_at_ms,
            campaigns::state,
        ))
        .load(conn)?;
    let mut by_month: BTreeMap<i64, Vec<Ended>> = BTreeMap::new();
    for row in rows {
        by_month.entry(row.2).or_default().push(row);
    }
    Ok(by_month)
}

fn is_old((_, _, _, launched_at, state): &Ended, oldest_kept: Month) -> bool {
    let ended = matches!(state.0, CampaignState::Done | CampaignState::Cancelled);
    ended && launched_at.is_some_and(|at| Month::of(UnixMs(at)) < oldest_kept)
}

fn by_month(conn: &mut AnyConn, oldest_kept: Month, now: UnixMs) -> StoreResult<Retention> {
    for (month, campaigns) in with_rows(conn)? {
        let month = Month(month);
        if month >= oldest_kept || !campaigns.iter().all(|one| is_old(one, oldest_kept)) || moves(conn, month.span())? {
            continue;
        }
        let looked_at = keep_next(conn, month)?;
        if looked_at > 0 {
            return Ok(Retention::Step(looked_at));
        }
        let AnyConn::Pg(pg) = conn else { return Ok(Retention::Nothing) };
        lock_part(pg, month)?;
        if moves(conn, month.span())? {
            return Ok(Retention::Nothing);
        }
        drop_part(conn, month)?;
        forget_cursor(conn, month)?;
        campaigns.iter().try_for_each(|one| tell(conn, one, now))?;
        return Ok(Retention::Removed(campaigns.len()));
    }
    Ok(Retention::Nothing)
}

fixed_sql!(
    /// Also a test message, or a dead letter that somebody tries again.
    FirstMoving -> BigInt,
    "SELECT id FROM deliveries WHERE id BETWEEN ? AND ? AND state < 10 LIMIT 1"
);

fn moves(conn: &mut AnyConn, span: Span) -> StoreResult<bool> {
    let found: Vec<i64> = on!(conn, |c| Fixed::<FirstMoving>::new(span.binds()).load(c))?;
    Ok(!found.is_empty())
}

/// Of a campaign that was cancelled a moment ago, however long ago it was launched, attempts are in flight.
fn campaign_moves(conn: &mut AnyConn, id: CampaignId) -> StoreResult<bool> {
    let moving = deliveries::table.filter(deliveries::campaign_id.eq(id)).filter(sql::<Bool>("state < 10"));
    Ok(diesel::select(diesel::dsl::exists(moving)).get_result(conn)?)
}

#[derive(Queryable)]
struct Row {
    id: DeliveryId,
    workspace: WorkspaceId,
    campaign: CampaignId,
    revision: RevisionId,
    subscriber: Option<SubscriberId>,
    state: Code<DeliveryState>,
    is_test: bool,
}

impl Row {
    /// Somebody may hold this mail in his hands.
    fn arrived(&self) -> bool {
        let arrived = [DeliveryState::Accepted, DeliveryState::InDoubt, DeliveryState::Complained];
        !self.is_test && arrived.contains(&self.state.0)
    }
}

type RowType = (BigInt, BigInt, BigInt, BigInt, Nullable<BigInt>, SmallInt, Bool);

fixed_sql!(NextRows -> RowType,
    "SELECT id, workspace_id, campaign_id, revision_id, subscriber_id, state, kind = 1 FROM deliveries \
     WHERE id > ? AND id <= ? ORDER BY id LIMIT ?");

fixed_sql!(RowsOfCampaign -> RowType,
    "SELECT id, workspace_id, campaign_id, revision_id, subscriber_id, state, kind = 1 FROM deliveries \
     WHERE campaign_id = ? AND kind = 0 ORDER BY subscriber_id LIMIT ?");

/// Writes down who got the next rows of a month. Returns how many rows there were; none: all is written down.
fn keep_next(conn: &mut AnyConn, month: Month) -> StoreResult<i64> {
    let span = month.span();
    let cursor = cursor(conn, month)?.unwrap_or(span.first);
    let binds = [Bind::Int(cursor), Bind::Int(span.last), Bind::Int(KEEP_ROWS)];
    let rows: Vec<Row> = on!(conn, |c| Fixed::<NextRows>::new(binds).load(c))?;
    let Some(last) = rows.last().map(|row| row.id) else { return Ok(0) };
    keep_all(conn, &rows)?;
    move_cursor(conn, month, last)?;
    Ok(i64::try_from(rows.len()).unwrap_or(i64::MAX))
}

fn keep_all(conn: &mut AnyConn, rows: &[Row]) -> StoreResult<()> {
    let mut by_owner: BTreeMap<Owner, Vec<(DeliveryId, SubscriberId)>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.arrived()) {
        let Some(subscriber) = row.subscriber else { continue };
        let owner = Owner { workspace: row.workspace, campaign: row.campaign, revision: row.revision };
        by_owner.entry(owner).or_default().push((row.id, subscriber));
    }
    for (owner, mut pairs) in by_owner {
        pairs.sort_unstable();
        keep(conn, owner, &pairs)?;
    }
    Ok(())
}

fn cursor_name(month: Month) -> String {
    format!("ledger_kept:{}", month.0)
}

fn cursor(conn: &mut AnyConn, month: Month) -> StoreResult<Option<i64>> {
    let value: Option<String> =
        instance::table.find(cursor_name(month)).select(instance::value).first(conn).optional()?;
    Ok(value.and_then(|text| text.parse().ok()))
}

fn move_cursor(conn: &mut AnyConn, month: Month, to: DeliveryId) -> StoreResult<()> {
    let row = (instance::key.eq(cursor_name(month)), instance::value.eq(to.0.to_string()));
    on!(conn, |c| diesel::insert_into(instance::table)
        .values(row)
        .on_conflict(instance::key)
        .do_update()
        .set(instance::value.eq(to.0.to_string()))
        .execute(c))?;
    Ok(())
}

fn forget_cursor(conn: &mut AnyConn, month: Month) -> StoreResult<()> {
    diesel::delete(instance::table.find(cursor_name(month))).execute(conn)?;
    Ok(())
}

/// From here on nobody moves a row of it.
fn lock_part(pg: &mut PgConnection, month: Month) -> StoreResult<()> {
    let label = month.label();
    Ok(pg.batch_execute(&format!(
        "SET LOCAL lock_timeout = {DROP_WAIT_MS}; LOCK TABLE deliveries_{label}, attempts_{label} IN ACCESS EXCLUSIVE MODE"
    ))?)
}

/// The oldest part stays, empty: it is where rows without a month belong.
fn drop_part(conn: &mut AnyConn, month: Month) -> StoreResult<()> {
    let label = month.label();
    let text = match month.0 {
        0 => format!("TRUNCATE deliveries_{label}, attempts_{label}"),
        _ => format!("DROP TABLE deliveries_{label}; DROP TABLE attempts_{label}"),
    };
    Ok(conn.batch_execute(&text)?)
}

fn tell(conn: &mut AnyConn, (campaign, workspace, ..): &Ended, now: UnixMs) -> StoreResult<()> {
    diesel::update(fanouts::table.find(campaign)).set(fanouts::rows_removed_at_ms.eq(now.0)).execute(conn)?;
    // Its dead letters went with the rows.
    let emptied = (reply_groups::deferred.eq(0), reply_groups::dead.eq(0));
    diesel::update(reply_groups::table.filter(reply_groups::campaign_id.eq(campaign))).set(emptied).execute(conn)?;
    let words = "the rows of its recipients were removed, as the installation keeps them no longer; the sums stay";
    events::record(conn, (*workspace, *campaign), SYSTEM_ACTOR, words, now)
}

fn by_campaign(conn: &mut AnyConn, oldest_kept: Month, now: UnixMs) -> StoreResult<Retention> {
    let all = with_rows(conn)?;
    let mut at_rest = None;
    for old in all.values().flatten().filter(|one| is_old(one, oldest_kept)) {
        if !campaign_moves(conn, old.0)? {
            at_rest = Some(old);
            break;
        }
    }
    let Some(ended) = at_rest else { return Ok(Retention::Nothing) };
    let binds = [Bind::Int(ended.0.0), Bind::Int(DELETE_ROWS)];
    let rows: Vec<Row> = on!(conn, |c| Fixed::<RowsOfCampaign>::new(binds).load(c))?;
    if !rows.is_empty() {
        keep_all(conn, &rows)?;
        delete(conn, rows.iter().map(|row| row.id).collect())?;
        return Ok(Retention::Step(i64::try_from(rows.len()).unwrap_or(i64::MAX)));
    }
    let tests = deliveries::table.filter(deliveries::campaign_id.eq(ended.0)).filter(sql::<Bool>("kind = 1"));
    let tests: Vec<DeliveryId> = tests.select(deliveries::id).load(conn)?;
    delete(conn, tests)?;
    tell(conn, ended, now)?;
    Ok(Retention::Removed(1))
}

fn delete(conn: &mut AnyConn, ids: Vec<DeliveryId>) -> StoreResult<()> {
    diesel::delete(attempts::table.filter(attempts::delivery_id.eq_any(ids.clone()))).execute(conn)?;
    diesel::delete(deliveries::table.filter(deliveries::id.eq_any(ids))).execute(conn)?;
    Ok(())
}

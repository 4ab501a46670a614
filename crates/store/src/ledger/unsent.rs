//! What a person does to deferred deliveries and dead letters that he picked, or to all of a group. Guarded steps like an operator's
//! ([`super::operate`]), but picked by the group of their last refusal, so that no campaign's rows are read to find them.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, SmallInt, Text as SqlText};
use tidings_domain::{
    BounceClass, CampaignState, CampaignTransition, DeliveryState, HELD_MS, UnixMs, Unsent, UnsentAct, Word,
};

use super::campaign::{self, Standing};
use super::counts::{Deltas, Owner};
use super::step::Step;
use crate::campaign_drafts::log_event;
use crate::connection::on;
use crate::fixed::{Bind, Fixed, Sql, fixed_sql};
use crate::schema::{deliveries, discards};
use crate::unsent_groups::groups;
use crate::words::Code;
use crate::{
    AnyConn, CampaignId, DeliveryId, ProviderId, ReplyGroupId, StoreResult, UnsentFilter, UnsentGroup, Workspace,
    WorkspaceId,
};

/// Rows that a person may pick one by one in one act: a page of them.
pub const MAX_PICKED: usize = 200;

/// Who does it, and why (for a discard).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByWhom {
    pub actor: String,
    pub reason: String,
}

/// One step of an act on all that match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnsentStep {
    pub moved: i64,
    /// Groups up to and with this one are done.
    pub after: ReplyGroupId,
    /// Nothing is left that matches.
    pub is_done: bool,
}

impl Workspace {
    /// Does it to the given deliveries, as far as they stand on the act's list and their campaigns allow it. Returns how many moved.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn act_on_picked(
        &self,
        act: UnsentAct,
        mut picked: Vec<DeliveryId>,
        by: ByWhom,
        now: UnixMs,
    ) -> StoreResult<i64> {
        picked.truncate(MAX_PICKED);
        self.write(move |conn, ws| {
            let found = pick_ids(conn, ws, &picked)?;
            let mut by_campaign: BTreeMap<CampaignId, Vec<Picked>> = BTreeMap::new();
            found.into_iter().for_each(|row| by_campaign.entry(row.campaign).or_default().push(row));
            let mut moved = 0;
            for (id, rows) in by_campaign {
                let Some(standing) = campaign::lock(conn, id)? else { continue };
                moved += Deed { act, by: &by, now, id, standing }.run(conn, rows)?;
            }
            Ok(moved)
        })
        .await
    }

    /// Does it to up to `limit` rows of the next group that matches, behind the groups done so far; to be called until it is done.
    ///
    /// # Errors
    /// The transaction could not be committed; it may be called again.
    pub async fn act_on_matching(
        &self,
        act: UnsentAct,
        filter: UnsentFilter,
        after: ReplyGroupId,
        by: ByWhom,
        limit: i64,
        now: UnixMs,
    ) -> StoreResult<UnsentStep> {
        self.write(move |conn, ws| step(conn, ws, act, &filter, after, &by, limit, now)).await
    }

    /// How many an act on all that match would move now: by the sums of the groups, or counted up to `most` where the filter looks
    /// at the rows.
    ///
    /// # Errors
    /// The database's own.
    pub async fn would_act(&self, act: UnsentAct, filter: UnsentFilter, most: i64, now: UnixMs) -> StoreResult<i64> {
        self.read(move |conn, ws| {
            let (mut total, mut after) = (0, ReplyGroupId(0));
            loop {
                let found = groups(conn, ws, act.side(), &filter, Some(after), GROUPS_AT_ONCE)?;
                let Some(last) = found.last() else { return Ok(total) };
                after = last.id;
                for group in found.iter().filter(|group| fits(act, group, now)) {
                    total += match filter.looks_at_rows() && act.side() == Unsent::Dead {
                        true => count_dead(conn, group.id, &filter, most)?,
                        false => group.standing(act.side()),
                    };
                    if total >= most && filter.looks_at_rows() {
                        return Ok(total);
                    }
                }
            }
        })
        .await
    }
}

/// Groups read at a time.
const GROUPS_AT_ONCE: i64 = 500;

/// The campaign's state allows it.
fn fits(act: UnsentAct, group: &UnsentGroup, now: UnixMs) -> bool {
    allows(act, group.campaign_state, group.is_over(now))
}

fn allows(act: UnsentAct, state: CampaignState, is_over: bool) -> bool {
    match act {
        UnsentAct::Retry => matches!(state, CampaignState::Sending | CampaignState::Done) && !is_over,
        UnsentAct::Discard => true,
        _ => state.is_active(),
    }
}

#[allow(clippy::too_many_arguments)] // the closure above only hands on what it was given
pub(crate) fn step(
    conn: &mut AnyConn,
    ws: WorkspaceId,
    act: UnsentAct,
    filter: &UnsentFilter,
    after: ReplyGroupId,
    by: &ByWhom,
    limit: i64,
    now: UnixMs,
) -> StoreResult<UnsentStep> {
    let next = groups(conn, ws, act.side(), filter, Some(after), 1)?;
    let Some(group) = next.first() else { return Ok(UnsentStep { moved: 0, after, is_done: true }) };
    let past = UnsentStep { moved: 0, after: group.id, is_done: false };
    if !fits(act, group, now) {
        return Ok(past);
    }
    let Some(standing) = campaign::lock(conn, group.campaign)? else { return Ok(past) };
    let rows = pick_group(conn, act, group.id, filter, limit, now)?;
    let all = i64::try_from(rows.len()).unwrap_or(i64::MAX) < limit;
    let moved = Deed { act, by, now, id: group.campaign, standing }.run(conn, rows)?;
    Ok(UnsentStep { moved, after: if all { group.id } else { after }, is_done: false })
}

/// A row as it was picked, and on PostgreSQL locked.
#[derive(Queryable)]
struct Picked {
    id: DeliveryId,
    campaign: CampaignId,
    provider: ProviderId,
    state: Code<DeliveryState>,
    next_at: Option<i64>,
    reason: Option<String>,
    group: Option<ReplyGroupId>,
}

impl Picked {
    /// It stands where the act begins.
    fn waits_for(&self, act: UnsentAct, now: UnixMs) -> bool {
        let next = self.next_at.unwrap_or(0);
        act.side().holds(self.state.0)
            && match act {
                UnsentAct::Retry | UnsentAct::Discard => self.group.is_some(),
                UnsentAct::Flush => next > now.0 && next < HELD_MS,
                UnsentAct::Hold => next < HELD_MS,
                UnsentAct::Release => next >= HELD_MS,
                UnsentAct::GiveUp => true,
            }
    }
}

/// One act on rows of one campaign.
struct Deed<'a> {
    act: UnsentAct,
    by: &'a ByWhom,
    now: UnixMs,
    id: CampaignId,
    standing: Standing,
}

impl Deed<'_> {
    fn run(&self, conn: &mut AnyConn, rows: Vec<Picked>) -> StoreResult<i64> {
        if !allows(self.act, self.standing.state, self.standing.is_over(self.now)) {
            return Ok(0);
        }
        let rows: Vec<Picked> = rows.into_iter().filter(|row| row.waits_for(self.act, self.now)).collect();
        if rows.is_empty() {
            return Ok(0);
        }
        let states: BTreeSet<i16> = rows.iter().map(|row| row.state.0.code()).collect();
        for state in states {
            let ids = rows.iter().filter(|row| row.state.0.code() == state).map(|row| row.id.0).collect();
            self.write(conn, state, ids)?;
        }
        if self.act == UnsentAct::Discard {
            self.note_discards(conn, &rows)?;
        }
        self.count(&rows).write(conn)?;
        self.tell(conn)?;
        Ok(i64::try_from(rows.len()).unwrap_or(i64::MAX))
    }

    fn write(&self, conn: &mut AnyConn, from: i16, ids: Vec<i64>) -> StoreResult<()> {
        let (from, now) = (Bind::Int(from.into()), Bind::Int(self.now.0));
        let ids = Bind::ids(ids);
        let code = |step: Step| Bind::Int(step.to().code().into());
        match self.act {
            UnsentAct::Retry => {
                let to = code(Step::RETRY[0]);
                execute::<RetryRows>(conn, [to, Bind::Int(self.now.0), now, from, ids])
            }
            UnsentAct::Discard => execute::<DiscardRows>(conn, [from, ids]),
            UnsentAct::Flush => execute::<FlushRows>(conn, [Bind::Int(self.now.0), now, from, ids]),
            UnsentAct::Hold => execute::<ShiftRows>(conn, [Bind::Int(HELD_MS), now, from, ids]),
            UnsentAct::Release => execute::<ShiftRows>(conn, [Bind::Int(-HELD_MS), now, from, ids]),
            UnsentAct::GiveUp => {
                let why = Bind::Text(BounceClass::Expired.as_str().to_owned());
                execute::<EndRows>(conn, [code(Step::GIVE_UP), why, now, from, ids])
            }
        }
    }

    fn count(&self, rows: &[Picked]) -> Deltas {
        let mut deltas = Deltas::default();
        for row in rows {
            let owner = Owner {
                workspace: self.standing.workspace,
                campaign: self.id,
                provider: row.provider,
                group: row.group,
            };
            match self.act {
                UnsentAct::Retry => {
                    let step = Step::RETRY.into_iter().find(|step| step.from() == row.state.0);
                    step.into_iter().for_each(|step| deltas.end(owner, step, row.reason.as_deref(), None));
                }
                UnsentAct::GiveUp => deltas.end(owner, Step::GIVE_UP, None, Some(BounceClass::Expired.as_str())),
                UnsentAct::Discard => row.group.into_iter().for_each(|group| deltas.discard(group)),
                UnsentAct::Flush | UnsentAct::Hold | UnsentAct::Release => {}
            }
        }
        deltas
    }

    fn note_discards(&self, conn: &mut AnyConn, rows: &[Picked]) -> StoreResult<()> {
        for row in rows {
            let Some(group) = row.group else { continue };
            let line = (
                discards::delivery_id.eq(row.id),
                discards::workspace_id.eq(self.standing.workspace),
                discards::reply_group_id.eq(group),
                discards::at_ms.eq(self.now.0),
                discards::actor.eq(&self.by.actor),
                discards::reason.eq(crate::text::storable(&self.by.reason)),
            );
            on!(conn, |c| diesel::insert_into(discards::table).values(line).on_conflict_do_nothing().execute(c))?;
        }
        Ok(())
    }

    /// One line in the campaign's history for all steps of one act, and a campaign that was done sends again.
    fn tell(&self, conn: &mut AnyConn) -> StoreResult<()> {
        let what = match self.act {
            UnsentAct::Retry => "dead letters are tried again".to_owned(),
            UnsentAct::Discard => format!("dead letters discarded: {}", self.by.reason),
            UnsentAct::Flush => "deferred deliveries are tried at once".to_owned(),
            UnsentAct::Hold => "deferred deliveries are held until they are released".to_owned(),
            UnsentAct::Release => "held deliveries are released".to_owned(),
            UnsentAct::GiveUp => "deferred deliveries are given up".to_owned(),
        };
        log_event(conn, self.standing.workspace, self.id, &self.by.actor, &what, self.now)?;
        if self.act == UnsentAct::Retry && self.standing.state == CampaignState::Done {
            campaign::transit(conn, self.id, CampaignTransition::Reopen, &self.by.actor, self.now)?;
        }
        Ok(())
    }
}

fn execute<S: Sql>(conn: &mut AnyConn, binds: impl Into<Vec<Bind>>) -> StoreResult<()> {
    let binds = binds.into();
    on!(conn, |c| Fixed::<S>::new(binds).execute(c))?;
    Ok(())
}

type PickedRow = (BigInt, BigInt, BigInt, SmallInt, Nullable<BigInt>, Nullable<SqlText>, Nullable<BigInt>);

macro_rules! pick_text {
    ($which:literal, $lock:literal) => {
        concat!(
            "SELECT id, campaign_id, provider_id, state, next_at_ms, reason, reply_group_id FROM deliveries WHERE ",
            $which,
            $lock
        )
    };
}

fixed_sql!(PickIds -> PickedRow,
    lite: pick_text!("workspace_id = ? AND kind = 0 AND id IN (SELECT value FROM json_each(?)) ORDER BY id", ""),
    pg: pick_text!("workspace_id = ? AND kind = 0 AND id = ANY(?) ORDER BY id", " FOR UPDATE"));

fixed_sql!(PickDeferred -> PickedRow,
    lite: pick_text!("reply_group_id = ? AND state = 3 AND next_at_ms > ? AND next_at_ms < ? ORDER BY next_at_ms LIMIT ?", ""),
    pg: pick_text!("reply_group_id = ? AND state = 3 AND next_at_ms > ? AND next_at_ms < ? ORDER BY next_at_ms LIMIT ?",
        " FOR UPDATE SKIP LOCKED"));

macro_rules! dead_text {
    () => {
        "reply_group_id = ? AND state > 11 AND state < 14 AND reply_group_id IS NOT NULL AND updated_at_ms >= ? \
         AND updated_at_ms < ? AND (CAST(? AS BIGINT) IS NULL OR +state = ?)"
    };
}

fixed_sql!(PickDead -> PickedRow,
    lite: concat!("SELECT id, campaign_id, provider_id, state, next_at_ms, reason, reply_group_id FROM deliveries WHERE ", dead_text!(),
        " ORDER BY updated_at_ms LIMIT ?"),
    pg: concat!("SELECT id, campaign_id, provider_id, state, next_at_ms, reason, reply_group_id FROM deliveries WHERE ", dead_text!(),
        " ORDER BY updated_at_ms LIMIT ? FOR UPDATE"));

fixed_sql!(CountDead -> BigInt,
    concat!("SELECT COUNT(*) FROM (SELECT 1 FROM deliveries WHERE ", dead_text!(), " LIMIT ?) t"));

macro_rules! rows_text {
    ($set:literal) => {
        (
            concat!("UPDATE deliveries SET ", $set, " WHERE +state = ? AND id IN (SELECT value FROM json_each(?))"),
            concat!("UPDATE deliveries SET ", $set, " WHERE +state = ? AND id = ANY(?)"),
        )
    };
}

fixed_sql!(RetryRows -> (),
    lite: rows_text!("state = ?, next_at_ms = ?, first_attempt_at_ms = NULL, updated_at_ms = ?").0,
    pg: rows_text!("state = ?, next_at_ms = ?, first_attempt_at_ms = NULL, updated_at_ms = ?").1);
fixed_sql!(DiscardRows -> (), lite: rows_text!("reply_group_id = NULL").0, pg: rows_text!("reply_group_id = NULL").1);
fixed_sql!(FlushRows -> (),
    lite: rows_text!("next_at_ms = ?, updated_at_ms = ?").0, pg: rows_text!("next_at_ms = ?, updated_at_ms = ?").1);
fixed_sql!(ShiftRows -> (),
    lite: rows_text!("next_at_ms = next_at_ms + ?, updated_at_ms = ?").0,
    pg: rows_text!("next_at_ms = next_at_ms + ?, updated_at_ms = ?").1);
fixed_sql!(EndRows -> (),
    lite: rows_text!("state = ?, next_at_ms = NULL, reason = ?, updated_at_ms = ?").0,
    pg: rows_text!("state = ?, next_at_ms = NULL, reason = ?, updated_at_ms = ?").1);

fn pick_ids(conn: &mut AnyConn, ws: WorkspaceId, ids: &[DeliveryId]) -> StoreResult<Vec<Picked>> {
    let binds = [Bind::Int(ws.0), Bind::ids(ids.iter().map(|id| id.0))];
    Ok(on!(conn, |c| Fixed::<PickIds>::new(binds).load(c))?)
}

fn pick_group(
    conn: &mut AnyConn,
    act: UnsentAct,
    group: ReplyGroupId,
    filter: &UnsentFilter,
    limit: i64,
    now: UnixMs,
) -> StoreResult<Vec<Picked>> {
    let (above, below) = match act {
        UnsentAct::Retry | UnsentAct::Discard => {
            let binds = dead_binds(group, filter, limit);
            return Ok(on!(conn, |c| Fixed::<PickDead>::new(binds).load(c))?);
        }
        UnsentAct::Flush => (now.0, HELD_MS),
        UnsentAct::Hold => (i64::MIN, HELD_MS),
        UnsentAct::Release => (HELD_MS - 1, i64::MAX),
        UnsentAct::GiveUp => (i64::MIN, i64::MAX),
    };
    let binds = [Bind::Int(group.0), Bind::Int(above), Bind::Int(below), Bind::Int(limit)];
    Ok(on!(conn, |c| Fixed::<PickDeferred>::new(binds).load(c))?)
}

fn dead_binds(group: ReplyGroupId, filter: &UnsentFilter, limit: i64) -> [Bind; 6] {
    let (from, until) = filter.span();
    let state = || Bind::MaybeInt(filter.dead_state().map(i64::from));
    [Bind::Int(group.0), Bind::Int(from), Bind::Int(until), state(), state(), Bind::Int(limit)]
}

/// Up to `most`.
fn count_dead(conn: &mut AnyConn, group: ReplyGroupId, filter: &UnsentFilter, most: i64) -> StoreResult<i64> {
    let binds = dead_binds(group, filter, most);
    let counted: Vec<i64> = on!(conn, |c| Fixed::<CountDead>::new(binds).load(c))?;
    Ok(counted.into_iter().sum())
}

/// Also taken away, when the row has nothing to do with its last refusal any more.
pub(super) fn set_group(conn: &mut AnyConn, row: i64, group: Option<ReplyGroupId>) -> StoreResult<()> {
    diesel::update(deliveries::table.find(row)).set(deliveries::reply_group_id.eq(group)).execute(conn)?;
    Ok(())
}

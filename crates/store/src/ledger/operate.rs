//! What an operator does to deliveries by hand: hold, release, flush, retry, move, delete. Each call is one bounded transaction of
//! guarded steps, with the counters and a line in the campaign's history. A running dispatcher finds the rows by itself, and jobs that
//! the queue still has for rows that moved on do nothing.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text as SqlText};
use tidings_domain::{CampaignState, CampaignTransition, DeliveryState, HELD_MS, UnixMs};

use super::campaign::{self, Standing};
use super::counts::{Deltas, Owner};
use super::events;
use super::months::Span;
use super::step::Step;
use crate::connection::on;
use crate::fixed::{Bind, Fixed, Sql, fixed_sql};
use crate::schema::{providers, routes};
use crate::{AnyConn, CampaignId, DeliveryId, ProviderId, ReplyGroupId, RouteId, Store, StoreResult};

/// Rows of one kind that one call moves.
const OPERATE_ROWS: i64 = 5_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Queued and deferred rows wait until they are released.
    Hold,
    /// Held rows are due when they would have been.
    Release,
    /// Deferred rows are due now.
    Flush,
    /// Dead letters (soft bounced, failed) are due now, with a new retry window.
    Retry,
    /// Open rows leave by another route of their workspace.
    Move(RouteId),
    /// Open rows that are not in flight are cancelled.
    Delete,
}

/// Which rows of a campaign.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueueFilter {
    pub provider: Option<String>,
    /// A bounce class or words of ours, as they stand in the row.
    pub reason: Option<String>,
    pub delivery: Option<DeliveryId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operated {
    /// So many rows moved; 0: none is left that fits.
    Rows(i64),
    /// The campaign is in no state for it: not launched, or cancelled.
    NotNow(CampaignState),
    NoSuchCampaign,
    /// Not a route of the campaign's workspace.
    NoSuchRoute,
}

/// The rows that one statement picks, and where they go. `None` in `to`: the state stays.
struct Change {
    from: DeliveryState,
    step: Option<Step>,
    text: Text,
}

#[derive(Clone, Copy)]
enum Text {
    Hold,
    HoldDeferred,
    Release,
    Flush,
    Retry,
    Move,
    MoveQueued,
    Delete,
}

impl Operation {
    fn changes(self) -> Vec<Change> {
        use DeliveryState as S;
        let stays = |from, text| Change { from, step: None, text };
        let goes = |step: Step, text| Change { from: step.from(), step: Some(step), text };
        match self {
            Self::Hold => vec![goes(Step::SET_ASIDE, Text::Hold), stays(S::Deferred, Text::HoldDeferred)],
            Self::Release => vec![stays(S::Deferred, Text::Release)],
            Self::Flush => vec![stays(S::Deferred, Text::Flush)],
            Self::Retry => Step::RETRY.map(|step| goes(step, Text::Retry)).into(),
            Self::Move(_) => vec![
                stays(S::Pending, Text::Move),
                goes(Step::SET_ASIDE, Text::MoveQueued),
                stays(S::Deferred, Text::Move),
            ],
            Self::Delete => Step::CANCEL.map(|step| goes(step, Text::Delete)).into(),
        }
    }

    /// 0 where the operation names none: no row has that one.
    const fn route(self) -> Bind {
        match self {
            Self::Move(route) => Bind::Int(route.0),
            _ => Bind::Int(0),
        }
    }

    /// In the campaign's history.
    fn words(self, rows: i64, route: &str) -> String {
        match self {
            Self::Hold => format!("{rows} held until they are released"),
            Self::Release => format!("{rows} released"),
            Self::Flush => format!("{rows} deferred are tried at once"),
            Self::Retry => format!("{rows} dead letters are tried again"),
            Self::Move(_) => format!("{rows} leave by the route “{route}”"),
            Self::Delete => format!("{rows} taken out of the queue"),
        }
    }

    /// Dead letters come back even after the end; all else is about rows that can still move.
    const fn fits(self, state: CampaignState) -> bool {
        match self {
            Self::Retry => matches!(state, CampaignState::Sending | CampaignState::Done),
            _ => state.is_active(),
        }
    }
}

impl Store {
    /// Moves up to a few thousand rows of a campaign that fit the filter; to be called until it answers `Rows(0)`. `by` is who, as in
    /// the campaign's history.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn operate(
        &self,
        operation: Operation,
        id: CampaignId,
        filter: QueueFilter,
        by: &str,
        now: UnixMs,
    ) -> StoreResult<Operated> {
        let by = by.to_owned();
        self.write(move |conn| {
            let Some(standing) = campaign::lock(conn, id)? else { return Ok(Operated::NoSuchCampaign) };
            if !operation.fits(standing.state) {
                return Ok(Operated::NotNow(standing.state));
            }
            let Some(route) = route_name(conn, operation, standing)? else { return Ok(Operated::NoSuchRoute) };
            let Some(picked) = Picked::of(conn, id, &filter)? else { return Ok(Operated::Rows(0)) };
            let (mut rows, mut deltas) = (0, Deltas::default());
            for change in operation.changes() {
                for (provider, reason, group) in change.run(conn, &picked, operation, now)? {
                    let owner = Owner { workspace: standing.workspace, campaign: id, provider, group };
                    if let Some(step) = change.step {
                        deltas.end(owner, step, reason.as_deref(), None);
                    }
                    rows += 1;
                }
            }
            deltas.write(conn)?;
            if rows > 0 {
                events::record(conn, (standing.workspace, id), &by, &operation.words(rows, &route), now)?;
                if standing.state == CampaignState::Done {
                    campaign::transit(conn, id, CampaignTransition::Reopen, &by, now)?;
                }
            }
            Ok(Operated::Rows(rows))
        })
        .await
    }

    /// How many rows of the campaign an operation would move now. Reads all that fit: for a command line, never for a page.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn would_operate(
        &self,
        operation: Operation,
        id: CampaignId,
        filter: QueueFilter,
        now: UnixMs,
    ) -> StoreResult<i64> {
        self.read_long(move |conn| {
            let Some(picked) = Picked::of(conn, id, &filter)? else { return Ok(0) };
            let mut rows = 0;
            for change in operation.changes() {
                rows += change.count(conn, &picked, operation, now)?;
            }
            Ok(rows)
        })
        .await
    }
}

/// Empty where the operation names none; `None`: it is not the workspace's.
fn route_name(conn: &mut AnyConn, operation: Operation, standing: Standing) -> StoreResult<Option<String>> {
    let Operation::Move(route) = operation else { return Ok(Some(String::new())) };
    let ours = routes::table.find(route).filter(routes::workspace_id.eq(standing.workspace));
    Ok(ours.select(routes::name).first(conn).optional()?)
}

/// The filter with its provider looked up.
struct Picked {
    campaign: CampaignId,
    span: Span,
    provider: Option<i64>,
    reason: Option<String>,
    delivery: Option<i64>,
}

impl Picked {
    /// `None`: nothing can fit, because nobody has heard of that provider.
    fn of(conn: &mut AnyConn, campaign: CampaignId, filter: &QueueFilter) -> StoreResult<Option<Self>> {
        let provider = match &filter.provider {
            None => None,
            Some(name) => {
                let known = providers::table.filter(providers::name.eq(name)).select(providers::id);
                match known.first::<i64>(conn).optional()? {
                    Some(id) => Some(id),
                    None => return Ok(None),
                }
            }
        };
        let delivery = filter.delivery.map(|id| id.0);
        let span = Span::of(conn, campaign)?;
        Ok(Some(Self { campaign, span, provider, reason: filter.reason.clone(), delivery }))
    }

    fn binds(&self, from: DeliveryState) -> [Bind; 10] {
        let [first, last] = self.span.binds();
        [
            Bind::Int(self.campaign.0),
            first,
            last,
            Bind::Int(i64::from(from.code())),
            Bind::MaybeInt(self.provider),
            Bind::MaybeInt(self.provider),
            Bind::MaybeText(self.reason.clone()),
            Bind::MaybeText(self.reason.clone()),
            Bind::MaybeInt(self.delivery),
            Bind::MaybeInt(self.delivery),
        ]
    }
}

type Moved = Vec<(ProviderId, Option<String>, Option<ReplyGroupId>)>;

impl Change {
    /// The rows that moved, each with its provider, the reason of its end, if it had ended, and the group of its last refusal.
    fn run(&self, conn: &mut AnyConn, picked: &Picked, operation: Operation, now: UnixMs) -> StoreResult<Moved> {
        let to = self.step.map_or(self.from, Step::to);
        let mut binds = vec![Bind::Int(i64::from(to.code())), Bind::Int(now.0)];
        match self.text {
            Text::Hold | Text::Flush | Text::Retry => binds.push(Bind::Int(now.0)),
            Text::Move => binds.push(operation.route()),
            Text::MoveQueued => binds.extend([Bind::Int(now.0), operation.route()]),
            Text::HoldDeferred | Text::Release | Text::Delete => {}
        }
        binds.push(Bind::Int(i64::from(self.from.code())));
        binds.extend(picked.binds(self.from));
        binds.extend(self.passed_over(operation, now));
        binds.push(Bind::Int(OPERATE_ROWS));
        match self.text {
            Text::Hold => load::<HoldQueued>(conn, binds),
            Text::HoldDeferred => load::<HoldDeferred>(conn, binds),
            Text::Release => load::<ReleaseHeld>(conn, binds),
            Text::Flush => load::<FlushDeferred>(conn, binds),
            Text::Retry => load::<RetryDead>(conn, binds),
            Text::Move => load::<MoveRows>(conn, binds),
            Text::MoveQueued => load::<MoveQueued>(conn, binds),
            Text::Delete => load::<DeleteRows>(conn, binds),
        }
    }

    fn count(&self, conn: &mut AnyConn, picked: &Picked, operation: Operation, now: UnixMs) -> StoreResult<i64> {
        let mut binds: Vec<Bind> = picked.binds(self.from).into();
        binds.extend(self.passed_over(operation, now));
        let counted: Vec<i64> = match self.text {
            Text::Hold | Text::Delete => on!(conn, |c| Fixed::<CountOpen>::new(binds).load(c))?,
            Text::HoldDeferred => on!(conn, |c| Fixed::<CountNotHeld>::new(binds).load(c))?,
            Text::Release => on!(conn, |c| Fixed::<CountHeld>::new(binds).load(c))?,
            Text::Flush => on!(conn, |c| Fixed::<CountNotDue>::new(binds).load(c))?,
            Text::Retry => on!(conn, |c| Fixed::<CountDead>::new(binds).load(c))?,
            Text::Move | Text::MoveQueued => on!(conn, |c| Fixed::<CountElsewhere>::new(binds).load(c))?,
        };
        Ok(counted.into_iter().sum())
    }

    /// Rows that are already where they should go are passed over, or the caller would never be done.
    fn passed_over(&self, operation: Operation, now: UnixMs) -> Option<Bind> {
        match self.text {
            Text::Flush => Some(Bind::Int(now.0)),
            Text::Move | Text::MoveQueued => Some(operation.route()),
            _ => None,
        }
    }
}

type MovedRow = (BigInt, Nullable<SqlText>, Nullable<BigInt>);

fn load<S: Sql<Row = MovedRow>>(conn: &mut AnyConn, binds: Vec<Bind>) -> StoreResult<Moved> {
    Ok(on!(conn, |c| Fixed::<S>::new(binds).load(c))?)
}

/// The rows that the filter picks. `$index` says in figures what the partial index holds, `$more` what else a row must be.
macro_rules! fit {
    ($index:literal, $more:literal) => {
        concat!(
            "FROM deliveries WHERE campaign_id = ? AND id BETWEEN ? AND ? AND state = ? AND ",
            $index,
            " AND kind = 0 AND (CAST(? AS BIGINT) IS NULL OR provider_id = ?) \
             AND (CAST(? AS TEXT) IS NULL OR reason = ?) AND (CAST(? AS BIGINT) IS NULL OR id = ?)",
            $more
        )
    };
}

macro_rules! operate_text {
    ($set:literal, $index:literal, $more:literal) => {
        concat!(
            "UPDATE deliveries SET state = ?, updated_at_ms = ?, ",
            $set,
            " WHERE +state = ? AND id IN (SELECT id ",
            fit!($index, $more),
            " ORDER BY id LIMIT ?) RETURNING provider_id, reason, reply_group_id"
        )
    };
}

macro_rules! count_text {
    ($index:literal, $more:literal) => {
        concat!("SELECT COUNT(*) ", fit!($index, $more))
    };
}

fixed_sql!(HoldQueued -> MovedRow, operate_text!("next_at_ms = ? + 4000000000000000", "state < 10", ""));
fixed_sql!(HoldDeferred -> MovedRow,
    operate_text!("next_at_ms = next_at_ms + 4000000000000000", "state < 10", " AND next_at_ms < 4000000000000000"));
fixed_sql!(ReleaseHeld -> MovedRow,
    operate_text!("next_at_ms = next_at_ms - 4000000000000000", "state < 10", " AND next_at_ms >= 4000000000000000"));
fixed_sql!(FlushDeferred -> MovedRow,
    operate_text!("next_at_ms = ?", "state < 10", " AND next_at_ms < 4000000000000000 AND next_at_ms > ?"));
fixed_sql!(RetryDead -> MovedRow, operate_text!("next_at_ms = ?, first_attempt_at_ms = NULL", "state > 10", " AND reply_group_id IS NOT NULL"));
fixed_sql!(MoveRows -> MovedRow, operate_text!("route_id = ?", "state < 10", " AND COALESCE(route_id, 0) <> ?"));
fixed_sql!(MoveQueued -> MovedRow,
    operate_text!("next_at_ms = ?, route_id = ?", "state < 10", " AND COALESCE(route_id, 0) <> ?"));
fixed_sql!(DeleteRows -> MovedRow,
    operate_text!("next_at_ms = NULL, reason = 'taken out of the queue'", "state < 10", ""));

fixed_sql!(CountOpen -> BigInt, count_text!("state < 10", ""));
fixed_sql!(CountNotHeld -> BigInt, count_text!("state < 10", " AND next_at_ms < 4000000000000000"));
fixed_sql!(CountHeld -> BigInt, count_text!("state < 10", " AND next_at_ms >= 4000000000000000"));
fixed_sql!(CountNotDue -> BigInt,
    count_text!("state < 10", " AND next_at_ms < 4000000000000000 AND next_at_ms > ?"));
fixed_sql!(CountDead -> BigInt, count_text!("state > 10", " AND reply_group_id IS NOT NULL"));
fixed_sql!(CountElsewhere -> BigInt, count_text!("state < 10", " AND COALESCE(route_id, 0) <> ?"));

// What the texts say in figures.
const _: () = assert!(HELD_MS == 4_000_000_000_000_000);

//! Orders: what a person wants done to all deliveries that match. The page writes one; the dispatcher works it off in bounded steps, each
//! with its checkpoint in the same transaction, so that a kill costs nothing and a stop takes effect at the next step.

use diesel::prelude::*;
use tidings_domain::{UnixMs, UnsentAct, Word};

use crate::ledger::unsent::step;
use crate::schema::queue_orders;
use crate::words::Db;
use crate::{
    AnyConn, ByWhom, QueueOrderId, ReplyGroupId, Store, StoreError, StoreResult, UnsentFilter, Workspace, WorkspaceId,
};

/// Rows that one step moves.
const STEP_ROWS: i64 = 2_000;
/// Orders of a workspace that wait or run at the same time; who gives more is told to wait.
pub const MAX_RUNNING_ORDERS: i64 = 20;

#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = queue_orders)]
pub struct QueueOrder {
    pub id: QueueOrderId,
    #[diesel(deserialize_as = Db<UnsentAct>)]
    pub operation: UnsentAct,
    /// `running`, `done`, `stopped`.
    pub state: String,
    pub actor: String,
    /// As counted when it was given: others may move the same rows meanwhile.
    pub total: i64,
    pub moved: i64,
    pub created_at_ms: i64,
    pub updated_at_ms: i64,
}

impl QueueOrder {
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.state == RUNNING
    }

    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.state == "stopped"
    }
}

const RUNNING: &str = "running";

impl Workspace {
    /// `None`: too many orders are running.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn give_order(
        &self,
        act: UnsentAct,
        filter: UnsentFilter,
        total: i64,
        by: ByWhom,
        now: UnixMs,
    ) -> StoreResult<Option<QueueOrderId>> {
        let filter = serde_json::to_string(&filter).map_err(|e| StoreError::Corrupt(e.to_string()))?;
        self.write(move |conn, ws| {
            let running = queue_orders::table.filter(queue_orders::workspace_id.eq(ws.0));
            let running = running.filter(queue_orders::state.eq(RUNNING)).count().get_result::<i64>(conn)?;
            if running >= MAX_RUNNING_ORDERS {
                return Ok(None);
            }
            let row = (
                queue_orders::workspace_id.eq(ws.0),
                queue_orders::operation.eq(act.as_str()),
                queue_orders::filter.eq(filter),
                queue_orders::reason.eq(&by.reason),
                queue_orders::actor.eq(&by.actor),
                queue_orders::state.eq(RUNNING),
                queue_orders::total.eq(total),
                queue_orders::created_at_ms.eq(now.0),
                queue_orders::updated_at_ms.eq(now.0),
            );
            Ok(Some(diesel::insert_into(queue_orders::table).values(row).returning(queue_orders::id).get_result(conn)?))
        })
        .await
    }

    /// The newest orders.
    ///
    /// # Errors
    /// The database's own.
    pub async fn orders(&self, limit: i64) -> StoreResult<Vec<QueueOrder>> {
        self.read(move |conn, ws| {
            let own = queue_orders::table.filter(queue_orders::workspace_id.eq(ws.0)).order(queue_orders::id.desc());
            Ok(own.limit(limit).select(QueueOrder::as_select()).load(conn)?)
        })
        .await
    }

    /// Whether it was running. What it moved so far stays moved.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn stop_order(&self, id: QueueOrderId, now: UnixMs) -> StoreResult<bool> {
        self.write(move |conn, ws| {
            let own = queue_orders::table.find(id.0).filter(queue_orders::workspace_id.eq(ws.0));
            let stopped = diesel::update(own.filter(queue_orders::state.eq(RUNNING)))
                .set((queue_orders::state.eq("stopped"), queue_orders::updated_at_ms.eq(now.0)))
                .execute(conn)?;
            Ok(stopped == 1)
        })
        .await
    }
}

impl Store {
    /// Takes the oldest order one step further. Returns whether there was one.
    ///
    /// # Errors
    /// The transaction could not be committed; the order stands where it stood.
    pub async fn step_orders(&self, now: UnixMs) -> StoreResult<bool> {
        self.write_again(move |conn| {
            let Some(order) = oldest(conn)? else { return Ok(false) };
            let filter: UnsentFilter =
                serde_json::from_str(&order.filter).map_err(|e| StoreError::Corrupt(e.to_string()))?;
            let by = ByWhom { actor: order.actor, reason: order.reason };
            let took = step(conn, order.workspace, order.act.0, &filter, order.after, &by, STEP_ROWS, now)?;
            // Guarded: somebody may have stopped it in between.
            diesel::update(queue_orders::table.find(order.id.0).filter(queue_orders::state.eq(RUNNING)))
                .set((
                    queue_orders::state.eq(if took.is_done { "done" } else { RUNNING }),
                    queue_orders::after_group.eq(took.after.0),
                    queue_orders::moved.eq(queue_orders::moved + took.moved),
                    queue_orders::updated_at_ms.eq(now.0),
                ))
                .execute(conn)?;
            Ok(true)
        })
        .await
    }
}

#[derive(Queryable)]
struct Running {
    id: QueueOrderId,
    workspace: WorkspaceId,
    act: Db<UnsentAct>,
    filter: String,
    reason: String,
    actor: String,
    after: ReplyGroupId,
}

fn oldest(conn: &mut AnyConn) -> StoreResult<Option<Running>> {
    // A literal, as the partial index says it.
    let running = queue_orders::table.filter(diesel::dsl::sql::<diesel::sql_types::Bool>("state = 'running'"));
    let columns = (
        queue_orders::id,
        queue_orders::workspace_id,
        queue_orders::operation,
        queue_orders::filter,
        queue_orders::reason,
        queue_orders::actor,
        queue_orders::after_group,
    );
    Ok(running.order(queue_orders::id).select(columns).first(conn).optional()?)
}

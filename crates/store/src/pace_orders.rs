//! What a person orders for a destination: hold it, or lift what holds it. Who sends learns it from the queue, and the queue from the
//! dispatcher, which reads the orders here; so an order outlives a lost queue.

use diesel::prelude::*;
use tidings_domain::UnixMs;

use crate::schema::pace_orders::{self, dsl};
use crate::text::storable;
use crate::{PaceOf, RouteId, Store, StoreResult};

/// Orders read at once.
const ORDERS: i64 = 500;

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaceCommand {
    /// Nothing new goes there until then.
    HoldUntil(UnixMs),
    /// Holds end, and turned knobs return to their ceilings, at once.
    Lift,
}

/// An order. No route: on every route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaceOrder {
    pub id: i64,
    pub at_ms: i64,
    pub by: String,
    pub provider: String,
    pub route: Option<RouteId>,
    pub command: PaceCommand,
    pub why: String,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = pace_orders)]
struct Row {
    id: i64,
    at_ms: i64,
    ordered_by: String,
    provider: String,
    route_id: Option<i64>,
    until_ms: Option<i64>,
    why: String,
}

impl From<Row> for PaceOrder {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            at_ms: row.at_ms,
            by: row.ordered_by,
            provider: row.provider,
            route: row.route_id.map(RouteId),
            command: row.until_ms.map_or(PaceCommand::Lift, |until| PaceCommand::HoldUntil(UnixMs(until))),
            why: row.why,
        }
    }
}

impl Store {
    /// Writes an order down. A lift also ends the holds that were ordered before.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn order_pace(
        &self,
        of: PaceOf,
        command: PaceCommand,
        by: &str,
        why: &str,
        now: UnixMs,
    ) -> StoreResult<()> {
        let (by, why) = (by.to_owned(), why.to_owned());
        self.write(move |conn| {
            let (act, until) = match command {
                PaceCommand::HoldUntil(until) => ("hold", Some(until.0)),
                PaceCommand::Lift => ("lift", None),
            };
            if command == PaceCommand::Lift {
                let mut standing = diesel::update(dsl::pace_orders)
                    .filter(dsl::act.eq("hold"))
                    .filter(dsl::over_at_ms.is_null())
                    .filter(dsl::provider.eq(&of.provider))
                    .into_boxed();
                if let Some(route) = of.route {
                    standing = standing.filter(dsl::route_id.eq(route.0));
                }
                standing.set(dsl::over_at_ms.eq(now.0)).execute(conn)?;
            }
            let row = (
                dsl::at_ms.eq(now.0),
                dsl::ordered_by.eq(storable(&by)),
                dsl::provider.eq(storable(&of.provider)),
                dsl::route_id.eq(of.route.map(|route| route.0)),
                dsl::act.eq(act),
                dsl::until_ms.eq(until),
                dsl::why.eq(storable(&why)),
            );
            diesel::insert_into(dsl::pace_orders).values(row).execute(conn)?;
            Ok(())
        })
        .await
    }

    /// Orders that the queue was not told of, oldest first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn untold_pace_orders(&self) -> StoreResult<Vec<PaceOrder>> {
        self.read(|conn| {
            let untold = dsl::pace_orders.filter(dsl::told_at_ms.is_null()).order(dsl::id).limit(ORDERS);
            Ok(untold.select(Row::as_select()).load(conn)?.into_iter().map(PaceOrder::from).collect())
        })
        .await
    }

    /// Holds by a person's order that stand now, oldest first: what a queue that lost everything is to be told again.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn standing_pace_holds(&self, now: UnixMs) -> StoreResult<Vec<PaceOrder>> {
        self.read(move |conn| {
            let standing = dsl::pace_orders
                .filter(dsl::act.eq("hold"))
                .filter(dsl::over_at_ms.is_null())
                .filter(dsl::until_ms.gt(now.0));
            let rows: Vec<Row> = standing.order(dsl::id).limit(ORDERS).select(Row::as_select()).load(conn)?;
            Ok(rows.into_iter().map(PaceOrder::from).collect())
        })
        .await
    }

    /// The queue was told.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn told_pace_order(&self, id: i64, now: UnixMs) -> StoreResult<()> {
        self.write(move |conn| {
            diesel::update(dsl::pace_orders.find(id)).set(dsl::told_at_ms.eq(now.0)).execute(conn)?;
            Ok(())
        })
        .await
    }
}

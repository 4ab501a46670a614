//! What a transaction adds to the rows that every worker of a campaign meets. Gathered while the deliveries are written, and written last: until
//! its commit all others wait for them.

use std::collections::BTreeSet;

use diesel::prelude::*;
use tidings_domain::{RouteKind, UnixMs};

use super::counts::Deltas;
use super::last_words::LastWords;
use super::route_counts::RouteCounts;
use super::route_minutes::RouteMinutes;
use crate::schema::routes;
use crate::words::Db;
use crate::{AnyConn, RouteId, StoreResult};

#[derive(Default)]
pub(super) struct Sums {
    pub deltas: Deltas,
    pub routes: RouteCounts,
    pub minutes: RouteMinutes,
    pub words: LastWords,
}

impl Sums {
    pub(super) fn write(self, conn: &mut AnyConn, now: UnixMs) -> StoreResult<()> {
        let counted = CountedRoutes::of(conn, self.routes.routes().chain(self.minutes.routes()).collect())?;
        self.deltas.write(conn)?;
        self.routes.write(conn, &counted.direct, now)?;
        self.minutes.write(conn, &counted.limited, now)?;
        self.words.write(conn, now)
    }
}

/// What is counted of which routes.
#[derive(Default)]
struct CountedRoutes {
    /// What providers made of their mail. A relay is known to nobody but its own customers: nothing is learned from what it delivers.
    direct: BTreeSet<RouteId>,
    /// How much went by them in a minute, an hour and a day.
    limited: BTreeSet<RouteId>,
}

impl CountedRoutes {
    fn of(conn: &mut AnyConn, ids: BTreeSet<RouteId>) -> StoreResult<Self> {
        if ids.is_empty() {
            return Ok(Self::default());
        }
        let limits = routes::max_per_minute + routes::max_per_hour + routes::max_per_day + routes::warm_up_start;
        let found: Vec<(RouteId, Db<RouteKind>, bool)> =
            routes::table.filter(routes::id.eq_any(ids)).select((routes::id, routes::kind, limits.gt(0))).load(conn)?;
        let direct = found.iter().filter(|(_, kind, _)| kind.0 == RouteKind::Direct).map(|(id, ..)| *id).collect();
        let limited = found.iter().filter(|(.., limited)| *limited).map(|(id, ..)| *id).collect();
        Ok(Self { direct, limited })
    }
}

//! What a transaction adds to the rows that every worker of a campaign meets. Gathered while the deliveries are written, and written last: until
//! its commit all others wait for them.

use tidings_domain::UnixMs;

use super::counts::Deltas;
use super::last_words::LastWords;
use super::route_counts::RouteCounts;
use crate::{AnyConn, StoreResult};

#[derive(Default)]
pub(super) struct Sums {
    pub deltas: Deltas,
    pub routes: RouteCounts,
    pub words: LastWords,
}

impl Sums {
    pub(super) fn write(self, conn: &mut AnyConn, now: UnixMs) -> StoreResult<()> {
        self.deltas.write(conn)?;
        self.routes.write(conn, now)?;
        self.words.write(conn, now)
    }
}

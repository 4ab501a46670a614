//! Where in the ledger a row lies. On PostgreSQL it has one part for each month of launches, and a row's number begins with its
//! month: a statement that names the range of numbers it means reads only the parts that it needs. On SQLite the ledger is one
//! table, and every campaign lies in month 0.

use std::collections::BTreeSet;

use diesel::prelude::*;
use diesel::sql_types::Bool;
use tidings_domain::UnixMs;

use crate::fixed::{Bind, Fixed, fixed_sql};
use crate::schema::{deliveries, fanouts};
use crate::{AnyConn, CampaignId, DeliveryId, Store, StoreResult};

/// A month has so many numbers, as a power of two: a million million.
const NUMBER_BITS: u32 = 40;
/// The first month, as months since year 0.
const FIRST_MONTH: i64 = 2020 * 12;
/// Parts are made for so many months beyond the present one.
const MONTHS_AHEAD: i64 = 2;

/// Months since January 2020. 0 holds what is older than the parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Month(pub i64);

impl Month {
    pub(crate) fn of(at: UnixMs) -> Self {
        Self((months(at.0.div_euclid(UnixMs::DAY)) - FIRST_MONTH).max(1))
    }

    pub(crate) const fn span(self) -> Span {
        let first = self.0 << NUMBER_BITS;
        Span { first: if self.0 == 0 { i64::MIN } else { first }, last: first + (1 << NUMBER_BITS) - 1 }
    }

    /// What is added to a number of the sequence.
    pub(crate) const fn base(self) -> i64 {
        self.0 << NUMBER_BITS
    }

    /// As in the names of its tables: what the migration's `ledger_part` gives them.
    pub(crate) fn label(self) -> String {
        match self.0 {
            0 => "before".to_owned(),
            n => format!("{:04}_{:02}", 2020 + n.div_euclid(12), n.rem_euclid(12) + 1),
        }
    }

    /// Makes the month's part where there is none: a launch never fails for want of one.
    pub(crate) fn ensure(self, conn: &mut PgConnection) -> StoreResult<bool> {
        Ok(Fixed::<MakePart>::new([Bind::Int(self.0)]).get_result(conn)?)
    }
}

fixed_sql!(MakePart -> Bool, lite: "SELECT ?", pg: "SELECT ledger_part(?)");

/// Months since year 0 of a day since the Unix epoch, in the Gregorian calendar. Years begin in March here, so that the leap day is the
/// last of its year.
const fn months(day: i64) -> i64 {
    const DAYS_OF_400_YEARS: i64 = 146_097;
    /// From the first of March of year 0 to the epoch.
    const EPOCH: i64 = 719_468;
    let day = day + EPOCH;
    let era = day.div_euclid(DAYS_OF_400_YEARS);
    let of_era = day.rem_euclid(DAYS_OF_400_YEARS);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    (era * 400 + year) * 12 + month_from_march + 2
}

/// A range of numbers of rows, both ends in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub first: i64,
    pub last: i64,
}

impl Span {
    pub(crate) const ALL: Self = Self { first: i64::MIN, last: i64::MAX };

    /// Where the campaign's rows lie; test messages lie in the months in which they were sent. A draft has none.
    pub(crate) fn of(conn: &mut AnyConn, campaign: CampaignId) -> QueryResult<Self> {
        let month = fanouts::table.find(campaign).select(fanouts::ledger_month).first(conn).optional()?;
        Ok(Month(month.unwrap_or(0)).span())
    }

    /// From the lowest to the highest of these rows.
    pub(crate) fn around(ids: impl IntoIterator<Item = i64>) -> Self {
        let none = Self { first: i64::MAX, last: i64::MIN };
        ids.into_iter().fold(none, |span, id| Self { first: span.first.min(id), last: span.last.max(id) })
    }

    pub(crate) fn around_all(ids: &BTreeSet<DeliveryId>) -> Self {
        Self::around(ids.first().into_iter().chain(ids.last()).map(|id| id.0))
    }

    /// For `id BETWEEN ? AND ?`.
    pub(crate) const fn binds(self) -> [Bind; 2] {
        [Bind::Int(self.first), Bind::Int(self.last)]
    }
}

/// The rows of a set: for `id = ANY(?) AND id BETWEEN ? AND ?`. A plan that PostgreSQL keeps leaves out parts by the range only: it cannot
/// see into the set.
pub(crate) fn rows(ids: Vec<i64>) -> [Bind; 3] {
    let [first, last] = Span::around(ids.iter().copied()).binds();
    [Bind::ids(ids), first, last]
}

/// The rows whose numbers lie in the range, for the query builder.
macro_rules! within {
    ($rows:expr, $span:expr) => {
        $rows.filter(deliveries::id.ge(DeliveryId($span.first))).filter(deliveries::id.le(DeliveryId($span.last)))
    };
}
pub(crate) use within;

pub(crate) type Rows<'a> = deliveries::BoxedQuery<'a, <AnyConn as Connection>::Backend>;

/// The rows of the campaign's month. On SQLite all: a range of its numbers would only mislead the planner.
pub(crate) fn in_month_of<'a>(conn: &mut AnyConn, campaign: CampaignId) -> QueryResult<Rows<'a>> {
    let rows = deliveries::table.into_boxed();
    if let AnyConn::Lite(_) = conn {
        return Ok(rows);
    }
    let span = Span::of(conn, campaign)?;
    Ok(within!(rows, span))
}

impl Store {
    /// Makes the parts of the ledger for the months to come. Returns whether any was missing.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn prepare_months(&self, now: UnixMs) -> StoreResult<bool> {
        if self.is_embedded() {
            return Ok(false);
        }
        self.write(move |conn| {
            let AnyConn::Pg(pg) = conn else { return Ok(false) };
            let mut made = false;
            for ahead in 0..=MONTHS_AHEAD {
                made |= Month(Month::of(now).0 + ahead).ensure(pg)?;
            }
            Ok(made)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn month_of(day: i64) -> i64 {
        months(day) - FIRST_MONTH
    }

    #[test]
    fn months_begin_with_their_first_day() {
        // 2020-01-01, 2020-02-29, 2020-03-01, 2024-12-31, 2025-01-01, 2026-11-29
        let days = [18_262, 18_321, 18_322, 20_088, 20_089, 20_786];
        assert_eq!(days.map(month_of), [0, 1, 2, 59, 60, 82]);
        assert_eq!(month_of(18_261), -1);
        assert_eq!(Month::of(UnixMs(0)), Month(1), "no clock of before leads into the oldest part");
    }

    #[test]
    fn the_months_share_all_numbers() {
        assert_eq!(Month(0).span().last + 1, Month(1).span().first);
        assert_eq!(Month(82).span().last + 1, Month(83).base());
        assert_eq!(Span::around([7, 3, 5]), Span { first: 3, last: 7 });
    }
}

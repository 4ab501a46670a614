//! The statements that write how attempts ended into their rows. SQLite takes them one by one, which costs it a few microseconds each;
//! PostgreSQL takes them all at once, because each statement is a round trip.

use diesel::prelude::*;
use tidings_domain::{Protection, UnixMs};

use super::months;
use super::outcomes::Ending;
use super::step::Step;
use crate::fixed::{Bind, Fixed, fixed_sql};
use crate::schema::deliveries;
use crate::{AnyConn, DeliveryId, StoreResult};

pub(super) fn end(conn: &mut AnyConn, endings: &[Ending], now: UnixMs) -> StoreResult<()> {
    match conn {
        AnyConn::Lite(c) => endings.iter().try_for_each(|ending| end_one(c, ending, now)),
        AnyConn::Pg(c) => end_all(c, endings, now),
    }
}

fixed_sql!(
    /// Runs for every message.
    EndRow -> (),
    "UPDATE deliveries SET state = ?, attempt = ?, first_attempt_at_ms = ?, next_at_ms = ?, updated_at_ms = ?, \
     route_id = ?, reply_code = ?, enhanced = ?, reason = ?, reply = ?, tls = ?, reply_group_id = ? WHERE id = ? AND +state = ? AND attempt = ?"
);

fn end_one(conn: &mut SqliteConnection, ending: &Ending, now: UnixMs) -> StoreResult<()> {
    let line = Line::of(ending);
    let binds = [
        Bind::Int(line.state.into()),
        Bind::Int(line.attempt.into()),
        Bind::MaybeInt(line.first_at),
        Bind::MaybeInt(line.next_at),
        Bind::Int(now.0),
        Bind::MaybeInt(line.route),
        Bind::MaybeInt(line.code.map(i64::from)),
        Bind::MaybeText(line.enhanced.map(str::to_owned)),
        Bind::MaybeText(line.reason.map(str::to_owned)),
        Bind::MaybeText(line.reply),
        Bind::MaybeInt(line.tls.map(i64::from)),
        Bind::MaybeInt(line.group),
        Bind::Int(line.id),
        Bind::Int(line.old_state.into()),
        Bind::Int(line.old_attempt.into()),
    ];
    let moved = Fixed::<EndRow>::new(binds).execute(conn)?;
    debug_assert_eq!(moved, 1);
    Ok(())
}

/// What is written to one row.
struct Line<'a> {
    id: i64,
    old_state: i16,
    old_attempt: i16,
    state: i16,
    attempt: i16,
    first_at: Option<i64>,
    next_at: Option<i64>,
    route: Option<i64>,
    code: Option<i16>,
    enhanced: Option<&'a str>,
    reason: Option<&'a str>,
    reply: Option<String>,
    tls: Option<i16>,
    group: Option<i64>,
}

impl<'a> Line<'a> {
    fn of(ending: &'a Ending) -> Self {
        let reply = ending.outcome.reply.as_ref();
        Self {
            id: ending.fact.id.0,
            old_state: ending.step.from().code(),
            old_attempt: ending.fact.attempt,
            state: ending.step.to().code(),
            attempt: ending.attempt,
            first_at: ending.fact.first_attempt,
            next_at: ending.next_at,
            route: ending.outcome.route.map(|r| r.0),
            code: reply.and_then(|r| r.small_code()),
            enhanced: reply.and_then(|r| r.enhanced.as_deref()),
            reason: ending.reason(),
            reply: reply.map(|r| crate::text::storable(&r.text).into_owned()),
            tls: ending.outcome.protection.map(Protection::code),
            group: ending.group.map(|group| group.0),
        }
    }
}

fixed_sql!(
    /// Each value of the rows as a column of its own: a third of what the same costs the server as JSON. The rows are named once more
    /// as a set, so that they are looked up by their key whatever the planner thinks of the columns.
    EndRows -> (),
    lite: "SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?",
    pg: "UPDATE deliveries d SET updated_at_ms = ?, state = x.state, attempt = x.attempt, first_attempt_at_ms = x.first_at, \
         next_at_ms = x.next_at, route_id = x.route, reply_code = x.code, enhanced = x.enhanced, \
         reason = x.reason, reply = x.reply, tls = x.tls, reply_group_id = x.grouped \
         FROM unnest(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) AS x (id, old_state, old_attempt, state, attempt, first_at, \
         next_at, route, code, enhanced, reason, reply, tls, grouped) \
         WHERE d.id = ANY(?) AND d.id BETWEEN ? AND ? AND d.id = x.id AND +d.state = x.old_state AND d.attempt = x.old_attempt"
);

fn end_all(conn: &mut PgConnection, endings: &[Ending], now: UnixMs) -> StoreResult<()> {
    let lines: Vec<Line> = endings.iter().map(Line::of).collect();
    let ints = |part: fn(&Line) -> Option<i64>| Bind::Ints(lines.iter().map(part).collect());
    let texts = |part: fn(&Line) -> Option<String>| Bind::MaybeTexts(lines.iter().map(part).collect());
    let [ids, first, last] = months::rows(lines.iter().map(|line| line.id).collect());
    let binds = [
        Bind::Int(now.0),
        ints(|line| Some(line.id)),
        ints(|line| Some(line.old_state.into())),
        ints(|line| Some(line.old_attempt.into())),
        ints(|line| Some(line.state.into())),
        ints(|line| Some(line.attempt.into())),
        ints(|line| line.first_at),
        ints(|line| line.next_at),
        ints(|line| line.route),
        ints(|line| line.code.map(i64::from)),
        texts(|line| line.enhanced.map(str::to_owned)),
        texts(|line| line.reason.map(str::to_owned)),
        texts(|line| line.reply.clone()),
        ints(|line| line.tls.map(i64::from)),
        ints(|line| line.group),
        ids,
        first,
        last,
    ];
    let moved = Fixed::<EndRows>::new(binds).execute(conn)?;
    debug_assert_eq!(moved, endings.len());
    Ok(())
}

pub(super) fn cancel_deferred(conn: &mut AnyConn, id: DeliveryId, now: UnixMs) -> StoreResult<()> {
    diesel::update(deliveries::table.find(id).filter(deliveries::state.eq(Step::CANCEL_DEFERRED.from().code())))
        .set((
            deliveries::state.eq(Step::CANCEL_DEFERRED.to().code()),
            deliveries::next_at_ms.eq(None::<i64>),
            deliveries::updated_at_ms.eq(now.0),
        ))
        .execute(conn)?;
    Ok(())
}

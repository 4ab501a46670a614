//! Each turn of a destination's knob, each hold and its end: what happened, when, why and by whom.

use diesel::prelude::*;
use tidings_domain::{BounceClass, Destination, Knob, PaceAct, UnixMs, Word};

use crate::pace_attention::{ask, end, held, routes_of};
use crate::schema::{campaigns, delivery_counts, pace_events, pace_events::dsl, providers};
use crate::text::storable;
use crate::words::Db;
use crate::{AnyConn, CampaignId, RouteId, Store, StoreResult};

/// Alike within so long they are one event: they come from connections that were open together.
const ONE_EVENT_MS: i64 = UnixMs::MINUTE;
/// How long events are kept.
pub const PACE_EVENTS_KEPT_MS: i64 = 90 * UnixMs::DAY;
/// Old events removed in one transaction.
const PRUNE_ROWS: i64 = 5_000;
/// Holds that are over, ended in one transaction.
pub(crate) const ENDED_ROWS: i64 = 1_000;
/// In the column: it was sent by no route, or it is about all of them.
pub(crate) const NO_ROUTE: i64 = 0;
/// What is kept of a reply.
const MAX_WHY_CHARS: usize = 1_000;

/// Whose pace: a destination of the queue, or one sending domain there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PaceOf {
    /// A provider's name, or `relay:<route>`.
    pub provider: String,
    pub route: Option<RouteId>,
    /// A sending domain; empty: all of them.
    pub stream: String,
}

impl PaceOf {
    fn route_or_none(&self) -> i64 {
        self.route.map_or(NO_ROUTE, |route| route.0)
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub struct NewPaceEvent {
    pub of: PaceOf,
    pub act: PaceAct,
    /// The knob that moved, from what to what, in its own unit.
    pub turn: Option<(Knob, f64, f64)>,
    /// Held until.
    pub until: Option<UnixMs>,
    pub class: Option<BounceClass>,
    pub rule: String,
    pub why: String,
    pub by: String,
    /// What the owners of campaigns with mail for this provider are to look at; empty: nothing.
    pub attention: String,
}

/// What happened, as it is read.
#[derive(Debug, Clone, PartialEq)]
pub struct PaceEvent {
    pub id: i64,
    pub at_ms: i64,
    pub of: PaceOf,
    pub act: PaceAct,
    pub turn: Option<(Knob, f64, f64)>,
    pub until_ms: Option<i64>,
    pub class: Option<BounceClass>,
    pub rule: String,
    pub why: String,
    pub by: String,
    /// So many within a minute.
    pub times: i64,
    /// When its hold was over or was lifted.
    pub ended_at_ms: Option<i64>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = pace_events)]
pub(crate) struct Row {
    id: i64,
    at_ms: i64,
    provider: String,
    route_id: i64,
    stream: String,
    act: Db<PaceAct>,
    knob: String,
    from_milli: Option<i64>,
    to_milli: Option<i64>,
    until_ms: Option<i64>,
    class: String,
    rule: String,
    why: String,
    acted_by: String,
    times: i64,
    ended_at_ms: Option<i64>,
}

impl From<Row> for PaceEvent {
    fn from(row: Row) -> Self {
        let knob = Knob::parse(&row.knob).ok();
        let turn = knob.zip(row.from_milli.zip(row.to_milli)).map(|(knob, (from, to))| (knob, whole(from), whole(to)));
        Self {
            id: row.id,
            at_ms: row.at_ms,
            of: PaceOf {
                provider: row.provider,
                route: (row.route_id != NO_ROUTE).then_some(RouteId(row.route_id)),
                stream: row.stream,
            },
            act: row.act.0,
            turn,
            until_ms: row.until_ms,
            class: BounceClass::parse(&row.class).ok(),
            rule: row.rule,
            why: row.why,
            by: row.acted_by,
            times: row.times,
            ended_at_ms: row.ended_at_ms,
        }
    }
}

impl Store {
    /// Keeps what happened. Where it asks for attention, the campaigns under way with mail for this provider, by this route if it names
    /// one, are told in the same transaction, unless they ask for something already.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn note_pace(&self, event: NewPaceEvent, now: UnixMs) -> StoreResult<()> {
        self.write(move |conn| note(conn, &event, now)).await
    }

    /// The latest of one destination's provider, on all its routes, or of everything; newest first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn pace_events(&self, provider: Option<&str>, limit: i64) -> StoreResult<Vec<PaceEvent>> {
        let provider = provider.map(str::to_owned);
        self.read(move |conn| {
            let mut rows = dsl::pace_events.order(dsl::id.desc()).limit(limit).select(Row::as_select()).into_boxed();
            if let Some(provider) = provider {
                rows = rows.filter(dsl::provider.eq(provider));
            }
            Ok(rows.load(conn)?.into_iter().map(PaceEvent::from).collect())
        })
        .await
    }

    /// What happened to the destinations of a campaign since it was launched, on the routes that it leaves by, newest first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn pace_events_of(&self, campaign: CampaignId, limit: i64) -> StoreResult<Vec<PaceEvent>> {
        self.read(move |conn| {
            let launched: Option<Option<i64>> =
                campaigns::table.find(campaign).select(campaigns::queuing_at_ms).first(conn).optional()?;
            let Some(Some(launched)) = launched else { return Ok(Vec::new()) };
            let routes = routes_of(conn, campaign)?;
            let mut names: Vec<String> = delivery_counts::table
                .inner_join(providers::table.on(providers::id.eq(delivery_counts::provider_id)))
                .filter(delivery_counts::campaign_id.eq(campaign))
                .select(providers::name)
                .distinct()
                .load(conn)?;
            names.extend(routes.iter().map(|route| Destination::Relay { route: route.0 }.to_string()));
            let mut rows =
                dsl::pace_events.filter(dsl::provider.eq_any(names)).filter(dsl::at_ms.ge(launched)).into_boxed();
            if !routes.is_empty() {
                let concerned: Vec<i64> = routes.iter().map(|route| route.0).chain([NO_ROUTE]).collect();
                rows = rows.filter(dsl::route_id.eq_any(concerned));
            }
            let rows: Vec<Row> = rows.order(dsl::id.desc()).limit(limit).select(Row::as_select()).load(conn)?;
            Ok(rows.into_iter().map(PaceEvent::from).collect())
        })
        .await
    }

    /// Ends the holds of a destination by a person's word.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn end_holds(&self, of: PaceOf, now: UnixMs) -> StoreResult<()> {
        self.write(move |conn| {
            let mut held = held().filter(dsl::provider.eq(of.provider)).into_boxed();
            if let Some(route) = of.route {
                held = held.filter(dsl::route_id.eq(route.0));
            }
            let ids: Vec<i64> = held.select(dsl::id).load(conn)?;
            end(conn, &ids, now)
        })
        .await
    }

    /// Ends holds whose time is over, and takes back what they asked campaigns' owners to look at. Returns how many ended.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn end_past_holds(&self, now: UnixMs) -> StoreResult<usize> {
        let past = move |conn: &mut AnyConn| {
            let past = held().filter(dsl::until_ms.le(now.0)).order(dsl::until_ms).limit(ENDED_ROWS);
            Ok(past.select(dsl::id).load::<i64>(conn)?)
        };
        // Nearly always there is none, and then nothing is written.
        if self.read(past).await?.is_empty() {
            return Ok(0);
        }
        self.write(move |conn| {
            let ids = past(conn)?;
            end(conn, &ids, now)?;
            Ok(ids.len())
        })
        .await
    }

    /// Removes events that are older than [`PACE_EVENTS_KEPT_MS`], a bounded number of them. Returns how many.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn prune_pace_events(&self, now: UnixMs) -> StoreResult<usize> {
        let before = now.0 - PACE_EVENTS_KEPT_MS;
        self.write(move |conn| {
            let old = dsl::pace_events.filter(dsl::at_ms.lt(before)).order(dsl::at_ms).limit(PRUNE_ROWS);
            let ids: Vec<i64> = old.select(dsl::id).load(conn)?;
            Ok(diesel::delete(dsl::pace_events.filter(dsl::id.eq_any(ids))).execute(conn)?)
        })
        .await
    }
}

fn note(conn: &mut AnyConn, event: &NewPaceEvent, now: UnixMs) -> StoreResult<()> {
    let (knob, from, to) = match event.turn {
        Some((knob, from, to)) => (knob.as_str(), Some(milli(from)), Some(milli(to))),
        None => ("", None, None),
    };
    let until = event.until.map(|until| until.0);
    if event.act == PaceAct::Down && join(conn, event, (knob, to, until), now)? {
        return Ok(());
    }
    let why: String = event.why.chars().take(MAX_WHY_CHARS).collect();
    diesel::insert_into(dsl::pace_events)
        .values((
            dsl::at_ms.eq(now.0),
            dsl::provider.eq(&event.of.provider),
            dsl::route_id.eq(event.of.route_or_none()),
            dsl::stream.eq(&event.of.stream),
            dsl::act.eq(Db(event.act)),
            dsl::knob.eq(knob),
            (dsl::from_milli.eq(from), dsl::to_milli.eq(to), dsl::until_ms.eq(until)),
            dsl::class.eq(event.class.map_or("", BounceClass::as_str)),
            dsl::rule.eq(storable(&event.rule)),
            dsl::why.eq(storable(&why)),
            dsl::acted_by.eq(storable(&event.by)),
            dsl::attention.eq(storable(&event.attention)),
        ))
        .execute(conn)?;
    if event.attention.is_empty() { Ok(()) } else { ask(conn, event) }
}

/// Adds to the event of the last minute that is like this one, if there is one.
fn join(
    conn: &mut AnyConn,
    event: &NewPaceEvent,
    (knob, to, until): (&str, Option<i64>, Option<i64>),
    now: UnixMs,
) -> StoreResult<bool> {
    let like = dsl::pace_events
        .filter(dsl::provider.eq(&event.of.provider))
        .filter(dsl::route_id.eq(event.of.route_or_none()))
        .filter(dsl::stream.eq(&event.of.stream))
        .filter(dsl::act.eq(Db(event.act)))
        .filter(dsl::rule.eq(&event.rule))
        .filter(dsl::at_ms.gt(now.0 - ONE_EVENT_MS))
        .filter(dsl::ended_at_ms.is_null());
    type Found = (i64, String, Option<i64>, Option<i64>);
    let columns = (dsl::id, dsl::knob, dsl::to_milli, dsl::until_ms);
    let found: Option<Found> = like.order(dsl::id.desc()).select(columns).first(conn).optional()?;
    let Some((id, old_knob, old_to, old_until)) = found.filter(|found| knob.is_empty() || found.1 == knob) else {
        return Ok(false);
    };
    let to = if old_knob.is_empty() { old_to } else { to.or(old_to) };
    diesel::update(dsl::pace_events.find(id))
        .set((dsl::times.eq(dsl::times + 1), dsl::to_milli.eq(to), dsl::until_ms.eq(until.max(old_until))))
        .execute(conn)?;
    Ok(true)
}

#[expect(clippy::cast_possible_truncation, reason = "a knob is far below 2^53 thousandths")]
fn milli(value: f64) -> i64 {
    (value * 1_000.0).round() as i64
}

#[expect(clippy::cast_precision_loss, reason = "a knob is far below 2^53 thousandths")]
fn whole(milli: i64) -> f64 {
    milli as f64 / 1_000.0
}

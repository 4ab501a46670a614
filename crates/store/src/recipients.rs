//! The people of a campaign: the ledger's rows as a person reads them, page by page.

use std::collections::BTreeMap;

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use tidings_domain::{DeliveryKind, DeliveryState, EmailAddress, Protection, UnixMs, held_until_released};

use crate::campaigns::{contains_pattern, lower};
use crate::ledger::months::{Rows, in_month_of};
use crate::schema::{attempts, deliveries, engagements, fanouts, providers, routes, subscribers};
use crate::words::Code;
use crate::{AnyConn, CampaignId, DeliveryId, ProviderId, RouteId, StoreResult, SubscriberId, Workspace, WorkspaceId};

/// One recipient of a campaign, or of a test message.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = deliveries)]
pub struct Person {
    pub id: DeliveryId,
    /// `None` once the subscriber was deleted, and for test messages.
    pub subscriber_id: Option<SubscriberId>,
    pub recipient: String,
    pub provider_id: ProviderId,
    #[diesel(deserialize_as = Code<DeliveryKind>)]
    pub kind: DeliveryKind,
    #[diesel(deserialize_as = Code<DeliveryState>)]
    pub state: DeliveryState,
    /// How many attempts were begun.
    pub attempt: i16,
    pub first_attempt_at_ms: Option<i64>,
    pub next_at_ms: Option<i64>,
    pub updated_at_ms: i64,
    pub enhanced: Option<String>,
    /// A skip reason, a bounce class, or words of ours.
    pub reason: Option<String>,
    /// The peer's last reply, every line of it.
    pub reply: Option<String>,
    tls: Option<i16>,
    /// By which its last attempt went, or its next one will.
    pub route_id: Option<RouteId>,
}

impl Person {
    /// How the last attempt's connection was protected; `None` when there was none.
    #[must_use]
    pub fn protection(&self) -> Option<Protection> {
        self.tls.and_then(Protection::from_code)
    }

    /// When it is tried next; `None` also while an operator holds it.
    #[must_use]
    pub fn due_at_ms(&self) -> Option<i64> {
        self.next_at_ms.filter(|_| !self.is_held())
    }

    /// An operator keeps it back until it is released.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.next_at_ms.is_some_and(|at| held_until_released(UnixMs(at)).is_some())
    }
}

/// An attempt: each that was not accepted, and the accepted last one where others came before it.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = attempts)]
pub struct AttemptRow {
    pub number: i16,
    pub at_ms: i64,
    pub duration_ms: i64,
    pub host: String,
    pub ip: String,
    pub tls: String,
    pub phase: String,
    /// A bounce class, or [`crate::ACCEPTED`].
    pub class: String,
    pub reply: String,
    pub route_id: Option<RouteId>,
    /// Attempts that cost no number share a row: how many they were.
    pub times: i32,
    /// The first of them; `None`: there was one.
    pub first_at_ms: Option<i64>,
}

/// An open, or a click on the link at that position.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = engagements)]
pub struct EngagementRow {
    pub kind: String,
    pub link: i32,
    pub n: i64,
    pub first_at_ms: i64,
    pub last_at_ms: i64,
}

/// All that is known of one delivery.
#[derive(Debug, Clone)]
pub struct DeliveryHistory {
    pub person: Person,
    pub provider: String,
    /// The names of the routes that occur in it; those that were deleted have none.
    pub routes: BTreeMap<RouteId, String>,
    pub attempts: Vec<AttemptRow>,
    pub engagements: Vec<EngagementRow>,
}

/// Which people to show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeopleFilter {
    pub state: Option<DeliveryState>,
    pub provider: Option<ProviderId>,
    /// A whole address, or a part of one; empty for all.
    pub search: String,
}

/// Where a page ended. It travels through URLs as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeopleCursor {
    /// After this ledger row: walks by state.
    Row(i64),
    /// After this subscriber: the walk over everybody.
    Subscriber(i64),
    /// After this row among those whose subscriber was deleted: the end of the walk over everybody.
    Deleted(i64),
}

impl std::fmt::Display for PeopleCursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Row(id) => write!(f, "r{id}"),
            Self::Subscriber(id) => write!(f, "s{id}"),
            Self::Deleted(id) => write!(f, "d{id}"),
        }
    }
}

impl PeopleCursor {
    /// `None`: not a cursor of ours; begin at the beginning.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, id) = text.split_at_checked(1)?;
        let id = id.parse().ok()?;
        match kind {
            "r" => Some(Self::Row(id)),
            "s" => Some(Self::Subscriber(id)),
            "d" => Some(Self::Deleted(id)),
            _ => None,
        }
    }
}

#[derive(Debug, Clone)]
pub struct PeoplePage {
    pub people: Vec<Person>,
    /// The names of the providers that occur among them.
    pub providers: BTreeMap<ProviderId, String>,
    /// `None` on the last page.
    pub next: Option<PeopleCursor>,
    /// When retention took the campaign's rows away: then there is nobody to show.
    pub removed_at_ms: Option<i64>,
}

impl Workspace {
    /// One page of a campaign's recipients. Open and exceptional states are walked by their own index; everybody, and the
    /// accepted, in the order of the subscribers.
    ///
    /// # Errors
    /// The database's own.
    pub async fn people(
        &self,
        campaign: CampaignId,
        filter: PeopleFilter,
        after: Option<PeopleCursor>,
        limit: i64,
    ) -> StoreResult<PeoplePage> {
        self.read(move |conn, ws| {
            let walk = Walk { ws, campaign, filter: &filter, limit };
            let (people, next) = match filter.state {
                Some(state) if state != DeliveryState::Accepted => walk.by_state(conn, state, after)?,
                _ => walk.by_subscriber(conn, after)?,
            };
            let providers = provider_names(conn, people.iter().map(|p| p.provider_id.0).collect())?;
            let removed_at_ms = if people.is_empty() { removed_at(conn, campaign)? } else { None };
            Ok(PeoplePage { people, providers, next, removed_at_ms })
        })
        .await
    }

    /// One recipient with every attempt and every open and click.
    ///
    /// # Errors
    /// [`crate::StoreError::NotFound`], also when it belongs to another campaign.
    pub async fn delivery(&self, campaign: CampaignId, id: DeliveryId) -> StoreResult<DeliveryHistory> {
        self.read(move |conn, ws| {
            let row = rows(ws, campaign).filter(deliveries::id.eq(id));
            let person: Person = row.select(Person::as_select()).first(conn)?;
            let provider = provider_names(conn, vec![person.provider_id.0])?.into_values().next().unwrap_or_default();
            let attempts = attempts::table.filter(attempts::delivery_id.eq(id.0)).order(attempts::number);
            let engagements = engagements::table
                .filter(engagements::delivery_id.eq(id.0))
                .order((engagements::kind.desc(), engagements::link));
            let attempts: Vec<AttemptRow> = attempts.select(AttemptRow::as_select()).load(conn)?;
            let by = attempts.iter().map(|attempt| attempt.route_id).chain([person.route_id]).flatten().collect();
            Ok(DeliveryHistory {
                person,
                provider,
                routes: route_names(conn, ws, by)?,
                attempts,
                engagements: engagements.select(EngagementRow::as_select()).load(conn)?,
            })
        })
        .await
    }

    /// The newest test messages of a campaign.
    ///
    /// # Errors
    /// The database's own.
    pub async fn test_messages(&self, campaign: CampaignId, limit: i64) -> StoreResult<Vec<Person>> {
        self.read(move |conn, ws| {
            let tests = rows(ws, campaign).filter(sql::<Bool>("kind = 1")).order(deliveries::id.desc());
            Ok(tests.limit(limit).select(Person::as_select()).load(conn)?)
        })
        .await
    }
}

fn rows<'a>(ws: WorkspaceId, campaign: CampaignId) -> Rows<'a> {
    of_campaign(deliveries::table.into_boxed(), ws, campaign)
}

fn of_campaign(rows: Rows<'_>, ws: WorkspaceId, campaign: CampaignId) -> Rows<'_> {
    rows.filter(deliveries::workspace_id.eq(ws.0)).filter(deliveries::campaign_id.eq(campaign.0))
}

fn removed_at(conn: &mut AnyConn, campaign: CampaignId) -> StoreResult<Option<i64>> {
    let at = fanouts::table.find(campaign.0).select(fanouts::rows_removed_at_ms).first::<Option<i64>>(conn);
    Ok(at.optional()?.flatten())
}

fn provider_names(conn: &mut AnyConn, ids: Vec<i64>) -> StoreResult<BTreeMap<ProviderId, String>> {
    let named = providers::table.filter(providers::id.eq_any(ids)).select((providers::id, providers::name));
    Ok(named.load::<(ProviderId, String)>(conn)?.into_iter().collect())
}

fn route_names(conn: &mut AnyConn, ws: WorkspaceId, ids: Vec<RouteId>) -> StoreResult<BTreeMap<RouteId, String>> {
    let own = routes::table.filter(routes::workspace_id.eq(ws.0)).filter(routes::id.eq_any(ids));
    Ok(own.select((routes::id, routes::name)).load::<(RouteId, String)>(conn)?.into_iter().collect())
}

struct Walk<'a> {
    ws: WorkspaceId,
    campaign: CampaignId,
    filter: &'a PeopleFilter,
    limit: i64,
}

type Found = (Vec<Person>, Option<PeopleCursor>);

impl Walk<'_> {
    /// The partial indexes are only used when their condition stands in the statement as it stands in the schema: hence
    /// the literals.
    fn by_state(&self, conn: &mut AnyConn, state: DeliveryState, after: Option<PeopleCursor>) -> StoreResult<Found> {
        let half = if state.is_terminal() { "state > 10" } else { "state < 10" };
        let mut query = self.narrowed(conn)?.filter(deliveries::state.eq(state.code())).filter(sql::<Bool>(half));
        if let Some(PeopleCursor::Row(id)) = after {
            query = query.filter(deliveries::id.gt(DeliveryId(id)));
        }
        let people = query.order(deliveries::id).limit(self.limit + 1).select(Person::as_select()).load(conn)?;
        Ok(self.cut(people, |last| PeopleCursor::Row(last.id.0)))
    }

    /// First those who still are subscribers, by the ledger's unique index; then those who were deleted since.
    fn by_subscriber(&self, conn: &mut AnyConn, after: Option<PeopleCursor>) -> StoreResult<Found> {
        if let Some(PeopleCursor::Deleted(id)) = after {
            return self.deleted(conn, id);
        }
        let mut query = self.accepted_or_all(conn)?.filter(deliveries::subscriber_id.is_not_null());
        if let Some(PeopleCursor::Subscriber(id)) = after {
            query = query.filter(deliveries::subscriber_id.gt(id));
        }
        let people =
            query.order(deliveries::subscriber_id).limit(self.limit + 1).select(Person::as_select()).load(conn)?;
        let (people, next) = self.cut(people, |last| PeopleCursor::Subscriber(last.subscriber_id.map_or(0, |s| s.0)));
        if next.is_some() {
            return Ok((people, next));
        }
        let (deleted, _) = Walk { limit: 1, ..*self }.deleted(conn, 0)?;
        let more = (!deleted.is_empty()).then_some(PeopleCursor::Deleted(0));
        if people.is_empty() && more.is_some() { self.deleted(conn, 0) } else { Ok((people, more)) }
    }

    fn deleted(&self, conn: &mut AnyConn, after: i64) -> StoreResult<Found> {
        let query = self
            .accepted_or_all(conn)?
            .filter(deliveries::subscriber_id.is_null())
            .filter(deliveries::id.gt(DeliveryId(after)));
        let people = query.order(deliveries::id).limit(self.limit + 1).select(Person::as_select()).load(conn)?;
        Ok(self.cut(people, |last| PeopleCursor::Deleted(last.id.0)))
    }

    fn accepted_or_all<'q>(&self, conn: &mut AnyConn) -> StoreResult<Rows<'q>> {
        let query = self.narrowed(conn)?;
        Ok(match self.filter.state {
            Some(state) => query.filter(deliveries::state.eq(state.code())),
            None => query,
        })
    }

    /// By provider and address. A whole address of a subscriber is found by two unique indexes; anything else is compared
    /// row by row.
    fn narrowed<'q>(&self, conn: &mut AnyConn) -> StoreResult<Rows<'q>> {
        let month = in_month_of(conn, self.campaign)?;
        let mut query = of_campaign(month, self.ws, self.campaign).filter(sql::<Bool>("kind = 0"));
        if let Some(provider) = self.filter.provider {
            query = query.filter(deliveries::provider_id.eq(provider.0));
        }
        if let Some(id) = self.exact_subscriber(conn)? {
            return Ok(query.filter(deliveries::subscriber_id.eq(id)));
        }
        Ok(match contains_pattern(&self.filter.search) {
            Some(pattern) => query.filter(lower(deliveries::recipient).like(pattern).escape('\\')),
            None => query,
        })
    }

    fn exact_subscriber(&self, conn: &mut AnyConn) -> StoreResult<Option<i64>> {
        let Ok(address) = EmailAddress::parse(&self.filter.search) else { return Ok(None) };
        let row = subscribers::table
            .filter(subscribers::workspace_id.eq(self.ws.0))
            .filter(subscribers::email.eq(address.as_str().to_owned()));
        Ok(row.select(subscribers::id).first(conn).optional()?)
    }

    /// One row more than asked for says that there is a next page.
    fn cut(&self, mut people: Vec<Person>, cursor: impl Fn(&Person) -> PeopleCursor) -> Found {
        let limit = usize::try_from(self.limit).unwrap_or(0);
        if people.len() <= limit {
            return (people, None);
        }
        people.truncate(limit);
        let next = people.last().map(cursor);
        (people, next)
    }
}

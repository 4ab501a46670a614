//! What came of the messages of direct routes, by provider and day: for warm-up, and for the page of a route. Written in the transaction of
//! the outcome.

use std::collections::{BTreeMap, BTreeSet};

use tidings_domain::{BounceClass, DayFigures, DeliveryState, UnixMs, Word};

use super::outcomes::{Ending, Facts};
use crate::fixed::{Bind, fixed_sql, write_rows};
use crate::{AnyConn, ProviderId, RouteId, StoreResult, WorkspaceId};

/// What a provider did with one message of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RouteOutcome {
    Accepted,
    Deferred,
    /// Refused because there is no such person.
    UnknownUser,
    /// Refused for anything else.
    Refused,
    /// Counted on the day on which the complaint came.
    Complained,
}

impl Word for RouteOutcome {
    const ALL: &'static [Self] = &[Self::Accepted, Self::Deferred, Self::UnknownUser, Self::Refused, Self::Complained];

    fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Deferred => "deferred",
            Self::UnknownUser => "unknown_user",
            Self::Refused => "refused",
            Self::Complained => "complained",
        }
    }
}

impl RouteOutcome {
    /// `None`: nothing was handed over, or nobody knows.
    fn of(to: DeliveryState, reason: Option<&str>) -> Option<Self> {
        use DeliveryState as S;
        let unknown = [BounceClass::BadAddress, BounceClass::ProbableBadAddress];
        match to {
            S::Accepted => Some(Self::Accepted),
            S::Deferred => Some(Self::Deferred),
            S::HardBounced | S::SoftBounced | S::Failed => {
                let class = reason.and_then(|reason| BounceClass::parse(reason).ok());
                Some(if class.is_some_and(|class| unknown.contains(&class)) {
                    Self::UnknownUser
                } else {
                    Self::Refused
                })
            }
            S::Complained => Some(Self::Complained),
            _ => None,
        }
    }

    pub(crate) fn add(self, figures: &mut DayFigures, n: i64) {
        let n = u64::try_from(n).unwrap_or(0);
        match self {
            Self::Accepted => figures.accepted += n,
            Self::Deferred => figures.deferred += n,
            Self::UnknownUser => figures.unknown_users += n,
            Self::Refused => figures.refused += n,
            Self::Complained => figures.complained += n,
        }
    }
}

/// The counter's key, in the order in which every transaction takes these rows.
type Key = (RouteId, ProviderId, &'static str);

#[derive(Default)]
pub(super) struct RouteCounts(BTreeMap<Key, (WorkspaceId, i64)>);

impl RouteCounts {
    /// Attempts that a peer answered. Where nobody answered, the provider has seen no message.
    pub(super) fn of(endings: &[Ending]) -> Self {
        let mut counts = Self::default();
        for ending in endings.iter().filter(|e| e.outcome.reply.as_ref().is_some_and(|reply| reply.code.is_some())) {
            counts.add(ending.outcome.route, &ending.fact, RouteOutcome::of(ending.step.to(), ending.reason()));
        }
        counts
    }

    /// News of a message that was accepted before: who turned out to be unknown, and who complained.
    pub(super) fn late(&mut self, fact: &Facts, to: DeliveryState, reason: Option<&str>) {
        let outcome = RouteOutcome::of(to, reason);
        let is_news = |outcome: &RouteOutcome| matches!(outcome, RouteOutcome::UnknownUser | RouteOutcome::Complained);
        self.add(fact.route, fact, outcome.filter(is_news));
    }

    fn add(&mut self, route: Option<RouteId>, fact: &Facts, outcome: Option<RouteOutcome>) {
        if let (Some(route), Some(outcome)) = (route, outcome) {
            self.0.entry((route, fact.provider, outcome.as_str())).or_insert((fact.workspace, 0)).1 += 1;
        }
    }

    pub(super) fn routes(&self) -> impl Iterator<Item = RouteId> {
        self.0.keys().map(|key| key.0)
    }

    pub(super) fn write(self, conn: &mut AnyConn, direct: &BTreeSet<RouteId>, now: UnixMs) -> StoreResult<()> {
        let counts = self.0.into_iter().filter(|(key, _)| direct.contains(&key.0));
        let row = |((route, provider, outcome), (workspace, n)): (Key, (WorkspaceId, i64))| {
            [
                Bind::Int(route.0),
                Bind::Int(provider.0),
                Bind::Text(outcome.to_owned()),
                Bind::Int(workspace.0),
                Bind::Int(n),
            ]
        };
        Ok(write_rows::<AddToRoutes, _>(conn, &[Bind::Int(now.utc_date())], counts.map(row).collect())?)
    }
}

macro_rules! add_text {
    ($rows:literal) => {
        concat!(
            "INSERT INTO route_counts (date, route_id, provider_id, outcome, workspace_id, n) ",
            $rows,
            " ON CONFLICT (route_id, provider_id, date, outcome) DO UPDATE SET n = route_counts.n + excluded.n"
        )
    };
}

fixed_sql!(AddToRoutes -> (),
    lite: add_text!("VALUES (?, ?, ?, ?, ?, ?)"),
    pg: add_text!("SELECT ?, x.* FROM unnest(?, ?, ?, ?, ?) AS x (route, provider, outcome, workspace, n) ORDER BY route, provider, outcome"));

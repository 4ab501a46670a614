//! What routes that are being warmed up may still be given today, by provider.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidings_domain::{Destination, WarmUpDay};
use tidings_queue::{RESERVED_ONE_IN, Snapshot};
use tidings_store::{QueuedJob, Route, RouteId, Store};

use super::fitness::Fitness;
use crate::now;

/// Old counts are looked for this often.
const FORGET_EVERY: Duration = Duration::from_secs(3600);

type Place = (RouteId, Arc<str>);

pub struct Warmth {
    store: Store,
    /// The plan's day and what was used of it. One that is not here has not begun.
    days: HashMap<Place, Day>,
    /// Messages that can still be given to a route with a plan; below 0 it was given too many.
    room: HashMap<Place, i64>,
    forgot: Option<Instant>,
}

#[derive(Clone, Copy)]
struct Day {
    day: u32,
    used: u64,
}

impl Warmth {
    pub fn new(store: Store) -> Self {
        Self { store, days: HashMap::new(), room: HashMap::new(), forgot: None }
    }

    /// Brings the days to today and counts what is used and what waits.
    ///
    /// # Errors
    /// The database cannot be used.
    pub async fn look(&mut self, routes: impl Iterator<Item = &Route>, seen: &Snapshot) -> anyhow::Result<()> {
        let cold: HashMap<RouteId, &Route> =
            routes.filter(|route| route.warm_up().is_some()).map(|route| (route.id, route)).collect();
        self.forget_old().await?;
        self.days.clear();
        self.room.clear();
        if cold.is_empty() {
            return Ok(());
        }
        let today = now().utc_date();
        let mut standings = self.store.warm_ups().await?;
        if standings.iter().any(|standing| standing.date < today) {
            self.store.advance_warm_ups(now()).await?;
            standings = self.store.warm_ups().await?;
        }
        for standing in standings {
            let day = Day { day: standing.day, used: standing.figures.used() };
            self.days.insert((standing.route, standing.provider.into()), day);
        }
        self.count_room(&cold, seen);
        Ok(())
    }

    fn count_room(&mut self, cold: &HashMap<RouteId, &Route>, seen: &Snapshot) {
        for (place, day) in &self.days {
            if let Some(room) = cold.get(&place.0).and_then(|route| room_on(route, day.day)) {
                self.room.insert(place.clone(), room - i64::try_from(day.used).unwrap_or(i64::MAX));
            }
        }
        for shard in &seen.shards {
            let Destination::Direct { provider, route: Some(route) } = Destination::of(&shard.shard.name) else {
                continue;
            };
            if let Some(room) = self.room.get_mut(&(RouteId(route), provider.into())) {
                *room -= i64::try_from(shard.ready + shard.delayed + shard.leased).unwrap_or(i64::MAX);
            }
        }
    }

    async fn forget_old(&mut self) -> anyhow::Result<()> {
        if self.forgot.is_none_or(|at| at.elapsed() >= FORGET_EVERY) {
            self.store.forget_route_counts(now()).await?;
            self.store.forget_route_minutes(now()).await?;
            self.forgot = Some(Instant::now());
        }
        Ok(())
    }

    /// Before a delivery is placed: whom the route has not spoken to yet has the room of a first day.
    pub fn expect(&mut self, route: &Route, provider: &Arc<str>) {
        let place = (route.id, Arc::clone(provider));
        if let Some(room) = room_on(route, 1).filter(|_| !self.days.contains_key(&place)) {
            self.room.entry(place).or_insert(room);
        }
    }

    /// Today's cap. `None`: there is none.
    pub fn cap(&self, route: &Route, provider: &str) -> Option<u32> {
        let day = self.days.get(&(route.id, provider.into())).map_or(1, |day| day.day);
        cap_on(route, day)
    }

    pub fn has_room(&self, id: RouteId, provider: &str) -> bool {
        self.room.get(&(id, provider.into())).is_none_or(|room| *room > 0)
    }

    pub fn take(&mut self, id: RouteId, provider: &Arc<str>) {
        if let Some(room) = self.room.get_mut(&(id, Arc::clone(provider))) {
            *room -= 1;
        }
    }

    /// Whether a row should leave because there are more than the day holds; then it is one fewer.
    pub fn gives_back(&mut self, id: RouteId, provider: &Arc<str>) -> bool {
        match self.room.get_mut(&(id, Arc::clone(provider))) {
            Some(room) if *room < 0 => {
                *room += 1;
                true
            }
            _ => false,
        }
    }

    /// Routes that were given more than their day holds.
    pub fn crowded(&self) -> BTreeSet<RouteId> {
        self.room.iter().filter(|(_, room)| **room < 0).map(|((route, _), _)| *route).collect()
    }

    /// Day 1 for whom a route with a plan has not spoken to yet.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn begin(&mut self, jobs: &[QueuedJob], routes: &HashMap<RouteId, Fitness>) -> anyhow::Result<()> {
        let mut new = HashMap::<RouteId, BTreeSet<&Arc<str>>>::new();
        for job in jobs {
            let cold = job.route.filter(|id| routes.get(id).is_some_and(|f| f.route.warm_up().is_some()));
            if let Some(id) = cold.filter(|id| !self.days.contains_key(&(*id, Arc::clone(&job.provider)))) {
                new.entry(id).or_default().insert(&job.provider);
            }
        }
        for (id, names) in new {
            self.store.begin_warm_ups(id, names.iter().map(|name| name.to_string()).collect(), now()).await?;
            let first = Day { day: WarmUpDay::first(0).day, used: 0 };
            self.days.extend(names.into_iter().map(|name| ((id, Arc::clone(name)), first)));
        }
        Ok(())
    }
}

/// Without the tenth that the queue keeps for the transactional lane.
fn room_on(route: &Route, day: u32) -> Option<i64> {
    cap_on(route, day).map(|cap| i64::from(cap - cap / RESERVED_ONE_IN))
}

fn cap_on(route: &Route, day: u32) -> Option<u32> {
    route.warm_up().and_then(|plan| plan.cap(day))
}

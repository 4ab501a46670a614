//! What routes that are being warmed up may still be given today, by provider.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidings_domain::{Destination, WarmUpDay};
use tidings_queue::{RESERVED_ONE_IN, Snapshot, Window};
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
    /// By what came of it.
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

    /// The queue counts each claim, and so those too that nobody answered for; of a destination that it does not name the ledger tells.
    fn count_room(&mut self, cold: &HashMap<RouteId, &Route>, seen: &Snapshot) {
        let mut used = HashMap::new();
        for (place, day) in &self.days {
            if let Some(room) = cold.get(&place.0).and_then(|route| room_on(route, day.day)) {
                self.room.insert(place.clone(), room);
                used.insert(place.clone(), day.used);
            }
        }
        for status in &seen.shards {
            let Destination::Direct { provider, route: Some(route) } = Destination::of(&status.shard.name) else {
                continue;
            };
            let place = (RouteId(route), provider.into());
            let Some(room) = self.room.get_mut(&place) else { continue };
            let mut placed = status.ready + status.delayed;
            match status.windows.iter().find(|window| window.window == Window::Day) {
                Some(day) => _ = used.insert(place, day.used.into()),
                None => placed += status.leased,
            }
            *room -= i64::try_from(placed).unwrap_or(i64::MAX);
        }
        for (place, used) in used {
            if let Some(room) = self.room.get_mut(&place) {
                *room -= i64::try_from(used).unwrap_or(i64::MAX);
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

#[cfg(test)]
mod tests {
    use tidings_domain::WarmUpPlan;
    use tidings_queue::{Job, Limits, Queue, QueueOptions, Sent, Shard};
    use tidings_store::{NewAdmin, NewRoute, SavedRoute, StoreOptions};
    use tidings_testing::TestDatabase;

    use super::*;

    const PLAN: WarmUpPlan = WarmUpPlan { start: 20, growth_percent: 150, full: 1_000 };
    /// Without the tenth of the transactional lane.
    const DAY: u32 = 18;

    async fn cold_route(store: &Store) -> Route {
        let admin = NewAdmin {
            email: "alex@acme.example".into(),
            name: "Alex".into(),
            password_hash: "none".into(),
            workspace_name: "Acme".into(),
        };
        let (_, workspace) = store.add_admin(admin, now()).await.expect("an admin");
        let cold = NewRoute { warm_up: Some(PLAN), ..NewRoute::direct() };
        let saved = store.workspace(workspace).add_route("Cold".into(), cold, now()).await.expect("adds");
        assert!(matches!(saved, SavedRoute::Yes(_)), "{saved:?}");
        store.all_routes().await.expect("reads").remove(0)
    }

    /// Messages that nobody answered for have no outcome in the ledger's figures of the day; the queue counted them.
    #[tokio::test]
    async fn what_the_queue_has_counted_is_used() {
        let database = TestDatabase::sqlite();
        let store = Store::open(database.url(), StoreOptions::default()).await.expect("opens");
        let route = cold_route(&store).await;
        let provider: Arc<str> = "google".into();
        let queue = Queue::embedded(QueueOptions::default());
        let shard = Shard::new(2, format!("{provider}@{}", route.id));
        queue.set_limits(&shard, Limits { per_day: PLAN.start, ..Limits::UNLIMITED }).await;
        let minute = u64::try_from(now().0 / 60_000).expect("after 1970");
        queue.sent(&shard, Sent { minute, in_minute: 0, in_hour: 0, in_day: DAY - 1 }).await;
        let mut warmth = Warmth::new(store);
        warmth.days.insert((route.id, Arc::clone(&provider)), Day { day: 1, used: 0 });
        let cold = HashMap::from([(route.id, &route)]);
        let jobs = [1, 2, 3].map(|delivery| Job { delivery, campaign: 1, attempt: 0 });
        queue.push(&shard, 1, &jobs[..1]).await;
        warmth.count_room(&cold, &queue.snapshot().await);
        assert!(!warmth.has_room(route.id, &provider) && warmth.crowded().is_empty(), "the last place is taken");
        queue.push(&shard, 1, &jobs[1..]).await;
        warmth.count_room(&cold, &queue.snapshot().await);
        assert_eq!(warmth.crowded(), [route.id].into());
        let back: Vec<bool> = jobs.iter().map(|_| warmth.gives_back(route.id, &provider)).collect();
        assert_eq!(back, [true, true, false], "two more than the day holds");
    }
}

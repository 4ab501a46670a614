//! The state machine as the database holds it: every pair of states, then a long random life.

use std::collections::{BTreeMap, BTreeSet};

use crate::ledger_world::*;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use tidings_domain::{CampaignTransition, DeliveryState, UnixMs, Word};
use tidings_store::*;

/// What an outcome asks for, by the state it leads to.
fn settled(to: DeliveryState) -> Option<Settled> {
    Some(match to {
        DeliveryState::Accepted => Settled::Accepted,
        DeliveryState::Deferred => Settled::Deferred { until: UnixMs(5_000), costs_attempt: true },
        DeliveryState::HardBounced => Settled::HardBounced,
        DeliveryState::SoftBounced => Settled::SoftBounced,
        DeliveryState::Failed => Settled::Failed,
        DeliveryState::InDoubt => Settled::InDoubt,
        _ => return None,
    })
}

/// From each of the twelve states, every outcome and every other way that the ledger offers: what moved is an edge, and
/// what is no edge has not moved.
#[tokio::test]
async fn no_way_through_the_ledger_is_not_an_edge() {
    each(async |w: World| {
        let states = DeliveryState::ALL;
        w.list(1, 1..=i64::try_from(states.len()).expect("small")).await;
        let (c, jobs) = w.launched(1, &[1], &[]).await;
        w.intend(&[&jobs[0]]).await;
        let put_back = async || {
            for (job, state) in jobs.iter().zip(states) {
                let (code, id) = (state.code(), job.delivery);
                let next = if *state == DeliveryState::Deferred { "2000" } else { "NULL" };
                // In flight, or in doubt, the number is one higher than the job's.
                let attempt = i64::from(matches!(state, DeliveryState::Sending | DeliveryState::InDoubt));
                w.sql(&format!(
                    "UPDATE deliveries SET state = {code}, attempt = {attempt}, next_at_ms = {next}, reason = 'x' WHERE id = {id}"
                ))
                .await;
            }
            w.sql("DELETE FROM suppressions; UPDATE subscribers SET status = 'active'").await;
        };
        let mut moved = BTreeSet::new();
        let mut check = async |way: &str, may_move: &dyn Fn(DeliveryState, DeliveryState) -> bool| {
            for (job, from) in jobs.iter().zip(states) {
                let to = DeliveryState::from_code(w.row(job.delivery).await.state).expect("a known state");
                assert!(to == *from || from.may_become(to), "{way}: {from} -> {to}");
                assert!(to == *from || may_move(*from, to), "{way}: {from} -> {to}");
                if to != *from {
                    moved.insert((from.code(), to.code()));
                }
            }
        };
        for to in states {
            let Some(settled) = settled(*to) else { continue };
            put_back().await;
            let answers = w.settle(jobs.iter().map(|j| outcome(j, settled, "550 5.1.1 x")).collect()).await;
            for (from, answer) in states.iter().zip(&answers) {
                // Accepted can still bounce, but by a bounce message, not by an attempt's outcome; a deferral is not resent by one.
                let waits = matches!(from, DeliveryState::Queued | DeliveryState::Sending | DeliveryState::InDoubt);
                let expected = waits && from.may_become(*to);
                assert_eq!(*answer == OutcomeAnswer::Recorded, expected, "{from} -> {to}");
            }
            check("outcome", &|_, reached| reached == *to).await;
        }
        put_back().await;
        w.intend(&jobs.iter().collect::<Vec<_>>()).await;
        check("intent", &|from, to| from == DeliveryState::Queued && to == DeliveryState::Sending).await;
        put_back().await;
        w.suppress("domain", "d2.example", "blocklist", None).await;
        w.suppress("domain", "d1.example", "blocklist", None).await;
        w.intend(&jobs.iter().collect::<Vec<_>>()).await;
        check("suppressed intent", &|from, _| from == DeliveryState::Queued).await;
        put_back().await;
        w.store.queue_pending(c, 99, NOW).await.expect("queues");
        check("queue", &|from, _| from == DeliveryState::Pending).await;
        put_back().await;
        w.store.take_due(NOW, 99).await.expect("takes");
        check("wake", &|from, _| from == DeliveryState::Deferred).await;
        put_back().await;
        w.store.recover(NOW).await.expect("recovers");
        check("recover", &|from, _| from == DeliveryState::Sending).await;
        put_back().await;
        w.workspace.resend_in_doubt(c, "ana", NOW).await.expect("resends");
        check("resend", &|from, _| from == DeliveryState::InDoubt).await;
        put_back().await;
        w.workspace.cancel(c, "ana", NOW).await.expect("cancels");
        w.store.cancel_rows(c, 99, NOW).await.expect("cancels");
        check("cancel", &|_, to| to == DeliveryState::Cancelled).await;
        put_back().await;
        w.intend(&jobs.iter().collect::<Vec<_>>()).await;
        check("intent of a cancelled campaign", &|from, _| from == DeliveryState::Queued).await;
        assert!(moved.len() >= 18, "only {} edges were walked", moved.len());
    })
    .await;
}

const SEEDS: [u64; 3] = [1, 7, 20_261_123];
const STEPS: usize = 120;
const PEOPLE: i64 = 40;

/// Two campaigns over the same people, and everything that can happen to them in any order. After every step the
/// counters are the sums of the rows and the rows are the audience; nobody is told `Go` against a suppression, a pause or
/// a cancellation; every row has moved along edges only.
#[tokio::test]
async fn a_random_life_keeps_its_books() {
    for seed in SEEDS {
        each(async |w: World| Life::new(w, seed).await.run().await).await;
    }
}

struct Life {
    w: World,
    rng: StdRng,
    campaigns: Vec<CampaignId>,
    jobs: Vec<QueuedJob>,
    now: i64,
    states: BTreeMap<i64, i16>,
}

impl Life {
    async fn new(w: World, seed: u64) -> Self {
        w.list(1, 1..=PEOPLE).await;
        w.list(2, 20..=PEOPLE).await;
        w.list(3, 1..=4).await;
        let (a, first) = w.launched(1, &[1, 2], &[3]).await;
        let (b, second) = w.launched(2, &[2], &[]).await;
        let jobs = first.into_iter().chain(second).collect();
        Self { w, rng: StdRng::seed_from_u64(seed), campaigns: vec![a, b], jobs, now: NOW.0, states: BTreeMap::new() }
    }

    async fn run(mut self) {
        for step in 0..STEPS {
            self.now += 500;
            match self.rng.random_range(0..20) {
                0..10 => self.commit().await,
                10..14 => {
                    let due = self.w.store.take_due(UnixMs(self.now), 10).await.expect("takes");
                    self.jobs.extend(due);
                }
                14 => self.pause_or_resume().await,
                15 => self.suppress().await,
                16 => self.leave().await,
                17 => drop(self.w.store.recover(UnixMs(self.now)).await.expect("recovers")),
                18 => {
                    let c = self.campaign();
                    self.w.workspace.resend_in_doubt(c, "ana", UnixMs(self.now)).await.expect("resends");
                }
                _ if step > STEPS / 2 => {
                    let c = self.campaign();
                    self.w.workspace.cancel(c, "ana", UnixMs(self.now)).await.expect("cancels");
                    self.w.store.cancel_rows(c, 5, UnixMs(self.now)).await.expect("cancels");
                }
                _ => drop(self.w.store.finish_if_drained(self.campaigns[0], UnixMs(self.now)).await.expect("looks")),
            }
            self.check().await;
        }
    }

    fn campaign(&mut self) -> CampaignId {
        *self.campaigns.choose(&mut self.rng).expect("two")
    }

    /// A handful of jobs, some of them stale or already spent: intents for some, outcomes for others.
    async fn commit(&mut self) {
        let mut batch = LedgerBatch::default();
        for _ in 0..self.rng.random_range(1..12) {
            let job = self.jobs.choose(&mut self.rng).expect("some").clone();
            if self.rng.random_bool(0.5) {
                batch.intents.push(intent(&job));
            } else {
                let to = *DeliveryState::ALL.choose(&mut self.rng).expect("some");
                let costs = self.rng.random_bool(0.5);
                let settled = match settled(to) {
                    Some(Settled::Deferred { .. }) | None => {
                        Settled::Deferred { until: UnixMs(self.now + 2_000), costs_attempt: costs }
                    }
                    // A suppression is for good: rare, so that the life lasts.
                    Some(Settled::HardBounced) if self.rng.random_bool(0.8) => Settled::Accepted,
                    Some(other) => other,
                };
                batch.outcomes.push(outcome(&job, settled, "451 4.7.1 later"));
            }
        }
        let asked = batch.intents.clone();
        let report = self.w.store.commit(batch, UnixMs(self.now)).await.expect("commits");
        for (intent, answer) in asked.iter().zip(report.intents) {
            if answer == IntentAnswer::Go {
                self.check_go(intent).await;
            }
        }
    }

    async fn check_go(&self, intent: &Intent) {
        let forbidden = format!(
            "SELECT (SELECT COUNT(*) FROM campaigns WHERE id = {} AND (paused_at_ms IS NOT NULL OR state NOT IN ('queued', 'sending'))) \
             + (SELECT COUNT(*) FROM deliveries d JOIN suppressions x ON x.value = d.recipient WHERE d.id = {}) \
             + (SELECT COUNT(*) FROM deliveries d JOIN subscribers s ON s.id = d.subscriber_id \
                JOIN suppressions x ON x.kind = 'domain' AND x.value = s.domain WHERE d.id = {})",
            intent.campaign, intent.delivery, intent.delivery
        );
        assert_eq!(self.w.number(&forbidden).await, 0, "{intent:?} was told to go");
    }

    async fn pause_or_resume(&mut self) {
        let c = self.campaign();
        if self.w.workspace.pause(c, "ana", "", UnixMs(self.now)).await.expect("pauses") == Applied::LostRace {
            self.w.workspace.resume(c, "ana", UnixMs(self.now)).await.expect("resumes");
        }
    }

    async fn suppress(&mut self) {
        let n = self.rng.random_range(1..=PEOPLE);
        let value = format!("p{n}@d{}.example", n % 4);
        if self.w.number(&format!("SELECT COUNT(*) FROM suppressions WHERE value = '{value}'")).await == 0 {
            self.w.suppress("address", &value, "unsubscribe", None).await;
        }
    }

    async fn leave(&mut self) {
        let n = self.rng.random_range(1..=PEOPLE);
        let what = if self.rng.random_bool(0.5) {
            format!("DELETE FROM subscribers WHERE id = {n}")
        } else {
            format!("UPDATE subscriptions SET status = 'unsubscribed' WHERE subscriber_id = {n}")
        };
        self.w.sql(&what).await;
    }

    async fn check(&mut self) {
        for c in &self.campaigns {
            self.w.check_books(*c).await;
            let audience = self.w.number(&format!("SELECT audience_total FROM campaigns WHERE id = {c}")).await;
            let counted = self.w.number(&format!("SELECT SUM(n) FROM delivery_counts WHERE campaign_id = {c}")).await;
            assert_eq!(counted, audience);
        }
        assert_eq!(self.w.number("SELECT COUNT(*) FROM delivery_counts WHERE n < 0").await, 0);
        for row in self.w.rows("1 = 1").await {
            let before = self.states.insert(row.id, row.state).unwrap_or(row.state);
            let (from, to) = (DeliveryState::from_code(before), DeliveryState::from_code(row.state));
            let (from, to) = (from.expect("known"), to.expect("known"));
            assert!(reachable(from, to), "{from} -> {to}");
        }
    }
}

/// One transaction may take a row along several edges (an outcome, then the intent of the same batch).
fn reachable(from: DeliveryState, to: DeliveryState) -> bool {
    let mut seen = BTreeSet::from([from]);
    let mut open = vec![from];
    while let Some(state) = open.pop() {
        for next in DeliveryState::ALL.iter().filter(|next| state.may_become(**next)) {
            if seen.insert(*next) {
                open.push(*next);
            }
        }
    }
    seen.contains(&to)
}

#[tokio::test]
async fn a_campaign_moves_only_along_its_edges() {
    each(async |w: World| {
        let c = w.draft(1, &[], &[]).await;
        w.launch(c).await;
        w.store.fan_out(c, 10, NOW).await.expect("fans out");
        for state in tidings_domain::CampaignState::ALL {
            for transition in CampaignTransition::ALL {
                w.sql(&format!("UPDATE campaigns SET state = '{state}', done_at_ms = 1, audience_total = 0")).await;
                let applied = w.store.apply(c, *transition, NOW).await.expect("applies");
                let (from, to) = transition.edge();
                assert_eq!(applied == Applied::Yes, from == *state, "{transition:?} from {state}");
                let expected = if from == *state { to } else { *state };
                assert_eq!(w.value("SELECT state AS v FROM campaigns").await.as_deref(), Some(expected.as_str()));
            }
        }
    })
    .await;
}

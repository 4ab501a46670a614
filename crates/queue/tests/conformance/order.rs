use std::collections::HashMap;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tidings_queue::{Limits, More, Scope, Settle, Signal};

use crate::stage::*;

pub async fn a_campaign_is_first_in_first_out(stage: &impl Stage) {
    let queue = stage.unlimited().await;
    queue.push(&bulk("p"), 1, &jobs(1, 0..700)).await;
    queue.push(&bulk("p"), 1, &jobs(1, 700..1_500)).await;
    assert_eq!(ids(&drain(&queue, 7).await), (0..1_500).collect::<Vec<_>>());
}

pub async fn campaigns_of_a_shard_take_turns(stage: &impl Stage) {
    let queue = stage.unlimited().await;
    queue.push(&bulk("p"), 1, &jobs(1, 0..1_000)).await;
    queue.push(&bulk("p"), 1, &jobs(2, 5_000..5_005)).await;
    queue.push(&bulk("p"), 1, &jobs(3, 9_000..9_002)).await;
    let first = granted(&queue, 12).await;
    assert_eq!(ids(&first.jobs), [0, 5_000, 9_000, 1, 5_001, 9_001, 2, 5_002, 3, 5_003, 4, 5_004]);
}

pub async fn workspaces_take_turns_before_their_campaigns(stage: &impl Stage) {
    let queue = stage.unlimited().await;
    for campaign in 1..=3 {
        queue.push(&bulk("p"), 1, &jobs(campaign, campaign * 100..campaign * 100 + 50)).await;
    }
    queue.push(&bulk("p"), 2, &jobs(9, 900..950)).await;
    let grant = granted(&queue, 6).await;
    assert_eq!(ids(&grant.jobs), [100, 900, 200, 901, 300, 902], "half for each workspace");
    let mut of_second = 0;
    for _ in 0..40 {
        of_second += granted(&queue, 1).await.jobs.iter().filter(|j| j.campaign == 9).count();
    }
    assert_eq!(of_second, 20, "over claims of one job too");
    assert_eq!(drain(&queue, 7).await.len(), 154, "and nothing stays behind");
}

pub async fn shards_of_a_lane_take_turns(stage: &impl Stage) {
    let queue = stage.unlimited().await;
    for (n, name) in ["a", "b", "c"].into_iter().enumerate() {
        let n = i64::try_from(n).expect("small");
        queue.push(&bulk(name), 1, &jobs(1, n * 100..n * 100 + 10)).await;
    }
    let mut order = String::new();
    for _ in 0..9 {
        order.push_str(&granted(&queue, 2).await.shard.name);
    }
    assert_eq!(order, "abcabcabc");
}

pub async fn a_released_job_goes_back_to_the_front(stage: &impl Stage) {
    let queue = stage.unlimited().await;
    queue.push(&bulk("p"), 1, &jobs(1, 0..6)).await;
    let grant = granted(&queue, 4).await;
    let [a, b, c, d] = grant.jobs[..] else { panic!("four jobs") };
    queue.settle(&grant, &[(a, Settle::Done), (b, Settle::Release), (c, Settle::Release), (d, Settle::Done)]).await;
    let again = granted(&queue, 10).await;
    assert_eq!(ids(&again.jobs), [1, 2, 4, 5]);
}

/// A long random game against a model: each job ends once, and is with one holder at a time.
pub async fn random_work_loses_and_doubles_nothing<S: Stage>(stage: &S) {
    for seed in 0..(20 / S::SIZE_PART.unsigned_abs()).max(4) {
        let mut rng = StdRng::seed_from_u64(seed);
        let queue = stage.unlimited().await;
        queue.set_route_limits("1", Limits { connections: 3, ..Limits::UNLIMITED }).await;
        let mut game = Game { total: 0, with: HashMap::new(), done: HashMap::new(), grants: Vec::new() };
        for _ in 0..400 {
            game.step(stage, &queue, &mut rng).await;
        }
        game.finish(stage, &queue).await;
        assert_eq!(game.done.len(), game.total, "seed {seed}: lost");
        assert!(game.done.values().all(|n| *n == 1), "seed {seed}: doubled");
        let left = queue.snapshot().await;
        assert!(left.campaigns.is_empty() && left.shards.is_empty(), "seed {seed}: {left:?}");
    }
}

/// Two of them on a route with a budget.
const SHARDS: [&str; 4] = ["a@1", "b@1", "c@2", "d"];

const fn stream_of(campaign: i64) -> &'static str {
    match campaign {
        1 | 2 => "x.example",
        3 => "y.example",
        _ => "",
    }
}

struct Game {
    total: usize,
    /// Who holds a job: the fence of its grant.
    with: HashMap<i64, u64>,
    done: HashMap<i64, u32>,
    grants: Vec<(tidings_queue::Grant, Vec<tidings_queue::Job>)>,
}

impl Game {
    async fn step(&mut self, stage: &impl Stage, queue: &tidings_queue::Queue, rng: &mut StdRng) {
        match rng.random_range(0..8) {
            0 | 1 => self.push(queue, rng).await,
            2 | 3 => {
                if let Some(grant) = lease(queue, rng.random_range(1..9)).await {
                    let jobs = grant.jobs.clone();
                    self.claim(&jobs, grant.fence);
                    self.grants.push((grant, jobs));
                }
            }
            4 if !self.grants.is_empty() => {
                let place = rng.random_range(0..self.grants.len());
                let fence = self.grants[place].0.fence;
                if let More::Jobs(jobs) = queue.more(&self.grants[place].0, rng.random_range(1..9)).await {
                    self.claim(&jobs, fence);
                    self.grants[place].1.extend(jobs);
                }
            }
            5 | 6 if !self.grants.is_empty() => {
                let place = rng.random_range(0..self.grants.len());
                self.settle_some(queue, place, rng).await;
            }
            7 => {
                stage.advance(Duration::from_millis(rng.random_range(0..800))).await;
                if rng.random_bool(0.3) {
                    let shard = bulk(SHARDS[rng.random_range(0..4)]).with_stream("x.example");
                    let hold = Some(Duration::from_millis(rng.random_range(0..900)));
                    queue.signal(&shard, Signal { hold, ..Signal::hold(Scope::Stream, SECOND, "wait") }).await;
                }
                if rng.random_bool(0.3) && !self.grants.is_empty() {
                    let (grant, _) = self.grants.swap_remove(rng.random_range(0..self.grants.len()));
                    self.with.retain(|_, fence| *fence != grant.fence);
                    queue.close(grant).await;
                }
            }
            _ => {}
        }
    }

    async fn push(&mut self, queue: &tidings_queue::Queue, rng: &mut StdRng) {
        let shard = tidings_queue::Shard::new(rng.random_range(0..3), SHARDS[rng.random_range(0..4)]);
        let from = i64::try_from(self.total).expect("small");
        let campaign = rng.random_range(1..7);
        let new = jobs(campaign, from..from + rng.random_range(1..12));
        let (shard, workspace) = (shard.with_stream(stream_of(campaign)), campaign % 3);
        self.total += new.len();
        if rng.random_bool(0.3) {
            let delayed: Vec<_> = new.iter().map(|j| (*j, Duration::from_millis(rng.random_range(0..3_000)))).collect();
            queue.push_delayed(&shard, workspace, &delayed).await;
        } else {
            queue.push(&shard, workspace, &new).await;
        }
    }

    fn claim(&mut self, jobs: &[tidings_queue::Job], fence: u64) {
        for job in jobs {
            assert_eq!(self.with.insert(job.delivery, fence), None, "{job:?} is with two holders");
            assert!(!self.done.contains_key(&job.delivery), "{job:?} came back after its end");
        }
    }

    async fn settle_some(&mut self, queue: &tidings_queue::Queue, place: usize, rng: &mut StdRng) {
        let (grant, held) = &mut self.grants[place];
        let mut settled = Vec::new();
        held.retain(|job| {
            let how = match rng.random_range(0..5) {
                0 | 1 => Settle::Done,
                2 => Settle::RetryIn(Duration::from_millis(rng.random_range(0..2_000))),
                3 => Settle::Release,
                _ => return true,
            };
            settled.push((*job, how));
            self.with.remove(&job.delivery);
            if how == Settle::Done {
                *self.done.entry(job.delivery).or_default() += 1;
            }
            false
        });
        queue.settle(grant, &settled).await;
    }

    async fn finish(&mut self, stage: &impl Stage, queue: &tidings_queue::Queue) {
        for (grant, _) in self.grants.drain(..) {
            self.with.retain(|_, fence| *fence != grant.fence);
            queue.close(grant).await;
        }
        stage.advance(Duration::from_secs(5)).await;
        for job in drain(queue, 50).await {
            *self.done.entry(job.delivery).or_default() += 1;
        }
    }
}

use std::time::Duration;

use tidings_queue::{CloseReason, HAND_OUT_AGAIN, LeaseState, Limits, More, Queue, QueueOptions, Settle};

use crate::stage::*;

const LEASE: Duration = Duration::from_secs(30);

async fn leased(stage: &impl Stage) -> Queue {
    let options = QueueOptions { default_limits: Limits::UNLIMITED, lease: LEASE, ..QueueOptions::default() };
    let queue = stage.queue(options).await;
    queue.push(&bulk("p"), 1, &jobs(1, 0..10)).await;
    queue
}

pub async fn an_expired_lease_goes_to_the_reconciler_only(stage: &impl Stage) {
    let queue = leased(stage).await;
    let grant = granted(&queue, 3).await;
    stage.advance(LEASE / 2).await;
    assert!(queue.expired().await.is_empty());
    stage.advance(LEASE).await;
    let [expired] = &queue.expired().await[..] else { panic!("one lease") };
    assert_eq!((expired.fence, &*expired.worker, &expired.shard), (grant.fence, "worker", &bulk("p")));
    assert_eq!(ids(&expired.jobs), [0, 1, 2]);
    assert!(queue.expired().await.is_empty(), "not again at once");
    assert_eq!(queue.settle(&grant, &[(grant.jobs[0], Settle::Release)]).await, LeaseState::Lost);
    assert_eq!(ids(&drain(&queue, 20).await), (3..10).collect::<Vec<_>>());
}

/// Whoever asks may die before it has said what became of them.
pub async fn expired_jobs_are_handed_over_until_somebody_says_what_became_of_them(stage: &impl Stage) {
    let queue = leased(stage).await;
    let grant = granted(&queue, 3).await;
    stage.advance(2 * LEASE).await;
    let first = queue.expired().await;
    assert_eq!(status(&queue, "p").await.leased, 3, "nobody knows yet");
    stage.advance(HAND_OUT_AGAIN - SECOND).await;
    assert!(queue.expired().await.is_empty(), "who took them is given time");
    stage.advance(SECOND).await;
    assert_eq!(queue.expired().await, first, "and then they are handed over again");
    queue.recovered(&first[0], &grant.jobs[1..]).await;
    queue.recovered(&first[0], &grant.jobs).await;
    stage.advance(2 * HAND_OUT_AGAIN).await;
    assert!(queue.expired().await.is_empty());
    assert_eq!(ids(&drain(&queue, 20).await), (1..10).collect::<Vec<_>>(), "to the front, each once");
    let left = queue.snapshot().await;
    assert!(left.shards.is_empty() && left.campaigns.is_empty(), "{left:?}");
}

pub async fn a_dropped_campaigns_expired_jobs_do_not_come_back(stage: &impl Stage) {
    let queue = leased(stage).await;
    let grant = granted(&queue, 3).await;
    stage.advance(2 * LEASE).await;
    let expired = queue.expired().await;
    queue.drop_campaign(1).await;
    queue.recovered(&expired[0], &grant.jobs).await;
    assert!(drain(&queue, 20).await.is_empty());
    assert!(queue.snapshot().await.shards.is_empty());
}

pub async fn signs_of_life_keep_a_lease(stage: &impl Stage) {
    let queue = leased(stage).await;
    let grant = granted(&queue, 2).await;
    for sign in 0..6 {
        stage.advance(LEASE * 2 / 3).await;
        assert!(queue.expired().await.is_empty(), "before sign {sign}");
        match sign % 3 {
            0 => drop(queue.extend(&grant).await),
            1 => drop(queue.more(&grant, 1).await),
            _ => drop(queue.settle(&grant, &[]).await),
        }
    }
    assert_eq!(queue.extend(&grant).await, LeaseState::Held);
}

pub async fn a_stale_settle_is_ignored(stage: &impl Stage) {
    let queue = leased(stage).await;
    let dead = granted(&queue, 10).await;
    stage.advance(2 * LEASE).await;
    let expired = queue.expired().await;
    queue.recovered(&expired[0], &expired[0].jobs).await;
    let alive = granted(&queue, 10).await;
    assert!(alive.fence > dead.fence);
    assert_eq!(queue.settle(&dead, &[(dead.jobs[0], Settle::Done)]).await, LeaseState::Lost);
    assert_eq!(queue.more(&dead, 1).await, More::Close(CloseReason::LeaseLost));
    assert_eq!(queue.extend(&dead).await, LeaseState::Lost);
    queue.close(dead).await;
    assert_eq!(status(&queue, "p").await.leased, 10);
    assert_eq!(status(&queue, "p").await.connections.now, 1);
}

pub async fn closing_releases_what_is_unsettled(stage: &impl Stage) {
    let queue = leased(stage).await;
    let grant = granted(&queue, 6).await;
    settle_all(&queue, &grant, &grant.jobs[2..4], Settle::Done).await;
    queue.close(grant).await;
    assert_eq!(ids(&drain(&queue, 20).await), [0, 1, 4, 5, 6, 7, 8, 9]);
    assert!(queue.snapshot().await.shards.is_empty());
}

pub async fn a_job_is_settled_once(stage: &impl Stage) {
    let queue = leased(stage).await;
    let grant = granted(&queue, 1).await;
    let job = grant.jobs[0];
    assert_eq!(queue.settle(&grant, &[(job, Settle::Done), (job, Settle::Release)]).await, LeaseState::Held);
    queue.settle(&grant, &[(job, Settle::RetryIn(NOW))]).await;
    queue.close(grant).await;
    assert_eq!(ids(&drain(&queue, 20).await), (1..10).collect::<Vec<_>>());
}

/// Who fills the queue from the ledger may push what is there already.
pub async fn a_job_pushed_twice_leaves_nothing_behind(stage: &impl Stage) {
    let queue = stage.unlimited().await;
    queue.push(&bulk("p"), 1, &jobs(1, [0, 1, 0])).await;
    queue.push(&bulk("p"), 1, &jobs(1, [1, 2])).await;
    let grant = granted(&queue, 3).await;
    settle_all(&queue, &grant, &grant.jobs[..1], Settle::Done).await;
    let More::Jobs(more) = queue.more(&grant, 5).await else { panic!("jobs") };
    settle_all(&queue, &grant, &grant.jobs[1..], Settle::Done).await;
    settle_all(&queue, &grant, &more, Settle::Done).await;
    queue.close(grant).await;
    let seen: std::collections::BTreeSet<_> = more.iter().map(|j| j.delivery).collect();
    assert!(seen.contains(&2));
    drain(&queue, 5).await;
    let left = queue.snapshot().await;
    assert!(left.shards.is_empty() && left.campaigns.is_empty(), "{left:?}");
}

pub async fn a_foreign_job_is_not_settled(stage: &impl Stage) {
    let queue = leased(stage).await;
    let (one, two) = (granted(&queue, 1).await, granted(&queue, 1).await);
    queue.settle(&one, &[(two.jobs[0], Settle::Done), (job(9, 0), Settle::Done)]).await;
    assert_eq!(status(&queue, "p").await.leased, 2);
}

pub async fn an_expired_lease_frees_its_connection(stage: &impl Stage) {
    let queue = leased(stage).await;
    queue.set_limits(&bulk("p"), Limits { connections: 1, ..Limits::UNLIMITED }).await;
    let _dead = granted(&queue, 1).await;
    assert!(lease(&queue, 1).await.is_none());
    stage.advance(2 * LEASE).await;
    queue.expired().await;
    assert!(lease(&queue, 1).await.is_some());
}

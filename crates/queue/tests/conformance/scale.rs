use tidings_queue::{Limits, QueueOptions};

use crate::stage::*;

pub async fn a_hundred_thousand_shards<S: Stage>(stage: &S) {
    let shards = 100_000 / S::SIZE_PART;
    let limits = Limits { per_second: 1.0, burst: 1, connections: 1, messages_per_connection: 1, ..Limits::UNLIMITED };
    let queue = stage.queue(QueueOptions { default_limits: limits, ..QueueOptions::default() }).await;
    for n in 0..shards {
        queue.push(&bulk(&format!("mx:domain-{n}.example")), 1, &jobs(1, [2 * n, 2 * n + 1])).await;
    }
    assert_eq!(drain(&queue, 20).await.len() as i64, shards, "one each: that is what the rate allows");
    assert_eq!(queue.snapshot().await.shards.len() as i64, shards);
    stage.advance(2 * SECOND).await;
    assert_eq!(drain(&queue, 20).await.len() as i64, shards);
    assert!(queue.snapshot().await.shards.is_empty());
}

pub async fn a_long_idle_shard_is_forgotten<S: Stage>(stage: &S) {
    let shards = 1_000 / S::SIZE_PART;
    let queue = stage.queue(QueueOptions::default()).await;
    let own = bulk("own");
    queue.set_limits(&own, Limits { per_second: 3.0, ..Limits::default() }).await;
    for round in 0..5 {
        for n in 0..shards {
            queue.push(&bulk(&format!("r{round}-{n}")), 1, &jobs(1, [n])).await;
        }
        queue.push(&own, 1, &jobs(1, [-1])).await;
        assert_eq!(status(&queue, "own").await.limits.per_second, 3.0, "a decision is not forgotten");
        assert_eq!(drain(&queue, 5).await.len() as i64, shards + 1);
        stage.advance(3_600 * SECOND).await;
        queue.expired().await;
    }
    queue.push(&bulk("r0-1"), 1, &jobs(1, [5])).await;
    assert_eq!(ids(&drain(&queue, 5).await), [5]);
}

/// Otherwise a slow shard could be made quick by leaving it alone.
pub async fn a_debt_is_not_forgotten(stage: &impl Stage) {
    let default_limits = Limits { per_second: 0.000_1, burst: 1, ..Limits::UNLIMITED };
    let queue = stage.queue(QueueOptions { default_limits, ..QueueOptions::default() }).await;
    queue.push(&bulk("p"), 1, &jobs(1, [1])).await;
    assert_eq!(drain(&queue, 1).await.len(), 1);
    stage.advance(3_600 * SECOND).await;
    queue.expired().await;
    queue.push(&bulk("p"), 1, &jobs(1, [2])).await;
    assert!(lease(&queue, 1).await.is_none());
}

pub async fn a_big_drop_is_quick(stage: &impl Stage) {
    let queue = stage.unlimited().await;
    for part in 0..200 {
        queue.push(&bulk("p"), 1, &jobs(1, part * 1_000..(part + 1) * 1_000)).await;
        let delayed: Vec<_> = jobs(1, part * 100..part * 100 + 100).iter().map(|j| (*j, 9 * SECOND)).collect();
        queue.push_delayed(&bulk(&format!("q{part}")), 1, &delayed).await;
    }
    queue.push(&bulk("p"), 1, &jobs(2, [1])).await;
    queue.drop_campaign(1).await;
    assert_eq!(drain(&queue, 5).await.len(), 1);
    stage.advance(10 * SECOND).await;
    assert!(lease(&queue, 1).await.is_none());
    assert!(queue.snapshot().await.campaigns.is_empty());
}

//! A part of each budget is for the transactional lane alone.

use tidings_queue::{Lanes, Limits, Queue, QueueOptions};
use tokio::time::Instant;

use crate::stage::*;

async fn with_a_campaign(stage: &impl Stage, limits: Limits) -> Queue {
    let queue = stage.queue(QueueOptions { default_limits: limits, ..QueueOptions::default() }).await;
    queue.push(&bulk("p"), 1, &jobs(1, 0..1_000)).await;
    queue
}

pub async fn a_campaign_leaves_tokens_for_the_first_lane(stage: &impl Stage) {
    let queue = with_a_campaign(stage, Limits { per_second: 0.001, burst: 20, ..Limits::UNLIMITED }).await;
    assert_eq!(drain(&queue, 50).await.len(), 18);
    queue.push(&transactional("p"), 1, &jobs(2, 5_000..5_010)).await;
    assert_eq!(ids(&drain(&queue, 50).await), [5_000, 5_001], "at once");
}

pub async fn a_campaign_leaves_a_connection(stage: &impl Stage) {
    let queue = with_a_campaign(stage, Limits { connections: 3, ..Limits::UNLIMITED }).await;
    let _campaign = (granted(&queue, 1).await, granted(&queue, 1).await);
    assert!(lease(&queue, 1).await.is_none());
    queue.push(&transactional("p"), 1, &jobs(2, [5_000])).await;
    assert_eq!(ids(&granted(&queue, 1).await.jobs), [5_000]);
}

pub async fn a_campaign_leaves_room_in_each_window(stage: &impl Stage) {
    let queue = with_a_campaign(stage, Limits { per_day: 30, ..Limits::UNLIMITED }).await;
    assert_eq!(drain(&queue, 50).await.len(), 27);
    assert_eq!(status(&queue, "p").await.windows[0].reserved, 3);
    queue.push(&transactional("p"), 1, &jobs(2, 5_000..5_010)).await;
    assert_eq!(ids(&drain(&queue, 50).await), [5_000, 5_001, 5_002]);
}

pub async fn the_rate_over_time_is_not_lowered(stage: &impl Stage) {
    let queue = with_a_campaign(stage, Limits { per_second: 10.0, burst: 10, ..Limits::UNLIMITED }).await;
    drain(&queue, 50).await;
    let (from, mut sent) = (Instant::now(), 0);
    while sent < 300 {
        let grant = queue.lease("worker", Lanes::ALL, 5, SECOND).await.expect("a grant");
        sent += grant.jobs.len();
        queue.settle(&grant, &grant.jobs.iter().map(|j| (*j, tidings_queue::Settle::Done)).collect::<Vec<_>>()).await;
        queue.close(grant).await;
    }
    let took = from.elapsed().as_secs_f64();
    assert!((29.5..30.5).contains(&took), "{took}");
}

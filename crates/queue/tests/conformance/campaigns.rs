use tidings_queue::{CampaignStatus, Queue, Settle, Standing};

use crate::stage::*;

/// Two campaigns in each of many shards.
async fn wide(stage: &impl Stage, shards: i64) -> Queue {
    let queue = stage.unlimited().await;
    for n in 0..shards {
        queue.push(&bulk(&format!("s{n}")), 1, &jobs(1, [n])).await;
        queue.push(&bulk(&format!("s{n}")), 1, &jobs(2, [10_000 + n])).await;
    }
    queue
}

pub async fn a_paused_campaign_is_not_offered(stage: &impl Stage) {
    let queue = stage.unlimited().await;
    queue.push(&bulk("p"), 1, &jobs(1, 0..10)).await;
    let before = granted(&queue, 2).await;
    queue.pause_campaign(1).await;
    assert!(lease(&queue, 1).await.is_none());
    assert_eq!(queue.more(&before, 1).await, tidings_queue::More::Empty);
    let seen = queue.snapshot().await;
    assert_eq!(seen.shards[0].standing, Standing::Paused);
    let expected = CampaignStatus { campaign: 1, paused: true, ready: 8, delayed: 0, leased: 2 };
    assert_eq!(seen.campaigns, [expected]);
    queue.settle(&before, &[(before.jobs[0], Settle::Release)]).await;
    assert!(lease(&queue, 1).await.is_none(), "a released job waits too");
    queue.resume_campaign(1).await;
    assert_eq!(ids(&granted(&queue, 20).await.jobs), [0, 2, 3, 4, 5, 6, 7, 8, 9]);
}

pub async fn jobs_pushed_while_paused_wait(stage: &impl Stage) {
    let queue = stage.unlimited().await;
    queue.pause_campaign(1).await;
    queue.push(&bulk("p"), 1, &jobs(1, 0..3)).await;
    assert!(lease(&queue, 1).await.is_none());
    queue.push(&bulk("p"), 1, &jobs(1, 3..6)).await;
    queue.resume_campaign(1).await;
    assert_eq!(ids(&drain(&queue, 2).await), [0, 1, 2, 3, 4, 5]);
}

pub async fn a_resumed_campaign_goes_on_everywhere<S: Stage>(stage: &S) {
    let shards = 3_000 / S::SIZE_PART;
    let queue = wide(stage, shards).await;
    for _ in 0..3 {
        queue.pause_campaign(1).await;
        queue.pause_campaign(2).await;
        assert!(lease(&queue, 1).await.is_none());
        queue.resume_campaign(1).await;
        queue.pause_campaign(1).await;
        queue.resume_campaign(1).await;
    }
    assert_eq!(drain(&queue, 5).await.len() as i64, shards);
    queue.resume_campaign(2).await;
    assert_eq!(drain(&queue, 5).await.len() as i64, shards);
}

pub async fn pausing_one_campaign_leaves_others(stage: &impl Stage) {
    let queue = wide(stage, 100).await;
    queue.pause_campaign(1).await;
    let got = drain(&queue, 5).await;
    assert!(got.iter().all(|j| j.campaign == 2) && got.len() == 100);
}

pub async fn a_dropped_campaign_is_gone_everywhere<S: Stage>(stage: &S) {
    let shards = 3_000 / S::SIZE_PART;
    let queue = wide(stage, shards).await;
    queue.push_delayed(&bulk("s0"), 1, &[(job(1, -1), SECOND), (job(2, -2), 2 * SECOND)]).await;
    queue.drop_campaign(1).await;
    let got = drain(&queue, 5).await;
    assert!(got.iter().all(|j| j.campaign == 2) && got.len() as i64 == shards);
    assert_eq!(status(&queue, "s0").await.next_due_in, Some(2 * SECOND));
    assert_eq!(queue.snapshot().await.shards.len(), 1, "only the delayed job of the other is left");
    stage.advance(3 * SECOND).await;
    assert_eq!(ids(&drain(&queue, 5).await), [-2]);
}

pub async fn a_dropped_campaign_does_not_come_back(stage: &impl Stage) {
    let queue = stage.unlimited().await;
    queue.push(&bulk("p"), 1, &jobs(1, 0..4)).await;
    let grant = granted(&queue, 3).await;
    queue.drop_campaign(1).await;
    let [a, b, _] = grant.jobs[..] else { panic!("three jobs") };
    queue.settle(&grant, &[(a, Settle::Release), (b, Settle::RetryIn(SECOND))]).await;
    queue.close(grant).await;
    stage.advance(2 * SECOND).await;
    assert!(lease(&queue, 5).await.is_none());
    let left = queue.snapshot().await;
    assert!(left.shards.is_empty() && left.campaigns.is_empty(), "{left:?}");
}

pub async fn a_campaign_can_begin_anew_after_a_drop(stage: &impl Stage) {
    let queue = stage.unlimited().await;
    queue.pause_campaign(1).await;
    queue.push(&bulk("p"), 1, &jobs(1, 0..4)).await;
    queue.drop_campaign(1).await;
    queue.push(&bulk("p"), 1, &jobs(1, 10..12)).await;
    assert_eq!(ids(&drain(&queue, 5).await), [10, 11]);
}

pub async fn delayed_jobs_of_a_paused_campaign_wait(stage: &impl Stage) {
    let queue = stage.unlimited().await;
    queue.push_delayed(&bulk("p"), 1, &[(job(1, 1), SECOND)]).await;
    queue.pause_campaign(1).await;
    stage.advance(2 * SECOND).await;
    assert!(lease(&queue, 1).await.is_none());
    queue.resume_campaign(1).await;
    assert_eq!(ids(&granted(&queue, 1).await.jobs), [1]);
}

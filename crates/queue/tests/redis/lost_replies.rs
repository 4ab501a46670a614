use std::time::Duration;

use tidings_queue::{
    ExpiredLease, Knob, Lanes, LeaseState, Limits, More, Queue, QueueOptions, RedisOptions, Scope, Settle, Signal,
};
use tidings_testing::{FaultProxy, TestRedis, Then};

use crate::{bulk, drain, ids, jobs, options};

async fn before(server: &TestRedis) -> FaultProxy {
    FaultProxy::before(([127, 0, 0, 1], server.port()).into()).await.expect("a port")
}

fn url(proxy: &FaultProxy) -> String {
    format!("redis://{}", proxy.address())
}

/// The next call of that function is served, but its reply is lost.
fn lose_reply_to(proxy: &FaultProxy, function: &str) {
    proxy.trap(function, Then::CutBeforeReply);
}

async fn stage() -> (TestRedis, FaultProxy, Queue) {
    let server = TestRedis::start();
    let proxy = before(&server).await;
    let queue = Queue::redis(options(url(&proxy))).await.expect("a queue");
    (server, proxy, queue)
}

#[tokio::test]
async fn a_push_happens_once() {
    let (_server, proxy, queue) = stage().await;
    lose_reply_to(&proxy, "_push\r\n");
    queue.push(&bulk("p"), 1, &jobs(1, 0..10)).await;
    assert_eq!(proxy.sprung(), 1);
    assert_eq!(drain(&queue).await, (0..10).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_claim_gives_the_same_grant_again() {
    let (_server, proxy, queue) = stage().await;
    queue.push(&bulk("p"), 1, &jobs(1, 0..10)).await;
    lose_reply_to(&proxy, "_claim\r\n");
    let grant = queue.lease("worker", Lanes::ALL, 4, crate::TOO_LONG).await.expect("a grant");
    assert_eq!((proxy.sprung(), ids(&grant.jobs)), (1, vec![0, 1, 2, 3]));
    let seen = queue.snapshot().await;
    assert_eq!((seen.shards[0].leased, seen.shards[0].connections.now), (4, 1), "and no second one");
    lose_reply_to(&proxy, "_more\r\n");
    let More::Jobs(more) = queue.more(&grant, 3).await else { panic!("jobs") };
    assert_eq!((proxy.sprung(), ids(&more)), (2, vec![4, 5, 6]));
    assert_eq!(queue.snapshot().await.shards[0].leased, 7);
}

#[tokio::test]
async fn settling_and_closing_happen_once() {
    let (_server, proxy, queue) = stage().await;
    queue.push(&bulk("p"), 1, &jobs(1, 0..6)).await;
    let grant = queue.lease("worker", Lanes::ALL, 4, crate::TOO_LONG).await.expect("a grant");
    let [a, b, c, _] = grant.jobs[..] else { panic!("four") };
    lose_reply_to(&proxy, "_settle\r\n");
    let settled = [(a, Settle::Done), (b, Settle::Release), (c, Settle::RetryIn(Duration::from_secs(600)))];
    assert_eq!(queue.settle(&grant, &settled).await, LeaseState::Held);
    lose_reply_to(&proxy, "_close\r\n");
    queue.close(grant).await;
    assert_eq!(proxy.sprung(), 2);
    let seen = queue.snapshot().await;
    assert_eq!((seen.shards[0].ready, seen.shards[0].delayed, seen.shards[0].leased), (4, 1, 0));
    assert_eq!(seen.shards[0].connections.now, 0);
    assert_eq!(drain(&queue).await, [3, 1, 4, 5], "what was released last is at the front");
}

#[tokio::test]
async fn what_becomes_of_an_expired_lease_is_told_once() {
    let server = TestRedis::start();
    let proxy = before(&server).await;
    let queue = QueueOptions { lease: Duration::ZERO, default_limits: Limits::UNLIMITED, ..QueueOptions::default() };
    let queue = Queue::redis(RedisOptions { queue, ..RedisOptions::new(url(&proxy)) }).await.expect("a queue");
    queue.push(&bulk("p"), 1, &jobs(1, 0..3)).await;
    let grant = queue.lease("worker", Lanes::ALL, 4, crate::TOO_LONG).await.expect("a grant");
    lose_reply_to(&proxy, "_expired\r\n");
    let expired = queue.expired().await;
    assert_eq!((proxy.sprung(), expired.len()), (1, 0), "handed over to nobody, and not again at once");
    lose_reply_to(&proxy, "_recovered\r\n");
    let lost = ExpiredLease { fence: grant.fence, worker: "worker".into(), shard: bulk("p"), jobs: grant.jobs.clone() };
    queue.recovered(&lost, &grant.jobs[1..]).await;
    assert_eq!((proxy.sprung(), drain(&queue).await), (2, vec![1, 2]));
}

#[tokio::test]
async fn a_signal_counts_once() {
    let (_server, proxy, queue) = stage().await;
    queue.push(&bulk("p"), 1, &jobs(1, 0..3)).await;
    lose_reply_to(&proxy, "_signal\r\n");
    let signal = Signal::halve(Scope::Destination, Knob::Connections, "421 too many");
    queue.signal(&bulk("p"), signal).await;
    let seen = queue.snapshot().await;
    assert_eq!((proxy.sprung(), seen.shards[0].last_signal.as_ref().expect("one").count), (1, 1));
}

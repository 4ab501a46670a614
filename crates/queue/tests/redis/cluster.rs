use std::time::Duration;

use tidings_queue::{Health, Lanes, Queue, RedisOptions, Settle, Shard};
use tidings_testing::TestRedis;
use tokio::time::timeout;

use crate::{TOO_LONG, ask, bulk, drain, jobs, options};

const SHARDS: i64 = 60;

async fn filled(nodes: &[TestRedis; 3]) -> Queue {
    let queue = Queue::redis(options(nodes[1].url())).await.expect("a queue");
    for n in 0..SHARDS {
        queue.push(&bulk(&format!("s{n}")), 1, &jobs(1, [n])).await;
        queue.push(&bulk(&format!("s{n}")), 1, &jobs(2, [1_000 + n])).await;
    }
    queue
}

#[tokio::test]
async fn destinations_are_spread_over_the_nodes_and_all_are_served() {
    let nodes = TestRedis::cluster();
    let queue = filled(&nodes).await;
    for node in &nodes {
        let redis::Value::Int(keys) = ask(node, "DBSIZE").await else { panic!("a number") };
        assert!(keys > 0, "a node has nothing to do");
    }
    let seen = queue.snapshot().await;
    assert_eq!(seen.shards.len() as i64, SHARDS);
    assert_eq!(seen.campaigns.iter().map(|c| c.ready as i64).collect::<Vec<_>>(), [SHARDS, SHARDS]);
    let mut all = drain(&queue).await;
    all.sort_unstable();
    assert_eq!(all, (0..SHARDS).chain(1_000..1_000 + SHARDS).collect::<Vec<_>>());
    assert!(queue.snapshot().await.shards.is_empty());
}

#[tokio::test]
async fn a_campaign_is_paused_and_dropped_on_all_nodes() {
    let nodes = TestRedis::cluster();
    let queue = filled(&nodes).await;
    queue.pause_campaign(1).await;
    let mut others = drain(&queue).await;
    others.sort_unstable();
    assert_eq!(others, (1_000..1_000 + SHARDS).collect::<Vec<_>>());
    queue.push(&bulk("late"), 1, &jobs(1, [-1])).await;
    queue.resume_campaign(1).await;
    let grant = queue.lease("worker", Lanes::ALL, 1, TOO_LONG).await.expect("it goes on");
    queue.drop_campaign(1).await;
    queue.settle(&grant, &[(grant.jobs[0], Settle::Release)]).await;
    queue.close(grant).await;
    assert_eq!(drain(&queue).await, [0; 0]);
    assert!(queue.snapshot().await.campaigns.is_empty());
}

#[tokio::test]
async fn delayed_jobs_come_from_any_node_and_the_low_lane_first() {
    let nodes = TestRedis::cluster();
    let queue = Queue::redis(options(nodes[0].url())).await.expect("a queue");
    for n in 0..SHARDS {
        queue.push_delayed(&bulk(&format!("s{n}")), 1, &[(jobs(1, [n])[0], Duration::from_millis(50))]).await;
    }
    let mut got = Vec::new();
    while (got.len() as i64) < SHARDS {
        let grant =
            timeout(TOO_LONG, queue.lease("worker", Lanes::ALL, 5, TOO_LONG)).await.expect("soon").expect("a grant");
        got.extend(grant.jobs.iter().map(|j| j.delivery));
    }
    for n in 0..SHARDS {
        queue.push(&bulk(&format!("s{n}")), 1, &jobs(2, [n])).await;
    }
    queue.push(&Shard::new(0, "urgent"), 1, &jobs(3, [7])).await;
    assert_eq!(queue.lease("worker", Lanes::ALL, 5, TOO_LONG).await.expect("a grant").shard.lane, 0);
}

#[tokio::test]
async fn functions_lost_on_one_node_come_back() {
    let nodes = TestRedis::cluster();
    let queue = filled(&nodes).await;
    ask(&nodes[2], "FUNCTION FLUSH").await;
    assert_eq!(drain(&queue).await.len() as i64, 2 * SHARDS);
}

#[tokio::test]
async fn the_number_of_partitions_stays() {
    let nodes = TestRedis::cluster();
    let queue = filled(&nodes).await;
    let again = RedisOptions { partitions: Some(5), ..options(nodes[0].url()) };
    let refused = Queue::redis(again).await.err().expect("refused").to_string();
    assert!(refused.contains("has 8 partitions, not 5"), "{refused}");
    let same = Queue::redis(options(format!("{},{}", nodes[2].url(), nodes[0].url()))).await.expect("a queue");
    assert_eq!(same.epoch(), queue.epoch());
}

#[tokio::test]
async fn a_node_that_is_away_holds_up_only_its_own_destinations() {
    let mut nodes = TestRedis::cluster();
    let queue = filled(&nodes).await;
    nodes[0].kill();
    let served = async {
        let mut all = Vec::new();
        // Each node has some of the eight partitions; two nodes have more than a quarter of what there is.
        while (all.len() as i64) < SHARDS / 2 {
            if let Some(grant) = queue.lease("worker", Lanes::ALL, 20, Duration::from_secs(1)).await {
                all.extend(grant.jobs.iter().map(|j| j.delivery));
            }
        }
        all
    };
    timeout(TOO_LONG, served).await.expect("the others go on");
    assert_ne!(queue.health(), Health::Up);
}

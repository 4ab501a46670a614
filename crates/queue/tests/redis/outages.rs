use std::time::Duration;

use tidings_queue::{Health, Lanes, LeaseState, Queue, Settle, Trouble};
use tidings_testing::TestRedis;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::{TOO_LONG, ask, bulk, drain, ids, jobs, open};

fn trouble(queue: &Queue) -> Option<Trouble> {
    match queue.health() {
        Health::Up => None,
        Health::Down { trouble, .. } => Some(trouble),
    }
}

/// Looks until the queue has noticed: its own calls tell it.
async fn noticed(queue: &Queue, expected: Option<Trouble>) {
    let seen = async {
        while trouble(queue) != expected {
            queue.snapshot().await;
        }
    };
    timeout(TOO_LONG, seen).await.unwrap_or_else(|_| panic!("{:?}, not {expected:?}", queue.health()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_wait_for_a_server_that_comes_back_empty() {
    let mut server = TestRedis::start();
    let queue = open(&server).await;
    queue.push(&bulk("p"), 1, &jobs(1, 0..5)).await;
    let before = queue.lease("worker", Lanes::ALL, 2, TOO_LONG).await.expect("a grant");
    let epoch = queue.epoch();
    server.kill();
    assert!(queue.lease("worker", Lanes::ALL, 2, Duration::from_millis(10)).await.is_none(), "its time is over");
    assert_eq!(trouble(&queue), Some(Trouble::Unreachable));
    assert_eq!(queue.snapshot().await.shards.len(), 0, "none was taken before");
    let (shard, again) = (bulk("p"), jobs(1, 0..5));
    let pushing = queue.push(&shard, 1, &again);
    let waiting = queue.lease("worker", Lanes::ALL, 2, TOO_LONG);
    let coming_back = async { tokio::task::block_in_place(|| server.start_again()) };
    let ((), grant, ()) = timeout(TOO_LONG, async { tokio::join!(pushing, waiting, coming_back) }).await.expect("soon");
    let grant = grant.expect("a grant");
    assert_eq!(ids(&grant.jobs), [0, 1]);
    assert_eq!(queue.health(), Health::Up);
    assert_ne!(queue.epoch(), epoch, "whoever owns the ledger is told");
    assert!(grant.fence > before.fence);
    assert_eq!(queue.settle(&before, &[(before.jobs[0], Settle::Done)]).await, LeaseState::Lost);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wiped_server_has_a_new_epoch_and_its_functions_come_back() {
    let server = TestRedis::start();
    let queue = open(&server).await;
    let other = open(&server).await;
    assert_eq!(queue.epoch(), other.epoch(), "all processes see the same");
    queue.push(&bulk("p"), 1, &jobs(1, 0..5)).await;
    let epoch = queue.epoch();
    ask(&server, "FLUSHALL").await;
    ask(&server, "FUNCTION FLUSH").await;
    assert_eq!(drain(&queue).await, [0; 0]);
    assert_ne!(queue.epoch(), epoch);
    queue.push(&bulk("p"), 1, &jobs(1, 0..5)).await;
    assert_eq!(drain(&queue).await, [0, 1, 2, 3, 4]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_server_takes_no_jobs_and_gives_them_all_the_same() {
    let server = TestRedis::start();
    let queue = open(&server).await;
    queue.push(&bulk("p"), 1, &jobs(1, 0..5)).await;
    ask(&server, "CONFIG SET maxmemory 1mb").await;
    let (shard, more) = (bulk("p"), jobs(1, 5..8));
    let mut pushing = Box::pin(queue.push(&shard, 1, &more));
    let noticing = async {
        while trouble(&queue).is_none() {
            tokio::task::yield_now().await;
        }
        trouble(&queue)
    };
    tokio::select! {
        () = &mut pushing => panic!("there is no room"),
        seen = noticing => assert_eq!(seen, Some(Trouble::OutOfMemory)),
    }
    assert_eq!(drain(&queue).await, [0, 1, 2, 3, 4], "which is how room is made");
    assert_eq!(trouble(&queue), Some(Trouble::OutOfMemory), "as long as the push waits");
    ask(&server, "CONFIG SET maxmemory 0").await;
    timeout(TOO_LONG, pushing).await.expect("there is room");
    assert_eq!(drain(&queue).await, [5, 6, 7]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_is_no_place_to_write() {
    let (server, master) = (TestRedis::start(), TestRedis::start());
    let queue = open(&server).await;
    queue.push(&bulk("p"), 1, &jobs(1, 0..3)).await;
    ask(&server, &format!("REPLICAOF 127.0.0.1 {}", master.port())).await;
    noticed(&queue, Some(Trouble::ReadOnly)).await;
    ask(&server, "REPLICAOF NO ONE").await;
    noticed(&queue, None).await;
    queue.push(&bulk("q"), 1, &jobs(1, [7])).await;
    assert!(drain(&queue).await.contains(&7));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_is_dropped_while_the_server_is_away_takes_nothing_along() {
    let mut server = TestRedis::start();
    let queue = open(&server).await;
    server.kill();
    assert!(
        timeout(Duration::from_millis(200), queue.lease("worker", Lanes::ALL, 2, Duration::from_secs(3)))
            .await
            .is_err()
    );
    tokio::task::block_in_place(|| server.start_again());
    queue.push(&bulk("p"), 1, &jobs(1, 0..5)).await;
    let all = async {
        let mut all = drain(&queue).await;
        while all.len() < 5 {
            all.extend(drain(&queue).await);
        }
        all.sort_unstable();
        all
    };
    assert_eq!(timeout(TOO_LONG, all).await.expect("soon"), [0, 1, 2, 3, 4]);
}

/// After a restart with much to read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_loads_its_data_is_waited_for() {
    let args = ["--enable-debug-command", "local", "--loading-process-events-interval-bytes", "1024"];
    let server = TestRedis::start_with(&args);
    let queue = open(&server).await;
    for n in 0..200 {
        queue.push(&bulk(&format!("p{n}")), 1, &jobs(1, [n])).await;
    }
    // Microseconds for each key: long enough to be met.
    ask(&server, "CONFIG SET key-load-delay 10000").await;
    let mut operator = TcpStream::connect(("127.0.0.1", server.port())).await.expect("a connection");
    operator.write_all(b"DEBUG RELOAD\r\n").await.expect("asked");
    noticed(&queue, Some(Trouble::Loading)).await;
    noticed(&queue, None).await;
    let mut all = drain(&queue).await;
    all.sort_unstable();
    assert_eq!(all, (0..200).collect::<Vec<_>>());
}

/// A failover: the address leads to a replica that took over, which never saw our functions' library of this release.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promoted_replica_goes_on_with_the_jobs_and_loads_the_functions() {
    let (master, replica) = (TestRedis::start(), TestRedis::start());
    let queue = open(&master).await;
    queue.push(&bulk("p"), 1, &jobs(1, 0..5)).await;
    ask(&replica, &format!("REPLICAOF 127.0.0.1 {}", master.port())).await;
    let in_step = async {
        while ask(&replica, "DBSIZE").await != ask(&master, "DBSIZE").await {
            tokio::task::yield_now().await;
        }
    };
    timeout(TOO_LONG, in_step).await.expect("it follows");
    ask(&replica, "REPLICAOF NO ONE").await;
    ask(&replica, "FUNCTION FLUSH").await;
    let epoch = queue.epoch();
    let there = open(&replica).await;
    assert_eq!(there.epoch(), epoch, "nothing was lost, so nothing need be pushed again");
    assert_eq!(drain(&there).await, [0, 1, 2, 3, 4]);
}

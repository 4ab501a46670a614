use std::time::Duration;

use tidings_queue::{BudgetKind, Lanes, Limit, Limits, Queue, QueueOptions, Sent, Settle, Standing, StoppedBy, Window};
use tokio::time::Instant;

use crate::stage::*;

const MINUTE: Duration = Duration::from_secs(60);

/// At the beginning of a minute, an hour and a day: where in the calendar a test begins is chance.
async fn limited(stage: &impl Stage, limits: Limits) -> Queue {
    let queue = stage.queue(QueueOptions { default_limits: limits, ..QueueOptions::default() }).await;
    queue.push(&transactional("p"), 1, &jobs(1, 0..2_000)).await;
    let day = Limits { per_day: 1, ..Limits::UNLIMITED };
    queue.set_route_limits("calendar", day).await;
    let to_midnight = queue.snapshot().await.routes[0].windows[0].ends_in;
    stage.advance(to_midnight + Duration::from_millis(10)).await;
    queue
}

fn window(window: Window) -> Option<Limit> {
    Some(Limit::Window(window))
}

async fn stopped_by(queue: &Queue) -> Option<StoppedBy> {
    status(queue, "p").await.stopped_by
}

pub async fn each_window_holds_its_limit_and_no_more(stage: &impl Stage) {
    let queue = limited(stage, Limits { per_minute: 10, per_hour: 25, per_day: 32, ..Limits::UNLIMITED }).await;
    let mut got = Vec::new();
    for advance in [0, 30, 30, 60, 3_480, 60, 60, 82_800] {
        stage.advance(Duration::from_secs(advance)).await;
        got.push(drain(&queue, 7).await.len());
    }
    assert_eq!(got, [10, 0, 10, 5, 7, 0, 0, 10], "by minute, hour, and the day");
}

pub async fn what_was_sent_before_counts_in_its_windows(stage: &impl Stage) {
    let queue = limited(stage, Limits { per_minute: 5, per_hour: 9, per_day: 20, ..Limits::UNLIMITED }).await;
    assert_eq!(drain(&queue, 9).await.len(), 5);
    let minute = status(&queue, "p").await.windows[0].began;
    for in_day in [17, 17, 3] {
        queue.sent(&bulk("p"), Sent { minute, in_minute: 2, in_hour: 7, in_day }).await;
    }
    stage.advance(MINUTE).await;
    assert_eq!(drain(&queue, 9).await.len(), 2, "the five of before are among the seven");
    assert_eq!(stopped_by(&queue).await.map(|by| by.limit), window(Window::Hour));
    stage.advance(60 * MINUTE).await;
    assert_eq!(drain(&queue, 9).await.len(), 1, "and among the seventeen of the day");
    assert_eq!(stopped_by(&queue).await.map(|by| by.limit), window(Window::Day));
    queue.sent(&bulk("p"), Sent { minute: minute - 1, in_minute: 5, in_hour: 9, in_day: 20 }).await;
    stage.advance(24 * 60 * MINUTE).await;
    assert_eq!(drain(&queue, 9).await.len(), 5, "another day");
}

pub async fn what_a_windows_end_has_overtaken_is_not_counted(stage: &impl Stage) {
    let queue = limited(stage, Limits { per_minute: 5, per_hour: 9, per_day: 20, ..Limits::UNLIMITED }).await;
    let minute = status(&queue, "p").await.windows[0].began - 1;
    queue.sent(&bulk("p"), Sent { minute, in_minute: 5, in_hour: 9, in_day: 20 }).await;
    assert_eq!(drain(&queue, 9).await.len(), 5, "it was told at midnight of the minute before");
}

pub async fn what_a_route_sent_before_counts_in_its_windows(stage: &impl Stage) {
    let queue = limited(stage, Limits::UNLIMITED).await;
    queue.push(&bulk("p@7"), 1, &jobs(2, 5_000..5_100)).await;
    queue.set_route_limits("7", Limits { per_hour: 20, ..Limits::UNLIMITED }).await;
    let route = async || queue.snapshot().await.routes.into_iter().find(|r| r.route == "7").expect("the route");
    let minute = route().await.windows[0].began;
    queue.sent_by_route("7", Sent { minute, in_minute: 0, in_hour: 15, in_day: 15 }).await;
    assert_eq!(
        drain(&queue, 9_999).await.iter().filter(|job| job.campaign == 2).count(),
        3,
        "two are kept for the transactional lane"
    );
    assert_eq!(route().await.windows[0].used, 18);
}

pub async fn a_waiter_comes_with_the_next_window(stage: &impl Stage) {
    let queue = limited(stage, Limits { per_minute: 3, ..Limits::UNLIMITED }).await;
    stage.advance(20 * SECOND).await;
    assert_eq!(drain(&queue, 5).await.len(), 3);
    let from = Instant::now();
    let grant = queue.lease("worker", Lanes::ALL, 5, 2 * MINUTE).await.expect("a grant");
    assert_eq!(grant.jobs.len(), 3);
    let waited = from.elapsed();
    assert!(waited > 39 * SECOND && waited <= 40 * SECOND, "{waited:?}");
}

pub async fn many_workers_share_a_window(stage: &impl Stage) {
    let queue = limited(stage, Limits { per_minute: 100, ..Limits::UNLIMITED }).await;
    let workers: Vec<_> = (0..8)
        .map(|_| {
            let queue = queue.clone();
            tokio::spawn(async move { drain(&queue, 7).await.len() })
        })
        .collect();
    let mut sum = 0;
    for worker in workers {
        sum += worker.await.expect("no panic");
    }
    assert_eq!(sum, 100);
}

pub async fn released_jobs_leave_their_windows(stage: &impl Stage) {
    let queue = limited(stage, Limits { per_minute: 10, per_hour: 15, ..Limits::UNLIMITED }).await;
    let grant = granted(&queue, 10).await;
    settle_all(&queue, &grant, &grant.jobs[..4], Settle::Done).await;
    queue.close(grant).await;
    let late = granted(&queue, 50).await;
    assert_eq!(late.jobs.len(), 6, "what came back may go in the same minute");
    stage.advance(MINUTE).await;
    assert_eq!(drain(&queue, 50).await.len(), 5, "the hour counts all");
    queue.close(late).await;
    assert_eq!(drain(&queue, 50).await.len(), 5, "of six that came back the minute has room for five");
    stage.advance(MINUTE).await;
    assert_eq!(drain(&queue, 50).await.len(), 1, "and the hour for one more");
}

pub async fn the_snapshot_says_which_window_is_full(stage: &impl Stage) {
    let queue = limited(stage, Limits { per_minute: 3, per_hour: 5, ..Limits::UNLIMITED }).await;
    drain(&queue, 50).await;
    let seen = status(&queue, "p").await;
    assert_eq!(seen.standing, Standing::RateLimited);
    let windows: Vec<_> = seen.windows.iter().map(|w| (w.window, w.used, w.limit, w.reserved)).collect();
    assert_eq!(windows, [(Window::Minute, 3, 3, 0), (Window::Hour, 3, 5, 0)]);
    let by = seen.stopped_by.expect("stopped");
    assert_eq!((by.budget, Some(by.limit)), (BudgetKind::Destination, window(Window::Minute)));
    let frees_in = by.frees_in.expect("an instant");
    assert!(frees_in > 59 * SECOND && frees_in <= MINUTE, "{frees_in:?}");
    stage.advance(MINUTE).await;
    drain(&queue, 50).await;
    assert_eq!(stopped_by(&queue).await.map(|by| by.limit), window(Window::Hour), "the one that ends last");
}

//! What a process does beside its calls: watches the next alarm, hears what other processes list, and once a second
//! says how many of its calls wait. All of it ends with the last handle to the queue.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use futures_util::StreamExt;
use redis::Client;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};

use super::call::{Call, Patience};
use super::{Shared, open};

/// How often a process looks after work by itself, should a message have been lost.
const TICK: Duration = Duration::from_secs(1);
/// Between attempts to listen.
const LISTEN_PAUSE: Duration = Duration::from_secs(1);
/// When no alarm is set.
const FAR: Duration = Duration::from_secs(86_400);

pub struct Tasks(Vec<JoinHandle<()>>);

impl Tasks {
    pub fn start(shared: &Arc<Shared>, listener: Option<Client>) -> Self {
        let mut tasks = vec![tokio::spawn(keep_time(Arc::clone(shared))), tokio::spawn(tick(Arc::clone(shared)))];
        if let Some(client) = listener {
            tasks.push(tokio::spawn(listen(Arc::clone(shared), client)));
        }
        Self(tasks)
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

/// Wakes a waiter when something is due: its claim does what is to be done.
async fn keep_time(shared: Arc<Shared>) {
    loop {
        let next = shared.partitions.iter().filter_map(|p| p.heard().alarm).min();
        tokio::select! {
            () = shared.alarm_moved.notified() => {}
            () = sleep_until(next.unwrap_or_else(|| Instant::now() + FAR)) => {
                let now = Instant::now();
                shared.partitions.iter().for_each(|p| {
                    p.heard().alarm.take_if(|at| *at <= now);
                });
                shared.work.notify_one();
            }
        }
    }
}

async fn tick(shared: Arc<Shared>) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        for partition in 0..shared.partitions.len() {
            let mut args = vec![shared.waiting.load(SeqCst).to_string()];
            args.extend(shared.waiting_by_lane());
            let call = Call { partition, function: "tick", args, once: false };
            let patience = Patience::Until(Instant::now() + TICK);
            if let Ok((header, _)) = shared.call(&call, patience).await
                && header.listed > 0
                && shared.waiting.load(SeqCst) > 0
            {
                shared.wake(header.listed);
            }
        }
    }
}

/// Lines that other processes list. Lost messages are made good by the tick.
async fn listen(shared: Arc<Shared>, client: Client) {
    loop {
        if let Ok(mut messages) = client.get_async_pubsub().await {
            let mut subscribed = true;
            for partition in 0..shared.partitions.len() {
                subscribed &= messages.subscribe(open::wake_channel(&shared.prefix, partition)).await.is_ok();
            }
            let mut messages = messages.into_on_message();
            while let Some(message) = messages.next().await.filter(|_| subscribed) {
                hear(&shared, &message.get_payload::<String>().unwrap_or_default());
            }
        }
        sleep(LISTEN_PAUSE).await;
    }
}

/// `<client> <lines>`.
fn hear(shared: &Arc<Shared>, message: &str) {
    let Some((client, lines)) = message.split_once(' ') else { return };
    if client != shared.client && shared.waiting.load(SeqCst) > 0 {
        shared.wake(lines.parse().unwrap_or(1));
    }
}

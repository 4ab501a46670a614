//! When nothing moves although it should: a named diagnosis instead of a still page.

use std::time::Duration;

use tidings_domain::{CampaignState, ProcessRole, UnixMs, Word};
use tidings_queue::{Health, Snapshot, Standing};
use tidings_store::Overview;

use super::pace::{self, has_worker};
use super::rate::about;
use super::tally::Tally;
use super::wording;

/// A campaign may stand still for this long without a worker before it is called stuck.
const WITHOUT_WORKER: Duration = Duration::from_secs(60);
/// And for this long with one.
const WITHOUT_PROGRESS: Duration = Duration::from_secs(5 * 60);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stuck {
    pub title: String,
    pub detail: String,
    /// What to type; empty when there is nothing to type.
    pub command: &'static str,
}

/// The ledger is on a disk without room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskFull {
    pub free_bytes: u64,
}

/// `moved_at`: when a number of the campaign last changed, as far as this process saw.
pub fn diagnose(
    overview: &Overview,
    queue: &Snapshot,
    disk: Option<DiskFull>,
    moved_at: Option<UnixMs>,
    now: UnixMs,
) -> Option<Stuck> {
    let head = &overview.head;
    if !head.state.is_active() || head.paused_at_ms.is_some() {
        return None;
    }
    if let Some(DiskFull { free_bytes }) = disk {
        return Some(Stuck {
            title: format!("“{}” waits: the disk is full", head.name),
            detail: format!(
                "{} MiB are left, so what is sent can no longer be recorded, and nothing is sent unrecorded. Make room; it goes on by itself.",
                free_bytes >> 20
            ),
            command: "",
        });
    }
    if let Health::Down { since, trouble, why } = &queue.health {
        return Some(Stuck {
            title: format!("“{}” waits: {trouble}", head.name),
            detail: format!("{} It said: {why}", wording::queue_is_away(*since)),
            command: "",
        });
    }
    let state = wording::campaign_state(head.state);
    let since = now.since(UnixMs(entered_at(overview)));
    if !has_worker(overview, now) {
        return (since >= WITHOUT_WORKER).then(|| no_worker(overview, state, since, now));
    }
    let last = last_sign(overview, moved_at);
    let still = now.since(last);
    let waits = Tally::new(overview.counts.clone()).ahead() == 0 && head.state != CampaignState::Queuing;
    let held = queue
        .shards
        .iter()
        .any(|s| matches!(s.standing, Standing::Held | Standing::RateLimited | Standing::ConnectionLimited));
    if still < WITHOUT_PROGRESS || waits || held {
        return None;
    }
    let who = overview.workers.iter().find(|w| pace::sends(w)).map_or("", |w| w.host.as_str());
    Some(Stuck {
        title: format!("“{}” has been {state} for {} without any progress", head.name, about(still)),
        detail: format!("The worker on {who} is alive, but nothing of this campaign moved. Its log says why."),
        command: "",
    })
}

fn no_worker(overview: &Overview, state: &str, since: Duration, now: UnixMs) -> Stuck {
    let (name, command) = match overview.head.state {
        CampaignState::Queuing => ("dispatcher", "tidings dispatcher"),
        _ => ("worker", "tidings worker"),
    };
    // An installation of one process has never seen any other.
    let is_one = !overview.workers.iter().any(|w| w.role != ProcessRole::Serve.as_str());
    let (name, command) = if is_one { ("worker", "tidings serve") } else { (name, command) };
    let detail = match overview.workers.iter().find(|w| pace::wanted(overview)(w)) {
        Some(worker) => {
            let ago = about(now.since(UnixMs(worker.heartbeat_at_ms)));
            format!(
                "The last heartbeat was {ago} ago, from {}. Nothing is lost: sending goes on as soon as one runs. Start one with",
                worker.host
            )
        }
        None => {
            "None has ever reported. Nothing is lost: sending begins as soon as one runs. Start one with".to_owned()
        }
    };
    Stuck {
        title: format!("“{}” has been {state} for {}: no {name} is running", overview.head.name, about(since)),
        detail,
        command,
    }
}

fn entered_at(overview: &Overview) -> i64 {
    let head = &overview.head;
    head.sending_at_ms.or(head.queued_at_ms).or(head.queuing_at_ms).unwrap_or(head.updated_at_ms)
}

fn last_sign(overview: &Overview, moved_at: Option<UnixMs>) -> UnixMs {
    let replies = overview.providers.iter().filter_map(|p| p.last_reply.as_ref()).map(|r| r.at_ms);
    let last = replies.chain([entered_at(overview), moved_at.map_or(0, |m| m.0)]).max();
    UnixMs(last.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use tidings_domain::DeliveryState as S;

    use super::super::samples::{NOW, overview, shard};
    use super::*;

    fn diagnosis(overview: &Overview, shards: Vec<tidings_queue::ShardStatus>) -> Option<String> {
        let queue = Snapshot { shards, ..Snapshot::default() };
        diagnose(overview, &queue, None, None, NOW).map(|stuck| stuck.title)
    }

    fn still_for(ms: i64) -> Overview {
        let mut overview = overview(&[(S::Queued, 5)]);
        overview.head.sending_at_ms = Some(NOW.0 - ms);
        overview
    }

    #[test]
    fn without_a_worker_it_is_said_after_a_minute() {
        let mut overview = still_for(6 * UnixMs::MINUTE);
        overview.workers[0].heartbeat_at_ms = NOW.0 - 11 * UnixMs::MINUTE;
        assert_eq!(
            diagnosis(&overview, vec![]).as_deref(),
            Some("“Spring” has been Sending for about 6 min: no worker is running")
        );
        overview.head.sending_at_ms = Some(NOW.0 - 59_000);
        assert_eq!(diagnosis(&overview, vec![]), None, "it may just be starting");
    }

    #[test]
    fn a_full_disk_explains_a_wait_at_once() {
        let (overview, full) = (still_for(1_000), Some(DiskFull { free_bytes: 3 << 20 }));
        let stuck = diagnose(&overview, &Snapshot::default(), full, None, NOW).unwrap();
        assert_eq!(stuck.title, "“Spring” waits: the disk is full");
        assert!(stuck.detail.starts_with("3 MiB are left"));
    }

    #[test]
    fn apart_roles_are_missed_by_their_names() {
        let mut overview = still_for(2 * UnixMs::MINUTE);
        overview.workers[0].role = "dispatcher".into();
        let title = diagnosis(&overview, vec![]).unwrap();
        assert!(title.ends_with("no worker is running"), "a dispatcher sends nothing: {title}");
        overview.head.state = CampaignState::Queuing;
        assert_eq!(diagnosis(&overview, vec![]), None);
        overview.workers[0].role = "worker".into();
        let title = diagnosis(&overview, vec![]).unwrap();
        assert!(title.ends_with("no dispatcher is running"), "{title}");
    }

    #[test]
    fn with_a_worker_only_what_nothing_explains_is_stuck() {
        let still = still_for(6 * UnixMs::MINUTE);
        assert!(diagnosis(&still, vec![]).is_some_and(|title| title.contains("without any progress")));
        assert_eq!(diagnosis(&still, vec![shard("google", 5, Standing::Held)]), None, "a hold explains it");
        assert_eq!(diagnosis(&still_for(4 * UnixMs::MINUTE), vec![]), None);
        let mut paused = still_for(6 * UnixMs::MINUTE);
        paused.head.paused_at_ms = Some(1);
        assert_eq!(diagnosis(&paused, vec![]), None);
    }
}

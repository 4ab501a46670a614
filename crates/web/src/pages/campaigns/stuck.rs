//! When nothing moves although it should: a named diagnosis instead of a still page. The words are those of "Why is it waiting?".

use std::time::Duration;

use tidings_domain::{CampaignState, UnixMs};

use super::live::Look;
use crate::waiting::{Cause, Facts, Process, causes, of_overview, reason};

/// A campaign may stand still for this long without a worker before it is called stuck.
const WITHOUT_WORKER: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stuck {
    pub title: String,
    pub detail: String,
    /// What to type; empty when there is nothing to type.
    pub command: &'static str,
}

pub fn diagnose(look: &Look) -> Option<Stuck> {
    let head = &look.overview.head;
    if !head.state.is_active() || head.paused_at_ms.is_some() {
        return None;
    }
    let facts = facts(look);
    let found = causes(&facts).into_iter().find(|cause| is_stuck(cause, &facts))?;
    // None of these words names an instant.
    let words = reason(&found, &facts, &|_| String::new());
    Some(Stuck { title: words.sentence, detail: words.more, command: words.command })
}

/// What the overview knows.
pub fn facts(look: &Look) -> Facts {
    let facts = Facts {
        now: look.at,
        lock: look.lock.clone(),
        disk_free: look.disk,
        queue: look.queue.health.clone(),
        workers: look.overview.workers.clone(),
        campaign: None,
        delivery: None,
        left: Default::default(),
        destinations: Vec::new(),
        route_names: look.route_names.clone(),
        warm_ups: look.warm_ups.clone(),
        moved_at: look.moved_at,
    };
    of_overview(facts, &look.overview, &look.queue)
}

/// What a person has to mend; nobody is missed in the first minute.
fn is_stuck(cause: &Cause, facts: &Facts) -> bool {
    match cause {
        Cause::SendingLocked { .. } | Cause::DiskFull { .. } | Cause::QueueAway { .. } | Cause::Standstill { .. } => {
            true
        }
        Cause::NoProcess { .. } | Cause::LaneUnserved { .. } => {
            let since = facts.campaign.as_ref().map_or(UnixMs(0), |campaign| campaign.since);
            is_missed(cause, facts) && facts.now.since(since) >= WITHOUT_WORKER
        }
        _ => false,
    }
}

/// Nobody does what the campaign does now: fan-out is the dispatcher's, attempts are a worker's.
pub fn is_missed(cause: &Cause, facts: &Facts) -> bool {
    let is_queuing = facts.campaign.as_ref().is_some_and(|campaign| campaign.state == CampaignState::Queuing);
    let wanted = if is_queuing { Process::Dispatcher } else { Process::Worker };
    match cause {
        Cause::NoProcess { process, .. } => *process == wanted,
        Cause::LaneUnserved { .. } => !is_queuing,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use tidings_domain::DeliveryState as S;
    use tidings_queue::{Snapshot, Standing};
    use tidings_store::Overview;

    use super::super::samples::{NOW, look, overview, shard};
    use super::*;

    fn diagnosis(overview: &Overview, shards: Vec<tidings_queue::ShardStatus>) -> Option<String> {
        let queue = Snapshot { shards, ..Snapshot::default() };
        diagnose(&look(overview.clone(), queue)).map(|stuck| stuck.title)
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
    fn queuing_without_anybody_names_the_command_that_helps() {
        let mut overview = overview(&[(S::Pending, 5)]);
        overview.head.state = CampaignState::Queuing;
        (overview.head.queued_at_ms, overview.head.sending_at_ms) = (None, None);
        overview.head.queuing_at_ms = Some(NOW.0 - 6 * UnixMs::MINUTE);
        overview.workers[0].heartbeat_at_ms = NOW.0 - 11 * UnixMs::MINUTE;
        let stuck = diagnose(&look(overview.clone(), Snapshot::default())).expect("is stuck");
        assert_eq!(stuck.command, "tidings serve");
        overview.workers[0].role = "dispatcher".into();
        let stuck = diagnose(&look(overview, Snapshot::default())).expect("is stuck");
        assert_eq!(stuck.command, "tidings dispatcher");
    }

    #[test]
    fn a_full_disk_explains_a_wait_at_once() {
        let mut look = look(still_for(1_000), Snapshot::default());
        look.disk = Some(3 << 20);
        let stuck = diagnose(&look).unwrap();
        assert_eq!(stuck.title, "“Spring” waits: the disk is full");
        assert!(stuck.detail.starts_with("3 MiB are left"));
    }

    #[test]
    fn a_queue_that_is_away_explains_it_too() {
        let mut look = look(still_for(1_000), Snapshot::default());
        let (since, trouble) = (Duration::from_secs(70), tidings_queue::Trouble::Unreachable);
        look.queue.health = tidings_queue::Health::Down { since, trouble, why: "refused".into() };
        let stuck = diagnose(&look).unwrap();
        assert_eq!(stuck.title, "“Spring” waits: Redis cannot be reached");
        assert!(stuck.detail.contains("resumes by itself"));
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
        let mut held = shard("google", 5, Standing::Held);
        held.hold =
            Some(tidings_queue::HoldStatus { why: "421".into(), since: Duration::ZERO, remaining: Duration::ZERO });
        assert_eq!(diagnosis(&still, vec![held]), None, "a hold explains it");
        assert_eq!(diagnosis(&still_for(4 * UnixMs::MINUTE), vec![]), None);
        let mut paused = still_for(6 * UnixMs::MINUTE);
        paused.head.paused_at_ms = Some(1);
        assert_eq!(diagnosis(&paused, vec![]), None);
    }
}

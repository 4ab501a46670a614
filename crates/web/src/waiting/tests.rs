//! The table from facts to causes, and from causes to words.

use std::collections::BTreeSet;
use std::time::Duration;

use tidings_domain::{CampaignState, DeliveryState as S, Lane, UnixMs};
use tidings_queue::{
    BudgetKind, Gauge, Health, HoldStatus, Limit, ShardStatus, Snapshot, Standing, StoppedBy, Trouble, Window,
};

use super::*;
use crate::pages::campaigns::samples::{NOW, look, overview, shard};
use crate::pages::campaigns::stuck_facts;

fn facts(counts: &[(S, i64)], shards: Vec<ShardStatus>) -> Facts {
    stuck_facts(&look(overview(counts), Snapshot { shards, ..Snapshot::default() }))
}

fn names(facts: &Facts) -> Vec<&'static str> {
    causes(facts).iter().map(Cause::name).collect()
}

fn holding(name: &str) -> ShardStatus {
    let hold = HoldStatus { why: "421".into(), since: Duration::ZERO, remaining: Duration::from_secs(9) };
    ShardStatus { hold: Some(hold), ..shard(name, 5, Standing::Held) }
}

#[test]
fn what_stops_more_stands_first() {
    let mut all = facts(&[(S::Queued, 5), (S::Deferred, 2), (S::Sending, 1)], vec![holding("google")]);
    let since = Duration::from_secs(5);
    all.lock = Some("restored".into());
    all.disk_free = Some(1);
    all.queue = Health::Down { since, trouble: Trouble::Unreachable, why: "refused".into() };
    all.workers.clear();
    all.left.first_try = Some(NOW);
    let campaign = all.campaign.as_mut().expect("a campaign");
    campaign.paused = Some((NOW, "Mia".into(), String::new()));
    campaign.attention = "blocked".into();
    campaign.deadline = Some(UnixMs(NOW.0 + 1));
    assert_eq!(
        names(&all),
        [
            "sending_locked",
            "disk_full",
            "queue_away",
            "paused",
            "no_worker",
            "held",
            "put_off",
            "in_flight",
            "attention",
            "deadline"
        ]
    );
}

#[test]
fn each_fact_alone_has_its_cause() {
    let mut rate = shard("google", 5, Standing::RateLimited);
    rate.rate.limit = 2.0;
    let free = || shard("microsoft", 5, Standing::Free);
    let busy = shard("google", 5, Standing::ConnectionLimited);
    assert_eq!(names(&facts(&[(S::Queued, 5)], vec![rate])), ["rate"]);
    assert_eq!(names(&facts(&[(S::Queued, 5)], vec![busy])), ["connections"]);
    let mut used_up = shard("google", 5, Standing::RateLimited);
    let frees_in = Some(Duration::from_secs(3_600));
    let limit = Limit::Window(Window::Day);
    used_up.stopped_by = Some(StoppedBy { budget: BudgetKind::Route, limit, frees_in });
    assert_eq!(names(&facts(&[(S::Queued, 5)], vec![used_up])), ["window"]);
    assert_eq!(names(&facts(&[(S::Queued, 5)], vec![free()])), ["own_speed"]);
    assert_eq!(names(&facts(&[(S::Queued, 5)], vec![])), ["queueing"]);
    assert_eq!(names(&facts(&[(S::Queued, 9)], vec![holding("google"), free()])), ["held", "own_speed"]);
    assert_eq!(names(&facts(&[(S::Sending, 1)], vec![])), ["in_flight"]);
    assert_eq!(names(&facts(&[(S::Deferred, 1)], vec![])), ["held_by_hand"], "no next try is promised");
    let mut unknown = facts(&[(S::Pending, 4)], vec![]);
    unknown.left.unknown_provider = 4;
    assert_eq!(names(&unknown), ["looking_up"]);
    let mut preparing = facts(&[(S::Pending, 4)], vec![]);
    preparing.campaign.as_mut().expect("a campaign").state = CampaignState::Queuing;
    assert_eq!(names(&preparing), ["preparing"]);
    let mut draft = facts(&[], vec![]);
    draft.campaign.as_mut().expect("a campaign").state = CampaignState::Draft;
    assert_eq!(names(&draft), ["not_launched"]);
    let mut done = facts(&[], vec![]);
    done.campaign.as_mut().expect("a campaign").state = CampaignState::Done;
    assert_eq!(names(&done), ["ended"]);
    let mut over = facts(&[(S::Queued, 1)], vec![]);
    over.campaign.as_mut().expect("a campaign").deadline = Some(NOW);
    assert_eq!(names(&over), ["deadline_passed", "queueing"]);
}

#[test]
fn roles_apart_are_missed_one_by_one() {
    let mut apart = facts(&[(S::Queued, 5)], vec![]);
    apart.workers[0].role = "web".into();
    assert_eq!(names(&apart)[..2], ["no_worker", "no_dispatcher"]);
    apart.workers[0].role = "worker".into();
    assert_eq!(names(&apart)[0], "no_dispatcher");
}

#[test]
fn one_recipient_is_explained_by_its_own_row() {
    let of = |state, is_held, is_dns| {
        let mut facts = facts(&[(S::Queued, 5), (S::Deferred, 5)], vec![holding("google")]);
        let (reason, reply, due) = ("Accepted".to_owned(), "451 later".to_owned(), Some(NOW));
        facts.delivery = Some(DeliveryFacts { state, reason, is_held, due, reply, is_dns });
        names(&facts)
    };
    assert_eq!(of(S::Accepted, false, false), ["settled"]);
    assert_eq!(of(S::Pending, false, false), ["looking_up"]);
    assert_eq!(of(S::Queued, false, false), ["held"]);
    assert_eq!(of(S::Sending, false, false), ["in_flight"]);
    assert_eq!(of(S::Deferred, true, false), ["held_by_hand"]);
    assert_eq!(of(S::Deferred, false, false), ["put_off", "held"]);
    assert_eq!(of(S::Deferred, false, true), ["dns", "put_off", "held"]);
}

fn no_facts() -> Facts {
    Facts {
        now: NOW,
        lock: None,
        disk_free: None,
        queue: Health::Up,
        workers: vec![],
        campaign: None,
        delivery: None,
        left: Left::default(),
        destinations: vec![],
        route_names: Default::default(),
        warm_ups: vec![],
        moved_at: None,
    }
}

fn warming() -> Cause {
    Cause::WarmUp(WarmUpDay {
        who: "Gmail".into(),
        route: "mx-1".into(),
        day: 3,
        cap: 450,
        used: 405,
        kept: 45,
        next_cap: Some(675),
        stays: String::new(),
        next: Duration::from_secs(5 * 3_600),
        waiting: 1_204,
    })
}

/// One of each: the match in [`Cause::name`] makes sure that a new one is named, and the last line that it stands here.
fn each() -> Vec<Cause> {
    let s = String::new;
    let (second, minute) = (Duration::from_secs(1), Duration::from_secs(60));
    let lost = |process| Cause::NoProcess { process, is_one: false, last: None, since: NOW };
    vec![
        Cause::SendingLocked { why: "restored".into() },
        Cause::DiskFull { free_bytes: 3 << 20 },
        Cause::QueueAway { trouble: "Redis cannot be reached".into(), why: "refused".into(), since: minute },
        Cause::NotLaunched,
        Cause::Ended { state: CampaignState::Done, at: Some(NOW) },
        Cause::Settled { how: "Accepted".into() },
        Cause::DeadlinePassed { at: NOW },
        Cause::Paused { by: "Mia".into(), at: NOW, why: s(), waiting: 7, in_flight: 2 },
        lost(Process::Worker),
        lost(Process::Dispatcher),
        Cause::LaneUnserved { lane: Lane::Bulk, waiting: 3, is_one: false },
        Cause::HeldByHand,
        Cause::Held { who: "Gmail".into(), since: second, left: minute, reply: "421 slow".into(), waiting: 1 },
        Cause::Connections { who: "Gmail".into(), full: Full::InUse { now: 1, limit: 1 }, waiting: 3, reply: s() },
        Cause::Rate { who: "Gmail".into(), limit: "20/s".into(), next: second, waiting: 9, takes: None, reply: s() },
        Cause::Window { who: "Gmail".into(), window: Window::Day, limit: 200, next: minute, waiting: 3 },
        warming(),
        Cause::DnsTrouble { said: "SERVFAIL".into(), next: Some(NOW) },
        Cause::LookingUp { n: 4 },
        Cause::PutOff { n: 1, first: None, last: None, reply: s(), is_all: true },
        Cause::Preparing,
        Cause::Queueing { n: 1 },
        Cause::InFlight { n: 1 },
        Cause::OwnSpeed { waiting: 1 },
        Cause::Standstill { since: NOW, host: "mx-1".into() },
        Cause::Attention { why: "blocked".into() },
        Cause::Deadline { at: NOW.plus(minute) },
    ]
}

#[test]
fn every_cause_has_words() {
    let facts = no_facts();
    let mut names = BTreeSet::new();
    for cause in each() {
        let reason = super::reason(&cause, &facts, &|at| format!("@{}", at.0 - NOW.0));
        assert!(reason.title != "It waits" && reason.sentence.len() > 5, "{cause:?}: {reason:?}");
        assert!(["bad", "warn", "info", "ok", "neutral"].contains(&reason.tone), "{cause:?}");
        assert!(names.insert(reason.cause), "{} stands twice", reason.cause);
        assert_eq!(reason.more.ends_with("with"), !reason.command.is_empty(), "{cause:?}: a command needs its words");
    }
    assert_eq!(names.len(), 27, "a cause is missing from the table above");
}

#[test]
fn a_hold_says_since_and_until_and_whose_words() {
    let cause = &each()[12];
    let reason = super::reason(cause, &no_facts(), &|_| String::new());
    assert_eq!(reason.sentence, "Gmail asked us to wait: about 1 min more until the next try.");
    assert_eq!((reason.since, reason.until), (Some(UnixMs(NOW.0 - 1_000)), Some(UnixMs(NOW.0 + 60_000))));
    assert_eq!(reason.reply, "421 slow");
}

#[test]
fn a_connection_that_may_not_be_opened_says_why() {
    let said = |now, limit, budget, frees_in| {
        let stopped_by = Some(StoppedBy { budget, limit: Limit::Connections, frees_in });
        let connections = Gauge { now, limit };
        let busy = ShardStatus { stopped_by, connections, ..shard("google", 5, Standing::ConnectionLimited) };
        explain(&facts(&[(S::Queued, 5)], vec![busy]), &|_| String::new()).remove(0).sentence
    };
    let own = BudgetKind::Destination;
    let sentences = [
        (
            said(1, 1, own, None),
            "Gmail and Google Workspace: the one connection that it allows is in use, so its own speed decides",
        ),
        (said(9, 9, own, None), "Gmail and Google Workspace: all 9 connections are in use, so its own speed decides"),
        (
            said(8, 9, own, None),
            "Gmail and Google Workspace: all 9 connections are in use or kept for tests and transactional mail, so its own speed decides",
        ),
        (
            said(1, 9, BudgetKind::Route, None),
            "the route's own budget, on the way to Gmail and Google Workspace: all connections that the route allows are in use, so its own speed decides",
        ),
        (
            said(2, 9, own, Some(Duration::from_secs(2))),
            "Gmail and Google Workspace: one connection more was refused, so the next is tried in 2 s",
        ),
    ];
    for (sentence, expected) in sentences {
        assert_eq!(sentence, format!("Limited by {expected} (5 left there)."));
    }
}

#[test]
fn a_day_of_warm_up_says_which_and_what_comes_next() {
    let clock = |at: UnixMs| format!("@{}", at.0 - NOW.0);
    let said = super::reason(&warming(), &no_facts(), &clock);
    assert_eq!(
        said.sentence,
        "The route “mx-1” is being warmed up at Gmail: 405 of the 450 messages of day 3 are sent, and 45 are kept for tests and \
         transactional mail. The next day begins at @18000000, in about 5 h 0 min (1,204 left there)."
    );
    assert_eq!(said.more, "If the day goes well, the next allows 675.");
    assert_eq!(said.until, Some(UnixMs(NOW.0 + 18_000_000)));
}

#[test]
fn a_warm_up_is_told_from_other_limits_of_a_day() {
    let stopped = |budget| {
        let (frees_in, limit) = (Some(Duration::from_secs(60)), Limit::Window(Window::Day));
        ShardStatus {
            stopped_by: Some(StoppedBy { budget, limit, frees_in }),
            ..shard("google@3", 5, Standing::RateLimited)
        }
    };
    let of = |status: ShardStatus| {
        let mut look = look(overview(&[(S::Queued, 5)]), Snapshot { shards: vec![status], ..Snapshot::default() });
        look.warm_ups = vec![WarmUp {
            provider: "google".into(),
            route: tidings_store::RouteId(3),
            route_name: "mx-1".into(),
            day: 3,
            next_cap: None,
            stays: String::new(),
        }];
        names(&stuck_facts(&look))
    };
    assert_eq!(of(stopped(BudgetKind::Destination)), ["warm_up"]);
    assert_eq!(of(stopped(BudgetKind::Route)), ["window"], "the route's own limit");
    let yahoo = ShardStatus { shard: tidings_queue::Shard::new(2, "microsoft@3"), ..stopped(BudgetKind::Destination) };
    assert_eq!(of(yahoo), ["window"], "no warm-up of this provider is known");
}

#[test]
fn workers_for_other_lanes_alone_are_no_workers_for_this_one() {
    let mut facts = facts(&[(S::Queued, 5)], vec![]);
    facts.workers[0].lanes = "transactional, automation".into();
    assert_eq!(names(&facts)[0], "lane_unserved");
    let said = explain(&facts, &|_| String::new()).remove(0);
    assert_eq!(said.sentence, "“Spring” waits: no worker that runs serves campaigns");
    assert_eq!(said.command, "tidings serve", "an installation of one process has no other to start");
    facts.workers[0].role = "worker".into();
    let said = explain(&facts, &|_| String::new()).into_iter().find(|reason| reason.cause == "lane_unserved");
    assert_eq!(said.map(|reason| reason.command), Some("tidings worker --lanes bulk"));
    facts.workers[0].lanes = "bulk".into();
    assert!(!names(&facts).contains(&"lane_unserved"));
    facts.workers[0].heartbeat_at_ms = 0;
    assert!(!names(&facts).contains(&"lane_unserved"), "that no worker lives is another cause");
}

#[test]
fn what_waits_in_a_lane_that_nobody_serves_is_told_without_a_campaign() {
    let in_lane = |lane: u8, ready| ShardStatus {
        shard: tidings_queue::Shard::new(lane, "google@3"),
        ..shard("google", ready, Standing::Free)
    };
    let mut facts = no_facts();
    facts.workers = overview(&[]).workers;
    facts.workers[0].lanes = "bulk".into();
    facts.destinations =
        [in_lane(0, 3), in_lane(1, 0), in_lane(2, 9)].map(|s| Destination::new(s, &Default::default())).into();
    let lanes = lanes::causes_of_lanes(&facts);
    assert_eq!(lanes, [Cause::LaneUnserved { lane: Lane::Transactional, waiting: 3, is_one: true }]);
    let said = super::reason(&lanes[0], &facts, &|_| String::new());
    assert_eq!(
        said.sentence,
        "3 messages wait in the lane of tests and transactional mail, and no worker that runs serves it"
    );
}

use tidings_domain::{CampaignState, Lane, UnixMs};

use super::budget_sentences::{connections, rate, used_up, warming_up};
use super::cause::{Cause, Process};
use super::facts::{Facts, counted};
use crate::pages::campaigns::rate::about;
use crate::pages::campaigns::wording::{campaign_state, capitalised, queue_is_away};
use crate::text::count_of;

/// What one cause says.
pub(super) struct Said {
    pub tone: &'static str,
    pub title: &'static str,
    pub sentence: String,
    pub more: String,
}

pub(super) fn said(
    tone: &'static str,
    title: &'static str,
    sentence: impl Into<String>,
    more: impl Into<String>,
) -> Said {
    Said { tone, title, sentence: sentence.into(), more: more.into() }
}

pub(super) fn words(cause: &Cause, facts: &Facts, clock: &dyn Fn(UnixMs) -> String) -> Said {
    let found = of_installation(cause, facts);
    let found = found.or_else(|| of_campaign(cause, facts, clock));
    found
        .or_else(|| of_destination(cause, facts, clock))
        .unwrap_or_else(|| said("neutral", "It waits", "It waits.", ""))
}

fn of_installation(cause: &Cause, facts: &Facts) -> Option<Said> {
    Some(match cause {
        Cause::SendingLocked { why } => said(
            "bad",
            "Sending is locked",
            format!("Nothing is sent at all: {why}."),
            "This database was restored from a backup. Look at what it holds, then unlock it on the home page or with",
        ),
        Cause::DiskFull { free_bytes } => said(
            "bad",
            "The disk is full",
            format!("{} waits: the disk is full", name_of(facts)),
            format!(
                "{} MiB are left, so what is sent can no longer be recorded, and nothing is sent unrecorded. Make room; it goes on by itself.",
                free_bytes >> 20
            ),
        ),
        Cause::QueueAway { trouble, why, since } => said(
            "bad",
            "The queue is away",
            format!("{} waits: {trouble}", name_of(facts)),
            format!("{} It said: {why}", queue_is_away(*since)),
        ),
        Cause::NoProcess { process, last, since, .. } => no_process(*process, last.as_ref(), *since, facts),
        Cause::LaneUnserved { lane, waiting, is_one } => lane_unserved(*lane, *waiting, *is_one, facts),
        Cause::Standstill { since, host } => standstill(*since, host, facts),
        _ => return None,
    })
}

fn of_campaign(cause: &Cause, facts: &Facts, clock: &dyn Fn(UnixMs) -> String) -> Option<Said> {
    Some(match cause {
        Cause::NotLaunched => said("neutral", "Not launched", "It is a draft: nobody was to be sent to yet.", ""),
        Cause::Ended { state, .. } => ended(*state),
        Cause::Settled { how } => said("neutral", "Ended", format!("It does not wait: {how}."), ""),
        Cause::DeadlinePassed { at } => said(
            "warn",
            "The deadline has passed",
            format!("Its deadline was {}: what was not sent by then is being ended.", clock(*at)),
            "",
        ),
        Cause::Paused { by, at, why, waiting, in_flight } => paused(by, &clock(*at), why, *waiting, *in_flight),
        Cause::HeldByHand => said(
            "warn",
            "Held by hand",
            "Somebody keeps it back until it is released.",
            "Release it on the page of what is put off, or with",
        ),
        Cause::Preparing => said(
            "info",
            "Preparing",
            "Preparing: each recipient gets a row in the ledger, and a reason if skipped.",
            "",
        ),
        Cause::Queueing { .. } => {
            said("info", "On the way into the queue", "The next messages are on their way into the queue.", "")
        }
        Cause::Attention { why } => said("bad", "Needs attention", why.clone(), ""),
        Cause::Deadline { at } => said(
            "neutral",
            "Its deadline",
            format!("It gives up at {} (in {}).", clock(*at), about(at.since(facts.now))),
            "",
        ),
        _ => return None,
    })
}

fn of_destination(cause: &Cause, facts: &Facts, clock: &dyn Fn(UnixMs) -> String) -> Option<Said> {
    Some(match cause {
        Cause::Held { who, left, .. } => said(
            "warn",
            "Held by the receiver",
            format!("{} asked us to wait: {} more until the next try.", capitalised(who), about(*left)),
            "",
        ),
        Cause::Connections { who, full, waiting, .. } => connections(who, *full, *waiting),
        Cause::Rate { who, limit, next, waiting, takes, .. } => rate(who, limit, *next, *waiting, *takes),
        Cause::Window { who, window, limit, next, waiting } => {
            used_up(who, *window, *limit, *next, &clock(facts.now.plus(*next)), *waiting)
        }
        Cause::WarmUp(day) => warming_up(day, &clock(facts.now.plus(day.next))),
        Cause::DnsTrouble { next, .. } => said(
            "warn",
            "DNS trouble",
            "The DNS of the recipient's domain did not say where its mail goes.",
            next.map_or_else(String::new, |at| format!("It is asked again at {}.", clock(at))),
        ),
        Cause::LookingUp { n } => said(
            "info",
            "Looking up providers",
            format!("Where the mail of {} goes is being looked up in the DNS.", people(*n)),
            "Resolvers that are slow or do not answer make this long; a failed look-up is repeated after ten minutes.",
        ),
        Cause::PutOff { n, first, is_all, .. } => put_off(*n, *first, *is_all, facts.now, clock),
        Cause::InFlight { n } => said("info", "In flight", format!("{} on the wire now.", are(*n)), ""),
        Cause::OwnSpeed { .. } => said(
            "ok",
            "Nothing holds it back",
            format!("Nothing holds it back: {} left, as fast as this machine can.", counted(facts.left.ahead())),
            "",
        ),
        _ => return None,
    })
}

/// `“Spring”`, or what else waits.
fn name_of(facts: &Facts) -> String {
    facts.campaign.as_ref().map_or_else(|| "All".to_owned(), |campaign| format!("“{}”", campaign.name))
}

fn people(n: i64) -> String {
    count_of(n, "recipient", "recipients")
}

fn are(n: i64) -> String {
    count_of(n, "message is", "messages are")
}

fn ended(state: CampaignState) -> Said {
    let sentence = match state {
        CampaignState::Cancelled => "It was cancelled: nothing of it waits.",
        _ => "All done: nothing of it waits.",
    };
    said("ok", campaign_state(state), sentence, "")
}

fn paused(by: &str, at: &str, why: &str, waiting: i64, in_flight: i64) -> Said {
    let why = if why.is_empty() { String::new() } else { format!(": {why}") };
    let flight = match in_flight {
        0 => String::new(),
        n => format!(" {} already on the wire will finish.", counted(n)),
    };
    let waiting = counted(waiting);
    said(
        "warn",
        "Paused",
        format!("Paused by {by} at {at}{why}. {waiting} are waiting; no new attempt begins.{flight}"),
        "Resume it on its page.",
    )
}

fn no_process(process: Process, last: Option<&(String, UnixMs)>, since: UnixMs, facts: &Facts) -> Said {
    let (title, word) = match process {
        Process::Worker => ("No worker is running", "worker"),
        Process::Dispatcher => ("No dispatcher is running", "dispatcher"),
    };
    let sentence = match &facts.campaign {
        Some(campaign) => {
            let (state, span) = (campaign_state(campaign.state), about(facts.now.since(campaign.since)));
            format!("“{}” has been {state} for {span}: no {word} is running", campaign.name)
        }
        None => format!("Since {} no {word} is running", about(facts.now.since(since))),
    };
    let more = match last {
        Some((host, at)) => format!(
            "The last heartbeat was {} ago, from {host}. Nothing is lost: sending goes on as soon as one runs. Start one with",
            about(facts.now.since(*at))
        ),
        None => {
            "None has ever reported. Nothing is lost: sending begins as soon as one runs. Start one with".to_owned()
        }
    };
    said("bad", title, sentence, more)
}

/// In the middle of a sentence: what lies in the lane.
pub const fn lane_mail(lane: Lane) -> &'static str {
    match lane {
        Lane::Transactional => "tests and transactional mail",
        Lane::Automation => "automation",
        Lane::Bulk => "campaigns",
    }
}

fn lane_unserved(lane: Lane, waiting: i64, is_one: bool, facts: &Facts) -> Said {
    let mail = lane_mail(lane);
    let sentence = match &facts.campaign {
        Some(campaign) => format!("“{}” waits: no worker that runs serves {mail}", campaign.name),
        None => format!(
            "{} in the lane of {mail}, and no worker that runs serves it",
            count_of(waiting, "message waits", "messages wait")
        ),
    };
    let start = if is_one { "Start it again for all lanes with" } else { "Start one that does with" };
    let more = format!("Those that run were started with --lanes, for others alone. Nothing is lost. {start}");
    said("bad", "No worker serves this lane", sentence, more)
}

fn put_off(n: i64, first: Option<UnixMs>, is_all: bool, now: UnixMs, clock: &dyn Fn(UnixMs) -> String) -> Said {
    let who = match (n, is_all) {
        (1, true) => "The last one was".to_owned(),
        (1, false) => "One was".to_owned(),
        (n, true) => format!("All {} that are left were", counted(n)),
        (n, false) => format!("{} were", counted(n)),
    };
    let next = match first {
        Some(due) if due > now => format!("the next try is at {} (in {})", clock(due), about(due.since(now))),
        _ => "the next try begins now".to_owned(),
    };
    said("warn", "Put off by the receiver", format!("{who} put off by the receiver: {next}."), "")
}

fn standstill(since: UnixMs, host: &str, facts: &Facts) -> Said {
    let state = facts.campaign.as_ref().map_or("waiting", |campaign| campaign_state(campaign.state));
    let span = about(facts.now.since(since));
    said(
        "bad",
        "No progress",
        format!("{} has been {state} for {span} without any progress", name_of(facts)),
        format!("The worker on {host} is alive, but nothing moved. Its log says why."),
    )
}

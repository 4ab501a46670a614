//! What operators change of providers: who changed what, in which version, and what happened to each destination's pace.

use crate::ledger_world::*;
use tidings_domain::{BounceClass, Knob, PaceAct, ProviderEntry, ReplyRule, UnixMs};
use tidings_store::*;

fn note(by: &str) -> ProviderNote {
    ProviderNote { by: by.into(), undoes: None, now: NOW }
}

fn entry(per_second: f64) -> ProviderEntry {
    ProviderEntry { name: "google".into(), per_second: Some(per_second), ..ProviderEntry::default() }
}

fn rule(name: &str) -> ReplyRule {
    ReplyRule {
        name: name.into(),
        text: "slowly please".into(),
        class: "throttled".into(),
        is: vec!["421 Slowly please".into()],
        ..ReplyRule::default()
    }
}

#[tokio::test]
async fn every_change_is_a_version_and_names_who_made_it() {
    each(async |w: World| {
        assert_eq!(w.store.provider_overrides().await.expect("reads"), ProviderOverrides::default());
        w.store.change_provider(entry(4.0), note("Ana")).await.expect("changes");
        w.store.change_provider(entry(4.0), note("Ana")).await.expect("nothing new");
        assert_eq!(w.store.provider_version().await.expect("reads"), 1, "what changes nothing is no version");
        w.store.change_provider(entry(2.0), note("Ben")).await.expect("changes");
        assert_eq!(w.store.add_reply_rule(rule("b"), note("Ana")).await.expect("adds"), AddedRule::Yes);
        assert_eq!(w.store.add_reply_rule(rule("a"), note("Ana")).await.expect("adds"), AddedRule::Yes);
        assert_eq!(w.store.add_reply_rule(rule("a"), note("Ana")).await.expect("asks"), AddedRule::NameTaken);
        let now = w.store.provider_overrides().await.expect("reads");
        assert_eq!((now.version, &now.entries[..]), (4, &[entry(2.0)][..]));
        assert_eq!(now.rules, [rule("b"), rule("a")], "in the order in which they were added");

        w.store.remove_reply_rule("b", note("Ben")).await.expect("removes");
        assert!(matches!(w.store.remove_reply_rule("b", note("Ben")).await, Err(StoreError::NotFound)));
        let back = ProviderEntry { name: "google".into(), ..ProviderEntry::default() };
        w.store.change_provider(back, ProviderNote { undoes: Some(2), ..note("Ana") }).await.expect("changes");
        assert!(w.store.provider_overrides().await.expect("reads").entries.is_empty());

        let google = ProviderSubject::Settings("google".into());
        let told = w.store.provider_changes(Some(google.clone()), 10).await.expect("reads");
        let who: Vec<_> =
            told.iter().map(|c| (c.by.as_str(), c.was.is_empty(), c.becomes.is_empty(), c.undoes)).collect();
        assert_eq!(who, [("Ana", false, true, Some(2)), ("Ben", false, false, None), ("Ana", true, false, None)]);
        assert_eq!(w.store.provider_change(2).await.expect("reads").subject, google);
        assert_eq!(w.store.provider_changes(None, 2).await.expect("reads").len(), 2);
    })
    .await;
}

#[tokio::test]
async fn other_hosts_have_every_domain_looked_up_anew() {
    each(async |w: World| {
        w.store
            .save_domain_providers(vec![("acme.example".into(), "mx:acme.example".into())], LATER)
            .await
            .expect("saves");
        w.store.change_provider(entry(4.0), note("Ana")).await.expect("changes");
        assert_eq!(w.number("SELECT COUNT(*) FROM recipient_domains WHERE expires_at_ms > 0").await, 1);
        let hosts = ProviderEntry { mx: vec![".acme.example".into()], ..entry(4.0) };
        w.store.change_provider(hosts, note("Ana")).await.expect("changes");
        assert_eq!(w.number("SELECT COUNT(*) FROM recipient_domains WHERE expires_at_ms > 0").await, 0);
    })
    .await;
}

fn down(until: Option<UnixMs>) -> NewPaceEvent {
    NewPaceEvent {
        of: PaceOf { provider: "google".into(), route: Some(RouteId(3)), stream: String::new() },
        act: PaceAct::Down,
        turn: Some((Knob::Rate, 5.0, 2.5)),
        until,
        class: Some(BounceClass::Throttled),
        rule: "throttled".into(),
        why: "421 slow down".into(),
        by: "Tidings".into(),
        attention: String::new(),
    }
}

#[tokio::test]
async fn alike_within_a_minute_is_one_event() {
    each(async |w: World| {
        let again = NewPaceEvent { turn: Some((Knob::Rate, 2.5, 1.25)), ..down(Some(UnixMs(NOW.0 + 90_000))) };
        w.store.note_pace(down(Some(UnixMs(NOW.0 + 60_000))), NOW).await.expect("notes");
        w.store.note_pace(again.clone(), UnixMs(NOW.0 + 30_000)).await.expect("notes");
        w.store.note_pace(again.clone(), UnixMs(NOW.0 + 61_000)).await.expect("notes");
        let other = NewPaceEvent { of: PaceOf { stream: "acme.example".into(), ..down(None).of }, ..down(None) };
        w.store.note_pace(other, NOW).await.expect("notes");
        let all = w.store.pace_events(Some("google"), 10).await.expect("reads");
        let seen: Vec<_> = all.iter().map(|e| (e.of.stream.as_str(), e.times, e.turn, e.until_ms)).collect();
        assert_eq!(
            seen,
            [
                ("acme.example", 1, Some((Knob::Rate, 5.0, 2.5)), None),
                ("", 1, Some((Knob::Rate, 2.5, 1.25)), Some(NOW.0 + 90_000)),
                ("", 2, Some((Knob::Rate, 5.0, 1.25)), Some(NOW.0 + 90_000)),
            ]
        );
        assert!(w.store.pace_events(Some("yahoo"), 10).await.expect("reads").is_empty());
        assert_eq!(w.store.prune_pace_events(UnixMs(NOW.0 + PACE_EVENTS_KEPT_MS + 2)).await.expect("prunes"), 2);
    })
    .await;
}

#[tokio::test]
async fn a_block_asks_for_attention_while_it_stands_and_only_where_there_is_mail() {
    each(async |w: World| {
        w.list(1, 1..=8).await;
        w.list(2, [2, 6]).await;
        let (concerned, spared) = (w.launched(1, &[1], &[]).await.0, w.launched(2, &[2], &[]).await.0);
        let block = NewPaceEvent {
            class: Some(BounceClass::IpBlocked),
            attention: "Gmail takes nothing from us".into(),
            ..down(Some(LATER))
        };
        w.store.note_pace(block.clone(), NOW).await.expect("notes");
        let asked = "SELECT COUNT(*) FROM campaigns WHERE attention = 'Gmail takes nothing from us'";
        assert_eq!(w.number(asked).await, 1);
        assert_eq!(w.number("SELECT id FROM campaigns WHERE attention <> ''").await, concerned.0);
        assert_eq!(w.store.standing_blocks(NOW).await.expect("reads").len(), 1);
        assert_eq!(w.store.gauges(NOW).await.expect("reads").blocked, 1);
        let seen = w.store.pace_events_of(concerned, 10).await.expect("reads");
        assert_eq!((seen.len(), seen[0].class), (1, Some(BounceClass::IpBlocked)));
        assert!(w.store.pace_events_of(spared, 10).await.expect("reads").is_empty());

        assert_eq!(w.store.end_past_holds(NOW).await.expect("looks"), 0);
        assert_eq!(w.store.end_past_holds(LATER).await.expect("ends"), 1);
        assert_eq!(w.number(asked).await, 0, "over, nobody needs to look");
        assert!(w.store.standing_blocks(NOW).await.expect("reads").is_empty());

        w.store.note_pace(block, UnixMs(NOW.0 + 1)).await.expect("notes");
        assert_eq!(w.number(asked).await, 1);
        let elsewhere = PaceOf { route: Some(RouteId(4)), ..down(None).of };
        w.store.end_holds(elsewhere, NOW).await.expect("ends nothing");
        assert_eq!(w.number(asked).await, 1);
        w.store.end_holds(PaceOf { route: None, ..down(None).of }, NOW).await.expect("lifts");
        assert_eq!(w.number(asked).await, 0);
    })
    .await;
}

#[tokio::test]
async fn an_order_is_told_once_and_a_hold_stands_until_it_is_lifted() {
    each(async |w: World| {
        let of =
            |route: Option<i64>| PaceOf { provider: "google".into(), route: route.map(RouteId), stream: String::new() };
        let hold = PaceCommand::HoldUntil(LATER);
        w.store.order_pace(of(Some(3)), hold, "Ana", "their postmaster asked", NOW).await.expect("orders");
        w.store.order_pace(of(Some(4)), hold, "Ana", "", NOW).await.expect("orders");
        let untold = w.store.untold_pace_orders().await.expect("reads");
        assert_eq!((untold.len(), untold[0].command, untold[0].why.as_str()), (2, hold, "their postmaster asked"));
        w.store.told_pace_order(untold[0].id, NOW).await.expect("tells");
        assert_eq!(w.store.untold_pace_orders().await.expect("reads").len(), 1);
        assert_eq!(w.store.standing_pace_holds(NOW).await.expect("reads").len(), 2);
        assert!(w.store.standing_pace_holds(LATER).await.expect("reads").is_empty());
        w.store.order_pace(of(Some(3)), PaceCommand::Lift, "Ben", "", NOW).await.expect("orders");
        let standing = w.store.standing_pace_holds(NOW).await.expect("reads");
        assert_eq!(standing.iter().map(|order| order.route).collect::<Vec<_>>(), [Some(RouteId(4))]);
        w.store.order_pace(of(None), PaceCommand::Lift, "Ben", "", NOW).await.expect("orders");
        assert!(w.store.standing_pace_holds(NOW).await.expect("reads").is_empty(), "on every route");
    })
    .await;
}

/// A refusal for what the message says, final or to be tried again.
fn refused(job: &QueuedJob, settled: Settled) -> OutcomeRecord {
    let spam = outcome(job, settled, "554 5.7.1 looks like spam");
    OutcomeRecord { reason: Some(BounceClass::ContentBlocked.to_string()), ..spam }
}

#[tokio::test]
async fn a_provider_that_refuses_the_content_pauses_the_campaign_and_one_refusal_does_not() {
    each(async |w: World| {
        // d0 is Google; d1 to d3 are one other.
        w.list(1, 1..=200).await;
        let (campaign, jobs) = w.launched(1, &[1], &[]).await;
        let (google, other): (Vec<_>, Vec<_>) = jobs.iter().partition(|job| &*job.provider == "google");
        let deferred = Settled::Deferred { until: LATER, costs_attempt: true };
        let accepted = |job: &&QueuedJob| outcome(job, Settled::Accepted, "250 ok");
        w.intend(&other).await;
        let mut outcomes: Vec<OutcomeRecord> = other[..40].iter().map(accepted).collect();
        outcomes.push(refused(other[40], Settled::Failed));
        outcomes.push(refused(other[41], Settled::Failed));
        w.settle(outcomes).await;
        assert!(w.store.watch_campaigns(LATER).await.expect("watches").is_empty(), "two of many");

        w.settle(vec![refused(google[0], deferred), refused(google[1], Settled::Failed)]).await;
        assert!(w.store.watch_campaigns(LATER).await.expect("watches").is_empty(), "two are too few to tell");
        w.settle(vec![refused(google[2], deferred)]).await;
        let alarms = w.store.watch_campaigns(LATER).await.expect("watches");
        assert_eq!(alarms.len(), 1, "three of three, of which two are tried again");
        let why = w.value("SELECT pause_reason AS v FROM campaigns").await.expect("a reason");
        assert!(
            why.starts_with("Gmail and Google Workspace refused 3 of the last 3 messages for what they say"),
            "{why}"
        );
        assert_eq!(w.number("SELECT COUNT(*) FROM subscribers WHERE status <> 'active'").await, 0, "nobody is marked");
        assert_eq!(w.number("SELECT COUNT(*) FROM suppressions").await, 0);

        w.workspace.resume(campaign, "ana", LATER).await.expect("resumes");
        w.settle(vec![refused(google[3], Settled::Failed)]).await;
        assert!(w.store.watch_campaigns(LATER).await.expect("watches").is_empty(), "what was before is forgiven");
        w.check_books(campaign).await;
    })
    .await;
}

/// What one address is blocked for is no matter of a campaign that leaves by another.
#[tokio::test]
async fn a_block_concerns_only_who_leaves_by_its_route() {
    each(async |w: World| {
        for list in 1..=3 {
            w.list(list, 1..=8).await;
        }
        let mut campaigns = Vec::new();
        for list in 1..=3 {
            campaigns.push(w.launched(list, &[list], &[]).await.0);
        }
        let [by_it, by_another, by_pool] = campaigns[..] else { panic!("three") };
        let route = |name: &str| w.workspace.add_route(name.to_owned(), NewRoute::direct(), NOW);
        let SavedRoute::Yes(blocked) = route("A").await.expect("adds") else { panic!("added") };
        let SavedRoute::Yes(other) = route("B").await.expect("adds") else { panic!("added") };
        let pool = NewPool { name: "Both".into(), shares: vec![(blocked, 1), (other, 1)] };
        let saved = w.workspace.save_pool(None, pool, NOW).await.expect("saves");
        let SavedPool::Yes(pool) = saved else { panic!("saved") };
        w.sql(&format!("UPDATE campaigns SET route_id = {blocked} WHERE id = {by_it}")).await;
        w.sql(&format!("UPDATE campaigns SET route_id = {other} WHERE id = {by_another}")).await;
        w.sql(&format!("UPDATE campaigns SET route_id = NULL, pool_id = {pool} WHERE id = {by_pool}")).await;
        let of = |route| PaceOf { route: Some(route), ..down(None).of };
        let block = NewPaceEvent { of: of(blocked), attention: "A is blocked".into(), ..down(Some(LATER)) };
        w.store.note_pace(block, NOW).await.expect("notes");
        w.store.note_pace(NewPaceEvent { of: of(other), ..down(None) }, NOW).await.expect("notes");
        let asked = "SELECT SUM(id) FROM campaigns WHERE attention = 'A is blocked'";
        assert_eq!(w.number(asked).await, by_it.0 + by_pool.0);
        let mut seen = Vec::new();
        for campaign in campaigns {
            let events = w.store.pace_events_of(campaign, 10).await.expect("reads");
            seen.push(events.into_iter().filter_map(|event| event.of.route).collect::<Vec<_>>());
        }
        assert_eq!(seen, [vec![blocked], vec![other], vec![other, blocked]]);
    })
    .await;
}

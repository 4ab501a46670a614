//! Made-up records: each check sees what it is for.

use std::collections::HashMap;

use tidings_domain::{CampaignState, DeliveryState};

use super::*;
use crate::crash::facts::{Act, Bounce, Telling, Vital, What};

const CAMPAIGN: i64 = 7;
const DELIVERY: i64 = 100;
const SUBSCRIBER: i64 = 50;
const ANA: &str = "ana@postbox.example";

fn step(from: DeliveryState, to: DeliveryState, at: i64) -> Move {
    Move {
        delivery: DELIVERY,
        campaign: CAMPAIGN,
        subscriber: Some(SUBSCRIBER),
        from,
        to,
        began: at,
        committed: at,
        at_ms: at,
    }
}

fn act(what: What, committed: i64) -> Act {
    Act { what, committed }
}

fn copy(seq: u64) -> Arrival {
    Arrival { seq, at_ms: 25, delivery: Some(DELIVERY), recipient: ANA.to_owned(), content: "hers".to_owned() }
}

/// One campaign to one person, all well.
fn good() -> Facts {
    use DeliveryState as S;
    let row = Row { delivery: DELIVERY, recipient: ANA.to_owned(), state: S::Accepted };
    let campaign = CampaignFacts {
        id: CAMPAIGN,
        name: "Letter".to_owned(),
        state: CampaignState::Done,
        audience: Some(1),
        counted: 1,
        miscounts: Vec::new(),
        rows: vec![row],
        invited: vec![ANA.to_owned()],
    };
    Facts {
        campaigns: vec![campaign],
        moves: vec![
            step(S::Pending, S::Queued, 10),
            step(S::Queued, S::Sending, 20),
            step(S::Sending, S::Accepted, 30),
        ],
        acts: vec![act(What::Launched(CAMPAIGN), 5)],
        tellings: vec![Telling { delivery: DELIVERY, number: 1, row_is_at: 1 }],
        bounces: Vec::new(),
        copies: vec![copy(1)],
        expected: HashMap::from([(DELIVERY, "hers".to_owned())]),
        vitals: vec![Vital { what: "files of a worker".to_owned(), is: 20, at_most: 20, detail: String::new() }],
    }
}

/// The names of the checks that fail after a change.
fn broken(change: impl FnOnce(&mut Facts)) -> Vec<&'static str> {
    let mut facts = good();
    change(&mut facts);
    let mut names: Vec<_> = check(&facts).iter().map(|violation| violation.check).collect();
    names.dedup();
    names
}

fn stands(facts: &mut Facts, state: DeliveryState) {
    facts.campaigns[0].rows[0].state = state;
    facts.moves.last_mut().expect("a move").to = state;
}

#[test]
fn what_is_well_breaks_nothing() {
    assert_eq!(check(&good()), []);
    let expected = Sums { recipients: 1, copies: 1, ..Sums::default() };
    assert_eq!(sums(&good()), expected);
}

#[test]
fn the_lost_are_seen() {
    assert_eq!(broken(|f| f.copies.clear()), ["lost"], "accepted, and nothing arrived");
    assert_eq!(broken(|f| f.campaigns[0].invited.push("bob@postbox.example".to_owned())), ["lost"], "no row");
    let still_open = |f: &mut Facts| {
        stands(f, DeliveryState::Deferred);
        f.copies.clear();
    };
    assert_eq!(broken(still_open), ["lost"]);
}

#[test]
fn a_cancelled_fan_out_owes_nobody_a_row() {
    let cancelled = |f: &mut Facts| {
        f.campaigns[0].state = CampaignState::Cancelled;
        f.campaigns[0].invited.push("bob@postbox.example".to_owned());
        f.acts.push(act(What::Cancelled(CAMPAIGN), 40));
    };
    assert_eq!(broken(cancelled), [""; 0]);
}

#[test]
fn a_second_copy_needs_a_doubt_and_a_person() {
    assert_eq!(broken(|f| f.copies.push(copy(2))), ["doubled", "intent first"]);
    let again = |f: &mut Facts| {
        use DeliveryState as S;
        f.moves[2] = step(S::Sending, S::InDoubt, 30);
        f.moves.extend([
            step(S::InDoubt, S::Deferred, 40),
            step(S::Deferred, S::Queued, 50),
            step(S::Queued, S::Sending, 60),
            step(S::Sending, S::Accepted, 70),
        ]);
        f.copies.push(Arrival { at_ms: 65, ..copy(2) });
    };
    assert_eq!(broken(again), [""; 0]);
    let thrice = |f: &mut Facts| {
        again(f);
        f.copies.push(Arrival { at_ms: 66, ..copy(3) });
    };
    assert_eq!(broken(thrice), ["doubled", "intent first"]);
    let mut facts = good();
    again(&mut facts);
    let found = sums(&facts);
    assert_eq!((found.doubled, found.sent_again, found.lost), (1, 1, 0));
}

#[test]
fn a_pause_is_a_barrier_until_its_end() {
    let paused = |from, to: Option<i64>| {
        move |f: &mut Facts| {
            f.acts.push(act(What::Paused(CAMPAIGN), from));
            f.acts.extend(to.map(|to| act(What::Resumed(CAMPAIGN), to)));
        }
    };
    assert_eq!(broken(paused(15, Some(25))), ["ghosts of campaigns"]);
    assert_eq!(broken(paused(15, None)), ["ghosts of campaigns"]);
    assert_eq!(broken(paused(15, Some(18))), [""; 0], "it went on before");
    assert_eq!(broken(paused(25, None)), [""; 0], "the intent was first");
    let cancelled = |at| move |f: &mut Facts| f.acts.push(act(What::Cancelled(CAMPAIGN), at));
    assert_eq!(broken(cancelled(15)), ["ghosts of campaigns"]);
    assert_eq!(broken(cancelled(25)), [""; 0]);
}

#[test]
fn who_was_taken_off_gets_nothing_that_began_later() {
    for what in [What::Suppressed(ANA.to_owned()), What::Unsubscribed(SUBSCRIBER), What::Deleted(SUBSCRIBER)] {
        let taken_off = |at| {
            let what = what.clone();
            move |f: &mut Facts| f.acts.push(act(what, at))
        };
        assert_eq!(broken(taken_off(15)), ["ghosts of people"], "{what:?}");
        assert_eq!(broken(taken_off(25)), [""; 0], "{what:?}");
    }
    let deleted_since = |f: &mut Facts| {
        f.moves[1].subscriber = None;
        f.acts.push(act(What::Deleted(SUBSCRIBER), 15));
    };
    assert_eq!(broken(deleted_since), ["ghosts of people"], "the row forgot him, the witness did not");
    let somebody_else = |f: &mut Facts| f.acts.push(act(What::Unsubscribed(SUBSCRIBER + 1), 15));
    assert_eq!(broken(somebody_else), [""; 0]);
}

#[test]
fn a_bounce_that_arrived_is_a_lie() {
    assert_eq!(broken(|f| stands(f, DeliveryState::SoftBounced)), ["truthfulness"]);
    assert_eq!(broken(|f| stands(f, DeliveryState::InDoubt)), [""; 0]);
}

#[test]
fn an_intent_is_committed_before_the_dot() {
    assert_eq!(broken(|f| f.copies[0].at_ms = 19), ["intent first"]);
    assert_eq!(broken(|f| f.copies[0].at_ms = 20), [""; 0], "in the same millisecond");
}

#[test]
fn who_lost_an_attempt_does_not_tell_how_it_ended() {
    assert_eq!(broken(|f| f.tellings[0].row_is_at = 2), ["one attempt"]);
    assert_eq!(broken(|f| f.tellings[0].row_is_at = 0), [""; 0], "refused before the dot, without a number");
}

#[test]
fn a_bounce_is_counted_once_however_often_it_comes() {
    use DeliveryState as S;
    let came_back = |f: &mut Facts| {
        f.campaigns[0].rows[0].state = S::HardBounced;
        f.moves.push(step(S::Accepted, S::HardBounced, 40));
        f.bounces.push(Bounce { delivery: DELIVERY, answered: 2, kept: 3, followed: 1 });
    };
    assert_eq!(broken(came_back), [""; 0]);
    let but = |change: fn(&mut Bounce)| {
        move |f: &mut Facts| {
            came_back(f);
            change(&mut f.bounces[0]);
        }
    };
    assert_eq!(broken(but(|bounce| bounce.kept = 1)), ["bounced once"], "one that was answered is lost");
    assert_eq!(broken(but(|bounce| bounce.followed = 2)), ["bounced once"]);
    assert_eq!(broken(but(|bounce| bounce.followed = 0)), ["bounced once"]);
    assert_eq!(broken(but(|bounce| bounce.delivery += 1)), ["bounced once"], "another one bounced");
    let ignored = |f: &mut Facts| f.bounces.push(Bounce { delivery: DELIVERY, answered: 1, kept: 1, followed: 1 });
    assert_eq!(broken(ignored), ["bounced once"], "it stands as accepted");
}

#[test]
fn a_message_is_whole_and_its_own() {
    assert_eq!(broken(|f| f.copies[0].content = "another's".to_owned()), ["integrity"]);
    assert_eq!(broken(|f| f.copies[0].recipient = "bob@postbox.example".to_owned()), ["integrity"]);
    let strange = |f: &mut Facts| f.copies.push(Arrival { delivery: None, ..copy(2) });
    assert_eq!(broken(strange), ["integrity"]);
    let no_row = |f: &mut Facts| f.copies.push(Arrival { delivery: Some(DELIVERY + 1), ..copy(2) });
    assert_eq!(broken(no_row), ["doubled", "intent first", "integrity"], "and no intent either");
}

#[test]
fn sums_are_one_number() {
    assert_eq!(broken(|f| f.campaigns[0].counted = 2), ["accounting"]);
    assert_eq!(broken(|f| f.campaigns[0].audience = None), ["accounting"]);
    assert_eq!(broken(|f| f.campaigns[0].miscounts.push("accepted: 2, 1 row".to_owned())), ["accounting"]);
}

#[test]
fn the_history_leads_to_where_the_row_stands() {
    assert_eq!(broken(|f| f.moves[0].to = DeliveryState::Accepted), ["history"], "no such edge, and torn");
    assert_eq!(broken(|f| f.moves.truncate(f.moves.len() - 1)), ["history"], "the row is further than its history");
    assert_eq!(
        broken(|f| {
            f.moves.remove(1);
        }),
        ["doubled", "intent first", "history"],
        "a copy without an intent"
    );
}

#[test]
fn a_campaign_is_launched_once() {
    assert_eq!(broken(|f| f.acts.push(act(What::Launched(CAMPAIGN), 6))), ["launched once"]);
    assert_eq!(broken(|f| f.acts.clear()), ["launched once"]);
}

#[test]
fn what_is_kept_is_seen() {
    assert_eq!(broken(|f| f.vitals[0].is = 21), ["resources"]);
}

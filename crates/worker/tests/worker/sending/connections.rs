//! How many messages one connection carries.

use std::time::Duration;

use tidings_queue::Knob;
use tidings_store::NewRoute;
use tidings_testing::{Act, SmtpScript};

use super::world::*;

/// Postfix slows down whoever it has refused ten times on one connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_met_ten_refusals_is_not_used_on() {
    const PEOPLE: usize = 35;
    let refuses = || SmtpScript::new().on("RCPT", Act::reply("550 5.1.1 no such user"));
    each(refuses, async |w: World| {
        w.beat().await;
        w.from(2, NewRoute { max_connections: 1, ..NewRoute::direct() }).await;
        let id = w.launch(PEOPLE).await;
        w.start();
        w.done(id).await;
        assert_eq!((w.peer.recipients().len(), w.peer.connections()), (PEOPLE, 4));
    })
    .await;
}

/// Where a receiver says how much it takes by refusing the next, the knob is turned to that and not only to a half.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_connection_carried_is_what_the_next_one_carries() {
    const PEOPLE: usize = 20;
    const TAKES: usize = 7;
    let takes = || {
        let script = (0..TAKES).fold(SmtpScript::new(), |script, _| script.once("MAIL", Act::reply("250 2.1.0 ok")));
        script.once("MAIL", Act::reply("452 4.5.3 Too many recipients: Too many messages sent"))
    };
    each(takes, async |w: World| {
        w.beat().await;
        w.from(2, NewRoute { max_connections: 1, ..NewRoute::direct() }).await;
        let id = w.launch(PEOPLE).await;
        let running = w.start();
        check_once(&w.done(id).await, PEOPLE);
        let seen = running.queue.snapshot().await;
        let knobs = seen.shards.iter().flat_map(|status| &status.reduced);
        let now = knobs.filter(|k| k.knob == Knob::MessagesPerConnection).map(|k| k.now).collect::<Vec<_>>();
        // Fewer where an idle moment ended the first connection before.
        assert!(now.len() == 1 && now[0] <= TAKES as f64, "not a half of a hundred: {now:?}");
    })
    .await;
}

/// A receiver that takes two connections: who comes too much comes once, and not again for each message that waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_too_many_is_not_tried_again_at_once() {
    const PEOPLE: usize = 60;
    const SLOTS: usize = 8;
    let takes_two = || {
        let script =
            (0..2).fold(SmtpScript::new(), |script, _| script.once("GREETING", Act::reply("220 test.example")));
        let too_many = "421 4.7.0 test.example Error: too many connections from 127.0.0.1";
        script
            .on("GREETING", Act::ReplyThenDrop(too_many.into()))
            .on("DOT", Act::After(Duration::from_millis(20), Box::new(Act::reply("250 2.0.0 ok"))))
    };
    each(takes_two, async |w: World| {
        w.beat().await;
        w.from(2, NewRoute::direct()).await;
        let id = w.launch(PEOPLE).await;
        w.start();
        assert_eq!(w.done(id).await.len(), PEOPLE);
        assert!(w.peer.connections() <= SLOTS, "{}", w.peer.connections());
    })
    .await;
}

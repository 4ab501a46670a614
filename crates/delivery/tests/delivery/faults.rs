//! Servers that break: whatever they do, the outcome says how far it had come, and nothing waits for ever.
//!
//! Time is paused: a wait of ten minutes takes none.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use crate::support::*;
use tidings_delivery::{Connection, Offer, Target};
use tidings_domain::{Outcome, Phase, Problem};
use tidings_testing::{Act, SmtpScript};
use tokio::time::Instant;

const STEPS: [(&str, Phase); 6] = [
    ("GREETING", Phase::Greeting),
    ("EHLO", Phase::Ehlo),
    ("MAIL", Phase::Mail),
    ("RCPT", Phase::Rcpt),
    ("DATA", Phase::Data),
    ("BODY", Phase::Body),
];

/// One message over a connection of its own.
async fn outcome(script: SmtpScript) -> Outcome {
    let server = script.start().await;
    match open(&server).await {
        Ok(mut connection) => {
            let outcome = send(&mut connection).await;
            assert!(!connection.is_reusable(), "{outcome:?}");
            outcome
        }
        Err(failure) => failure.into(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_drop_before_the_dot_is_broken_and_after_it_in_doubt() {
    for pipelining in [&["PIPELINING"][..], &[]] {
        for (verb, phase) in STEPS.into_iter().filter(|(verb, _)| *verb != "BODY") {
            let script = SmtpScript::new().capabilities(pipelining).on(verb, Act::Drop);
            assert_broken(&outcome(script).await, phase, Problem::ConnectionLost);
        }
        let script = SmtpScript::new().capabilities(pipelining).on("DOT", Act::Drop);
        assert_in_doubt(&outcome(script).await, Problem::ConnectionLost);
    }
}

/// The peer goes away while the intent is being committed: the dot was not sent, so nothing is in doubt.
#[tokio::test(start_paused = true)]
async fn a_peer_that_leaves_before_the_dot_is_noticed() {
    for capabilities in [&["PIPELINING"][..], &[]] {
        let mut server = SmtpScript::new().capabilities(capabilities).on("BODY", Act::Drop).start().await;
        let mut connection = connected(&server).await;
        assert_eq!(connection.offer(&ENVELOPE, MESSAGE).await, Offer::AwaitsDot);
        server.closed(1).await;
        assert_broken(&connection.finish().await, Phase::Body, Problem::ConnectionLost);
        assert!(!server.transcript().ends_with(b"\r\n.\r\n"), "the dot was not sent");
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_speaks_before_the_dot_is_heard() {
    let act = Act::ReplyThenDrop("421 4.4.2 took too long".to_owned());
    let mut server = SmtpScript::new().on("BODY", act).start().await;
    let mut connection = connected(&server).await;
    assert_eq!(connection.offer(&ENVELOPE, MESSAGE).await, Offer::AwaitsDot);
    server.closed(1).await;
    assert_refused(&connection.finish().await, Phase::Body, 421);
    assert!(!connection.is_reusable());

    let mut server = SmtpScript::new().on("BODY", Act::ReplyThenDrop("250 thanks".to_owned())).start().await;
    let mut connection = connected(&server).await;
    assert_eq!(connection.offer(&ENVELOPE, MESSAGE).await, Offer::AwaitsDot);
    server.closed(1).await;
    assert_broken(&connection.finish().await, Phase::Body, Problem::Garbage);
    assert!(!connection.is_reusable());
}

/// The body is larger than all buffers between us, so the drop comes while it is being written.
#[tokio::test(start_paused = true)]
async fn a_drop_inside_a_large_body_is_broken() {
    let message = [b"x".repeat(998), b"\r\n".to_vec()].concat().repeat(20_000);
    for (act, refused) in [(Act::Drop, false), (Act::ReplyThenDrop("552 5.3.4 too big".to_owned()), true)] {
        let server = SmtpScript::new().capabilities(&["PIPELINING"]).on("BODY", act).start().await;
        let mut connection = connected(&server).await;
        let Offer::Ended(outcome) = connection.offer(&ENVELOPE, &message).await else { panic!("it was cut off") };
        if refused {
            assert_refused(&outcome, Phase::Body, 552);
        } else {
            assert_broken(&outcome, Phase::Body, Problem::ConnectionLost);
        }
        assert!(!connection.is_reusable());
    }
}

#[tokio::test(start_paused = true)]
async fn silence_ends_at_each_steps_own_time() {
    let times = session().timeouts;
    let limits = [times.greeting, times.command, times.mail, times.rcpt, times.data];
    for ((verb, phase), limit) in STEPS.into_iter().zip(limits) {
        let start = Instant::now();
        assert_broken(&outcome(SmtpScript::new().on(verb, Act::Silence)).await, phase, Problem::Timeout);
        assert_eq!(start.elapsed().as_secs(), limit.as_secs(), "{verb}");
    }
    let start = Instant::now();
    assert_in_doubt(&outcome(SmtpScript::new().on("DOT", Act::Silence)).await, Problem::Timeout);
    assert_eq!(start.elapsed().as_secs(), 600, "RFC 5321 §4.5.3.2.6");
}

#[tokio::test(start_paused = true)]
async fn a_reply_to_the_dot_after_nine_minutes_still_counts() {
    let late = Act::After(Duration::from_secs(9 * 60), Box::new(Act::reply("250 2.0.0 sorry")));
    let server = SmtpScript::new().on("DOT", late).start().await;
    assert_accepted(&send(&mut connected(&server).await).await);
}

/// One octet at a time wins no time: the limit is for the whole reply.
#[tokio::test(start_paused = true)]
async fn a_dripping_peer_is_left() {
    let drip = || Act::Drip("250 2.0.0 this will take a very, very long while".to_owned(), Duration::from_secs(100));
    for (verb, phase) in [("GREETING", Phase::Greeting), ("MAIL", Phase::Mail), ("RCPT", Phase::Rcpt)] {
        assert_broken(&outcome(SmtpScript::new().on(verb, drip())).await, phase, Problem::Timeout);
    }
    assert_in_doubt(&outcome(SmtpScript::new().on("DOT", drip())).await, Problem::Timeout);
    let patient = Act::Drip("250 2.0.0 slow".to_owned(), Duration::from_secs(1));
    let server = SmtpScript::new().on("DOT", patient).start().await;
    assert_accepted(&send(&mut connected(&server).await).await);
}

/// A peer that takes the body a little at a time, or not at all.
#[tokio::test(start_paused = true)]
async fn a_peer_that_stops_reading_is_left() {
    let message = [b"x".repeat(998), b"\r\n".to_vec()].concat().repeat(20_000);
    let server = SmtpScript::new().capabilities(&["PIPELINING"]).on("BODY", Act::Silence).start().await;
    let mut connection = connected(&server).await;
    let Offer::Ended(outcome) = connection.offer(&ENVELOPE, &message).await else { panic!("nobody read it") };
    assert_broken(&outcome, Phase::Body, Problem::Timeout);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_smtp_is_garbage() {
    let wide = [b"250 ".to_vec(), vec![b'x'; 1_000_000]].concat();
    let acts = [
        Act::Endless,
        Act::Bytes(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
        Act::Bytes(b"\x16\x03\x01\x02\x00\r\n".to_vec()),
        Act::Bytes(b"999 what\r\n".to_vec()),
        Act::Bytes(wide),
    ];
    for act in acts {
        for (verb, phase) in STEPS.into_iter().filter(|(verb, _)| *verb != "BODY") {
            let script = SmtpScript::new().capabilities(&[]).on(verb, act.clone());
            assert_broken(&outcome(script).await, phase, Problem::Garbage);
        }
        assert_in_doubt(&outcome(SmtpScript::new().on("DOT", act)).await, Problem::Garbage);
    }
}

/// Replies that are well-formed, in the wrong place.
#[tokio::test(start_paused = true)]
async fn replies_out_of_place_are_garbage() {
    for (verb, phase, reply) in [
        ("GREETING", Phase::Greeting, "354 go"),
        ("EHLO", Phase::Ehlo, "334 go"),
        ("MAIL", Phase::Mail, "354 go"),
        ("RCPT", Phase::Rcpt, "354 go"),
        ("DATA", Phase::Data, "250 ok"),
        ("DATA", Phase::Data, "334 ok"),
    ] {
        assert_broken(&outcome(SmtpScript::new().on(verb, Act::reply(reply))).await, phase, Problem::Garbage);
    }
    assert_in_doubt(&outcome(SmtpScript::new().on("DOT", Act::reply("354 more"))).await, Problem::Garbage);
}

#[tokio::test(start_paused = true)]
async fn a_refused_greeting_or_hello_is_a_refusal() {
    assert_refused(
        &outcome(SmtpScript::new().on("GREETING", Act::reply("554 5.7.1 go away"))).await,
        Phase::Greeting,
        554,
    );
    assert_refused(&outcome(SmtpScript::new().on("GREETING", Act::reply("421 busy"))).await, Phase::Greeting, 421);
    let script = SmtpScript::new().on("EHLO", Act::reply("502 no")).on("HELO", Act::reply("550 no"));
    assert_refused(&outcome(script).await, Phase::Ehlo, 550);
    assert_refused(&outcome(SmtpScript::new().on("EHLO", Act::reply("450 later"))).await, Phase::Ehlo, 450);
}

#[tokio::test]
async fn nobody_listens() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    drop(listener);
    let target = Target { host: "mx.example".to_owned(), addr, source: None };
    let failure = Connection::open(&target, &session()).await.map(|_| ()).unwrap_err();
    assert_broken(&failure.into(), Phase::Connect, Problem::ConnectionRefused);
}

#[tokio::test(start_paused = true)]
async fn the_source_address_is_ours_or_the_connection_fails() {
    let server = SmtpScript::new().start().await;
    let from = |source| Target { source: Some(source), ..target(&server) };
    let ours = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 9));
    assert!(Connection::open(&from(ours), &session()).await.is_ok());
    let not_ours = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    let failure = Connection::open(&from(not_ours), &session()).await.map(|_| ()).unwrap_err();
    assert_broken(&failure.into(), Phase::Connect, Problem::Unreachable);
}

/// A dropped future must not leave a connection that looks usable.
#[tokio::test(start_paused = true)]
async fn an_abandoned_offer_spends_the_connection() {
    let server = SmtpScript::new().on("RCPT", Act::Silence).start().await;
    let mut connection = connected(&server).await;
    let abandoned = tokio::time::timeout(Duration::from_secs(1), connection.offer(&ENVELOPE, MESSAGE)).await;
    assert!(abandoned.is_err());
    assert!(!connection.is_reusable());
    connection.quit().await;
    assert!(!server.commands().contains(&"QUIT".to_owned()));
}

/// QUIT's answer is not waited for.
#[tokio::test(start_paused = true)]
async fn quit_is_short() {
    let server = SmtpScript::new().on("QUIT", Act::Silence).start().await;
    let connection = connected(&server).await;
    let start = Instant::now();
    connection.quit().await;
    assert!(start.elapsed() <= session().timeouts.quit * 2);
}

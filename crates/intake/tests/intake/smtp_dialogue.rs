//! What a well-behaved client hears, and what becomes of its mail.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::support::{OURS, PEER, Room, greeted, options, session};
use tidings_intake::smtp::Refused;
use tidings_intake::{ArrivalSource, KEPT_BYTES};

#[tokio::test(start_paused = true)]
async fn a_mail_is_kept_with_its_envelope_and_its_octets() {
    let room = Arc::new(Room::default());
    let (mut client, task) = session(options(), &room);
    client.expect("220 mx.bounce.example ESMTP").await;
    let hello = client.ask("EHLO client.example", "250-mx.bounce.example\r\n").await;
    for extension in ["PIPELINING", "SIZE 67108864", "8BITMIME", "ENHANCEDSTATUSCODES", "SMTPUTF8"] {
        assert!(hello.contains(extension), "{extension} is not in {hello}");
    }
    assert!(!hello.contains("STARTTLS") && !hello.contains("CHUNKING"));
    client.ask("MAIL FROM:<mailer-daemon@far.example> SIZE=40 BODY=8BITMIME", "250 2.1.0").await;
    client.ask(&format!("RCPT TO:<{OURS}> NOTIFY=NEVER"), "250 2.1.5").await;
    client.ask("RCPT TO:<b-2@bounce.example>", "250 2.1.5").await;
    client.ask(&format!("RCPT TO:<{OURS}>"), "250 2.1.5").await;
    client.ask("DATA", "354").await;
    client.ask("Subject: r\u{e9}ponse\r\n\r\n..dot\r\n.", "250 2.0.0").await;
    client.ask("QUIT", "221 2.0.0").await;
    client.expect_closed().await;

    let [arrival] = &room.kept()[..] else { panic!("one mail") };
    assert_eq!(arrival.source, ArrivalSource::Smtp(PEER));
    assert_eq!(arrival.mail_from, "mailer-daemon@far.example");
    assert_eq!(arrival.rcpt_to, [OURS, "b-2@bounce.example"]);
    assert_eq!(arrival.data, "Subject: r\u{e9}ponse\r\n\r\n.dot\r\n".as_bytes());
    assert_eq!((arrival.size, arrival.is_cut(), &arrival.key), (arrival.data.len() as u64, false, &None));
    let counters = task.await.unwrap().counters();
    assert_eq!((counters.connections(), counters.open(), counters.kept(), counters.octets()), (1, 0, 1, arrival.size));
}

#[tokio::test(start_paused = true)]
async fn pipelined_commands_and_mails_are_answered_in_their_order() {
    let room = Arc::new(Room::default());
    let (mut client, _task) = greeted(options(), &room).await;
    let group = format!("MAIL FROM:<>\r\nRCPT TO:<nobody@bounce.example>\r\nRCPT TO:<{OURS}>\r\nDATA\r\n");
    client.send(&group).await;
    for start in ["250", "550 5.1.1", "250", "354"] {
        client.expect(start).await;
    }
    // RFC 2920 §3.1: a mail may be the first of the next group.
    client.send(format!("first\r\n.\r\n{group}")).await;
    for start in ["250 2.0.0", "250", "550 5.1.1", "250", "354"] {
        client.expect(start).await;
    }
    client.send("second\r\n.\r\nQUIT\r\n").await;
    client.expect("250 2.0.0").await;
    client.expect("221").await;
    assert_eq!(room.texts(), ["first\r\n", "second\r\n"]);
}

#[tokio::test(start_paused = true)]
async fn we_relay_nothing() {
    let room = Arc::new(Room::default());
    let (mut client, task) = greeted(options(), &room).await;
    client.ask("MAIL FROM:<a@b.example>", "250").await;
    client.ask("RCPT TO:<ana@elsewhere.example>", "550 5.7.1").await;
    client.ask("RCPT TO:<ana%elsewhere.example@bounce.example>", "550 5.7.1").await;
    client.ask("RCPT TO:<elsewhere.example!ana@bounce.example>", "550 5.7.1").await;
    client.ask("RCPT TO:<@bounce.example:ana@elsewhere.example>", "550 5.7.1").await;
    client.ask("RCPT TO:<b-1@elsewhere.example@bounce.example>", "550 5.7.1").await;
    client.ask("RCPT TO:<x@bounce.example>", "550 5.1.1").await;
    client.ask("RCPT TO:<b-\u{e4}@bounce.example>", "553 5.6.7").await;
    client.ask("DATA", "554 5.5.1").await;
    client.ask("RCPT TO:<postmaster>", "250").await;
    client.ask("RSET", "250").await;
    drop(client);
    let counters = task.await.unwrap().counters();
    let counts =
        [Refused::Relay, Refused::Route, Refused::UnknownRecipient, Refused::NotAscii].map(|r| counters.refused(r));
    assert_eq!((counts, room.kept().len()), ([1, 4, 1, 1], 0));
}

#[tokio::test(start_paused = true)]
async fn commands_out_of_order_are_refused_and_change_nothing() {
    let room = Arc::new(Room::default());
    let (mut client, _task) = session(options(), &room);
    client.expect("220").await;
    client.ask("MAIL FROM:<>", "503").await;
    client.ask("HELO client.example", "250 mx.bounce.example").await;
    client.ask("RCPT TO:<b-1@bounce.example>", "503").await;
    client.ask("DATA", "503").await;
    client.ask("MAIL FROM:<>", "250").await;
    client.ask("MAIL FROM:<>", "503").await;
    client.ask("STARTTLS", "502").await;
    client.ask("VRFY ana", "252").await;
    client.ask("HELP", "214").await;
    client.ask("NOOP", "250").await;
    client.ask("AUTH PLAIN x", "502").await;
    client.ask("EHLO again.example", "250").await;
    client.ask("RCPT TO:<b-1@bounce.example>", "503").await;
}

#[tokio::test(start_paused = true)]
async fn of_a_large_mail_the_head_is_kept_and_the_size_is_told() {
    let room = Arc::new(Room::default());
    let (mut client, _task) = greeted(options(), &room).await;
    client.open_data().await;
    let line = format!("{}\r\n", "x".repeat(998));
    let report = "Content-Type: multipart/report\r\n\r\nthe report\r\n";
    client.send(report).await;
    for _ in 0..3000 {
        client.send(&line).await;
    }
    client.ask(".", "250").await;
    let [arrival] = &room.kept()[..] else { panic!("one mail") };
    assert_eq!(arrival.size, (report.len() + 3000 * 1000) as u64);
    assert_eq!((arrival.data.len(), arrival.is_cut()), (KEPT_BYTES, true));
    assert!(arrival.data.starts_with(report.as_bytes()));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_stored_is_not_answered_with_250() {
    let room = Arc::new(Room::default());
    let (mut client, task) = greeted(options(), &room).await;
    room.in_trouble.store(true, Ordering::SeqCst);
    for _ in 0..30 {
        client.open_data().await;
        client.ask("one\r\n.", "451 4.3.0").await;
    }
    room.in_trouble.store(false, Ordering::SeqCst);
    client.open_data().await;
    client.ask("one\r\n.", "250").await;
    assert_eq!(room.texts(), ["one\r\n"]);
    drop(client);
    assert_eq!(task.await.unwrap().counters().refused(Refused::Trouble), 30);
}

/// The promise: who reads 250 may forget the mail.
#[tokio::test(start_paused = true)]
async fn the_250_is_not_said_before_the_mail_is_stored() {
    let room = Arc::new(Room::gated());
    let (mut client, _task) = greeted(options(), &room).await;
    client.open_data().await;
    client.send("one\r\n.\r\n").await;
    let mut reply = Box::pin(client.reply());
    for _ in 0..100 {
        assert!(futures_util::poll!(&mut reply).is_pending(), "a reply before the mail was stored");
        tokio::task::yield_now().await;
    }
    assert!(room.kept().is_empty());
    room.gate.add_permits(1);
    assert!(reply.await.starts_with("250"));
    assert_eq!(room.kept().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_vanishes_before_the_dot_leaves_nothing() {
    let room = Arc::new(Room::default());
    let (mut client, task) = greeted(options(), &room).await;
    client.open_data().await;
    client.send("half a mail\r\n.\r").await;
    drop(client);
    task.await.unwrap();
    assert!(room.kept().is_empty());
}

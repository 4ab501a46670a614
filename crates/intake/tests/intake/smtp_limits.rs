//! Every limit ends what goes beyond it, in bounded time, and says so.

use std::sync::Arc;
use std::time::Duration;

use crate::support::{OURS, Room, greeted, options, running, session};
use tidings_intake::smtp::{Refused, SmtpLimits, SmtpOptions, SmtpServer};
use tokio::time::{Instant, sleep};

fn limited(change: impl FnOnce(&mut SmtpLimits)) -> SmtpOptions {
    let mut options = options();
    change(&mut options.limits);
    options
}

#[tokio::test(start_paused = true)]
async fn a_mail_beyond_the_size_is_refused_before_it_is_sent_and_after() {
    let room = Arc::new(Room::default());
    let (mut client, _task) = greeted(limited(|l| l.mail_octets = 1000), &room).await;
    client.ask("MAIL FROM:<> SIZE=1001", "552 5.3.4").await;
    client.open_data().await;
    client.ask(&format!("{}\r\n.", "x".repeat(999)), "552 5.3.4").await;
    client.open_data().await;
    client.ask(&format!("{}\r\n.", "x".repeat(998)), "250").await;
    assert_eq!(room.kept().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_mail_without_an_end_is_not_read_for_ever() {
    let room = Arc::new(Room::default());
    let options = limited(|l| (l.mail_octets, l.drained_octets) = (1000, 100_000));
    let (mut client, _task) = greeted(options, &room).await;
    client.open_data().await;
    client.send(vec![b'x'; 120_000]).await;
    client.expect("552").await;
    client.expect_closed().await;
}

#[tokio::test(start_paused = true)]
async fn lines_recipients_and_hops_have_their_bounds() {
    let room = Arc::new(Room::default());
    let (mut client, _task) = greeted(limited(|l| (l.text_line_octets, l.recipients) = (2000, 2)), &room).await;
    client.open_data().await;
    client.ask(&format!("{}\r\n.", "x".repeat(1999)), "554 5.6.0").await;
    client.open_data().await;
    client.ask(&format!("{}\r\n.", "Received: by a\r\n".repeat(101)), "554 5.4.6").await;
    client.ask("MAIL FROM:<>", "250").await;
    client.ask("RCPT TO:<b-1@bounce.example>", "250").await;
    client.ask("RCPT TO:<b-2@bounce.example>", "250").await;
    client.ask("RCPT TO:<b-3@bounce.example>", "452 4.5.3").await;
    client.ask("RCPT TO:<b-2@bounce.example>", "250").await;
    client.ask("DATA", "354").await;
    client.ask("two\r\n.", "250").await;
    assert_eq!(room.kept()[0].rcpt_to.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_endless_command_line_is_cut_off() {
    let room = Arc::new(Room::default());
    let (mut client, _task) = greeted(options(), &room).await;
    client.send([b'A'; 3000]).await;
    client.expect("500 5.5.2").await;
    client.expect_closed().await;
}

#[tokio::test(start_paused = true)]
async fn who_errs_or_talks_without_end_is_sent_away() {
    for (command, limit) in [("RCPT TO:<x@bounce.example>", Refused::TooManyErrors), ("NOOP", Refused::TooManyCommands)]
    {
        let room = Arc::new(Room::default());
        let (mut client, task) = greeted(limited(|l| (l.commands, l.errors) = (40, 20)), &room).await;
        client.ask("MAIL FROM:<>", "250").await;
        client.send(format!("{command}\r\n").repeat(50)).await;
        let mut last = String::new();
        loop {
            match client.reply().await {
                reply if reply.is_empty() => break,
                reply => last = reply,
            }
        }
        assert!(last.starts_with("421 4.7.0"), "{last}");
        drop(client);
        assert_eq!(task.await.unwrap().counters().refused(limit), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn one_connection_brings_only_so_many_mails() {
    let room = Arc::new(Room::default());
    let (mut client, _task) = greeted(limited(|l| l.mails_per_connection = 2), &room).await;
    for _ in 0..2 {
        client.open_data().await;
        client.ask("x\r\n.", "250").await;
    }
    client.ask("MAIL FROM:<>", "421 4.7.0").await;
    client.expect_closed().await;
}

/// One octet a second, for as long as the server listens: how long is that?
async fn drip(mut client: crate::support::Client<tokio::io::DuplexStream>, octet: &[u8]) -> Duration {
    let began = Instant::now();
    let mut reply = String::new();
    while reply.is_empty() {
        if tokio::io::AsyncWriteExt::write_all(&mut client.stream, octet).await.is_err() {
            break;
        }
        tokio::select! {
            heard = client.reply() => reply = heard,
            () = sleep(Duration::from_secs(1)) => {}
        }
    }
    assert!(reply.starts_with("421 4.4.2"), "{reply}");
    began.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_slow_client_ends_in_bounded_time() {
    let limits = SmtpLimits::default();
    let room = Arc::new(Room::default());
    let (client, _task) = greeted(options(), &room).await;
    assert_eq!(drip(client, b"N").await.as_secs(), limits.command_wait.as_secs());

    let (mut client, _task) = greeted(options(), &room).await;
    client.open_data().await;
    assert_eq!(drip(client, b"x").await.as_secs(), limits.data_wait.as_secs());

    let (client, _task) = greeted(limited(|l| l.commands = u32::MAX), &room).await;
    // Each NOOP is in time; the session is not.
    let (mut client, began) = (client, Instant::now());
    loop {
        client.send("NOOP\r\n").await;
        if client.reply().await.starts_with("421") {
            break;
        }
        sleep(Duration::from_secs(200)).await;
    }
    assert!(began.elapsed() < limits.session_wait + Duration::from_secs(201));
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_and_a_deaf_one_end_in_bounded_time() {
    let room = Arc::new(Room::default());
    let (mut client, _task) = session(options(), &room);
    client.expect("220").await;
    client.expect("421 4.4.2").await;
    client.expect_closed().await;

    let (mut client, task) = greeted(options(), &room).await;
    client.open_data().await;
    client.expect("421 4.4.2").await;
    drop(client);
    task.await.unwrap();

    // It sends and sends, and never reads what it is told.
    let (mut client, task) = greeted(limited(|l| l.commands = u32::MAX), &room).await;
    while tokio::io::AsyncWriteExt::write_all(&mut client.stream, b"NOOP\r\nNOOP\r\n").await.is_ok() {}
    task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_mailroom_that_hangs_is_trouble() {
    let room = Arc::new(Room::gated());
    let (mut client, _task) = greeted(options(), &room).await;
    client.open_data().await;
    client.ask("x\r\n.", "451 4.3.0").await;
}

#[tokio::test]
async fn connections_have_a_bound_for_each_peer_and_give_their_places_back() {
    let room = Arc::new(Room::default());
    let options = limited(|l| (l.connections_per_peer, l.linger_wait) = (2, Duration::ZERO));
    let running = running(SmtpServer::new(options, Arc::clone(&room), None)).await;
    let (mut first, mut second) = (running.connect().await, running.connect().await);
    first.expect("220").await;
    second.expect("220").await;
    let mut third = running.connect().await;
    third.expect("421 4.7.0").await;
    third.expect_closed().await;
    assert_eq!(running.server.counters().refused(Refused::TooManyConnections), 1);
    first.ask("QUIT", "221").await;
    first.expect_closed().await;
    while running.server.counters().open() > 1 {
        tokio::task::yield_now().await;
    }
    running.connect().await.expect("220").await;
}

#[tokio::test]
async fn a_hundred_clients_at_once_lose_nothing() {
    const MAILS_EACH: usize = 10;
    let room = Arc::new(Room::default());
    let running = running(SmtpServer::new(limited(|l| l.connections_per_peer = 100), Arc::clone(&room), None)).await;
    let clients = (0..100).map(|n| {
        let connect = running.connect();
        async move {
            let mut client = connect.await;
            client.expect("220").await;
            client.ask("EHLO client.example", "250").await;
            for m in 0..MAILS_EACH {
                client.send(format!("MAIL FROM:<>\r\nRCPT TO:<{OURS}>\r\nDATA\r\n")).await;
                for start in ["250", "250", "354"] {
                    client.expect(start).await;
                }
                client.ask(&format!("mail {n}-{m}\r\n."), "250").await;
            }
            client.ask("QUIT", "221").await;
        }
    });
    futures_util::future::join_all(clients).await;
    let mut texts = room.texts();
    texts.sort_unstable();
    texts.dedup();
    assert_eq!(texts.len(), 100 * MAILS_EACH);
}

#[tokio::test]
async fn stopping_finishes_the_mail_in_flight_and_sends_the_idle_away() {
    let room = Arc::new(Room::default());
    let running = running(SmtpServer::new(options(), Arc::clone(&room), None)).await;
    let (mut idle, mut busy) = (running.connect().await, running.connect().await);
    for client in [&mut idle, &mut busy] {
        client.expect("220").await;
        client.ask("EHLO client.example", "250").await;
    }
    busy.open_data().await;
    running.stop.cancel();
    idle.expect("421 4.3.2").await;
    busy.ask("the last\r\n.", "250").await;
    busy.expect("421 4.3.2").await;
    drop((idle, busy));
    running.task.await.unwrap();
    assert_eq!(room.texts(), ["the last\r\n"]);
}

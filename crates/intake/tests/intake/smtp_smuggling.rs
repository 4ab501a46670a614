//! No octets of one mail ever become another, or a command (CVE-2023-51764 and its kin).

use std::sync::Arc;

use crate::support::{OURS, Room, greeted, options};
use tidings_intake::smtp::Refused;

/// What some server somewhere has taken for the end of a mail. Each has a CR or an LF alone.
const BARE: &[&str] = &[
    "\n.\n",
    "\n.\r\n",
    "\r\n.\n",
    "\r.\r",
    "\r\n.\r",
    "\r.\r\n",
    "\n.\r",
    "\r.\n",
    "\n\n.\n\n",
    "\r\r.\r\r",
    "\r\n\n.\r\n",
    "\r\n.\n\r\n",
    "\r\r\n.\r\r\n",
    "\r\n.\r\r\n",
    "\r\r\n.\r\n",
    "\n\r.\r\n",
    "\r\n.\n\r",
    "\n\r\n.\n",
    "\r\n.\r.\r\n",
    "\n.\n.\n",
    "\0\n.\n",
    "\n\0.\n",
    "\n.\0\n",
    "\r\n\0.\n",
    "\r\0\n.\r\n",
    "\r\n.\r\0\n",
    "\r\n.\0\r",
    "\r\0.\r\0",
    "\n.\n\r\n.\n",
    "\r\n..\n",
    "\r\n.\r ",
    "\n. \n",
    "\x0b\n.\n",
    "\u{85}\n.\n",
    "\u{2028}.\n",
];

/// What looks like an end and is text.
const TEXT: &[&str] = &[
    "\r\n..\r\n",
    "\r\n. \r\n",
    "\r\n.\0\r\n",
    "\r\n\0.\r\n",
    "\r\n .\r\n",
    "\r\n.\t\r\n",
    ".\r\n",
    "\u{85}.\u{85}",
    "\x0b.\x0b",
    "\u{2028}.\u{2028}",
    "\r\n.\u{85}\r\n",
    "\\r\\n.\\r\\n",
    "=0D=0A.=0D=0A",
];

/// Where the wire cuts what is sent.
#[derive(Debug, Clone, Copy)]
enum Cut {
    Nowhere,
    At(usize),
    Everywhere,
}

fn smuggling(sequence: &str) -> Vec<u8> {
    format!(
        "Subject: outer\r\n\r\nouter{sequence}MAIL FROM:<evil@far.example>\r\nRCPT TO:<{OURS}>\r\nDATA\r\nsmuggled\r\n.\r\n"
    )
    .into_bytes()
}

/// Sends it in the data phase, and returns the replies up to the end of the connection.
async fn attack(sequence: &str, cut: Cut) -> (Arc<Room>, Vec<String>, u64) {
    let room = Arc::new(Room::default());
    let (mut client, task) = greeted(options(), &room).await;
    client.open_data().await;
    let octets = smuggling(sequence);
    let size = match cut {
        Cut::Nowhere => octets.len(),
        Cut::At(at) => at,
        Cut::Everywhere => 1,
    };
    let (first, rest) = octets.split_at(size.min(octets.len()));
    let pieces = std::iter::once(first).chain(rest.chunks(if matches!(cut, Cut::Everywhere) { 1 } else { usize::MAX }));
    for piece in pieces {
        client.send(piece).await;
        // On one thread the server now reads what is there.
        tokio::task::yield_now().await;
    }
    client.send("QUIT\r\n").await;
    let mut replies = Vec::new();
    loop {
        match client.reply().await {
            reply if reply.is_empty() => break,
            reply => replies.push(reply),
        }
    }
    drop(client);
    let counters = task.await.unwrap().counters();
    (room, replies, counters.refused(Refused::LineEnding))
}

async fn for_every_cut(sequences: &[&str], check: impl Fn(&str, Cut, Arc<Room>, &[String], u64)) {
    for sequence in sequences {
        let start = smuggling("").iter().position(|o| *o == b'M').unwrap();
        let around = start.saturating_sub(4)..start + sequence.len() + 8;
        let cuts = [Cut::Nowhere, Cut::Everywhere].into_iter().chain(around.map(Cut::At));
        for cut in cuts {
            let (room, replies, line_endings) = attack(sequence, cut).await;
            check(sequence, cut, room, &replies, line_endings);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_bare_cr_or_lf_refuses_the_mail_and_nothing_behind_it_is_a_command() {
    assert!(BARE.len() >= 30);
    for_every_cut(BARE, |sequence, cut, room, replies, line_endings| {
        assert_eq!(room.kept().len(), 0, "{sequence:?} {cut:?}");
        assert!(replies.len() == 1 && replies[0].starts_with("550 5.5.2"), "{sequence:?} {cut:?} {replies:?}");
        assert_eq!(line_endings, 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_only_looks_like_an_end_is_text_of_the_one_mail() {
    for_every_cut(TEXT, |sequence, cut, room, replies, _| {
        let [text] = &room.texts()[..] else { panic!("{sequence:?} {cut:?}: one mail") };
        assert!(
            text.ends_with("smuggled\r\n") && text.contains("MAIL FROM:<evil@far.example>"),
            "{sequence:?} {cut:?}"
        );
        assert!(replies.len() == 2 && replies[0].starts_with("250") && replies[1].starts_with("221"), "{replies:?}");
    })
    .await;
}

/// The end itself: a second mail is a mail of its own, and its DATA has to wait for the reply.
#[tokio::test(start_paused = true)]
async fn behind_the_true_end_are_commands_and_a_mail_that_did_not_wait_is_refused() {
    for cut in [Cut::Nowhere, Cut::Everywhere] {
        let (room, replies, _) = attack("\r\n.\r\n", cut).await;
        assert_eq!(room.texts()[0], "Subject: outer\r\n\r\nouter\r\n");
        assert!(replies[0].starts_with("250 2.0.0"), "{cut:?} {replies:?}");
        match cut {
            Cut::Everywhere => assert_eq!(room.texts()[1..], ["smuggled\r\n"]),
            _ => assert!(
                room.kept().len() == 1 && replies.last().is_some_and(|r| r.starts_with("554 5.5.0")),
                "{replies:?}"
            ),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_command_line_ends_with_crlf_or_ends_the_session() {
    for line in ["NOOP\n", "NOOP\r", "NOOP\rNOOP\r\n", "\nNOOP\r\n", "MAIL FROM:<>\nRCPT TO:<b-1@bounce.example>\r\n"] {
        let room = Arc::new(Room::default());
        let (mut client, task) = greeted(options(), &room).await;
        client.send(format!("{line}NOOP\r\n")).await;
        client.expect("550 5.5.2").await;
        client.expect_closed().await;
        assert_eq!(task.await.unwrap().counters().refused(Refused::LineEnding), 1, "{line:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_mail_sent_without_waiting_for_354_is_not_read_as_commands() {
    let room = Arc::new(Room::default());
    let (mut client, _task) = greeted(options(), &room).await;
    client
        .send(format!(
            "MAIL FROM:<>\r\nRCPT TO:<x@bounce.example>\r\nDATA\r\nRSET\r\nMAIL FROM:<>\r\nRCPT TO:<{OURS}>\r\n"
        ))
        .await;
    for start in ["250", "550", "554 5.5.0"] {
        client.expect(start).await;
    }
    client.expect_closed().await;
}

#[tokio::test(start_paused = true)]
async fn chunks_and_browsers_are_sent_away() {
    for line in ["BDAT 20 LAST", "POST / HTTP/1.1", "GET / HTTP/1.0", "CONNECT far.example:25 HTTP/1.1"] {
        let room = Arc::new(Room::default());
        let (mut client, _task) = greeted(options(), &room).await;
        client.send(format!("{line}\r\nMAIL FROM:<>\r\n")).await;
        client.expect("500 5.5.1").await;
        client.expect_closed().await;
    }
}

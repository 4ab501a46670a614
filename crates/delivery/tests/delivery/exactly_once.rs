//! Properties: what is offered arrives octet for octet, once, or not at all; and no reply breaks the parser.

use crate::support::*;
use proptest::prelude::*;
use tidings_delivery::{Parsed, parse_reply};
use tidings_domain::{Outcome, Phase, Problem};
use tidings_testing::SmtpScript;

/// Pieces that matter to line ends and dots, between any others.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => Just(b"\r\n".to_vec()),
        3 => Just(b".".to_vec()),
        2 => Just(b"\r\n.\r\n".to_vec()),
        1 => prop_oneof![Just(b"\r".to_vec()), Just(b"\n".to_vec()), Just(b"\n.\n".to_vec()), Just(b"\r.\r".to_vec()), Just(b"\0".to_vec())],
        4 => proptest::collection::vec(any::<u8>(), 0..20),
        2 => Just(b"RSET\r\nMAIL FROM:<x@y.example>\r\nRCPT TO:<z@y.example>\r\nDATA\r\n".to_vec()),
    ]
}

fn canonical(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for byte in raw.iter().filter(|b| !matches!(**b, b'\r' | 0)) {
        match byte {
            b'\n' => out.extend_from_slice(b"\r\n"),
            other => out.push(*other),
        }
    }
    out.extend_from_slice(b"\r\n");
    out
}

fn is_canonical(message: &[u8]) -> bool {
    let text: String = message.iter().map(|b| char::from(*b)).collect();
    text.ends_with("\r\n") && !text.contains('\0') && !text.replace("\r\n", "").contains(['\r', '\n'])
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn canonical_messages_arrive_once_octet_for_octet(
        raw in proptest::collection::vec(proptest::collection::vec(piece(), 0..12), 1..5),
        pipelining: bool,
    ) {
        let messages: Vec<Vec<u8>> = raw.iter().map(|pieces| canonical(&pieces.concat())).collect();
        let received = run(async {
            let capabilities: &[&str] = if pipelining { &["PIPELINING"] } else { &[] };
            let server = SmtpScript::new().capabilities(capabilities).start().await;
            let mut connection = connected(&server).await;
            for message in &messages {
                assert_accepted(&send_message(&mut connection, &ENVELOPE, message).await);
            }
            server.messages()
        });
        prop_assert_eq!(received.len(), messages.len());
        for (received, sent) in received.iter().zip(&messages) {
            prop_assert_eq!(&received.data, sent);
        }
    }

    #[test]
    fn anything_else_is_refused_before_the_wire(pieces in proptest::collection::vec(piece(), 0..8)) {
        let message = pieces.concat();
        let (outcome, received) = run(async {
            let server = SmtpScript::new().start().await;
            let mut connection = connected(&server).await;
            let outcome = send_message(&mut connection, &ENVELOPE, &message).await;
            (outcome, server.messages())
        });
        if is_canonical(&message) {
            assert_accepted(&outcome);
            prop_assert_eq!(&received[0].data, &message);
            prop_assert_eq!(received.len(), 1);
        } else {
            let refused = matches!(&outcome, Outcome::Broken { phase: Phase::Compose, problem: Problem::Render, .. });
            prop_assert!(refused, "{:?}", outcome);
            prop_assert!(received.is_empty());
        }
    }
}

fn reply_bytes() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        Just(b"250-ok\r\n".to_vec()),
        Just(b"550 5.1.1 no\r\n".to_vec()),
        Just(b"421\r\n".to_vec()),
        Just(b"250".to_vec()),
        Just(b"\n".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..30),
        (any::<u8>(), 0..6000_usize).prop_map(|(byte, times)| vec![byte; times]),
    ];
    proptest::collection::vec(line, 0..20).prop_map(|lines| lines.concat())
}

proptest! {
    #[test]
    fn the_reply_parser_is_total_and_bounded(bytes in reply_bytes()) {
        match parse_reply(&bytes) {
            Parsed::Reply { reply, used } => {
                prop_assert!(used <= bytes.len() && used > 0);
                prop_assert!((200..600).contains(&reply.code));
                prop_assert!(!reply.lines.is_empty() && reply.lines.len() <= 128);
                prop_assert!(reply.lines.iter().all(|line| !line.contains(['\r', '\n', '\0'])));
                // More octets behind it change nothing.
                let more = [&bytes[..], b"250 next\r\n"].concat();
                prop_assert_eq!(parse_reply(&more), Parsed::Reply { reply, used });
            }
            Parsed::NeedsMore => prop_assert!(bytes.len() < 128 * 1024),
            Parsed::Garbage(why) => prop_assert!(why.len() < 1000),
        }
    }

    /// However the octets are cut, the reply is the same.
    #[test]
    fn a_reply_does_not_depend_on_how_it_came(bytes in reply_bytes()) {
        if let Parsed::Reply { used, .. } = parse_reply(&bytes) {
            for end in (0..used).rev().take(50) {
                prop_assert_eq!(parse_reply(&bytes[..end]), Parsed::NeedsMore);
            }
        }
    }
}

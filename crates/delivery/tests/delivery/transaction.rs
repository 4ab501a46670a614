//! The transaction with servers that keep to the protocol, whatever they answer.

use crate::support::*;
use tidings_delivery::{Envelope, Offer};
use tidings_domain::{Outcome, Phase, Problem};
use tidings_testing::{Act, SmtpScript};

const SEQUENTIAL: &[&str] = &["8BITMIME"];

#[tokio::test(start_paused = true)]
async fn a_message_is_offered_then_finished() {
    let server = SmtpScript::new().start().await;
    let mut connection = connected(&server).await;
    assert_eq!(connection.offer(&ENVELOPE, MESSAGE).await, Offer::AwaitsDot);
    assert!(server.messages().is_empty(), "nothing is delivered without the dot");
    assert_accepted(&connection.finish().await);
    assert!(connection.is_reusable());
    let [message] = &server.messages()[..] else { panic!("one message") };
    assert_eq!((message.data.as_slice(), message.accepted), (MESSAGE, true));
    assert_eq!(message.mail_from, format!("<b-1@bounce.example> SIZE={}", MESSAGE.len()));
    assert_eq!(message.rcpt_to, "<ana@recipient.example>");
    connection.quit().await;
    assert_eq!(server.commands().last().map(String::as_str), Some("QUIT"));
}

#[tokio::test(start_paused = true)]
async fn after_a_success_mail_follows_directly_and_after_a_refusal_rset() {
    for capabilities in [&["PIPELINING"][..], SEQUENTIAL] {
        let server = SmtpScript::new()
            .capabilities(capabilities)
            .once("RCPT", Act::reply("250 ok"))
            .once("RCPT", Act::reply("550 5.1.1 no such user"))
            .start()
            .await;
        let mut connection = connected(&server).await;
        assert_accepted(&send(&mut connection).await);
        assert_refused(&send(&mut connection).await, Phase::Rcpt, 550);
        assert!(connection.is_reusable());
        assert_accepted(&send(&mut connection).await);
        assert_eq!(server.messages().len(), 2);
        assert_eq!(server.connections(), 1);
        let verbs: Vec<String> = server.commands().iter().map(|c| c.split([' ', ':']).next().unwrap().into()).collect();
        let refused: &[&str] = if capabilities == SEQUENTIAL { &["MAIL", "RCPT"] } else { &["MAIL", "RCPT", "DATA"] };
        let expected = [&["EHLO", "MAIL", "RCPT", "DATA"], refused, &["RSET", "MAIL", "RCPT", "DATA"]].concat();
        assert_eq!(verbs, expected);
    }
}

/// RFC 2920 §3.1: the whole group has been sent, so each reply must be read, and a 354 ended by a lone dot.
#[tokio::test(start_paused = true)]
async fn data_that_is_taken_after_a_refused_recipient_delivers_nothing() {
    for lone_dot in ["554 no valid recipients", "250 whatever"] {
        let server = SmtpScript::new()
            .once("RCPT", Act::reply("550 5.1.1 no such user"))
            .once("DATA", Act::reply("354 go on"))
            .once("DOT", Act::reply(lone_dot))
            .start()
            .await;
        let mut connection = connected(&server).await;
        assert_refused(&send(&mut connection).await, Phase::Rcpt, 550);
        assert_eq!(server.messages()[0].data, b"");
        assert!(connection.is_reusable());
        assert_accepted(&send(&mut connection).await);
        assert_eq!(server.messages().len(), 2);
        assert_eq!(server.messages()[1].data, MESSAGE);
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_refusal_is_the_one_that_counts() {
    for (verb, phase) in [("MAIL", Phase::Mail), ("RCPT", Phase::Rcpt), ("DATA", Phase::Data), ("DOT", Phase::Dot)] {
        for capabilities in [&["PIPELINING"][..], SEQUENTIAL] {
            let script = SmtpScript::new().capabilities(capabilities).once(verb, Act::reply("450 4.2.0 later\n450 on"));
            let server = script.start().await;
            let mut connection = connected(&server).await;
            let outcome = send(&mut connection).await;
            assert_refused(&outcome, phase, 450);
            let Outcome::Refused { reply, .. } = outcome else { unreachable!() };
            assert_eq!(reply.lines, ["4.2.0 later", "on"], "each line is kept");
            assert!(connection.is_reusable(), "{verb}");
            assert_accepted(&send(&mut connection).await);
            assert_eq!(server.messages().iter().filter(|m| m.accepted).count(), 1);
        }
    }
}

/// 421 closes, at whatever step (RFC 5321 §3.8).
#[tokio::test(start_paused = true)]
async fn a_421_ends_the_session() {
    for (verb, phase) in [("MAIL", Phase::Mail), ("RCPT", Phase::Rcpt), ("DATA", Phase::Data), ("DOT", Phase::Dot)] {
        for capabilities in [&["PIPELINING"][..], SEQUENTIAL] {
            let server = SmtpScript::new()
                .capabilities(capabilities)
                .on(verb, Act::ReplyThenDrop("421 4.7.0 slow down".to_owned()))
                .start()
                .await;
            let mut connection = connected(&server).await;
            assert_refused(&send(&mut connection).await, phase, 421);
            assert!(!connection.is_reusable(), "{verb}");
            assert_broken(&send(&mut connection).await, Phase::Mail, Problem::ConnectionLost);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn helo_serves_where_ehlo_is_unknown() {
    let server = SmtpScript::new().on("EHLO", Act::reply("502 5.5.1 what?")).start().await;
    let mut connection = connected(&server).await;
    assert_accepted(&send(&mut connection).await);
    assert_eq!(server.messages()[0].mail_from, "<b-1@bounce.example>", "nothing was offered, nothing is used");
}

#[tokio::test(start_paused = true)]
async fn what_is_known_beforehand_is_not_tried() {
    let server = SmtpScript::new().capabilities(&["PIPELINING", "SIZE 20"]).start().await;
    let mut connection = connected(&server).await;
    assert_broken(&send(&mut connection).await, Phase::Mail, Problem::TooLarge);
    let unicode = Envelope { rcpt_to: "josé@recipient.example", smtputf8: true, ..ENVELOPE };
    assert_broken(&send_message(&mut connection, &unicode, b"x\r\n").await, Phase::Mail, Problem::SmtpUtf8Unsupported);
    for (bad, message) in [
        ("ana@x.example>\r\nRCPT TO:<bo@x.example", &b"x\r\n"[..]),
        ("a b@x.example", b"x\r\n"),
        ("", b"x\r\n"),
        ("ana@x.example", b"x\n.\n"),
    ] {
        let outcome = send_message(&mut connection, &Envelope { rcpt_to: bad, ..ENVELOPE }, message).await;
        assert_broken(&outcome, Phase::Compose, Problem::Render);
    }
    assert!(connection.is_reusable());
    assert_accepted(&send_message(&mut connection, &ENVELOPE, b"x\r\n").await);
    assert_eq!(
        server.commands(),
        ["EHLO sender.example", "MAIL FROM:<b-1@bounce.example> SIZE=3", "RCPT TO:<ana@recipient.example>", "DATA"]
    );
}

#[tokio::test(start_paused = true)]
async fn parameters_follow_what_is_offered() {
    let server = SmtpScript::new().capabilities(&["8BITMIME", "SMTPUTF8"]).start().await;
    let mut connection = connected(&server).await;
    let envelope = Envelope { mail_from: "", rcpt_to: "josé@recipient.example", smtputf8: true };
    assert_accepted(&send_message(&mut connection, &envelope, "é\r\n".as_bytes()).await);
    assert_eq!(server.messages()[0].mail_from, "<> BODY=8BITMIME SMTPUTF8");
    assert_eq!(server.messages()[0].rcpt_to, "<josé@recipient.example>");
}

#[tokio::test(start_paused = true)]
async fn a_withdrawn_message_is_never_delivered() {
    let mut server = SmtpScript::new().start().await;
    let mut connection = connected(&server).await;
    assert_eq!(connection.offer(&ENVELOPE, MESSAGE).await, Offer::AwaitsDot);
    assert!(!connection.is_reusable(), "there is no way back but to close");
    assert_broken(&connection.withdraw(), Phase::Body, Problem::Withdrawn);
    server.closed(1).await;
    assert!(server.messages().is_empty());
    assert!(!server.transcript().ends_with(b".\r\n.\r\n"));
}

#[tokio::test(start_paused = true)]
async fn finish_without_an_offer_sends_nothing() {
    let server = SmtpScript::new().start().await;
    let mut connection = connected(&server).await;
    assert_broken(&connection.finish().await, Phase::Body, Problem::ConnectionLost);
    assert_eq!(server.commands(), ["EHLO sender.example"]);
}

//! The benchmark's sink.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use crate::client::{Client, reply_codes};
use tidings_sandbox::{FastSink, Recorder};

async fn connect(sink: &FastSink) -> Client {
    let IpAddr::V4(ip) = sink.address().ip() else { panic!("IPv4") };
    assert_eq!(ip, Ipv4Addr::LOCALHOST);
    Client::connect((ip, sink.address().port())).await
}

#[tokio::test]
async fn it_counts_what_it_took() {
    let sink = FastSink::start(None).await.expect("starts");
    let mut client = connect(&sink).await;
    for _ in 0..3 {
        client.write("MAIL FROM:<a@x.example>\r\nRCPT TO:<b@x.example>\r\nDATA\r\n").await;
        assert_eq!(reply_codes(&mut client, 3).await, ["250", "250", "354"]);
        client.write(&"a line of text, and a dot.\r\n..\r\n".repeat(20_000)).await;
        client.write(".\r\n").await;
        assert_eq!(reply_codes(&mut client, 1).await, ["250"]);
    }
    assert_eq!(sink.accepted(), 3);
    assert!(client.command("QUIT").await.starts_with("221"));
}

/// However the octets are cut into packets.
#[tokio::test]
async fn it_finds_the_end_in_any_packets() {
    let sink = FastSink::start(None).await.expect("starts");
    let dialogue = "MAIL FROM:<a@x.example>\r\nRCPT TO:<b@x.example>\r\nDATA\r\n.x\r\n..\r\n\r\n.\r\nRSET\r\nMAIL FROM:<>\r\nRCPT TO:<c@x.example>\r\nDATA\r\n.\r\nQUIT\r\n";
    for cut in 1..dialogue.len() {
        let mut client = connect(&sink).await;
        client.write(&dialogue[..cut]).await;
        tokio::task::yield_now().await;
        client.write(&dialogue[cut..]).await;
        let codes = reply_codes(&mut client, 10).await;
        assert_eq!(codes, ["250", "250", "354", "250", "250", "250", "250", "354", "250", "221"], "cut at {cut}");
    }
    assert_eq!(sink.accepted(), 2 * (dialogue.len() as u64 - 1));
}

#[tokio::test]
async fn it_records_if_asked() {
    let recorder = Arc::new(Recorder::new(None, 5).expect("a recorder"));
    let sink = FastSink::start(Some(Arc::clone(&recorder))).await.expect("starts");
    let mut client = connect(&sink).await;
    let text = format!("Message-ID: <1@x>\r\n\r\n{}", "0123456789\r\n".repeat(20_000));
    assert_eq!(client.send_one("b@x.example", &text).await, "250");
    let [copy] = &recorder.messages()[..] else { panic!("one copy") };
    assert_eq!((&*copy.recipient, &*copy.mail_from, &*copy.message_id), ("b@x.example", "b@sender.example", "<1@x>"));
    assert!(copy.text == text.as_bytes(), "whole");
    assert_eq!(client.send_one("c@x.example", "").await, "250");
    assert_eq!((recorder.total(), recorder.messages()[1].text.len()), (2, 0));
}

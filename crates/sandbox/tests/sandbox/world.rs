//! The world keeps what it promises, seen through a plain client.

use std::time::Duration;

use crate::client::{Client, reply_codes};
use tidings_sandbox::{
    Expectation, Provider, ProviderReport, Storm, Strict, World, WorldOptions, expected, provider_of, providers,
    read_log,
};

fn provider(name: &str) -> &'static Provider {
    provider_of(name).expect("a provider")
}

async fn world() -> World {
    let options = WorldOptions {
        greylist: Duration::ZERO,
        slow: Duration::from_millis(2),
        keep_messages: 10,
        throttle_per_second: 0.001,
        throttle_connections: 2,
        log: None,
        strict: None,
    };
    World::start(options).await.expect("starts")
}

async fn connect(world: &World, name: &str) -> Client {
    Client::connect((provider(name).address(), world.smtp_port())).await
}

/// Sends until the recipient's fate is sealed, like a patient sender. True when a 250 came.
async fn send_patiently(world: &World, recipient: &str) -> Fate {
    let domain = recipient.rsplit_once('@').expect("an address").1;
    let mut tries = 0;
    loop {
        tries += 1;
        let mut client = connect(world, domain).await;
        match client.send_one(recipient, "Subject: x\r\n\r\nhello\r\n").await.as_str() {
            "250" => return Fate { accepted: true, in_doubt: false, tries },
            code if code.starts_with('5') => return Fate { accepted: false, in_doubt: false, tries },
            "dot" => return Fate { accepted: false, in_doubt: true, tries },
            _ if tries == 20 => return Fate { accepted: false, in_doubt: false, tries },
            _ => {}
        }
    }
}

#[derive(Debug)]
struct Fate {
    accepted: bool,
    in_doubt: bool,
    tries: u32,
}

#[tokio::test]
async fn every_expectation_comes_true() {
    let world = world().await;
    let mut seen = std::collections::BTreeSet::new();
    let droppy = (0..400).map(|n| format!("user{n}@droppy.example"));
    let others = [
        "ana@postbox.example",
        "ana@acme-tools.example",
        "ana@greypost.example",
        "unknown.ana@strictmail.example",
        "unknown.ana@postbox.example",
        "full.ana@fullbox.example",
        "quota.ana@fullbox.example",
        "ana@fullbox.example",
        "ana@slowpost.example",
        "ana@bigmail.example",
    ];
    for recipient in others.into_iter().map(str::to_owned).chain(droppy) {
        let fate = send_patiently(&world, &recipient).await;
        let expectation = expected(&recipient);
        seen.insert(expectation);
        assert_eq!(world.recorder().copies_for(&recipient), expectation.copies(), "{recipient} {fate:?}");
        assert_eq!(fate.in_doubt, matches!(expectation, Expectation::InDoubt { .. }), "{recipient}");
        match expectation {
            Expectation::Accepted => assert!(fate.accepted, "{recipient} {fate:?}"),
            Expectation::AcceptedAfterRetry => assert!(fate.accepted && fate.tries > 1, "{recipient} {fate:?}"),
            _ => assert!(!fate.accepted, "{recipient} {fate:?}"),
        }
    }
    assert_eq!(seen.len(), 6, "each kind was met: {seen:?}");
    assert!(world.recorder().doubled().is_empty());
}

fn bigmail(world: &World) -> ProviderReport {
    world.report().into_iter().find(|r| r.provider.name == "bigmail.example").expect("reported")
}

#[tokio::test]
async fn the_throttle_bites_and_is_counted() {
    let world = world().await;
    let mut client = connect(&world, "bigmail.example").await;
    assert_eq!(client.send_one("a@bigmail.example", "Subject: x\r\n\r\n").await, "250");
    assert_eq!(client.send_one("b@bigmail.example", "Subject: x\r\n\r\n").await, "421");
    assert_eq!(client.command("NOOP").await, "", "and the connection is closed");
    drop(client);
    while bigmail(&world).open > 0 {
        tokio::task::yield_now().await;
    }
    let (one, two) = (connect(&world, "bigmail.example").await, connect(&world, "bigmail.example").await);
    let three = Client::open((provider("bigmail.example").address(), world.smtp_port())).await;
    assert!(three.banner.starts_with("421-4.7.28 ") && three.banner.contains("\n421 4.7.28 "), "{}", three.banner);
    let report = bigmail(&world);
    assert_eq!((report.over_connections, report.over_rate, report.accepted), (1, 1, 1));
    drop((one, two));
}

#[tokio::test]
async fn mail_is_kept_as_it_was_before_stuffing() {
    let world = world().await;
    let mut client = connect(&world, "postbox.example").await;
    assert_eq!(client.send_one("a@postbox.example", "Message-ID: <7@x>\r\n\r\n..two\r\nend\r\n").await, "250");
    let [copy] = &world.recorder().messages()[..] else { panic!("one copy") };
    assert_eq!(copy.text, b"Message-ID: <7@x>\r\n\r\n.two\r\nend\r\n");
    assert_eq!((&*copy.message_id, &*copy.mail_from, copy.tls), ("<7@x>", "b@sender.example", false));
}

#[tokio::test]
async fn only_crlf_dot_crlf_ends_a_text() {
    let world = world().await;
    for end in ["\n.\n", "\r\n.\n", "\n.\r\n", "\r.\r", "\r\n.\r"] {
        let mut client = connect(&world, "postbox.example").await;
        let smuggled =
            format!("Subject: x\r\n\r\nhi{end}MAIL FROM:<evil@x.example>\r\nRCPT TO:<b@postbox.example>\r\n");
        assert_eq!(client.send_one("a@postbox.example", &smuggled).await, "550", "{end:?}");
    }
    assert_eq!(world.recorder().total(), 0);
    assert_eq!(world.report()[0].bad_lines, 5);
}

#[tokio::test]
async fn an_empty_text_and_a_dot_alone_are_understood() {
    let world = world().await;
    let mut client = connect(&world, "postbox.example").await;
    assert_eq!(client.send_one("a@postbox.example", "").await, "250");
    assert_eq!(client.send_one("a@postbox.example", "..\r\n").await, "250");
    let texts: Vec<_> = world.recorder().messages().into_iter().map(|m| m.text).collect();
    assert_eq!(texts, [b"".to_vec(), b".\r\n".to_vec()]);
}

#[tokio::test]
async fn the_dialogue_is_strict() {
    let world = world().await;
    let mut client = connect(&world, "harbor-hosting.example".replace("harbor-hosting", "blue-kite").as_str()).await;
    for (line, code) in [
        ("RCPT TO:<a@blue-kite.example>", "503"),
        ("DATA", "554"),
        ("MAIL FROM:<a@x.example> SMTPUTF8", "555"),
        ("MAIL FROM:<a@x.example> SIZE=99999999", "552"),
        ("MAIL FROM:<a@x.example> BODY=8BITMIME SIZE=5", "250"),
        ("MAIL FROM:<a@x.example>", "503"),
        ("RCPT TO:<a@postbox.example>", "550"),
        ("RCPT TO:<jos\u{e9}@blue-kite.example>", "553"),
        ("RCPT TO:<a@BLUE-KITE.example>", "250"),
        ("RSET", "250"),
        ("DATA", "554"),
        (&"x".repeat(5_000), "500"),
        ("NOOP", "250"),
        ("QUIT", "221"),
    ] {
        assert_eq!(client.command(line).await.get(..3), Some(code), "{line}");
    }
}

#[tokio::test]
async fn pipelined_commands_get_their_replies_in_order() {
    let world = world().await;
    let mut client = connect(&world, "postbox.example").await;
    client
        .write(
            "MAIL FROM:<a@x.example>\r\nRCPT TO:<unknown.a@postbox.example>\r\nRCPT TO:<b@postbox.example>\r\nDATA\r\n",
        )
        .await;
    assert_eq!(reply_codes(&mut client, 4).await, ["250", "550", "250", "354"]);
    client.write(".\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<b@postbox.example>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n").await;
    assert_eq!(reply_codes(&mut client, 6).await, ["250", "250", "250", "354", "250", "221"]);
    assert_eq!(world.recorder().copies_for("b@postbox.example"), 2);
    assert_eq!(world.recorder().doubled(), [("b@postbox.example".to_owned(), 2)]);
}

#[tokio::test]
async fn starttls_works_and_takes_nothing_sent_ahead() {
    let world = world().await;
    let client = connect(&world, "brightmail.example").await;
    assert!(client.greeting.contains("STARTTLS"));
    let mut client = client.start_tls("mx1.brightmail.example", world.certificate()).await;
    assert_eq!(client.send_one("a@brightmail.example", "Subject: x\r\n\r\n").await, "250");
    assert!(world.recorder().messages()[0].tls);
    let mut smuggler = connect(&world, "brightmail.example").await;
    smuggler.write("STARTTLS\r\nMAIL FROM:<evil@x.example>\r\n").await;
    assert_eq!(reply_codes(&mut smuggler, 1).await, ["421"]);
}

#[tokio::test]
async fn a_copy_is_in_the_file_before_its_reply() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("accepted.tsv");
    let world = World::start(WorldOptions { log: Some(log.clone()), ..WorldOptions::default() }).await.expect("starts");
    let mut client = connect(&world, "postbox.example").await;
    for n in 1..=20 {
        assert_eq!(client.send_one(&format!("a{n}@postbox.example"), "Subject: x\r\n\r\n").await, "250");
        let mut entries = Vec::new();
        read_log(&log, |entry| entries.push(entry)).expect("reads");
        assert_eq!(entries.len(), n);
        assert_eq!((entries[n - 1].seq, &*entries[n - 1].recipient), (n as u64, &*format!("a{n}@postbox.example")));
    }
}

#[tokio::test]
async fn dropping_the_world_ends_it() {
    let world = world().await;
    let address = (providers()[0].address(), world.smtp_port());
    let mut client = Client::connect(address).await;
    drop(world);
    assert_eq!(client.command("NOOP").await, "");
}

#[tokio::test]
async fn a_strict_world_counts_who_breaks_its_limits() {
    let storm = Storm { provider: "brightmail.example", begins: Duration::ZERO, ends: Duration::MAX };
    let strict = Strict { per_second: 5.0, connections: 1, messages_per_connection: 1, storm: Some(storm) };
    let world = World::start(WorldOptions { strict: Some(strict), ..WorldOptions::default() }).await.expect("starts");
    let report = |name: &str| *world.report().iter().find(|r| r.provider == provider(name)).expect("it is there");

    // 34 % of 5 a second: one may come at once, the next one too soon.
    let mut first = connect(&world, "postbox.example").await;
    assert_eq!(first.send_one("a@postbox.example", "Subject: x\r\n\r\n").await, "250");
    let second = Client::open((provider("postbox.example").address(), world.smtp_port())).await;
    assert!(second.banner.starts_with("421"), "{}", second.banner);
    assert_eq!(first.send_one("b@postbox.example", "Subject: x\r\n\r\n").await, "421");
    let found = report("postbox.example");
    assert_eq!((found.accepted, found.over_connections, found.over_messages), (1, 1, 1));

    let mut stormy = connect(&world, "brightmail.example").await;
    assert_eq!(stormy.send_one("a@brightmail.example", "Subject: x\r\n\r\n").await, "421");
    let found = report("brightmail.example");
    assert_eq!((found.refused, found.over_rate, found.over_messages), (1, 0, 0));

    // Its habit sleeps: nobody is greylisted.
    let mut grey = connect(&world, "greypost.example").await;
    assert_eq!(grey.send_one("a@greypost.example", "Subject: x\r\n\r\n").await, "250");
}

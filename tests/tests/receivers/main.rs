//! Postfix, Exim and OpenSMTPD as receivers of what we write: whatever a message holds, it arrives once, octet for octet, and what they refuse
//! is understood.

mod campaign;

use std::collections::HashMap;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use tidings_bounce::{classify, classify_problem};
use tidings_compose::{Content, Keys, Mailer, Message, Origin, Recipient, Site, freeze};
use tidings_delivery::{Connection, Envelope, Offer, Session, Target, TlsClients, TlsPolicy};
use tidings_domain::{BounceClass, Consequence, Outcome, Phase, TlsUse, UnixMs};
use tidings_tests::mail_servers::DOMAIN;
use tidings_tests::receivers::{LARGEST_MESSAGE_OCTETS, Receiver};

const NOW: UnixMs = UnixMs(1_795_429_805_000);
/// Messages with arbitrary octets, for each receiver.
const ARBITRARY_MESSAGES: usize = 80;

fn content() -> Content {
    Content {
        subject: "{{ first_name }}, {{ line }}".into(),
        preview_text: "{{ line }}".into(),
        from_name: "Ana's Shop".into(),
        from_email: "news@shop.example".into(),
        reply_to: "help@shop.example".into(),
        html: "<html><body><p>{{ line }}</p><pre>{{ text }}</pre><a href=\"{{ unsubscribe_url }}\">Leave</a> \
               {{ postal_address }}</body></html>"
            .into(),
        text: "{{ text }}\n.\n..\n{{ line }}\n\n{{ unsubscribe_url }}".into(),
        track_opens: true,
        track_clicks: true,
        postal_address: "1 Main Street\nOslo".into(),
        list_name: "Spring news".into(),
    }
}

fn mailer() -> Mailer {
    let site = Site {
        public_url: "https://mail.shop.example".into(),
        bounce_domain: "bounce.shop.example".into(),
        takes_unsubscribe_mails: true,
        list_id_host: "lists.shop.example".into(),
    };
    let frozen = freeze(&content()).expect("a good draft");
    Mailer::compile(&frozen, Origin { workspace: 1, campaign: 2 }, &site, Arc::new(Keys::new(&[3; 32])))
        .expect("it compiles")
}

/// What a subscriber's row may hold.
#[derive(Debug, Clone)]
struct Row {
    first_name: String,
    line: String,
    text: String,
}

impl Row {
    fn message(&self, mailer: &Mailer, number: i64) -> Message {
        let attributes = serde_json::json!({ "line": self.line, "text": self.text }).to_string();
        let recipient = Recipient {
            delivery: number,
            email: format!("reader{number}@{DOMAIN}"),
            first_name: self.first_name.clone(),
            last_name: "Silva".into(),
            attributes,
        };
        mailer.message(&recipient, NOW).expect("a message")
    }
}

/// The known variants of a false end of data, with another transaction behind them.
fn smuggled() -> Vec<String> {
    let ends = [
        "\r\n.\r\n",
        "\n.\n",
        "\n.\r\n",
        "\r\n.\n",
        "\r.\r",
        "\r\n.\r",
        "\r.\n",
        "\r\n\0.\r\n",
        "\n\n.\r\r\n",
        "\r\r\n.\r\r\n",
    ];
    let behind = format!(
        "MAIL FROM:<eve@evil.example>\r\nRCPT TO:<smuggled@{DOMAIN}>\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n.\r\n"
    );
    ends.iter()
        .flat_map(|end| [format!("before{end}{behind}"), format!("before{end}{}", behind.replace("\r\n", "\n"))])
        .collect()
}

fn arbitrary_row() -> impl Strategy<Value = Row> {
    let octets =
        || proptest::collection::vec(any::<u8>(), 0..200).prop_map(|raw| raw.iter().map(|b| char::from(*b)).collect());
    let any_text = || prop_oneof![octets(), "\\PC{0,80}", proptest::sample::select(smuggled()), ".{0,2000}"];
    (any_text(), any_text(), any_text()).prop_map(|(first_name, line, text)| Row { first_name, line, text })
}

/// One connection after another, as many messages on each as the receiver takes.
struct Wire<'a> {
    receiver: &'a Receiver,
    session: Session,
    open: Option<Connection>,
}

impl<'a> Wire<'a> {
    fn to(receiver: &'a Receiver) -> Self {
        let clients = TlsClients::new(&[]).expect("TLS can be set up");
        let session = Session { tls: TlsPolicy::Opportunistic, ..Session::new("mail.shop.example", clients) };
        Self { receiver, session, open: None }
    }

    async fn send(&mut self, rcpt_to: &str, data: &[u8]) -> Outcome {
        let envelope = Envelope { mail_from: "b-1@bounce.shop.example", rcpt_to, smtputf8: !rcpt_to.is_ascii() };
        let mut connection = match self.open.take() {
            Some(open) => open,
            None => self.connect().await,
        };
        let outcome = match connection.offer(&envelope, data).await {
            Offer::AwaitsDot => connection.finish().await,
            Offer::Ended(outcome) => outcome,
        };
        if connection.is_reusable() {
            self.open = Some(connection);
        }
        outcome
    }

    async fn connect(&self) -> Connection {
        let target = Target { host: format!("mx.{DOMAIN}"), addr: self.receiver.address(), source: None };
        let connection = Connection::open(&target, &self.session).await;
        let connection =
            connection.unwrap_or_else(|failure| panic!("{}: {failure:?}: {}", self.receiver.name, self.receiver.log()));
        assert_eq!(connection.peer().tls != TlsUse::None, self.receiver.has_tls, "{}", self.receiver.name);
        connection
    }

    async fn accepted(&mut self, rcpt_to: &str, data: &[u8]) {
        let outcome = self.send(rcpt_to, data).await;
        assert!(matches!(outcome, Outcome::Accepted { .. }), "{}: {outcome:?}", self.receiver.name);
    }
}

fn message_id(data: &[u8]) -> String {
    let text = String::from_utf8_lossy(data);
    let start = text.find("Message-ID: <").expect("a Message-ID") + "Message-ID: <".len();
    text[start..].split('>').next().expect("its end").to_owned()
}

#[tokio::test]
async fn whatever_a_row_holds_it_stays_one_message() {
    let mut runner = TestRunner::default();
    let mut rows: Vec<Row> =
        smuggled().iter().map(|end| Row { first_name: end.clone(), line: end.clone(), text: end.clone() }).collect();
    let strategy = arbitrary_row();
    rows.extend((0..ARBITRARY_MESSAGES).map(|_| strategy.new_tree(&mut runner).expect("a row").current()));
    let mailer = mailer();
    let messages: Vec<Message> = (1..).zip(&rows).map(|(number, row)| row.message(&mailer, number)).collect();
    for receiver in Receiver::each() {
        let mut wire = Wire::to(&receiver);
        for message in &messages {
            wire.accepted(&message.rcpt_to, &message.data).await;
        }
        let kept = receiver.kept(messages.len());
        assert_eq!(kept.len(), messages.len(), "{}: more messages came than were sent", receiver.name);
        let by_id: HashMap<String, &Vec<u8>> = kept.iter().map(|data| (message_id(data), data)).collect();
        for message in &messages {
            let arrived = by_id.get(&message.message_id).unwrap_or_else(|| panic!("{} is missing", message.message_id));
            assert!(**arrived == message.data, "{}: {}", receiver.name, difference(arrived, &message.data));
        }
    }
}

/// Octets that no composer of ours makes, and that a raw message may hold.
#[tokio::test]
async fn raw_messages_arrive_octet_for_octet() {
    let longest_line = "x".repeat(998);
    let bodies: [&[u8]; 7] = [
        b"\r\n",
        b".\r\n..\r\n...\r\n. \r\n.x\r\n",
        b"8 bits: \xc3\xa9\xe2\x82\xac\r\n",
        b"a tab\tand spaces at the end   \r\n",
        b"From here\r\n>From there\r\n",
        longest_line.as_bytes(),
        b"\r\n\r\n\r\n.\r\n\r\n",
    ];
    for receiver in Receiver::each() {
        let mut wire = Wire::to(&receiver);
        let mut sent = HashMap::new();
        for (number, body) in bodies.iter().enumerate() {
            let head = format!(
                "Date: Sun, 29 Nov 2026 12:00:00 +0000\r\nFrom: <news@shop.example>\r\nTo: <ana@{DOMAIN}>\r\nMessage-ID: <{number}@raw.example>\r\n\r\n"
            );
            let mut data = [head.as_bytes(), body].concat();
            if !data.ends_with(b"\r\n") {
                data.extend(b"\r\n");
            }
            wire.accepted(&format!("ana@{DOMAIN}"), &data).await;
            sent.insert(message_id(&data), data);
        }
        let kept = receiver.kept(sent.len());
        assert_eq!(kept.len(), sent.len(), "{}", receiver.name);
        for arrived in kept {
            let data = &sent[&message_id(&arrived)];
            assert!(arrived == *data, "{}: {}", receiver.name, difference(&arrived, data));
        }
    }
}

#[tokio::test]
async fn what_they_refuse_is_understood_and_the_connection_goes_on() {
    let mailer = mailer();
    let good = Row { first_name: "Ana".into(), line: "hello".into(), text: "hello".into() }.message(&mailer, 1);
    let mut large = good.data.clone();
    while large.len() <= LARGEST_MESSAGE_OCTETS {
        large.extend(b"One more line of a message that is too large for this receiver.\r\n");
    }
    for receiver in Receiver::each() {
        let mut wire = Wire::to(&receiver);
        let outcome = wire.send(&format!("reject.me@{DOMAIN}"), &good.data).await;
        let Outcome::Refused { phase, reply } = &outcome else { panic!("{}: {outcome:?}", receiver.name) };
        let verdict = classify(*phase, reply, "mx:receiver.test");
        assert_eq!((*phase, reply.code / 100), (Phase::Rcpt, 5), "{}: {reply}", receiver.name);
        // OpenSMTPD says only "550 Invalid recipient".
        assert_eq!(verdict.consequence, Consequence::HardBounce, "{}: {reply}", receiver.name);

        // All three say in EHLO how much they take: nothing is sent in vain.
        let outcome = wire.send(&format!("ana@{DOMAIN}"), &large).await;
        let Outcome::Broken { phase, problem, .. } = &outcome else { panic!("{}: {outcome:?}", receiver.name) };
        assert_eq!(classify_problem(*phase, *problem).class, BounceClass::TooBig, "{}: {outcome:?}", receiver.name);

        wire.accepted(&good.rcpt_to, &good.data).await;
        let kept = receiver.kept(1);
        assert!(kept.len() == 1 && kept[0] == good.data, "{}", receiver.name);
    }
}

/// Where two messages part, for people.
fn difference(arrived: &[u8], sent: &[u8]) -> String {
    let at = arrived.iter().zip(sent).position(|(a, b)| a != b).unwrap_or(arrived.len().min(sent.len()));
    let around =
        |data: &[u8]| data[at.saturating_sub(40).min(data.len())..(at + 40).min(data.len())].escape_ascii().to_string();
    format!("at octet {at}: arrived {:?}, sent {:?}", around(arrived), around(sent))
}

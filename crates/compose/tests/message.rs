//! Whatever stands in a subscriber's row, the message is one message: it parses, has the header fields we wrote and no others, and is
//! canonical on the wire.

use std::sync::Arc;

use mail_parser::{HeaderValue, MessageParser};
use proptest::prelude::*;
use tidings_compose::{Content, Frozen, Keys, Mailer, Origin, Recipient, Site, TokenKind, freeze};
use tidings_domain::{Service, UnixMs};

const NOW: UnixMs = UnixMs(1_795_429_805_000);
const FIELDS: [&str; 12] = [
    "Date",
    "To",
    "Subject",
    "Message-ID",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "From",
    "Reply-To",
    "List-Id",
    "Feedback-ID",
    "MIME-Version",
    "Content-Type",
];
/// RFC 5322 §2.1.1, without the CRLF.
const MAX_LINE_OCTETS: usize = 998;

fn keys() -> Arc<Keys> {
    Arc::new(Keys::new(&[3; 32]))
}

fn content() -> Content {
    Content {
        subject: "{{ first_name | default(\"Friend\") }}, spring is here".into(),
        preview_text: "For {{ city }}".into(),
        from_name: "Ana's Shop".into(),
        from_email: "news@shop.example".into(),
        reply_to: "help@shop.example".into(),
        html: "<html><body><p>Hi {{ first_name }} of {{ city }}</p><a href=\"https://shop.example/?c={{ city }}\">Shop</a>\
               <a href=\"{{ unsubscribe_url }}\">Leave</a> {{ postal_address }}</body></html>"
            .into(),
        text: "Hi {{ first_name }} of {{ city }}\n\n{{ unsubscribe_url }}".into(),
        track_opens: true,
        track_clicks: true,
        postal_address: "1 <Main> Street\nOslo".into(),
        list_name: "Spring news".into(),
    }
}

fn mailer(content: &Content) -> Mailer {
    let site = Site {
        public_url: "https://mail.shop.example".into(),
        bounce_domain: "bounce.shop.example".into(),
        takes_unsubscribe_mails: false,
        list_id_host: "lists.shop.example".into(),
    };
    let frozen: Frozen = freeze(content).expect("a good draft");
    Mailer::compile(&frozen, Origin { workspace: 1, campaign: 2 }, &site, keys()).expect("it compiles")
}

fn ana() -> Recipient {
    Recipient {
        delivery: 41,
        email: "ana@example.org".into(),
        first_name: "Ana".into(),
        last_name: "Silva".into(),
        attributes: r#"{"city": "Porto & <Gaia>"}"#.into(),
    }
}

#[test]
fn a_message_is_what_was_written() {
    let message = mailer(&content()).message(&ana(), NOW).expect("a message");
    let parsed = MessageParser::default().parse(&message.data).expect("it parses");
    assert_eq!(parsed.subject(), Some("Ana, spring is here"));
    assert_eq!(parsed.message_id(), Some(message.message_id.as_str()));
    assert_eq!(parsed.date().map(|date| date.to_timestamp() * 1000), Some(NOW.0));
    let to = parsed.to().and_then(|to| to.first()).expect("a recipient");
    assert_eq!((to.name(), to.address()), (Some("Ana Silva"), Some("ana@example.org")));
    let from = parsed.from().and_then(|from| from.first()).expect("a sender");
    assert_eq!((from.name(), from.address()), (Some("Ana's Shop"), Some("news@shop.example")));

    let html = parsed.body_html(0).expect("an HTML part");
    assert!(html.contains("Hi Ana of Porto &amp; &lt;Gaia&gt;"), "{html}");
    assert!(html.contains("1 &lt;Main&gt; Street<br>Oslo"), "{html}");
    assert!(
        html.contains(&format!("<a href=\"https://mail.shop.example/t/c/{}\">", keys().seal_click(41, 0))),
        "{html}"
    );
    assert!(html.contains(&format!("/t/o/{}.gif\"", keys().seal(TokenKind::Open, 41))), "{html}");
    assert!(html.contains("For Porto &amp; &lt;Gaia&gt;</div>"), "{html}");
    let text = parsed.body_text(0).expect("a text part");
    assert!(text.starts_with("Hi Ana of Porto & <Gaia>"), "{text}");
    assert!(
        text.contains(&format!("https://mail.shop.example/u/{}", keys().seal(TokenKind::Unsubscribe, 41))),
        "{text}"
    );

    let raw = String::from_utf8(message.data.clone()).expect("ASCII");
    let unsubscribe = keys().seal(TokenKind::Unsubscribe, 41);
    assert!(raw.contains(&format!("List-Unsubscribe: <https://mail.shop.example/u/{unsubscribe}>\r\n")), "{raw}");
    assert!(raw.contains("List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"));
    assert!(raw.contains("List-Id: \"Spring news\"\r\n <spring-news."));
    assert_eq!(message.rcpt_to, "ana@example.org");
    let local = message.mail_from.strip_suffix("@bounce.shop.example").expect("the bounce domain");
    assert_eq!(keys().open(TokenKind::Bounce, local.strip_prefix("b-").expect("a prefix")), Some(41));
}

#[test]
fn composed_again_it_is_the_same_message() {
    let once = mailer(&content()).message(&ana(), NOW).expect("a message");
    assert_eq!(mailer(&content()).message(&ana(), NOW).expect("a message"), once);
    let other = mailer(&content()).message(&Recipient { delivery: 42, ..ana() }, NOW).expect("a message");
    assert_ne!(other.message_id, once.message_id);
    assert_ne!(other.mail_from, once.mail_from);
}

#[test]
fn an_empty_cell_takes_the_fallback_and_an_unknown_name_is_empty() {
    let nobody = Recipient { first_name: "  ".into(), attributes: String::new(), ..ana() };
    let preview = mailer(&content()).preview(&nobody).expect("a preview");
    assert_eq!(preview.subject, "Friend, spring is here");
    assert!(preview.text.contains(" of \n"), "{}", preview.text);
}

#[test]
fn bad_recipients_are_refused() {
    let mailer = mailer(&content());
    for email in ["", "ana", "ana@example.org\r\nRCPT TO:<eve@example.org>", "a b@example.org"] {
        assert!(mailer.message(&Recipient { email: email.into(), ..ana() }, NOW).is_err(), "{email}");
    }
    assert!(mailer.message(&Recipient { attributes: "[1".into(), ..ana() }, NOW).is_err());
}

#[test]
fn an_international_address_stays_as_it_is() {
    let message = mailer(&content())
        .message(&Recipient { email: "josé@bücher.example".into(), ..ana() }, NOW)
        .expect("a message");
    assert_eq!(message.rcpt_to, "josé@xn--bcher-kva.example");
    assert_eq!(check_wire(&message.data), FIELDS);
}

/// Checks the octets and returns the names of the header fields.
fn check_wire(data: &[u8]) -> Vec<String> {
    assert!(data.ends_with(b"\r\n"), "the end");
    assert!(!data.contains(&0), "NUL");
    let mut lines = Vec::new();
    for line in data[..data.len() - 2].split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        assert!(!line.contains(&b'\r'), "a bare CR");
        assert!(line.len() <= MAX_LINE_OCTETS, "a line of {} octets", line.len());
        lines.push(line);
    }
    assert_eq!(
        data.iter().filter(|b| **b == b'\n').count(),
        data.windows(2).filter(|w| w == b"\r\n").count(),
        "a bare LF"
    );
    let header = lines.iter().take_while(|line| !line.is_empty());
    let fields = header.filter(|line| !line.starts_with(b" ") && !line.starts_with(b"\t"));
    fields.map(|line| String::from_utf8_lossy(line).split(':').next().unwrap_or_default().to_owned()).collect()
}

/// Text as damaged imports hold it: line ends, controls, quotes, angle brackets, template marks, long runs.
fn nasty() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~\r\n\t]{0,60}",
        "\\PC{0,40}",
        "[\u{0}-\u{ff}]{0,40}",
        "(\r\n)?(Bcc|From|Subject): [a-z]+@[a-z]+\\.example(\r\n\r\n)?",
        "[{}%\"'<>&=\\\\]{0,20}",
        Just("x".repeat(3000)),
        Just("é ".repeat(600)),
        Just("\u{202e}=?utf-8?q?=0D=0ABcc:?=".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_subscriber_can_break_a_message(first in nasty(), last in nasty(), city in nasty(), delivery in any::<i64>()) {
        let attributes = serde_json::json!({ "city": city }).to_string();
        let recipient = Recipient { delivery, first_name: first, last_name: last, attributes, ..ana() };
        let message = mailer(&content()).message(&recipient, NOW).expect("a message");
        prop_assert_eq!(check_wire(&message.data), FIELDS);
        let parsed = MessageParser::default().parse(&message.data).expect("it parses");
        prop_assert_eq!(parsed.headers().len(), FIELDS.len());
        prop_assert_eq!(parsed.from().and_then(|from| from.as_list()).map(<[_]>::len), Some(1));
        prop_assert_eq!(parsed.to().and_then(|to| to.first()).and_then(|to| to.address()), Some("ana@example.org"));
        prop_assert!(parsed.bcc().is_none());
        prop_assert_eq!((parsed.text_body_count(), parsed.html_body_count(), parsed.attachment_count()), (1, 1, 0));
    }

    #[test]
    fn no_sender_can_break_a_message(from_name in nasty(), subject in nasty(), list_name in nasty(), text in nasty(), postal in nasty()) {
        let draft = Content { from_name, list_name, postal_address: postal, subject: subject.replace('{', "("), text: text.replace('{', "("), ..content() };
        let message = mailer(&draft).message(&ana(), NOW).expect("a message");
        prop_assert_eq!(check_wire(&message.data), FIELDS);
        let parsed = MessageParser::default().parse(&message.data).expect("it parses");
        prop_assert_eq!(parsed.headers().len(), FIELDS.len());
        prop_assert_eq!(parsed.from().and_then(|from| from.first()).and_then(|from| from.address()), Some("news@shop.example"));
        let one_sender = matches!(parsed.header("From"), Some(HeaderValue::Address(from)) if from.as_list().is_some_and(|list| list.len() == 1));
        prop_assert!(one_sender);
    }
}

#[test]
fn a_service_gets_the_token_in_its_own_field_and_nobody_else_does() {
    let mailer = mailer(&content());
    let head = |via| {
        let data = mailer.message_via(&ana(), NOW, via).expect("a message").data;
        let text = String::from_utf8(data).expect("ASCII");
        text.split("\r\n\r\n").next().expect("a head").to_owned()
    };
    let plain = head(None);
    let token = keys().seal(TokenKind::Bounce, 41);
    assert!(!plain.contains(&token) && !plain.contains("X-"), "{plain}");
    assert_eq!(head(Some(Service::Generic)), plain);
    for (service, field) in [
        (Service::Postmark, format!("X-PM-Metadata-tidings: {token}")),
        (Service::SparkPost, format!("X-MSYS-API: {{\"metadata\":{{\"tidings\":\"{token}\"}}}}")),
        (Service::Ses, format!("X-SES-MESSAGE-TAGS: tidings={token}")),
        (Service::SendGrid, format!("X-SMTPAPI: {{\"unique_args\":{{\"tidings\":\"{token}\"}}}}")),
        (Service::Mailgun, format!("X-Mailgun-Variables: {{\"tidings\":\"{token}\"}}")),
        (Service::Brevo, format!("X-Mailin-custom: tidings:{token}")),
    ] {
        let own = head(Some(service));
        let without: Vec<&str> = own.lines().filter(|line| *line != field).collect();
        assert_eq!(without, plain.lines().collect::<Vec<_>>(), "{service}: one field more");
        assert!(own.lines().any(|line| line == field), "{own}");
    }
}

//! Fuzz targets for what strangers, and people with odd files, can make the program read. Each takes arbitrary input, and input
//! made of the pieces that matter to that parser. A property that breaks is a panic, an endless loop or a broken promise.
//!
//! Longer runs: `PROPTEST_CASES=1000000 cargo test --release -p tidings-tests --test hostile_input`.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the message")]

use std::collections::BTreeSet;
use std::io::Write;

use proptest::collection::vec;
use proptest::prelude::*;
use tidings_compose::{Content, Keys, Recipient, TokenKind, destination, freeze, preflight, text_from_html};
use tidings_domain::{Consequence, EmailAddress, EnhancedCode, MAX_ADDRESS_OCTETS, Phase, Reply, Word, merge_tag};
use tidings_worker::import::recognise;

/// Arbitrary text, cut up with the given pieces.
fn text_around(pieces: &'static [&'static str]) -> impl Strategy<Value = String> {
    vec(prop_oneof![2 => proptest::sample::select(pieces).prop_map(str::to_owned), 1 => any::<String>()], 0..24)
        .prop_map(|parts| parts.concat())
}

const ADDRESS: &[&str] = &[
    "a",
    "ana",
    "@",
    ".",
    "..",
    "\"",
    "\\",
    "<",
    ">",
    "example.org",
    "[",
    "]",
    "127.0.0.1",
    "xn--",
    "ü",
    "İ",
    "K",
    "\r\n",
    "\0",
    " ",
    "+",
    "-",
    "\u{202e}",
    "\u{feff}",
    "bücher",
    "\u{3002}",
];
const MARKUP: &[&str] = &[
    "<a href=\"",
    "https://x.example/",
    "\">",
    "</a>",
    "<table><tr><td>",
    "</td>",
    "<img src=",
    "<style>",
    "</style>",
    "<!--",
    "-->",
    "<script>",
    "{{",
    "}}",
    "{%",
    "%}",
    "{#",
    "#}",
    " first_name ",
    " for i in range(9999999) ",
    " endfor ",
    " if x ",
    " endif ",
    " | default(\"",
    "\")",
    "unsubscribe_url",
    "postal_address",
    "&nbsp;",
    "&#x110000;",
    "<![CDATA[",
    "<svg><p>",
    "</body>",
    "<a\0",
    "\r",
];
const REPLY: &[&str] = &[
    "550",
    "421",
    "452",
    "5.1.1",
    "4.7.28",
    "5.",
    "5.1.1.1",
    "5.1.99999",
    "user unknown",
    "mailbox full",
    "blocked",
    "spamhaus",
    "try again later",
    "DMARC",
    "https://",
    "[1.2.3.4]",
    " ",
    "-",
    "<ana@example.org>",
    "RBL",
    "quota",
    "greylisted",
    "rate limited",
    "does not exist",
];

fn content(subject: String, html: String, text: String) -> Content {
    Content {
        subject,
        preview_text: String::new(),
        from_name: "Shop".to_owned(),
        from_email: "news@shop.example".to_owned(),
        reply_to: String::new(),
        html,
        text,
        track_opens: true,
        track_clicks: true,
        postal_address: "1 Harbour Street".to_owned(),
        list_name: "News".to_owned(),
    }
}

fn person(attributes: String) -> Recipient {
    Recipient {
        delivery: 7,
        email: "ana@example.org".to_owned(),
        first_name: "Ana".to_owned(),
        last_name: String::new(),
        attributes,
    }
}

const KINDS: [TokenKind; 6] = [
    TokenKind::Open,
    TokenKind::Click,
    TokenKind::Unsubscribe,
    TokenKind::View,
    TokenKind::Bounce,
    TokenKind::MessageId,
];

proptest! {
    #[test]
    fn an_address_is_refused_or_safe_in_a_command_and_stays_itself(text in text_around(ADDRESS)) {
        if let Ok(address) = EmailAddress::parse(&text) {
            let one = address.as_str();
            prop_assert!(one.len() <= MAX_ADDRESS_OCTETS, "{one:?}");
            prop_assert!(!one.contains(['\r', '\n', '\0', '<', '>']), "{one:?}");
            prop_assert!(address.domain().is_ascii(), "{one:?}");
            prop_assert_eq!(EmailAddress::parse(one).map(|again| again.as_str().to_owned()), Ok(one.to_owned()));
        }
    }

    #[test]
    fn a_forged_token_opens_nothing(text in any::<String>(), delivery in any::<i64>(), flip in any::<prop::sample::Index>(), to in "[a-z2-7A-Z0-9]") {
        let keys = Keys::new(&[9; 32]);
        for kind in KINDS {
            prop_assert_eq!(keys.open(kind, &text), None);
            let token = keys.seal(kind, delivery);
            prop_assert_eq!(keys.open(kind, &token), Some(delivery));
            for other in KINDS.into_iter().filter(|other| *other != kind) {
                prop_assert_eq!(keys.open(other, &token), None);
            }
            let at = flip.index(token.len());
            let forged = format!("{}{to}{}", &token[..at], &token[at + 1..]);
            // A mailbox may have lower-cased it; nothing else may change.
            if !forged.eq_ignore_ascii_case(&token) {
                prop_assert_eq!(keys.open(kind, &forged), None);
            }
        }
        prop_assert_eq!(keys.open_click(&text), None);
    }

    #[test]
    fn any_content_is_checked_and_frozen_or_refused_with_a_reason(
        subject in text_around(MARKUP), html in text_around(MARKUP), text in text_around(MARKUP),
    ) {
        let draft = content(subject, html, text);
        let known: BTreeSet<String> = ["first_name".to_owned()].into();
        let _ = preflight(&draft, &known);
        match freeze(&draft) {
            Ok(_) => {}
            Err(findings) => prop_assert!(!findings.is_empty(), "refused without a reason"),
        }
    }

    #[test]
    fn any_markup_has_a_text(html in text_around(MARKUP)) {
        let _ = text_from_html(&html);
    }

    #[test]
    fn a_click_leads_to_the_host_that_was_written_or_nowhere(value in text_around(&["/", "@", "evil.example", "\\", "?", "#", ":", ".", "\r\n", "%2f"])) {
        let attributes = serde_json::json!({ "city": value }).to_string();
        for link in ["https://shop.example/{{ city }}", "https://shop.example/?c={{ city }}", "https://shop.example{{ city }}"] {
            if let Some(url) = destination(link, &person(attributes.clone())) {
                let host = url.strip_prefix("https://").unwrap().split(['/', '?', '#']).next().unwrap().to_owned();
                prop_assert_eq!(host, "shop.example", "{}", url);
                prop_assert!(!url.contains(['\r', '\n', '\\']), "{url:?}");
            }
        }
        let _ = destination(&value, &person(attributes));
    }

    #[test]
    fn any_reply_has_a_verdict_and_a_deferral_never_bounces(code in 200u16..600, lines in vec(text_around(REPLY), 0..4), provider in "google|microsoft|yahoo|mx:x.example|", phase in proptest::sample::select(Phase::ALL)) {
        let reply = Reply::new(code, lines.clone());
        let verdict = tidings_bounce::classify(phase, &reply, &provider);
        prop_assert!(code >= 500 || verdict.consequence != Consequence::HardBounce, "{code} {lines:?}: {verdict:?}");
        let _ = tidings_bounce::normalise(&lines.join(" "));
        let _ = Reply::from_text(&lines.join("\n"), code);
        let _ = EnhancedCode::parse_prefix(&lines.concat());
    }

    #[test]
    fn any_heading_is_a_merge_tag_that_a_template_can_name(heading in any::<String>()) {
        let tag = merge_tag(&heading);
        prop_assert!(tag.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'), "{tag:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_file_is_recognised_or_refused_with_words(bytes in prop_oneof![vec(any::<u8>(), 0..3000), text_around(&["email", ",", ";", "\t", "\"", "\r\n", "\n", "\r", "a@example.org", "\0", "\u{feff}", "|"]).prop_map(String::into_bytes)]) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&bytes).unwrap();
        if let Err(unusable) = recognise(file.path(), &Default::default()) {
            prop_assert!(unusable.to_string().len() > 10);
        }
    }
}

//! Signatures hold before judges that are not ours: mail-auth's verifier here; dkimpy and opendkim in the tests of the workspace.

#[path = "dkim/verdict.rs"]
mod verdict;

use std::sync::Arc;

use proptest::prelude::*;
use tidings_compose::{Content, DkimKey, Keys, Mailer, Origin, Recipient, Signer, Site, freeze, make_dkim_key};
use tidings_domain::{DkimAlgorithm, Service, UnixMs, dkim_value};
use verdict::{Published, field, verdicts};

/// The verifier reads the real clock.
fn now() -> UnixMs {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    UnixMs(i64::try_from(since.as_millis()).expect("before 292 million AD"))
}

const DOMAIN: &str = "shop.example";
const CONTEXT: &str = "workspace 1 dkim key";

fn keys() -> Arc<Keys> {
    Arc::new(Keys::new(&[3; 32]))
}

/// A signer, and what it would have in DNS.
fn signer(algorithms: &[DkimAlgorithm]) -> (Signer, Published) {
    let mut published = Published::new();
    let opened = algorithms.iter().map(|algorithm| {
        let made = make_dkim_key(*algorithm).expect("a key");
        let selector = format!("s-{algorithm}");
        published.insert(format!("{selector}._domainkey.{DOMAIN}."), dkim_value(*algorithm, &made.public_key));
        let sealed = made.seal(&keys(), CONTEXT);
        DkimKey::open(&keys(), CONTEXT, *algorithm, &selector, &sealed).expect("it opens")
    });
    let opened = opened.collect();
    (Signer::new(DOMAIN, opened), published)
}

fn message(recipient: &Recipient, date: UnixMs) -> Vec<u8> {
    let content = Content {
        subject:
            "{{ first_name }}, spring is here, and it is a long subject that has to be folded twice at the very least"
                .into(),
        from_name: "Ana's Shöp".into(),
        from_email: "news@shop.example".into(),
        reply_to: "help@shop.example".into(),
        html: "<p>Hi {{ first_name }}</p><a href=\"{{ unsubscribe_url }}\">Leave</a> {{ postal_address }}".into(),
        text: "Hi {{ first_name }}  \n\n\n.\n{{ unsubscribe_url }}\n \n\n".into(),
        postal_address: "1 Street".into(),
        list_name: "Spring news".into(),
        ..Content::default()
    };
    let site = Site {
        public_url: "https://mail.shop.example".into(),
        bounce_domain: "bounce.shop.example".into(),
        takes_unsubscribe_mails: true,
        list_id_host: DOMAIN.into(),
    };
    let frozen = freeze(&content).expect("a good draft");
    let mailer = Mailer::compile(&frozen, Origin { workspace: 1, campaign: 2 }, &site, keys()).expect("it compiles");
    mailer.message(recipient, date).expect("a message").data
}

fn ana() -> Recipient {
    Recipient { delivery: 41, email: "ana@example.org".into(), first_name: "Ana".into(), ..Recipient::default() }
}

#[tokio::test]
async fn each_kind_of_signature_is_good_and_aligned() {
    use DkimAlgorithm::{Ed25519, Rsa2048};
    for algorithms in [&[Rsa2048][..], &[Ed25519], &[Rsa2048, Ed25519]] {
        let (signer, published) = signer(algorithms);
        let at = now();
        let mut data = message(&ana(), at);
        signer.sign(&mut data, at, None).expect("signed");
        let found = verdicts(&data, &published).await;
        assert_eq!(found, vec![Ok(DOMAIN.to_owned()); algorithms.len()], "{algorithms:?}");
        let text = String::from_utf8_lossy(&data);
        assert!(text.lines().all(|line| line.len() <= 998) && !text.replace("\r\n", "").contains(['\r', '\n']));
    }
}

#[tokio::test]
async fn every_field_that_a_reader_sees_is_signed_once_more_than_it_is_there() {
    let (signer, published) = signer(&[DkimAlgorithm::Ed25519]);
    let at = now();
    let mut data = message(&ana(), at);
    signer.sign(&mut data, at, None).expect("signed");
    let signature = field(&data, "DKIM-Signature");
    for tag in ["c=relaxed/relaxed", "a=ed25519-sha256", "d=shop.example", "t=", "x="] {
        assert!(signature.contains(tag), "{tag}: {signature}");
    }
    assert!(!signature.contains(" l="), "{signature}");
    let added = [
        "From: boss@shop.example",
        "To: you@x.example",
        "Cc: you@x.example",
        "Subject: Other",
        "Date: Mon, 23 Nov 2026 10:30:05 +0000",
        "Message-ID: <x@y>",
        "Reply-To: evil@x.example",
        "Content-Type: text/plain",
        "MIME-Version: 1.0",
        "List-Unsubscribe: <https://evil.example>",
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
    ];
    for line in added {
        let forged = [format!("{line}\r\n").as_bytes(), &data].concat();
        assert!(verdicts(&forged, &published).await.iter().all(Result::is_err), "{line} may be added");
    }
    let forwarded = [b"X-Forwarded: yes\r\nReceived: by x.example\r\n", &data[..]].concat();
    assert!(verdicts(&forwarded, &published).await.iter().all(Result::is_ok), "others may be added");
    for name in ["List-Unsubscribe", "List-Unsubscribe-Post", "Feedback-ID", "List-Id", "Reply-To", "Date"] {
        let without = String::from_utf8_lossy(&data).replacen(&format!("\r\n{name}:"), "\r\nX-Gone:", 1);
        assert!(verdicts(without.as_bytes(), &published).await.iter().all(Result::is_err), "{name} may be removed");
    }
}

#[tokio::test]
async fn a_service_that_writes_date_and_id_anew_breaks_nothing() {
    let (signer, published) = signer(&[DkimAlgorithm::Ed25519]);
    let at = now();
    let mut data = message(&ana(), at);
    signer.sign(&mut data, at, Some(Service::Ses)).expect("signed");
    let text = String::from_utf8_lossy(&data).into_owned();
    let id = field(&data, "Message-ID");
    let changed = text.replace(&format!("Message-ID:{id}"), "Message-ID: <0102@email.amazonses.com>\r\n");
    assert_ne!(changed, text);
    assert_eq!(verdicts(changed.as_bytes(), &published).await, vec![Ok(DOMAIN.to_owned())]);
}

#[tokio::test]
async fn a_changed_octet_is_found_out() {
    let (signer, published) = signer(&[DkimAlgorithm::Ed25519]);
    let at = now();
    let mut data = message(&ana(), at);
    signer.sign(&mut data, at, None).expect("signed");
    let body = data.windows(4).position(|w| w == b"\r\n\r\n").expect("a body") + 4;
    for at in (body..data.len()).step_by(7).filter(|at| data[*at].is_ascii_alphanumeric()) {
        let mut changed = data.clone();
        changed[at] ^= 1;
        assert!(verdicts(&changed, &published).await.iter().all(Result::is_err), "octet {at}");
    }
}

#[test]
fn a_sealed_key_opens_only_at_its_place_and_is_never_shown() {
    let made = make_dkim_key(DkimAlgorithm::Ed25519).expect("a key");
    let sealed = made.seal(&keys(), CONTEXT);
    let plain = keys().open_secret(CONTEXT, &sealed).expect("it opens");
    let open = |context: &str| DkimKey::open(&keys(), context, DkimAlgorithm::Ed25519, "s", &sealed);
    assert!(open("workspace 2 dkim key").is_err());
    let other = Keys::new(&[4; 32]);
    assert!(DkimKey::open(&other, CONTEXT, DkimAlgorithm::Ed25519, "s", &sealed).is_err());
    assert!(DkimKey::open(&keys(), CONTEXT, DkimAlgorithm::Rsa2048, "s", &sealed).is_err());
    let key = open(CONTEXT).expect("it opens");
    let shown = format!("{made:?} {key:?} {:?} {sealed}", Signer::new(DOMAIN, vec![open(CONTEXT).expect("again")]));
    // Any twelve characters of the key would be a leak.
    assert!(plain.as_bytes().windows(12).all(|piece| !shown.contains(&String::from_utf8_lossy(piece).into_owned())));
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whatever stands in a row: odd names, SMTPUTF8, long words, white space that the canonical form folds.
    #[test]
    fn every_message_is_signed_well(
        first in "[ -~\t\r\né😀\u{202e}]{0,300}",
        local in "[a-zé0-9]{1,20}",
    ) {
        let (signer, published) = signer(&[DkimAlgorithm::Ed25519]);
        let at = now();
        let recipient = Recipient { email: format!("{local}@example.org"), first_name: first, ..ana() };
        let mut data = message(&recipient, at);
        signer.sign(&mut data, at, None).expect("signed");
        let found = runtime().block_on(verdicts(&data, &published));
        prop_assert_eq!(found, vec![Ok(DOMAIN.to_owned())]);
    }
}

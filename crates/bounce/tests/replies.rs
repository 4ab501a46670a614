//! The classifier against replies of large providers that were collected by others (`tests/corpora/replies`).
#![allow(clippy::unwrap_used, reason = "in a test a panic is the message")]

use std::collections::BTreeMap;

use serde::Deserialize;
use tidings_bounce::classify;
use tidings_domain::{BounceClass, Consequence, Phase, Reply, Verdict};

#[derive(Deserialize)]
struct Corpus {
    bounce: BTreeMap<String, Vec<Sample>>,
    defer: BTreeMap<String, Vec<Sample>>,
}

#[derive(Deserialize)]
struct Sample {
    code: u16,
    msg: String,
}

fn corpus() -> Corpus {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/corpora/replies/responses.toml");
    toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn provider(domain: &str) -> &'static str {
    match domain {
        "gmail.com" => "google",
        "hotmail.com" => "ms-consumer",
        d if d.starts_with("yahoo.") || matches!(d, "aol.com" | "rocketmail.com") => "yahoo",
        _ => "mx:shaw.example",
    }
}

/// A message that quotes whole reply lines is read line by line, as it stood on the wire.
fn verdict(domain: &str, sample: &Sample) -> Verdict {
    classify(Phase::Rcpt, &Reply::from_text(&sample.msg.replace("\r\n", "\n"), sample.code), provider(domain))
}

fn all(part: &BTreeMap<String, Vec<Sample>>) -> impl Iterator<Item = (&str, &Sample)> {
    part.iter().flat_map(|(domain, samples)| samples.iter().map(move |sample| (domain.as_str(), sample)))
}

#[test]
fn a_deferral_ends_nothing() {
    let corpus = corpus();
    let mut ended = Vec::new();
    // One sample of the file's deferrals carries a 550: by its code it is a bounce.
    for (domain, sample) in all(&corpus.defer).filter(|(_, s)| s.code < 500) {
        let found = verdict(domain, sample);
        if !matches!(found.consequence, Consequence::Retry | Consequence::Snooze) {
            ended.push(format!("{domain} {} {}: {} {:?}", sample.code, sample.msg, found.rule, found.consequence));
        }
    }
    assert!(ended.is_empty(), "{}", ended.join("\n"));
}

/// Prints what no rule knew, by name; most must be known.
#[test]
fn nearly_every_reply_is_understood() {
    let corpus = corpus();
    let (mut known, mut misses) = (0, Vec::new());
    for (domain, sample) in all(&corpus.bounce).chain(all(&corpus.defer)) {
        let found = verdict(domain, sample);
        if found.rule.contains("-at-") {
            misses.push(format!("{domain} {} {}: {}", sample.code, sample.msg, found.rule));
        } else {
            known += 1;
        }
    }
    println!("{known} known, {} by code alone:\n{}", misses.len(), misses.join("\n"));
    assert!(misses.len() <= 6, "{}", misses.join("\n"));
}

/// Who is hard-bounced here is suppressed for good: each such verdict must name a text or code that says so.
#[test]
fn bounces_are_told_apart() {
    let check = |domain: &str, part: &str, class: BounceClass, consequence: Consequence| {
        let corpus = corpus();
        let (_, sample) = all(&corpus.bounce).find(|(d, s)| *d == domain && s.msg.contains(part)).unwrap();
        let found = verdict(domain, sample);
        assert_eq!((found.class, found.consequence), (class, consequence), "{}: {}", sample.msg, found.rule);
    };
    use BounceClass as B;
    use Consequence as C;
    check("aol.com", "MAILBOX NOT FOUND", B::BadAddress, C::HardBounce);
    check("gmail.com", "5.1.1 The email account", B::BadAddress, C::HardBounce);
    check("gmail.com", "550-5.1.1", B::BadAddress, C::HardBounce);
    check("gmail.com", "is disabled. Learn", B::MailboxDisabled, C::SoftBounce);
    check("gmail.com", "ReceivingRatePerm", B::RecipientPolicy, C::SoftBounce);
    check("gmail.com", "missing a valid address", B::ContentEncoding, C::Fail);
    check("gmail.com", "very low reputation", B::IpBlocked, C::Snooze);
    check("gmail.com", "likely unsolicited mail", B::ContentBlocked, C::Fail);
    check("gmail.com", "DMARC", B::Authentication, C::Snooze);
    check("gmail.com", "OverQuotaPerm", B::MailboxFull, C::SoftBounce);
    check("gmail.com", "size limits", B::TooBig, C::Fail);
    check("gmail.com", "illegal attachment", B::ContentBlocked, C::Fail);
    check("hotmail.com", "mailbox unavailable", B::BadAddress, C::HardBounce);
    check("yahoo.com", "Domain Lookup Failed", B::BadDomain, C::HardBounce);
    check("yahoo.com", "relaying denied", B::Relaying, C::SoftBounce);
    check("yahoo.com", "mailbox not found", B::BadAddress, C::HardBounce);
    check("yahoo.com", "[BL21]", B::IpBlocked, C::Snooze);
    check("yahoo.com", "[BL23]", B::IpBlocked, C::Snooze);
    check("yahoo.com", "no longer valid", B::BadAddress, C::HardBounce);
    check("yahoo.com", "554.30", B::MailboxDisabled, C::SoftBounce);
    check("yahoo.com", "[PH01]", B::ContentBlocked, C::Fail);
    check("yahoo.com", "RFC compliant", B::ContentEncoding, C::Fail);
}

/// The same replies said to the greeting or to MAIL leave the subscriber alone.
#[test]
fn before_rcpt_nobody_is_bounced() {
    let corpus = corpus();
    for (domain, sample) in all(&corpus.bounce) {
        let reply = Reply::from_text(&sample.msg, sample.code);
        for phase in [Phase::Greeting, Phase::Ehlo, Phase::Mail] {
            let found = classify(phase, &reply, provider(domain));
            assert!(!matches!(found.consequence, Consequence::HardBounce | Consequence::SoftBounce), "{phase} {reply}");
        }
    }
}

//! One look at DNS for one domain: which records should be there, and what is.

use tidings_delivery::{Resolver, SpfAnswer};
use tidings_domain::{
    DMARC_SUGGESTION, DkimKeyState, Judged, ROTATION_OVERLAP, RecordKind, RecordState, UnixMs, dkim_host, dkim_value,
    dmarc_host, judge_bounce_mx, judge_dkim, judge_dmarc, judge_retired_dkim, judge_spf, organisation_of,
    suggested_spf,
};
use tidings_store::{CheckedRecord, DkimKey, DomainCheck, DomainDetails, KeySeen};

use super::SendingFacts;
use super::leaving::Leaving;

/// Said of a key in use that one look did not find.
const SECOND_LOOK: &str = "It was there before, and mail is still signed with it: a second look, in three minutes, decides whether it is gone.";

/// What was found, one record a line.
fn lines(found: &[String]) -> String {
    found.join("\n")
}

/// Asks for everything, one after the other: it is done once a day, and a resolver's patience is bounded.
pub(super) async fn look(
    resolver: &Resolver,
    facts: &SendingFacts,
    details: &DomainDetails,
    leaving: &Leaving,
    now: UnixMs,
) -> DomainCheck {
    let domain = details.domain.name.as_str();
    let (mut records, mut keys) = (Vec::new(), Vec::new());
    for key in details.keys.iter().filter(|key| key.is_living()) {
        let (record, seen) = look_for_key(resolver, domain, key, now).await;
        records.extend(record);
        keys.push((key.id, seen));
    }
    let bounce_domain = facts.bounce_domain.as_deref().unwrap_or(domain);
    records.push(look_for_spf(resolver, facts, (domain, bounce_domain), leaving).await);
    records.push(look_for_dmarc(resolver, domain).await);
    records.push(look_for_mx(resolver, facts, bounce_domain).await);
    DomainCheck { domain: details.domain.id, records, keys, began_at: now, next_check_at: now }
}

async fn look_for_key(
    resolver: &Resolver,
    domain: &str,
    key: &DkimKey,
    now: UnixMs,
) -> (Option<CheckedRecord>, KeySeen) {
    let host = dkim_host(&key.selector, domain);
    let answer = resolver.texts(&host).await;
    let (mut judged, found, seen) = match answer {
        Ok(found) => {
            let judged = judge_dkim(&found, key.algorithm, &key.public_key);
            let seen = match judged.state {
                RecordState::Good => KeySeen::Published,
                _ if judge_retired_dkim(&found) => KeySeen::Withdrawn,
                _ => KeySeen::NotPublished,
            };
            (judged, lines(&found), seen)
        }
        Err(failure) => (Judged::unknown(failure.detail), String::new(), KeySeen::Unknown),
    };
    if key.state == DkimKeyState::Retiring {
        match retired(key, seen, now) {
            Some(words) => judged = words,
            None => return (None, seen),
        }
    } else if judged.state == RecordState::Missing && stands_one_level_deeper(resolver, &host, domain).await {
        let short = host.strip_suffix(domain).unwrap_or(&host).trim_end_matches('.');
        judged.detail = format!(
            "It stands at {host}.{domain}: your DNS provider adds the domain by itself. Enter only “{short}” as the name."
        );
    }
    if key.state == DkimKeyState::Active && key.published_at_ms.is_some() && judged.state.is_bad() {
        judged.detail = format!("{} {SECOND_LOOK}", judged.detail).trim_start().to_owned();
    }
    let expected = dkim_value(key.algorithm, &key.public_key);
    (Some(CheckedRecord { kind: RecordKind::Dkim, host, expected, judged, found }), seen)
}

/// A key that another one has followed should be there for the overlap, and then not; `None`: it is gone, as it should be.
fn retired(key: &DkimKey, seen: KeySeen, now: UnixMs) -> Option<Judged> {
    let is_over = key.retired_at_ms.is_some_and(|at| now.since(UnixMs(at)) >= ROTATION_OVERLAP);
    match (seen, is_over) {
        (KeySeen::Withdrawn, true) => None,
        (KeySeen::Unknown, _) => Some(Judged::unknown("DNS gave no answer.")),
        (_, true) => {
            Some(Judged::good_but("It is not needed any more: remove the record, or leave “v=DKIM1; p=” there."))
        }
        (KeySeen::Published, false) => Some(Judged::good_but("Mail that is under way still needs it.")),
        (_, false) => Some(Judged::missing("It was removed too early: mail that is under way cannot be verified.")),
    }
}

/// The commonest mistake in a DNS panel: the whole name is entered where only its front part belongs.
async fn stands_one_level_deeper(resolver: &Resolver, host: &str, domain: &str) -> bool {
    resolver.texts(&format!("{host}.{domain}")).await.is_ok_and(|found| !found.is_empty())
}

async fn look_for_spf(
    resolver: &Resolver,
    facts: &SendingFacts,
    (domain, bounce_domain): (&str, &str),
    leaving: &Leaving,
) -> CheckedRecord {
    // Behind a relay it is the relay's addresses that count, and only its operator knows them.
    let expected =
        if leaving.is_relayed_only() { String::new() } else { suggested_spf(&leaving.addresses(), &facts.server) };
    let (judged, found) = match resolver.texts(bounce_domain).await {
        Ok(texts) => {
            let found: Vec<String> =
                texts.into_iter().filter(|text| text.to_ascii_lowercase().starts_with("v=spf1")).collect();
            let judged = match judge_spf(&found) {
                Ok(_) => judge_addresses(resolver, facts, (domain, bounce_domain), leaving).await,
                Err(judged) => judged,
            };
            (judged, lines(&found))
        }
        Err(failure) => (Judged::unknown(failure.detail), String::new()),
    };
    CheckedRecord { kind: RecordKind::Spf, host: bounce_domain.to_owned(), expected, judged, found }
}

/// Whether the record lets every address through that mail may leave from.
async fn judge_addresses(
    resolver: &Resolver,
    facts: &SendingFacts,
    (domain, bounce_domain): (&str, &str),
    leaving: &Leaving,
) -> Judged {
    let mut missing = Vec::new();
    for source in &leaving.sources {
        match resolver.spf_answer(bounce_domain, source.ip, &facts.server).await {
            Ok(SpfAnswer::Pass) => {}
            Ok(SpfAnswer::NotNamed) => missing.push(source),
            Ok(SpfAnswer::None) => return Judged::missing("There is no SPF record."),
            Ok(SpfAnswer::Broken) => {
                return Judged::broken(
                    "Receivers cannot work it out: it has an error, or needs more than ten look-ups.",
                );
            }
            Err(failure) => return Judged::unknown(failure.detail),
        }
    }
    if !missing.is_empty() {
        return Judged::wrong(leaving.words_for_missing(&missing));
    }
    match leaving.open_question() {
        Some(words) => Judged::good_but(words),
        None if organisation_of(domain) != organisation_of(bounce_domain) => Judged::good_but(format!(
            "Mail from {domain} is aligned by its DKIM signature alone: return paths lie elsewhere."
        )),
        None => Judged::good(),
    }
}

/// The domain's own policy, or else that of the organisation (RFC 7489 §6.6.3).
async fn look_for_dmarc(resolver: &Resolver, domain: &str) -> CheckedRecord {
    let host = dmarc_host(domain);
    let organisation = organisation_of(domain);
    let (mut judged, mut found) = policy_at(resolver, &host).await;
    if judged.state == RecordState::Missing && organisation != domain {
        let (theirs, text) = policy_at(resolver, &dmarc_host(organisation)).await;
        if theirs.state != RecordState::Missing {
            (judged, found) = (theirs, text);
        }
    }
    let expected = DMARC_SUGGESTION.to_owned();
    CheckedRecord { kind: RecordKind::Dmarc, host, expected, judged, found }
}

async fn policy_at(resolver: &Resolver, host: &str) -> (Judged, String) {
    match resolver.texts(host).await {
        Ok(found) => (judge_dmarc(&found), lines(&found)),
        Err(failure) => (Judged::unknown(failure.detail), String::new()),
    }
}

async fn look_for_mx(resolver: &Resolver, facts: &SendingFacts, bounce_domain: &str) -> CheckedRecord {
    // In the From address's own domain mail goes where it always went.
    let ours = if facts.bounce_domain.is_some() { facts.server.as_str() } else { "" };
    let expected = if ours.is_empty() { String::new() } else { format!("10 {ours}.") };
    let (judged, found) = match resolver.mx_names(bounce_domain).await {
        Ok(hosts) => (judge_bounce_mx(&hosts, ours), lines(&hosts)),
        Err(failure) => (Judged::unknown(failure.detail), String::new()),
    };
    CheckedRecord { kind: RecordKind::BounceMx, host: bounce_domain.to_owned(), expected, judged, found }
}

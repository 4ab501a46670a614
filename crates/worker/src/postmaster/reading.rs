//! From a report's octets to what it says of a delivery. Nothing in it is believed but a token of ours; who forges one bounces nobody.

use tidings_bounce::webhook::read_event;
use tidings_bounce::{Report, ReportedRecipient, normalise, read};
use tidings_compose::{Keys, TokenKind};
use tidings_domain::{
    BounceClass, Consequence, DeliveryState, FeedbackType, ReportKind, ReportedAction, Service, Verdict, Word,
};
use tidings_store::{DeliveryId, Finding, LateNews, UnreadReport};

use super::mailroom::{Signed, signed};

/// Evidence that is kept of one report.
const MAX_TEXT_BYTES: usize = 2_000;
/// What a webhook's reports are stored under.
const WEBHOOK: &str = "webhook:";

/// Reads one report. Never fails: what cannot be understood has no consequence, and says so.
pub(super) fn read_report(keys: &Keys, stored: &UnreadReport) -> Finding {
    match stored.source.strip_prefix(WEBHOOK) {
        Some(service) => read_post(keys, stored, service),
        None => finding(keys, stored, &read(&stored.raw), "bounce mail"),
    }
}

fn read_post(keys: &Keys, stored: &UnreadReport, service: &str) -> Finding {
    let read = Service::parse(service)
        .map_err(|e| e.to_string())
        .and_then(|service| read_event(service, &String::from_utf8_lossy(&stored.raw)).map_err(|e| e.to_string()));
    match read {
        Ok(report) => finding(keys, stored, &report, service),
        Err(why) => Finding {
            report: stored.id,
            delivery: None,
            kind: ReportKind::Unreadable,
            what: LateNews::Nothing,
            rule: String::new(),
            text_key: String::new(),
            text: cut(&why).to_owned(),
            source: service.to_owned(),
            recipient: String::new(),
        },
    }
}

fn finding(keys: &Keys, stored: &UnreadReport, report: &Report, source: &str) -> Finding {
    let envelope = stored.rcpt_to.split(' ').find_map(|rcpt| signed(keys, rcpt.rsplit_once('@')?.0));
    let tie = envelope.or_else(|| tie(keys, report));
    let asks = asks_to_leave(tie, report.kind);
    let news = if asks { Said::plain(LateNews::Unsubscribe) } else { said(report) };
    let source = match news.what {
        LateNews::Complaint => "feedback report",
        LateNews::Unsubscribe if source == "bounce mail" => "unsubscribe mail",
        _ => source,
    };
    Finding {
        report: stored.id,
        delivery: tie.map(|tie| match tie {
            Signed::Bounce(id) | Signed::Unsubscribe(id) => DeliveryId(id),
        }),
        kind: if asks { ReportKind::Unsubscribe } else { report.kind },
        what: news.what,
        rule: if news.rule.is_empty() { report.recognised_by.clone() } else { news.rule },
        text_key: normalise(&news.text),
        text: news.text,
        source: source.to_owned(),
        recipient: about(report),
    }
}

/// Whatever a person, or his mail program, writes to the address for unsubscribing is the wish to unsubscribe. What a machine answers is
/// not: it answers everything.
fn asks_to_leave(tie: Option<Signed>, kind: ReportKind) -> bool {
    let is_its_address = matches!(tie, Some(Signed::Unsubscribe(_)));
    is_its_address && matches!(kind, ReportKind::Reply | ReportKind::Unsubscribe | ReportKind::Unreadable)
}

/// The return path first; a feedback loop that hides the recipient leaves the Message-ID or the unsubscribe link; a service gives back
/// the token that it got with the message.
fn tie(keys: &Keys, report: &Report) -> Option<Signed> {
    let ties = &report.ties;
    let by_address = || ties.addresses.iter().find_map(|address| signed(keys, address.rsplit_once('@')?.0));
    let by_token = || ties.tokens.iter().find_map(|token| keys.open(TokenKind::Bounce, &token.to_ascii_lowercase()));
    let by_message_id = || {
        let local = |id: &str| id.trim_matches(['<', '>']).split('@').next().map(str::to_ascii_lowercase);
        ties.message_ids.iter().find_map(|id| keys.open(TokenKind::MessageId, &local(id)?))
    };
    let by_link = || {
        let link = ties.list_unsubscribe.as_deref()?;
        link.split(['<', '>', ',', ' ']).find_map(|url| keys.open(TokenKind::Unsubscribe, url.rsplit_once("/u/")?.1))
    };
    by_address().or_else(|| by_token().or_else(by_message_id).or_else(by_link).map(Signed::Bounce))
}

/// What a report says, apart from whom it is about.
struct Said {
    what: LateNews,
    text: String,
    /// Which rule made it so, when one did.
    rule: String,
}

impl Said {
    fn plain(what: LateNews) -> Self {
        Self { what, text: String::new(), rule: String::new() }
    }
}

fn said(report: &Report) -> Said {
    match report.kind {
        ReportKind::Bounce => bounce(report),
        ReportKind::Feedback => feedback(report),
        ReportKind::Unsubscribe => Said::plain(LateNews::Unsubscribe),
        _ => Said { text: first_words(report), ..Said::plain(LateNews::Nothing) },
    }
}

fn bounce(report: &Report) -> Said {
    let failed: Vec<&ReportedRecipient> =
        report.recipients.iter().filter(|r| r.action == ReportedAction::Failed).collect();
    match failed.as_slice() {
        // The return path proves who; why was not to be understood.
        [] if report.recipients.is_empty() => Said {
            what: LateNews::Bounce { class: BounceClass::Undetermined, end: DeliveryState::SoftBounced },
            text: first_words(report),
            rule: String::new(),
        },
        [one] if report.recipients.len() == 1 => Said {
            what: one.verdict.as_ref().map_or(LateNews::Nothing, news),
            text: evidence(one),
            rule: one.verdict.as_ref().map(|v| v.rule.clone()).unwrap_or_default(),
        },
        // We send to one recipient at a time. A report of several may be about his neighbours.
        _ => {
            Said { text: first_words(report), rule: "several_recipients".to_owned(), ..Said::plain(LateNews::Nothing) }
        }
    }
}

fn news(verdict: &Verdict) -> LateNews {
    let end = match verdict.consequence {
        Consequence::HardBounce => DeliveryState::HardBounced,
        Consequence::SoftBounce => DeliveryState::SoftBounced,
        // Nobody tries any more, whatever the code says.
        Consequence::Retry | Consequence::Snooze | Consequence::Fail if verdict.class.is_senders_fault() => {
            DeliveryState::Failed
        }
        Consequence::Fail => DeliveryState::Failed,
        Consequence::Retry | Consequence::Snooze => DeliveryState::SoftBounced,
    };
    LateNews::Bounce { class: verdict.class, end }
}

fn feedback(report: &Report) -> Said {
    let Some(feedback) = &report.feedback else { return Said::plain(LateNews::Nothing) };
    let by = feedback.user_agent.as_deref().or(report.reporting_mta.as_deref()).unwrap_or("a feedback loop");
    let (what, words) = match feedback.feedback_type {
        FeedbackType::Abuse => (LateNews::Complaint, "marked as spam"),
        FeedbackType::Fraud => (LateNews::Complaint, "reported as fraud"),
        FeedbackType::OptOut => (LateNews::Unsubscribe, "asked to be taken off"),
        other => return Said { text: format!("{other}, as {by} reports"), ..Said::plain(LateNews::Nothing) },
    };
    let text = cut(&format!("{words}, as {by} reports")).to_owned();
    Said { what, text, rule: format!("feedback:{}", feedback.feedback_type) }
}

fn evidence(recipient: &ReportedRecipient) -> String {
    let words = if recipient.diagnostic.is_empty() { &recipient.explanation } else { &recipient.diagnostic };
    cut(words).to_owned()
}

fn first_words(report: &Report) -> String {
    report.recipients.first().map(evidence).unwrap_or_default()
}

/// Whom it says it is about. Shown to people, never acted on.
fn about(report: &Report) -> String {
    let named = report.recipients.iter().find_map(|r| r.original_address.as_ref().or(r.address.as_ref()));
    let complained = || report.feedback.as_ref().and_then(|f| f.recipients.first());
    named.or_else(complained).map(|who| cut(who).to_owned()).unwrap_or_default()
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_TEXT_BYTES)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_domain::{Cut, PaceKey};
    use tidings_store::ReportId;

    fn stored(rcpt_to: &str, mail: String) -> UnreadReport {
        UnreadReport {
            id: ReportId(1),
            tries: 1,
            source: "smtp".to_owned(),
            mail_from: String::new(),
            rcpt_to: rcpt_to.to_owned(),
            raw: mail.into_bytes(),
            workspace: None,
        }
    }

    fn dsn(to: &str, recipients: &[&str], returned: &str) -> String {
        let about: String = recipients
            .iter()
            .map(|who| {
                format!(
                    "Final-Recipient: rfc822; {who}\r\nAction: failed\r\nStatus: 5.1.1\r\n\
                     Diagnostic-Code: smtp; 550 5.1.1 <{who}>: Recipient address rejected: User unknown\r\n\r\n"
                )
            })
            .collect();
        format!(
            "From: MAILER-DAEMON@mx.example\r\nTo: {to}\r\nSubject: Undelivered Mail Returned to Sender\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n\
             --b\r\nContent-Type: text/plain\r\n\r\nIt could not be delivered.\r\n\
             --b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n{about}\
             --b\r\nContent-Type: message/rfc822-headers\r\n\r\nFrom: news@shop.example\r\n{returned}\r\n--b--\r\n"
        )
    }

    fn found(keys: &Keys, rcpt_to: &str, mail: String) -> Finding {
        read_report(keys, &stored(rcpt_to, mail))
    }

    #[test]
    fn only_a_token_of_ours_ties_a_report_to_a_delivery() {
        let keys = Keys::new(&[4; 32]);
        let path = |n| format!("b-{}@bounces.example", keys.seal(TokenKind::Bounce, n));
        let message_id = format!("Message-ID: <{}@bounces.example>", keys.seal(TokenKind::MessageId, 8));
        let tied = |rcpt: &str, to: &str, returned: &str| {
            found(&keys, rcpt, dsn(to, &["a@x.example"], returned)).delivery.map(|id| id.0)
        };
        assert_eq!(tied(&path(9), &path(7), ""), Some(9), "the envelope says where it came");
        assert_eq!(tied("", &path(7), ""), Some(7));
        assert_eq!(tied("", &path(7).to_uppercase(), ""), Some(7), "mail servers change the case");
        assert_eq!(tied("", "postmaster@bounces.example", &message_id), Some(8));
        let of_another_kind = format!("b-{}@bounces.example", keys.seal(TokenKind::Unsubscribe, 7));
        assert_eq!(tied(&of_another_kind, &of_another_kind, "Message-ID: <x@bounces.example>"), None);
    }

    #[test]
    fn a_report_is_about_one_and_no_neighbour() {
        let keys = Keys::new(&[4; 32]);
        let hard = LateNews::Bounce { class: BounceClass::BadAddress, end: DeliveryState::HardBounced };
        let one = found(&keys, "", dsn("x@y.example", &["a@x.example"], ""));
        assert_eq!((one.what, one.recipient.as_str()), (hard, "a@x.example"));
        assert!(one.text.starts_with("550 5.1.1"), "{}", one.text);
        let several = found(&keys, "", dsn("x@y.example", &["a@x.example", "b@x.example"], ""));
        assert_eq!((several.what, several.rule.as_str()), (LateNews::Nothing, "several_recipients"));
    }

    #[test]
    fn a_mail_to_the_unsubscribe_address_is_the_wish_to_leave_unless_a_machine_wrote_it() {
        let keys = Keys::new(&[4; 32]);
        let to = format!("u-{}@bounces.example", keys.seal(TokenKind::UnsubscribeMail, 7));
        let person = format!("From: Ana <ana@x.example>\r\nTo: {to}\r\nSubject: please\r\n\r\n\r\n");
        let asked = found(&keys, &to, person.clone());
        assert_eq!((asked.what, asked.delivery), (LateNews::Unsubscribe, Some(DeliveryId(7))));
        assert_eq!((asked.kind, asked.source.as_str()), (ReportKind::Unsubscribe, "unsubscribe mail"));
        let machine = person.replace("Subject:", "Auto-Submitted: auto-replied\r\nSubject:");
        assert_eq!(found(&keys, &to, machine).what, LateNews::Nothing);
        let answered =
            found(&keys, "b-x@bounces.example", "From: a@x.example\r\nSubject: Re: Hello\r\n\r\nThanks!\r\n".into());
        assert_eq!((answered.what, answered.kind), (LateNews::Nothing, ReportKind::Reply));
    }

    #[test]
    fn what_our_blocked_address_caused_ends_the_delivery_and_touches_nobody() {
        for (class, consequence, end) in [
            (BounceClass::IpBlocked, Consequence::Snooze, DeliveryState::Failed),
            (BounceClass::ContentBlocked, Consequence::Fail, DeliveryState::Failed),
            (BounceClass::MailboxFull, Consequence::Retry, DeliveryState::SoftBounced),
            (BounceClass::BadAddress, Consequence::HardBounce, DeliveryState::HardBounced),
        ] {
            let verdict = Verdict {
                class,
                consequence,
                knob: None,
                cut: Cut::default(),
                stay: std::time::Duration::ZERO,
                hold: None,
                key: PaceKey::Route,
                pause_campaign: false,
                rule: String::new(),
            };
            assert_eq!(news(&verdict), LateNews::Bounce { class, end });
        }
    }
}

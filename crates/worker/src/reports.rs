//! Mails that came back: read, tied to their delivery by the token in the return path, and recorded. Nothing in a mail is believed
//! but that token; who forges one bounces nobody.

use tidings_bounce::{Report, ReportedRecipient, read};
use tidings_compose::{Keys, TokenKind};
use tidings_domain::{Consequence, FeedbackType, ReportKind, Word};
use tidings_store::{DeliveryId, LateAnswer, LateKind, LateNews, Store, StoreResult};

use crate::now;

/// Evidence that is kept of one report.
const MAX_TEXT_BYTES: usize = 2_000;

/// What became of a mail that came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// It says something of a delivery, and this is what followed.
    Recorded { delivery: DeliveryId, kind: ReportKind, answer: LateAnswer },
    /// It is about a delivery but marks nobody: a delay, a soft bounce, our own fault.
    NoConsequence { delivery: DeliveryId, kind: ReportKind },
    /// No token of ours is in it.
    NotOurs { kind: ReportKind },
}

/// Reads one mail and records what it proves. Told twice, the second time changes nothing.
///
/// # Errors
/// The ledger cannot be written: keep the mail and try again.
pub async fn take_report(store: &Store, keys: &Keys, mail: &[u8]) -> StoreResult<Taken> {
    let report = read(mail);
    let kind = report.kind;
    let Some(delivery) = delivery_of(keys, &report) else { return Ok(Taken::NotOurs { kind }) };
    let Some(news) = news_of(delivery, &report) else { return Ok(Taken::NoConsequence { delivery, kind }) };
    let answer = store.record_late(news, now()).await?;
    Ok(Taken::Recorded { delivery, kind, answer })
}

/// The return path first; a feedback loop that hides the recipient leaves the Message-ID or the unsubscribe link.
fn delivery_of(keys: &Keys, report: &Report) -> Option<DeliveryId> {
    let ties = &report.ties;
    let local = |address: &str| address.split('@').next().map(str::to_owned);
    let return_path = ties.addresses.iter().find_map(|address| {
        let token = local(address)?;
        keys.open(TokenKind::Bounce, token.strip_prefix("b-").or_else(|| token.strip_prefix("B-"))?)
    });
    let message_id =
        || ties.message_ids.iter().find_map(|id| keys.open(TokenKind::MessageId, &local(id.trim_matches(['<', '>']))?));
    let unsubscribe = || {
        let link = ties.list_unsubscribe.as_deref()?;
        link.split(['<', '>', ',', ' ']).find_map(|url| keys.open(TokenKind::Unsubscribe, url.rsplit_once("/u/")?.1))
    };
    return_path.or_else(message_id).or_else(unsubscribe).map(DeliveryId)
}

/// `None`: nothing follows for anybody.
fn news_of(delivery: DeliveryId, report: &Report) -> Option<LateNews> {
    match report.kind {
        ReportKind::Bounce => {
            let (failed, reason) = report.recipients.iter().find_map(|recipient| {
                let verdict = recipient.verdict.as_ref()?;
                (verdict.consequence == Consequence::HardBounce).then_some((recipient, verdict.class.as_str()))
            })?;
            // The token names one recipient. A report of several may be about his neighbours.
            let is_about_one = report.recipients.len() == 1;
            is_about_one.then(|| LateNews {
                delivery,
                what: LateKind::HardBounce,
                reason: reason.to_owned(),
                text: evidence(failed),
                source: "bounce mail",
            })
        }
        ReportKind::Feedback => {
            let feedback = report.feedback.as_ref().filter(|f| f.feedback_type == FeedbackType::Abuse)?;
            let by = feedback.user_agent.as_deref().or(report.reporting_mta.as_deref()).unwrap_or("a feedback loop");
            let text = cut(&format!("marked as spam, as {by} reports")).to_owned();
            let reason = "complaint".to_owned();
            Some(LateNews { delivery, what: LateKind::Complaint, reason, text, source: "feedback report" })
        }
        _ => None,
    }
}

fn evidence(recipient: &ReportedRecipient) -> String {
    let words = if recipient.diagnostic.is_empty() { &recipient.explanation } else { &recipient.diagnostic };
    cut(words).to_owned()
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_TEXT_BYTES)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(to: &str, recipients: &[&str], returned: &str) -> Report {
        let about: String = recipients
            .iter()
            .map(|who| {
                format!(
                    "Final-Recipient: rfc822; {who}\r\nAction: failed\r\nStatus: 5.1.1\r\n\
                     Diagnostic-Code: smtp; 550 5.1.1 <{who}>: Recipient address rejected: User unknown\r\n\r\n"
                )
            })
            .collect();
        let mail = format!(
            "From: MAILER-DAEMON@mx.example\r\nTo: {to}\r\nSubject: Undelivered Mail Returned to Sender\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n\
             --b\r\nContent-Type: text/plain\r\n\r\nIt could not be delivered.\r\n\
             --b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n{about}\
             --b\r\nContent-Type: message/rfc822-headers\r\n\r\nFrom: news@shop.example\r\n{returned}\r\n--b--\r\n"
        );
        read(mail.as_bytes())
    }

    #[test]
    fn only_a_token_of_ours_ties_a_report_to_a_delivery() {
        let keys = Keys::new(&[4; 32]);
        let return_path = format!("b-{}@bounces.example", keys.seal(TokenKind::Bounce, 7));
        let message_id = format!("Message-ID: <{}@bounces.example>", keys.seal(TokenKind::MessageId, 8));
        let found = |to: &str, returned: &str| delivery_of(&keys, &report(to, &["a@x.example"], returned));
        assert_eq!(found(&return_path, ""), Some(DeliveryId(7)));
        assert_eq!(found(&return_path.to_uppercase(), ""), Some(DeliveryId(7)), "mail servers change the case");
        assert_eq!(found("postmaster@bounces.example", &message_id), Some(DeliveryId(8)));
        let of_another_kind = format!("b-{}@bounces.example", keys.seal(TokenKind::Unsubscribe, 7));
        assert_eq!(found(&of_another_kind, "Message-ID: <x@bounces.example>"), None);
    }

    #[test]
    fn a_report_marks_the_one_it_is_about_and_no_neighbour() {
        let one = news_of(DeliveryId(7), &report("x@y.example", &["a@x.example"], "")).expect("a hard bounce");
        assert_eq!((one.what, one.reason.as_str()), (LateKind::HardBounce, "bad_address"));
        assert!(one.text.starts_with("550 5.1.1"));
        assert!(news_of(DeliveryId(7), &report("x@y.example", &["a@x.example", "b@x.example"], "")).is_none());
        assert!(news_of(DeliveryId(7), &read(b"Subject: Re: Hello\r\n\r\nThank you!\r\n")).is_none());
    }
}

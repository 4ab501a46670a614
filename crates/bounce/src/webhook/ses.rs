//! Amazon SES: what it publishes to an SNS topic, as notifications of an identity (`notificationType`) or as events of a
//! configuration set (`eventType`). SNS posts it within an envelope, or bare where raw message delivery is on.
//!
//! `mail.headers` holds the header of the message as we handed it over, our Message-ID too (SES sends with its own),
//! where "include original headers" is on; `mail.source` is the envelope sender. Values given in the header field
//! `X-SES-MESSAGE-TAGS: tidings=TOKEN` come back in `mail.tags`, with configuration sets only.

use tidings_domain::{BounceClass, FeedbackType, ReportKind, ReportedAction, Service, Word};

use super::facts::{self, Failure};
use super::json::Json;
use super::{RawEvent, Unreadable, sns};
use crate::{Claim, Report, ReportedRecipient};

const SERVICE: Service = Service::Ses;

pub(super) fn split(body: &[u8]) -> Result<Vec<RawEvent>, Unreadable> {
    let Ok(envelope) = sns::envelope(body) else { return super::events(SERVICE, body, id) };
    let message = envelope.message();
    // SES greets a new topic in plain words; confirmations hold no event either.
    if envelope.kind() != sns::Kind::Notification || !message.trim_start().starts_with('{') {
        return Ok(Vec::new());
    }
    Ok(vec![super::event(SERVICE, message, id)?])
}

/// `feedbackId` names a bounce or complaint, whichever way it is published; the rest is told apart by message and time.
fn id(event: Json) -> Option<String> {
    let name = name(event);
    for about in ["bounce", "complaint"] {
        if let Some(id) = event.at(about).some("feedbackId") {
            return Some(format!("{name} {id}"));
        }
    }
    let parts = ["delivery", "deliveryDelay", "open", "click", "subscription"];
    let when = parts.map(|part| event.at(part).text("timestamp")).join("");
    facts::joined(&[event.at("mail").text("messageId"), name, &when])
}

fn name(event: Json<'_>) -> &str {
    let name = event.text("eventType");
    if name.is_empty() { event.text("notificationType") } else { name }
}

/// Reads one notification out of a text that may hold more: where a topic is subscribed to by mail.
pub(crate) fn read_text(text: &str) -> Option<Report> {
    let value: serde_json::Value = serde_json::Deserializer::from_str(text).into_iter().next()?.ok()?;
    read(Json::new(&value)).ok()
}

pub(super) fn read(event: Json) -> Result<Report, String> {
    let name = name(event);
    let mut report = match name {
        "" => return Err("it has neither \"eventType\" nor \"notificationType\"".to_owned()),
        "Bounce" => bounced(part(event, "bounce")?),
        "Complaint" => complained(part(event, "complaint")?),
        "Delivery" => delivered(part(event, "delivery")?),
        "DeliveryDelay" => delayed(event.at("deliveryDelay")),
        // A virus, found by SES.
        "Reject" => ours(event, BounceClass::ContentBlocked, event.at("reject").text("reason")),
        "Rendering Failure" => ours(event, BounceClass::Render, event.at("failure").text("errorMessage")),
        "Subscription" => subscription(event),
        // Send, Open, Click, and the greeting of a new topic.
        _ => facts::report(ReportKind::Notice, SERVICE, name),
    };
    tie(&mut report, event.at("mail"));
    Ok(report)
}

fn part<'a>(event: Json<'a>, name: &str) -> Result<Json<'a>, String> {
    let part = event.at(name);
    part.is_object().then_some(part).ok_or_else(|| format!("it has no {name:?}"))
}

fn tie(report: &mut Report, mail: Json) {
    let ties = &mut report.ties;
    mail.items("headers").for_each(|header| ties.add_field(header.text("name"), header.text("value")));
    ties.add_message_ids(mail.at("commonHeaders").text("messageId"));
    ties.add_addresses(mail.text("source"));
    mail.at("tags").items("tidings").for_each(|token| ties.add_token(token.as_text()));
    mail.items("destination").for_each(|address| ties.add_original_to(address.as_text()));
}

/// SES has stopped trying. `bounceType` Transient does not mean that the server said 4yz: its words decide.
fn bounced(bounce: Json) -> Report {
    let (kind, sub) = (bounce.text("bounceType"), bounce.text("bounceSubType"));
    let name = format!("Bounce {kind} {sub}");
    if sub == "UnsubscribedRecipient" {
        let mut report = facts::report(ReportKind::Unsubscribe, SERVICE, &name);
        bounce.items("bouncedRecipients").for_each(|r| report.ties.add_original_to(r.text("emailAddress")));
        return report;
    }
    // A mail that came back without a delivery report is filed here too: an absence note, most often.
    let is_bare = |r: Json| ["action", "status", "diagnosticCode"].iter().all(|field| r.text(field).is_empty());
    if (kind, sub) == ("Transient", "General") && bounce.items("bouncedRecipients").all(is_bare) {
        return facts::report(ReportKind::AutoReply, SERVICE, &name);
    }
    let claim = claim(kind, sub);
    let recipients = bounce.items("bouncedRecipients").map(|r| failed(r, claim)).collect();
    let mut report = Report { recipients, ..facts::report(ReportKind::Bounce, SERVICE, &name) };
    report.reporting_mta =
        bounce.some("reportingMTA").map(|mta| mta.split_once(';').map_or(&*mta, |(_, m)| m).trim().to_owned());
    report
}

fn claim(kind: &str, sub: &str) -> Claim {
    use BounceClass as B;
    match (kind, sub) {
        // On a list of SES or of the account, for what a server once said that we cannot see: counted, and believed
        // when it comes again.
        (_, "Suppressed" | "OnAccountSuppressionList") => Claim::Instead(B::ProbableBadAddress),
        ("Permanent", "NoEmail") => Claim::Beside(B::BadAddress),
        ("Permanent", _) => Claim::Beside(B::ProbableBadAddress),
        (_, "MailboxFull") => Claim::Beside(B::MailboxFull),
        (_, "MessageTooLarge") => Claim::Beside(B::TooBig),
        (_, "ContentRejected" | "AttachmentRejected") => Claim::Beside(B::ContentBlocked),
        (_, "CustomTimeoutExceeded") => Claim::Beside(B::Expired),
        ("Transient", _) => Claim::Beside(B::RemoteSystem),
        _ => Claim::Beside(B::Undetermined),
    }
}

fn failed(recipient: Json, claim: Claim) -> ReportedRecipient {
    let failure = Failure {
        address: recipient.text("emailAddress"),
        words: recipient.text("diagnosticCode"),
        status: recipient.text("status"),
        claim: Some(claim),
        ..Failure::default()
    };
    failure.recipient()
}

/// `complaintFeedbackType` is the type of the feedback report (RFC 5965), if one came. With the sub-type
/// `OnAccountSuppressionList` nobody complained now: SES did not send, for he did so before. He wants no mail, but it says
/// nothing of this campaign.
fn complained(complaint: Json) -> Report {
    let sub = complaint.text("complaintSubType");
    let name = format!("Complaint {sub}");
    let mut people = complaint.items("complainedRecipients").map(|r| r.text("emailAddress"));
    if sub == "OnAccountSuppressionList" {
        return facts::unsubscribe(SERVICE, &name, people.next().unwrap_or_default());
    }
    let word = complaint.text("complaintFeedbackType").to_ascii_lowercase();
    let kind = FeedbackType::parse(&word).unwrap_or(FeedbackType::Abuse);
    let mut report = facts::feedback(SERVICE, name.trim_end(), kind, "");
    if let Some(feedback) = &mut report.feedback {
        feedback.recipients = people.map(str::to_owned).collect();
        feedback.user_agent = complaint.some("userAgent");
        feedback.arrival_date = complaint.some("arrivalDate");
    }
    report
}

fn delivered(delivery: Json) -> Report {
    let mut report = facts::report(ReportKind::Delivered, SERVICE, "Delivery");
    for address in delivery.items("recipients") {
        report.recipients.extend(facts::delivered(SERVICE, "", address.as_text()).recipients);
    }
    report
}

fn delayed(delay: Json) -> Report {
    let name = format!("DeliveryDelay {}", delay.text("delayType"));
    let mut report = facts::report(ReportKind::Delayed, SERVICE, &name);
    for recipient in delay.items("delayedRecipients") {
        let failed = failed(recipient, Claim::Beside(BounceClass::Undetermined));
        report.recipients.push(ReportedRecipient { action: ReportedAction::Delayed, claim: None, ..failed });
    }
    report
}

/// SES did not try, and the fault is in what we handed over.
fn ours(event: Json, class: BounceClass, words: &str) -> Report {
    let destination: Vec<&str> = event.at("mail").items("destination").map(Json::as_text).collect();
    let address = destination.first().copied().unwrap_or_default();
    let claim = Some(Claim::Instead(class));
    facts::bounce(SERVICE, name(event), Failure { address, words, claim, ..Failure::default() })
}

/// A contact changed his preferences on a page of SES's own list management: only who wants nothing at all is meant.
fn subscription(event: Json) -> Report {
    let all = event.at("subscription").at("newTopicPreferences").at("unsubscribeAll").is_true();
    let mut report = facts::report(ReportKind::Notice, SERVICE, "Subscription");
    if all {
        report.kind = ReportKind::Unsubscribe;
    }
    report
}

use serde_json::{Value, json};
use tidings_bounce::webhook::{read_event, split};
use tidings_domain::{BounceClass as B, Consequence as C, FeedbackType, ReportKind as K, Service::Ses};

use crate::samples::{ses_bounce, ses_mail};
use crate::{bounce, only, posted, read, said};

fn failed(status: &str, words: &str) -> Value {
    json!({"emailAddress": "ana@example.org", "action": "failed", "status": status, "diagnosticCode": words})
}

fn bare() -> Value {
    json!({"emailAddress": "ana@example.org"})
}

#[test]
fn the_servers_words_decide_also_where_ses_calls_it_transient() {
    let of = |kind, sub, recipient: Value| said(Ses, &ses_bounce(kind, sub, &recipient));
    let unknown = || failed("5.1.1", "smtp; 550 5.1.1 <ana@example.org>: Recipient address rejected: User unknown");
    assert_eq!(of("Permanent", "General", unknown()), bounce(B::BadAddress, C::HardBounce));
    assert_eq!(of("Transient", "General", unknown()), bounce(B::BadAddress, C::HardBounce));
    let full = failed("5.2.2", "smtp; 552 5.2.2 mailbox is full");
    assert_eq!(of("Permanent", "General", full), bounce(B::MailboxFull, C::SoftBounce));
    let listed =
        failed("5.7.1", "smtp; 554 5.7.1 Service unavailable; client host [192.0.2.1] blocked using a blacklist");
    assert_eq!(of("Permanent", "General", listed).1.unwrap().1, C::Fail);
}

#[test]
fn where_no_server_speaks_the_sort_decides() {
    let of = |kind, sub| said(Ses, &ses_bounce(kind, sub, &bare()));
    assert_eq!(of("Permanent", "NoEmail"), bounce(B::BadAddress, C::HardBounce));
    assert_eq!(of("Permanent", "General"), bounce(B::ProbableBadAddress, C::SoftBounce));
    assert_eq!(of("Transient", "MailboxFull"), bounce(B::MailboxFull, C::SoftBounce));
    assert_eq!(of("Transient", "MessageTooLarge"), bounce(B::TooBig, C::Fail));
    assert_eq!(of("Transient", "ContentRejected"), bounce(B::ContentBlocked, C::Fail));
    assert_eq!(of("Transient", "CustomTimeoutExceeded"), bounce(B::Expired, C::SoftBounce));
    assert_eq!(of("Undetermined", "Undetermined"), bounce(B::Undetermined, C::SoftBounce));
    assert_eq!(of("Transient", "General"), only(K::AutoReply), "an absence note");
}

/// What stands on a list says what some server once said: no proof, whatever code SES gives it.
#[test]
fn a_list_of_ses_is_counted_and_not_believed_at_once() {
    for sub in ["Suppressed", "OnAccountSuppressionList"] {
        let event = ses_bounce("Permanent", sub, &failed("5.1.1", "Amazon SES has suppressed sending to this address"));
        assert_eq!(said(Ses, &event), bounce(B::ProbableBadAddress, C::SoftBounce));
    }
    let complaint = |sub: &str| {
        json!({"notificationType": "Complaint", "mail": ses_mail(), "complaint": {"complaintSubType": sub,
            "complainedRecipients": [bare()]}})
    };
    assert_eq!(said(Ses, &complaint("")), only(K::Feedback));
    let before = read(Ses, &complaint("OnAccountSuppressionList"));
    assert_eq!((before.kind, &before.ties.original_to[0][..]), (K::Unsubscribe, "ana@example.org"));
}

#[test]
fn a_complaint_has_its_type_and_people() {
    let event = json!({"eventType": "Complaint", "mail": ses_mail(), "complaint": {"complaintFeedbackType": "not-spam",
        "complainedRecipients": [bare()], "userAgent": "Loop/1"}});
    let feedback = read(Ses, &event).feedback.unwrap();
    assert_eq!(
        (feedback.feedback_type, feedback.recipients),
        (FeedbackType::NotSpam, vec!["ana@example.org".to_owned()])
    );
}

#[test]
fn our_own_faults_and_the_rest() {
    let event =
        |name: &str, part: &str, value: Value| said(Ses, &json!({"eventType": name, "mail": ses_mail(), part: value}));
    assert_eq!(event("Reject", "reject", json!({"reason": "Bad content"})), bounce(B::ContentBlocked, C::Fail));
    assert_eq!(event("Rendering Failure", "failure", json!({})), bounce(B::Render, C::Fail));
    assert_eq!(event("Delivery", "delivery", json!({"recipients": ["ana@example.org"]})), only(K::Delivered));
    assert_eq!(event("DeliveryDelay", "deliveryDelay", json!({"delayedRecipients": [bare()]})), only(K::Delayed));
    assert_eq!(event("Open", "open", json!({})), only(K::Notice));
    let leaves = |all: bool| json!({"newTopicPreferences": {"unsubscribeAll": all}});
    assert_eq!(event("Subscription", "subscription", leaves(true)), only(K::Unsubscribe));
    assert_eq!(event("Subscription", "subscription", leaves(false)), only(K::Notice));
}

#[test]
fn what_ties_it_to_its_delivery_comes_first_from_our_own_header() {
    let report = read(Ses, &ses_bounce("Permanent", "General", &bare()));
    assert_eq!(report.ties.message_ids[0], "m-tok@bounce.example");
    assert_eq!(report.ties.addresses, ["b-tok@bounce.example"]);
    assert_eq!(report.ties.tokens, ["TOKEN"]);
    assert_eq!(report.ties.list_unsubscribe.as_deref(), Some("<https://t.example/u/x>"));
    assert_eq!(report.reporting_mta.as_deref(), Some("a8-1.smtp-out.amazonses.com"));
}

/// Within the envelope or bare, as a notification or as an event: the same id, so the same bounce once.
#[test]
fn with_and_without_the_envelope_it_is_one_event() {
    let event = ses_bounce("Permanent", "General", &failed("5.1.1", "550 5.1.1 user unknown"));
    let enveloped = crate::sns::envelope("Notification", &event.to_string());
    let (bare, wrapped) = (posted(Ses, &event), posted(Ses, &enveloped));
    assert_eq!(bare, wrapped);
    assert_eq!(bare.0.as_deref(), Some("Bounce fb-1"));
}

#[test]
fn greetings_and_confirmations_hold_no_event() {
    let greeting = "Successfully validated SNS topic for Amazon SES event publishing.";
    for (kind, message) in [("Notification", greeting), ("SubscriptionConfirmation", "You have chosen to subscribe")] {
        assert_eq!(split(Ses, crate::sns::envelope(kind, message).to_string().as_bytes()), Ok(Vec::new()));
    }
    assert!(read_event(Ses, r#"{"hello":1}"#).unwrap_err().to_string().contains("notificationType"));
    assert!(read_event(Ses, r#"{"eventType":"Bounce"}"#).unwrap_err().to_string().contains("bounce"));
}

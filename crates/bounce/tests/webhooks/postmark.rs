use serde_json::json;
use tidings_domain::{BounceClass as B, Consequence as C, ReportKind as K, Service::Postmark};

use crate::samples::postmark_bounce;
use crate::{bounce, only, posted, said};

#[test]
fn the_servers_words_decide_and_the_description_never() {
    let of = |kind, details| said(Postmark, &postmark_bounce(kind, details));
    assert_eq!(of("HardBounce", "smtp;550 5.1.1 user unknown"), bounce(B::BadAddress, C::HardBounce));
    assert_eq!(of("HardBounce", "smtp;550 5.2.2 mailbox full"), bounce(B::MailboxFull, C::SoftBounce));
    assert_eq!(of("HardBounce", ""), bounce(B::BadAddress, C::HardBounce));
    assert_eq!(of("SoftBounce", ""), bounce(B::RemoteSystem, C::SoftBounce));
    assert_eq!(of("DnsError", ""), bounce(B::Network, C::SoftBounce));
    assert_eq!(of("Unknown", ""), bounce(B::Undetermined, C::SoftBounce));
    assert_eq!(of("BadEmailAddress", ""), bounce(B::ProbableBadAddress, C::SoftBounce));
}

#[test]
fn the_senders_faults_mark_nobody() {
    let of = |kind, details| said(Postmark, &postmark_bounce(kind, details)).1.unwrap().1;
    for kind in
        ["Blocked", "SpamNotification", "VirusNotification", "DMARCPolicy", "TemplateRenderingFailed", "SMTPApiError"]
    {
        assert_eq!(of(kind, ""), C::Fail, "{kind}");
        assert_ne!(of(kind, "smtp;550 5.1.1 user unknown"), C::HardBounce, "{kind}");
    }
    let inactive = "You tried to send to a recipient that has been marked as inactive.";
    assert_eq!(said(Postmark, &postmark_bounce("SMTPApiError", inactive)), bounce(B::RecipientPolicy, C::SoftBounce));
    assert_eq!(said(Postmark, &postmark_bounce("ManuallyDeactivated", "")), bounce(B::RecipientPolicy, C::SoftBounce));
}

#[test]
fn what_is_no_bounce() {
    let of = |kind| said(Postmark, &postmark_bounce(kind, "550 5.1.1 user unknown"));
    assert_eq!(of("Transient"), only(K::Delayed));
    assert_eq!(of("AutoResponder"), only(K::AutoReply));
    assert_eq!(of("AddressChange"), only(K::AutoReply));
    assert_eq!(of("ChallengeVerification"), only(K::Challenge));
    assert_eq!(of("Unsubscribe"), only(K::Unsubscribe));
    assert_eq!(of("SpamComplaint"), only(K::Feedback));
    assert_eq!(of("Subscribe"), only(K::Notice));
}

/// A hard bounce is posted twice, as a bounce and as a change: it counts once.
#[test]
fn changes_of_the_suppression_list() {
    let of = |send: bool, reason: &str, origin: &str| {
        said(
            Postmark,
            &json!({"RecordType": "SubscriptionChange", "Recipient": "ana@example.org",
            "SuppressSending": send, "SuppressionReason": reason, "Origin": origin}),
        )
    };
    assert_eq!(of(true, "HardBounce", "Recipient"), only(K::Notice));
    assert_eq!(of(true, "SpamComplaint", "Recipient"), only(K::Feedback));
    assert_eq!(of(true, "ManualSuppression", "Recipient"), only(K::Unsubscribe));
    assert_eq!(of(true, "ManualSuppression", "Admin"), only(K::Notice));
    assert_eq!(of(false, "", "Customer"), only(K::Notice));
}

#[test]
fn its_ties_and_ids() {
    let (id, report) = posted(Postmark, &postmark_bounce("HardBounce", "550"));
    assert_eq!((id.as_deref(), &report.ties.tokens[0][..]), (Some("Bounce 42"), "TOKEN"));
    let delivery =
        json!({"RecordType": "Delivery", "MessageID": "pm-1", "Recipient": "ana@example.org", "DeliveredAt": "T"});
    let (id, report) = posted(Postmark, &delivery);
    assert_eq!((id.as_deref(), report.kind), (Some("Delivery pm-1 ana@example.org T"), K::Delivered));
}

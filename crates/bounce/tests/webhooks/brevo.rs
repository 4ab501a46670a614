use tidings_domain::{BounceClass as B, Consequence as C, ReportKind as K, Service::Brevo};

use crate::samples::brevo_event;
use crate::{bounce, only, posted, said};

#[test]
fn the_servers_words_stand_before_the_sort() {
    let of = |name, reason| said(Brevo, &brevo_event(name, reason));
    assert_eq!(of("hard_bounce", "550 5.1.1 user unknown"), bounce(B::BadAddress, C::HardBounce));
    assert_eq!(of("soft_bounce", "550 5.1.1 user unknown"), bounce(B::BadAddress, C::HardBounce));
    assert_eq!(of("hard_bounce", "552 5.2.2 mailbox full"), bounce(B::MailboxFull, C::SoftBounce));
    assert_eq!(of("hard_bounce", ""), bounce(B::BadAddress, C::HardBounce));
    assert_eq!(of("soft_bounce", ""), bounce(B::RemoteSystem, C::SoftBounce));
    assert_eq!(of("invalid_email", ""), bounce(B::ProbableBadAddress, C::SoftBounce));
    for ours in ["blocked", "error"] {
        assert_eq!(of(ours, "550 5.1.1 user unknown").1.unwrap().1, C::Fail, "{ours}");
    }
}

#[test]
fn the_rest() {
    let of = |name| said(Brevo, &brevo_event(name, "550 5.1.1 user unknown"));
    assert_eq!(of("deferred"), only(K::Delayed));
    assert_eq!(of("delivered"), only(K::Delivered));
    assert_eq!(of("spam"), only(K::Feedback));
    assert_eq!(of("unsubscribed"), only(K::Unsubscribe));
    for other in ["request", "opened", "unique_opened", "proxy_open", "click"] {
        assert_eq!(of(other), only(K::Notice), "{other}");
    }
}

#[test]
fn its_ties_and_id() {
    let (id, report) = posted(Brevo, &brevo_event("hard_bounce", "550"));
    assert_eq!(id.as_deref(), Some("<m-tok@bounce.example> hard_bounce ana@example.org 1800000000 "));
    assert_eq!(report.ties.message_ids, ["m-tok@bounce.example"]);
    assert_eq!(report.ties.tokens, ["TOKEN"]);
}

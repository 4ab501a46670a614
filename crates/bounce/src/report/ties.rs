use super::address::addresses;
use crate::mail::Fields;

/// Candidates of one sort that are kept.
const MAX_EACH: usize = 20;
const MAX_VALUE_BYTES: usize = 1024;

/// Where the mail itself went: one of these is the signed return path.
const ARRIVED_AT: [&str; 8] =
    ["Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "X-Rcpt-To", "To", "Cc", "Resent-To"];
/// Where the returned original names its return path.
const SENT_FROM: [&str; 7] =
    ["Return-Path", "X-Envelope-From", "Envelope-From", "X-Original-Mail-From", "Errors-To", "Sender", "From"];

/// Whatever may tie a mail to its delivery. All of it is claimed by a stranger: the signed tokens within decide.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ties {
    /// Addresses that may be the signed return path: where the mail went to, then what the original was sent from.
    pub addresses: Vec<String>,
    /// Message-IDs, without brackets: of the original first, then In-Reply-To and References.
    pub message_ids: Vec<String>,
    /// Original-Envelope-Id (RFC 3464 §2.2.1): the ENVID that was given with MAIL.
    pub envelope_id: Option<String>,
    /// Feedback-ID of the original.
    pub feedback_id: Option<String>,
    /// List-Unsubscribe of the original: its links hold a signed token, and stay when a feedback loop hides the
    /// recipient.
    pub list_unsubscribe: Option<String>,
    pub list_id: Option<String>,
    /// To of the original: whom the message was for.
    pub original_to: Vec<String>,
    /// Values that we gave a service along with the message under the name `tidings`, and that it gave back.
    pub tokens: Vec<String>,
}

impl Ties {
    /// From the header of the mail itself.
    pub(super) fn read(fields: &Fields) -> Self {
        let mut ties = Self::default();
        for name in ARRIVED_AT {
            fields.all(name).take(MAX_EACH).for_each(|value| ties.add_addresses(&value));
        }
        for name in ["In-Reply-To", "References", "X-Original-Message-ID", "Original-Message-ID"] {
            fields.all(name).take(MAX_EACH).for_each(|value| ties.add_message_ids(&value));
        }
        ties
    }

    /// From the header of the returned original, before what is known already.
    pub(super) fn add_original(&mut self, original: &Fields) {
        let later = std::mem::take(&mut self.message_ids);
        original.get("Message-ID").into_iter().for_each(|value| self.add_message_ids(&value));
        self.message_ids.extend(later);
        self.message_ids.truncate(MAX_EACH);
        for name in SENT_FROM {
            original.all(name).take(2).for_each(|value| self.add_addresses(&value));
        }
        for name in ["To", "X-Envelope-To", "Delivered-To", "X-Original-To", "X-HmXmrOriginalRecipient"] {
            for value in original.all(name).take(MAX_EACH) {
                add(&mut self.original_to, addresses(&value).map(|(_, address)| address));
            }
        }
        let text = |name: &str| original.get(name).map(|v| bounded(&v)).filter(|v| !v.is_empty());
        self.feedback_id = self.feedback_id.take().or_else(|| text("Feedback-ID"));
        self.list_unsubscribe = self.list_unsubscribe.take().or_else(|| text("List-Unsubscribe"));
        self.list_id = self.list_id.take().or_else(|| text("List-Id"));
    }

    pub(crate) fn add_addresses(&mut self, value: &str) {
        add(&mut self.addresses, addresses(value).map(|(_, address)| address));
    }

    /// Of a notification within the mail, behind what the mail itself tells.
    pub(super) fn add_all(&mut self, other: Self) {
        add(&mut self.addresses, other.addresses.iter().map(String::as_str));
        add(&mut self.message_ids, other.message_ids.iter().map(String::as_str));
        add(&mut self.original_to, other.original_to.iter().map(String::as_str));
        add(&mut self.tokens, other.tokens.iter().map(String::as_str));
        self.feedback_id = self.feedback_id.take().or(other.feedback_id);
        self.list_unsubscribe = self.list_unsubscribe.take().or(other.list_unsubscribe);
        self.list_id = self.list_id.take().or(other.list_id);
    }

    /// Whom the message was for.
    pub(crate) fn add_original_to(&mut self, value: &str) {
        add(&mut self.original_to, addresses(value).map(|(_, address)| address));
    }

    /// Fields that the original carried, told by a service.
    pub(crate) fn add_field(&mut self, name: &str, value: &str) {
        let text = || Some(bounded(value)).filter(|v| !v.is_empty());
        match name.to_ascii_lowercase().as_str() {
            "message-id" => self.add_message_ids(value),
            "return-path" => self.add_addresses(value),
            "feedback-id" => self.feedback_id = self.feedback_id.take().or_else(text),
            "list-unsubscribe" => self.list_unsubscribe = self.list_unsubscribe.take().or_else(text),
            "list-id" => self.list_id = self.list_id.take().or_else(text),
            _ => {}
        }
    }

    pub(crate) fn add_token(&mut self, value: &str) {
        let token = Some(value.trim()).filter(|token| !token.is_empty() && token.len() <= MAX_VALUE_BYTES);
        add(&mut self.tokens, token.into_iter());
    }

    pub(crate) fn add_message_ids(&mut self, value: &str) {
        let inner = value.split(['<', '>', ' ', ',']).filter(|id| id.contains('@') && id.len() <= MAX_VALUE_BYTES);
        add(&mut self.message_ids, inner);
    }
}

fn add<'a>(list: &mut Vec<String>, new: impl Iterator<Item = &'a str>) {
    for item in new.take(MAX_EACH) {
        if list.len() < MAX_EACH && !list.iter().any(|known| known.eq_ignore_ascii_case(item)) {
            list.push(item.to_owned());
        }
    }
}

fn bounded(value: &str) -> String {
    super::delivery_status::cut(value.trim(), MAX_VALUE_BYTES).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ways_back_to_a_delivery_are_kept_in_order() {
        let (mail, _) = Fields::read(b"To: <b-tok@bounce.example>\nReferences: <r@x> <s@x>\n");
        let (original, _) = Fields::read(
            b"Return-Path: <b-tok2@bounce.example>\nMessage-ID: <m@x>\nTo: Ana <ana@example.org>\nFeedback-ID: a:b:c:d\n",
        );
        let mut ties = Ties::read(&mail);
        ties.add_original(&original);
        assert_eq!(ties.addresses, ["b-tok@bounce.example", "b-tok2@bounce.example"]);
        assert_eq!(ties.message_ids, ["m@x", "r@x", "s@x"]);
        assert_eq!(ties.original_to, ["ana@example.org"]);
        assert_eq!(ties.feedback_id.as_deref(), Some("a:b:c:d"));
    }
}

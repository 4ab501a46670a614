use std::sync::LazyLock;

use regex::Regex;
use tidings_domain::{ReportKind, ReportedAction};

use super::delivery_status::{DeliveryStatus, cut, empty};
use super::judge::{quoted_host, server_words};
use super::marks::MARKS;
use super::phase::phase_of;
use super::{Feedback, Report, ReportedRecipient, Ties, address, notice};
use crate::mail::{Fields, MAX_BYTES, Mail, decode_words, plain_text};

/// Octets of a notice in which marks are looked for.
const MAX_MARKED_BYTES: usize = 4 * 1024;
const MAX_EXPLANATION_BYTES: usize = 2 * 1024;
/// Fields of a delivery status that are looked for within a text.
const MAX_STATUS_FIELDS: usize = 200;

static STATUS_FIELD: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?im)^>?[ \t]?(?:reporting-mta|original-recipient|final-recipient|action)[ \t]*:")
        .expect("the pattern is part of the program and used by its tests")
});

/// Reads a mail that came back. Takes any octets, never fails, and looks at no more than [`MAX_BYTES`] of them.
#[must_use]
pub fn read(mail: &[u8]) -> Report {
    let cut = mail.len() > MAX_BYTES;
    let mail = Mail::read(mail);
    let texts = Texts::of(&mail);
    let mut ties = Ties::read(&mail.fields);
    let ours = ties.addresses.clone();
    texts.originals(&mail, |original| ties.add_original(original));
    let mut report = Report {
        kind: ReportKind::Unreadable,
        recognised_by: "no-header".to_owned(),
        recipients: Vec::new(),
        feedback: None,
        reporting_mta: None,
        ties,
        cut,
    };
    if mail.fields.is_empty() {
        return report;
    }
    match texts.machine(&mail) {
        Some(Machine::Status(status)) => report.by_status(status, &texts, &ours),
        Some(Machine::Feedback(feedback)) => report.by_feedback(feedback),
        Some(Machine::Notification(told)) => report.by_notification(*told),
        None => report.by_words(&mail, &texts, ours),
    }
    for recipient in &mut report.recipients {
        recipient.verdict = recipient.judge("");
    }
    report
}

/// The words of a mail, apart from the message that it returns.
struct Texts {
    whole: String,
    /// Where the notice ends within `whole`.
    notice: std::ops::Range<usize>,
    original: Option<std::ops::Range<usize>>,
}

enum Machine {
    Status(DeliveryStatus),
    Feedback(Feedback),
    Notification(Box<Report>),
}

impl Texts {
    fn of(mail: &Mail) -> Self {
        let readable = |kind: &str| {
            let before = mail.parts.iter().take_while(|p| !is_original(&p.kind));
            let texts = before.filter(|p| p.kind == kind).map(super::super::mail::Part::text);
            texts.filter(|t| !t.trim().is_empty()).collect::<Vec<_>>().join("\n")
        };
        let mut whole = readable("text/plain");
        if whole.is_empty() {
            whole = plain_text(&readable("text/html"));
        }
        let (words, original) = notice::split(&whole);
        let (notice, len) = (0..words.len(), whole.len());
        let original = original.map(|text| len - text.len()..len);
        Self { whole, notice, original }
    }

    fn notice(&self) -> &str {
        &self.whole[self.notice.clone()]
    }

    /// Calls for the header of each original that the mail returns.
    fn originals(&self, mail: &Mail, mut each: impl FnMut(&Fields)) {
        for part in mail.parts.iter().filter(|p| is_original(&p.kind)) {
            each(&Fields::read(part.bytes().trim_ascii_start()).0);
        }
        if let Some(original) = &self.original {
            each(&Fields::read(self.whole[original.clone()].trim_start().as_bytes()).0);
        }
    }

    /// The fields of a delivery status that stand within the text, for its part was taken apart or never marked. In a
    /// forwarded bounce they are quoted.
    fn fields_within(&self, forwarded: bool) -> Option<String> {
        let all: Vec<_> = STATUS_FIELD.find_iter(&self.whole).take(MAX_STATUS_FIELDS).collect();
        let has = |name: &str| all.iter().any(|m| m.as_str().to_ascii_lowercase().contains(name));
        let text = &self.whole[all.first()?.start()..];
        let quoted = text.starts_with('>');
        let unquoted = || {
            text.lines()
                .map(|l| l.trim_start_matches('>').strip_prefix(' ').unwrap_or(l))
                .collect::<Vec<_>>()
                .join("\n")
        };
        (has("final-recipient") && has("action") && (!quoted || forwarded))
            .then(|| if quoted { unquoted() } else { text.to_owned() })
    }

    fn machine(&self, mail: &Mail) -> Option<Machine> {
        if let Some(told) = notification(&self.whole) {
            return Some(Machine::Notification(Box::new(told)));
        }
        let part = |kinds: &[&str]| mail.parts.iter().find(|p| kinds.contains(&p.kind.as_str()));
        if let Some(part) = part(&["message/feedback-report"]) {
            return Some(Machine::Feedback(Feedback::read(&part.bytes())));
        }
        let status = match part(&["message/delivery-status", "message/global-delivery-status"]) {
            Some(part) => DeliveryStatus::read(part.bytes().trim_ascii_start()),
            None => {
                let subject = mail.fields.get("Subject").unwrap_or_default().to_ascii_lowercase();
                let forwarded = subject.starts_with("fw") || subject.starts_with("wg:");
                DeliveryStatus::read(self.fields_within(forwarded)?.as_bytes())
            }
        };
        (!status.recipients.is_empty()).then_some(Machine::Status(status))
    }
}

/// What Amazon SES tells of a message when its topic is subscribed to by mail: one line of JSON at the start of the text,
/// which some gateways fold.
fn notification(text: &str) -> Option<Report> {
    let text = text.trim_start();
    let starts = text.starts_with("{\"notificationType\"") || text.starts_with("{\"eventType\"");
    starts.then(|| crate::webhook::ses::read_text(&text.replace(['\r', '\n'], "")))?
}

fn is_original(kind: &str) -> bool {
    ["message/rfc822", "text/rfc822-headers", "message/rfc822-headers", "message/global", "message/global-headers"]
        .contains(&kind)
}

impl Report {
    fn by_status(&mut self, status: DeliveryStatus, texts: &Texts, ours: &[String]) {
        self.recognised_by = "delivery-status".to_owned();
        self.reporting_mta = status.reporting_mta;
        self.ties.envelope_id = status.envelope_id;
        self.recipients = status.recipients;
        self.recipients.dedup_by(|later, first| later.address.is_some() && later == first);
        let named = notice::named(texts.notice(), ours);
        for recipient in &mut self.recipients {
            let same = |n: &&notice::Named| n.address.is_some() && n.address == recipient.address;
            let words = named.iter().find(same).map_or(texts.notice(), |n| &n.words);
            recipient.explanation = cut(words.trim(), MAX_EXPLANATION_BYTES).to_owned();
            // None is named where none took part: the reporting system itself refused (RFC 3464 §2.3.5).
            recipient.remote_mta = recipient.remote_mta.take().or_else(|| self.reporting_mta.clone());
            recipient.phase = phase_of(&[&recipient.diagnostic, &recipient.explanation]);
        }
        self.kind = kind_of(&self.recipients);
    }

    fn by_feedback(&mut self, feedback: Feedback) {
        self.kind = ReportKind::Feedback;
        self.recognised_by = "feedback-report".to_owned();
        feedback.original_mail_from.iter().for_each(|address| self.ties.add_addresses(address));
        self.feedback = Some(feedback);
    }

    fn by_notification(&mut self, told: Self) {
        self.ties.add_all(told.ties);
        self.kind = told.kind;
        self.recognised_by = "ses-notification".to_owned();
        self.reporting_mta = told.reporting_mta;
        self.recipients = told.recipients;
        self.feedback = told.feedback;
    }

    fn by_words(&mut self, mail: &Mail, texts: &Texts, mut ours: Vec<String>) {
        let from = mail.fields.get("From").unwrap_or_default();
        let subject = decode_words(&mail.fields.get("Subject").unwrap_or_default());
        let marked = cut(texts.notice(), MAX_MARKED_BYTES);
        let Some(mark) = MARKS.find(&mail.fields, &from, &subject, marked) else {
            self.kind = ReportKind::Reply;
            self.recognised_by = "nothing".to_owned();
            return;
        };
        self.kind = mark.means;
        self.recognised_by.clone_from(&mark.name);
        let action = match mark.means {
            ReportKind::Bounce => ReportedAction::Failed,
            ReportKind::Delayed => ReportedAction::Delayed,
            ReportKind::Feedback => return self.feedback = Some(Feedback::read(b"")),
            _ => return,
        };
        ours.extend(address::first_address(&from));
        let failed = mail.fields.get("X-Failed-Recipients").and_then(|v| address::first_address(&v));
        let named = notice::named(texts.notice(), &ours);
        self.recipients = named.into_iter().map(|n| self.recipient(n, action, failed.as_deref())).collect();
        for recipient in &mut self.recipients {
            recipient.explanation = format!("{}\n{subject}", cut(texts.notice().trim(), MAX_EXPLANATION_BYTES));
        }
    }

    fn recipient(&self, named: notice::Named, action: ReportedAction, failed: Option<&str>) -> ReportedRecipient {
        let address = named.address.or_else(|| failed.map(str::to_owned));
        let address = address.or_else(|| self.ties.original_to.first().cloned());
        ReportedRecipient {
            address,
            action,
            phase: phase_of(&[&named.words]),
            remote_mta: quoted_host(&named.words),
            diagnostic: server_words(named.words.trim()).to_owned(),
            ..empty()
        }
    }
}

/// One failure makes a report a bounce, one that still waits a delay.
fn kind_of(recipients: &[ReportedRecipient]) -> ReportKind {
    let any = |action| recipients.iter().any(|r| r.action == action);
    if any(ReportedAction::Failed) {
        ReportKind::Bounce
    } else if any(ReportedAction::Delayed) {
        ReportKind::Delayed
    } else {
        ReportKind::Delivered
    }
}

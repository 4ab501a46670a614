//! Mails → facts: what a mail that came back says, about whom, and what ties it to its delivery.

mod address;
mod claim;
mod delivery_status;
mod feedback;
mod hosts;
mod judge;
mod marks;
mod notice;
mod phase;
mod read;
mod ties;

use tidings_domain::{EnhancedCode, FeedbackType, Phase, ReportKind, ReportedAction, Verdict};

pub use claim::Claim;
pub(crate) use delivery_status::{cut, empty};
pub use read::read;
pub use ties::Ties;

/// A mail, understood. Nothing in it is proven: who acts on it checks a token of [`Report::ties`] first.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    pub kind: ReportKind,
    /// What made it this kind: `delivery-status`, `feedback-report`, or the name of a mark in `data/mails.toml`.
    pub recognised_by: String,
    /// The people it is about; empty unless it is a delivery report of some form.
    pub recipients: Vec<ReportedRecipient>,
    pub feedback: Option<Feedback>,
    /// The MTA that wrote the report (RFC 3464 §2.2.2).
    pub reporting_mta: Option<String>,
    pub ties: Ties,
    /// The mail was longer than what is read.
    pub cut: bool,
}

/// One recipient of a delivery report.
#[derive(Debug, Clone, PartialEq)]
pub struct ReportedRecipient {
    /// Final-Recipient, or how the notice's text names the address. Not always there, and never proof of anything.
    pub address: Option<String>,
    /// Original-Recipient: the address that was sent to, before it was forwarded.
    pub original_address: Option<String>,
    pub action: ReportedAction,
    /// As the report's own field says it; programs often write 5.0.0 here and the truth into the diagnostic.
    pub status: Option<EnhancedCode>,
    /// The remote server's words, verbatim but bounded.
    pub diagnostic: String,
    /// The notice's words about this recipient, for people; used where the diagnostic says nothing.
    pub explanation: String,
    pub remote_mta: Option<String>,
    /// What the remote server replied to, if the report tells.
    pub phase: Option<Phase>,
    /// What the service that sent for us calls it; none in a mail.
    pub claim: Option<Claim>,
    /// Only for [`ReportedAction::Failed`]: nothing else has a consequence.
    pub verdict: Option<Verdict>,
}

/// A feedback-loop report (RFC 5965). Yahoo and Microsoft take the recipient out: then only the ties tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feedback {
    pub feedback_type: FeedbackType,
    pub user_agent: Option<String>,
    pub original_mail_from: Option<String>,
    pub recipients: Vec<String>,
    pub source_ip: Option<String>,
    pub reported_domain: Option<String>,
    pub arrival_date: Option<String>,
}

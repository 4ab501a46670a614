use std::collections::BTreeSet;
use std::sync::Arc;

use tidings_domain::UnixMs;

use crate::{Content, Finding, Frozen, Keys, Origin, Recipient, Site};

/// A revision, compiled: makes the message of each recipient. `Sync`; share it in an `Arc` and keep it while its campaign runs.
pub struct Mailer {
    frozen: Frozen,
    site: Site,
    #[allow(dead_code)]
    origin: Origin,
    keys: Arc<Keys>,
}

/// A message, ready for the wire but for dot-stuffing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The return path, which names the delivery.
    pub mail_from: String,
    pub rcpt_to: String,
    /// Canonical: lines end in CRLF, none is longer than 998 octets, all is ASCII but the headers of an SMTPUTF8 address.
    pub data: Vec<u8>,
    /// Without angle brackets; the same each time this delivery is composed.
    pub message_id: String,
}

/// A message as a person sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    pub subject: String,
    pub html: String,
    pub text: String,
}

/// Why one recipient's message cannot be made. Trying again gives the same.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// The template, in a sentence with the line.
    #[error("{part}: {message}")]
    Template { part: &'static str, message: String },
    #[error("the message is larger than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("the subscriber's attributes cannot be read: {0}")]
    Attributes(String),
    #[error("the address {0:?} cannot stand in a header")]
    Address(String),
}

impl Mailer {
    /// # Errors
    /// What in the content cannot be compiled, as the pre-flight check would say it.
    pub fn compile(frozen: &Frozen, origin: Origin, site: &Site, keys: Arc<Keys>) -> Result<Self, Vec<Finding>> {
        Ok(Self { frozen: frozen.clone(), site: site.clone(), origin, keys })
    }

    /// # Errors
    /// [`RenderError`]: the template fails for this recipient.
    pub fn message(&self, recipient: &Recipient, _date: UnixMs) -> Result<Message, RenderError> {
        let token = self.keys.seal(crate::TokenKind::Bounce, recipient.delivery);
        Ok(Message {
            mail_from: format!("b-{token}@{}", self.site.bounce_domain),
            rcpt_to: recipient.email.clone(),
            data: Vec::new(),
            message_id: String::new(),
        })
    }

    /// # Errors
    /// [`RenderError`]: the template fails for this recipient.
    pub fn preview(&self, _recipient: &Recipient) -> Result<Preview, RenderError> {
        let content = &self.frozen.content;
        Ok(Preview { subject: content.subject.clone(), html: content.html.clone(), text: content.text.clone() })
    }
}

/// Everything that stands in the way of a launch, and what could be better; the most serious first.
/// `known_fields`: the names of the attributes that the audience has.
#[must_use]
pub fn preflight(_draft: &Content, _known_fields: &BTreeSet<String>) -> Vec<Finding> {
    Vec::new()
}

/// Where a stored link leads for this recipient; None when it leads nowhere safe.
#[must_use]
pub fn destination(link: &str, _recipient: &Recipient) -> Option<String> {
    Some(link.to_owned())
}

use std::sync::Arc;

use tidings_domain::{EmailAddress, Service, UnixMs};

use crate::freeze::unreadable;
use crate::service_field::service_field;
use crate::skeleton::Skeleton;
use crate::template::{
    Engine, Fields, MAX_PART_BYTES, Part, RenderFailure, STANDARD_FIELDS, SYSTEM_FIELDS, Shared, attributes, prepare,
};
use crate::{Content, Finding, Frozen, Keys, Level, Origin, Recipient, Site, TokenKind, headers, quoted_printable};

/// Header fields of one message beyond its constant ones.
const HEADER_BYTES: usize = 1024;

/// What stands before the token in a return path, and in the address of an unsubscribe mail.
pub const BOUNCE_PREFIX: &str = "b-";
pub const UNSUBSCRIBE_PREFIX: &str = "u-";

/// A revision, compiled: makes the message of each recipient. `Sync`; share it in an `Arc` and keep it while its campaign runs.
pub struct Mailer {
    engine: Engine,
    shared: Arc<Shared>,
    skeleton: Skeleton,
    /// Fields that are the same in every message of the revision.
    constant: String,
    /// The field, when the subject has no tags.
    subject: Option<String>,
    from_domain: String,
    bounce_domain: String,
    takes_unsubscribe_mails: bool,
    reads_attributes: bool,
}

/// A message, ready for the wire but for dot-stuffing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The return path, which names the delivery.
    pub mail_from: String,
    pub rcpt_to: String,
    /// Canonical: lines end in CRLF, none is longer than 998 octets, all is ASCII but an SMTPUTF8 address in `To`.
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
    #[error("the {part} cannot be filled in. {message}")]
    Template { part: &'static str, message: String },
    #[error("the {part} is larger than {limit} bytes")]
    TooLarge { part: &'static str, limit: usize },
    #[error("the subscriber's attributes cannot be read: {0}")]
    Attributes(String),
    #[error("the address {0:?} is not valid")]
    Address(String),
}

impl Mailer {
    /// # Errors
    /// What in the content cannot be compiled, as the pre-flight check would say it.
    pub fn compile(frozen: &Frozen, origin: Origin, site: &Site, keys: Arc<Keys>) -> Result<Self, Vec<Finding>> {
        let content = &frozen.content;
        let engine = engine(content)?;
        let constant = constant_fields(content, origin, site, &keys)?;
        let needs_attributes = |name: &String| {
            let known = STANDARD_FIELDS.contains(&name.as_str()) || SYSTEM_FIELDS.contains(&name.as_str());
            !known && !name.starts_with('_') || name == "attributes"
        };
        Ok(Self {
            reads_attributes: Part::ALL.iter().any(|part| engine.names(*part).iter().any(needs_attributes)),
            subject: (!content.subject.contains('{')).then(|| headers::subject_field(&content.subject)),
            engine,
            constant,
            skeleton: Skeleton::new(),
            from_domain: address(&content.from_email, "from_email")?.domain().to_owned(),
            bounce_domain: site.bounce_domain.clone(),
            takes_unsubscribe_mails: site.takes_unsubscribe_mails,
            shared: Arc::new(Shared {
                keys,
                public_url: site.public_url.trim_end_matches('/').to_owned(),
                postal_address: content.postal_address.trim().to_owned(),
                list_name: content.list_name.clone(),
            }),
        })
    }

    /// Of the From address: lower-case A-labels. Whoever signs must be of its organisation.
    #[must_use]
    pub fn from_domain(&self) -> &str {
        &self.from_domain
    }

    /// The message of one delivery. Composed again with the same date it is the same message, octet by octet.
    ///
    /// # Errors
    /// [`RenderError`]: the template fails for this recipient.
    pub fn message(&self, recipient: &Recipient, date: UnixMs) -> Result<Message, RenderError> {
        self.message_via(recipient, date, None)
    }

    /// As [`Self::message`]; `via` is the service whose relay takes it, for which it carries the delivery's token in a field of its own.
    ///
    /// # Errors
    /// As [`Self::message`].
    pub fn message_via(
        &self,
        recipient: &Recipient,
        date: UnixMs,
        via: Option<Service>,
    ) -> Result<Message, RenderError> {
        let address =
            EmailAddress::parse(&recipient.email).map_err(|_| RenderError::Address(recipient.email.clone()))?;
        let fields = self.fields(recipient)?;
        let html = self.render(Part::Html, fields.for_html())?;
        let text = self.render(Part::Text, fields.for_text())?;
        let keys = &self.shared.keys;
        let message_id = format!("{}@{}", keys.seal(TokenKind::MessageId, recipient.delivery), self.bounce_domain);
        let token = keys.seal(TokenKind::Bounce, recipient.delivery);

        let mut data = Vec::with_capacity(self.constant.len() + HEADER_BYTES + (html.len() + text.len()) * 9 / 8);
        data.extend_from_slice(headers::date_field(date).as_bytes());
        data.extend_from_slice(headers::to_field(&full_name(recipient), &address).as_bytes());
        data.extend_from_slice(self.subject_field(&fields)?.as_bytes());
        data.extend_from_slice(format!("Message-ID: <{message_id}>\r\n").as_bytes());
        data.extend_from_slice(self.unsubscribe_fields(recipient.delivery).as_bytes());
        if let Some(service) = via {
            data.extend_from_slice(service_field(service, &token).as_bytes());
        }
        data.extend_from_slice(self.constant.as_bytes());
        data.extend_from_slice(self.skeleton.before_text.as_bytes());
        quoted_printable::encode(&text, &mut data);
        data.extend_from_slice(self.skeleton.before_html.as_bytes());
        quoted_printable::encode(&html, &mut data);
        data.extend_from_slice(self.skeleton.after_html.as_bytes());

        let mail_from = format!("{BOUNCE_PREFIX}{token}@{}", self.bounce_domain);
        Ok(Message { mail_from, rcpt_to: address.as_str().to_owned(), data, message_id })
    }

    /// What the recipient sees, with the links of his own message: for the preview, and for view in browser.
    ///
    /// # Errors
    /// [`RenderError`]: the template fails for this recipient.
    pub fn preview(&self, recipient: &Recipient) -> Result<Preview, RenderError> {
        let fields = self.fields(recipient)?;
        Ok(Preview {
            subject: headers::subject(&self.render(Part::Subject, fields.for_text())?),
            html: self.render(Part::Html, fields.for_html())?,
            text: self.render(Part::Text, fields.for_text())?,
        })
    }

    fn fields(&self, recipient: &Recipient) -> Result<Fields, RenderError> {
        let attributes = if self.reads_attributes { attributes(&recipient.attributes)? } else { attributes("")? };
        Ok(Fields {
            shared: Arc::clone(&self.shared),
            recipient: Arc::new(recipient.clone()),
            attributes: Arc::new(attributes),
            html: false,
        })
    }

    fn render(&self, part: Part, fields: minijinja::Value) -> Result<String, RenderError> {
        self.engine.render(part, fields).map_err(|failure| match failure {
            RenderFailure::Template(complaint) => {
                RenderError::Template { part: part.as_str(), message: complaint.to_string() }
            }
            RenderFailure::TooLarge => RenderError::TooLarge { part: part.as_str(), limit: MAX_PART_BYTES },
        })
    }

    fn subject_field(&self, fields: &Fields) -> Result<String, RenderError> {
        match &self.subject {
            Some(field) => Ok(field.clone()),
            None => Ok(headers::subject_field(&self.render(Part::Subject, fields.for_text())?)),
        }
    }

    /// RFC 2369 and, for the one click, RFC 8058 §3.1. The address stands second: who can click shall not have to write.
    fn unsubscribe_fields(&self, delivery: i64) -> String {
        let keys = &self.shared.keys;
        let token = keys.seal(TokenKind::Unsubscribe, delivery);
        let url = &self.shared.public_url;
        let by_mail = match self.takes_unsubscribe_mails {
            true => format!(
                ",\r\n <mailto:{UNSUBSCRIBE_PREFIX}{}@{}?subject=unsubscribe>",
                keys.seal(TokenKind::UnsubscribeMail, delivery),
                self.bounce_domain
            ),
            false => String::new(),
        };
        format!("List-Unsubscribe: <{url}/u/{token}>{by_mail}\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n")
    }
}

fn full_name(recipient: &Recipient) -> String {
    match (recipient.first_name.trim(), recipient.last_name.trim()) {
        (first, "") => first.to_owned(),
        ("", last) => last.to_owned(),
        (first, last) => format!("{first} {last}"),
    }
}

/// Compiles the three parts; every part's first fault is reported.
pub(crate) fn engine(content: &Content) -> Result<Engine, Vec<Finding>> {
    let mut engine = Engine::new();
    let mut findings = Vec::new();
    for (part, source) in [(Part::Subject, &content.subject), (Part::Html, &content.html), (Part::Text, &content.text)]
    {
        match prepare(source) {
            Ok(prepared) => {
                findings.extend(engine.add(part, prepared).err().map(|complaint| unreadable(part, &complaint)))
            }
            Err(complaints) => findings.extend(complaints.iter().map(|complaint| unreadable(part, complaint))),
        }
    }
    if findings.is_empty() { Ok(engine) } else { Err(findings) }
}

fn constant_fields(content: &Content, origin: Origin, site: &Site, keys: &Keys) -> Result<String, Vec<Finding>> {
    let from = address(&content.from_email, "from_email")?;
    let mut fields = headers::from_field(&content.from_name, &from);
    if !content.reply_to.trim().is_empty() {
        fields += &headers::reply_to_field(&address(&content.reply_to, "reply_to")?);
    }
    let workspace = keys.label("workspace", origin.workspace);
    fields += &headers::list_id_field(&content.list_name, &format!("{workspace}.{}", site.list_id_host));
    // Read by Gmail's feedback loop: from the narrowest to the widest, the sender last.
    fields += &format!("Feedback-ID: {}:{workspace}:campaign:tidings\r\n", keys.label("campaign", origin.campaign));
    fields += "MIME-Version: 1.0\r\n";
    Ok(fields)
}

fn address(text: &str, field: &'static str) -> Result<EmailAddress, Vec<Finding>> {
    EmailAddress::parse(text).map_err(|error| vec![not_an_address(text, field, error)])
}

pub(crate) fn not_an_address(text: &str, field: &'static str, error: tidings_domain::AddressError) -> Finding {
    Finding {
        level: Level::Block,
        code: "bad-address",
        title: format!("“{}” is not an e-mail address", headers::one_line(text, 80)),
        detail: format!("It is not valid: {error}."),
        field,
    }
}

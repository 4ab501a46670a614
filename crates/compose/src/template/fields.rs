use std::borrow::Cow;
use std::sync::Arc;

use minijinja::Value;
use minijinja::value::Object;
use serde_json::Map;

use crate::{Keys, Recipient, RenderError, TokenKind, entities};

/// What every subscriber has.
pub(crate) const STANDARD_FIELDS: [&str; 4] = ["email", "first_name", "last_name", "attributes"];
/// What we know ourselves.
pub(crate) const SYSTEM_FIELDS: [&str; 4] = ["unsubscribe_url", "view_url", "postal_address", "list_name"];
/// Asked for by HTML that `freeze` has changed, and by nobody else.
pub(crate) const OPEN_PIXEL_FIELD: &str = "_open_url";
pub(crate) const CLICK_FIELD_PREFIX: &str = "_click_";

/// What is the same for every recipient of a revision.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) keys: Arc<Keys>,
    pub(crate) public_url: String,
    pub(crate) postal_address: String,
    pub(crate) list_name: String,
}

/// The values that tags can name, for one recipient and one part. Computed when they are asked for: a message pays for the tokens it holds.
///
/// A name that is not known gives the empty text. Pre-flight blocks names that nobody has; whoever lacks an attribute that others
/// have is like one with an empty cell.
#[derive(Debug, Clone)]
pub(crate) struct Fields {
    pub(crate) shared: Arc<Shared>,
    pub(crate) recipient: Arc<Recipient>,
    pub(crate) attributes: Arc<Attributes>,
    pub(crate) html: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Attributes(Map<String, serde_json::Value>);

/// # Errors
/// The text is not a JSON object.
pub(crate) fn attributes(json: &str) -> Result<Attributes, RenderError> {
    if json.is_empty() || json == "{}" {
        return Ok(Attributes::default());
    }
    serde_json::from_str(json).map(Attributes).map_err(|error| RenderError::Attributes(error.to_string()))
}

impl Attributes {
    fn text(&self, name: &str) -> Value {
        match self.0.get(name) {
            Some(serde_json::Value::String(text)) => cleaned(text),
            None | Some(serde_json::Value::Null) => Value::from(""),
            Some(other) => cleaned(&other.to_string()),
        }
    }
}

impl Object for Attributes {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        key.as_str().map(|name| self.text(name))
    }
}

impl Object for Fields {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, name: &str) -> Option<Value> {
        Some(match name {
            "email" => cleaned(&self.recipient.email),
            "first_name" => cleaned(&self.recipient.first_name),
            "last_name" => cleaned(&self.recipient.last_name),
            "attributes" => Value::from_dyn_object(Arc::clone(&self.attributes)),
            "unsubscribe_url" => self.url("u", TokenKind::Unsubscribe),
            "view_url" => self.url("v", TokenKind::View),
            "postal_address" => self.postal_address(),
            "list_name" => cleaned(&self.shared.list_name),
            OPEN_PIXEL_FIELD => self.open_pixel_url(),
            other => match other.strip_prefix(CLICK_FIELD_PREFIX).and_then(|link| link.parse().ok()) {
                Some(link) => self.click_url(link),
                None => self.attributes.text(other),
            },
        })
    }
}

impl Fields {
    pub(crate) fn for_html(&self) -> Value {
        Value::from_object(Self { html: true, ..self.clone() })
    }

    pub(crate) fn for_text(&self) -> Value {
        Value::from_object(Self { html: false, ..self.clone() })
    }

    /// URLs are made of characters that HTML need not escape.
    fn url(&self, path: &str, kind: TokenKind) -> Value {
        let token = self.shared.keys.seal(kind, self.recipient.delivery);
        Value::from_safe_string(format!("{}/{path}/{token}", self.shared.public_url))
    }

    fn open_pixel_url(&self) -> Value {
        let token = self.shared.keys.seal(TokenKind::Open, self.recipient.delivery);
        Value::from_safe_string(format!("{}/t/o/{token}.gif", self.shared.public_url))
    }

    fn click_url(&self, link: u16) -> Value {
        let token = self.shared.keys.seal_click(self.recipient.delivery, link);
        Value::from_safe_string(format!("{}/t/c/{token}", self.shared.public_url))
    }

    /// Keeps its lines in both parts.
    fn postal_address(&self) -> Value {
        let address = &self.shared.postal_address;
        if !self.html {
            return Value::from(address.as_str());
        }
        let lines: Vec<String> = address.lines().map(entities::encode).collect();
        Value::from_safe_string(lines.join("<br>"))
    }
}

/// Text of a subscriber without the control characters that no mail may hold.
fn cleaned(text: &str) -> Value {
    let bad = |c: char| c.is_control() && c != '\n' && c != '\t';
    let clean: Cow<'_, str> =
        if text.contains(bad) { Cow::Owned(text.chars().filter(|c| !bad(*c)).collect()) } else { Cow::Borrowed(text) };
    Value::from(clean.as_ref())
}

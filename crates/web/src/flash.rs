use actix_session::{Session, SessionExt};
use actix_web::HttpRequest;
use serde::{Deserialize, Serialize};

use crate::session_store::key;

/// Flashes that wait at most; older ones fall out.
const MAX_FLASHES: usize = 4;

/// A line that the next page shows once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flash {
    pub tone: Tone,
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Tone {
    Ok,
    Info,
    Warn,
    Bad,
}

impl Tone {
    /// The suffix of its class in the style sheet.
    #[must_use]
    pub fn class(&self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Bad => "bad",
        }
    }

    #[must_use]
    pub fn icon(&self) -> &'static str {
        match self {
            Self::Ok => "circle-check",
            Self::Info => "info",
            Self::Warn => "triangle-alert",
            Self::Bad => "circle-alert",
        }
    }
}

/// Says it on the next page.
pub fn flash(request: &HttpRequest, tone: Tone, text: impl Into<String>) {
    let session = request.get_session();
    let mut waiting = read(&session);
    waiting.push(Flash { tone, text: text.into() });
    let from = waiting.len().saturating_sub(MAX_FLASHES);
    if let Err(error) = session.insert(key::FLASH, &waiting[from..]) {
        tracing::warn!(%error, "a flash could not be kept");
    }
}

/// Takes what waits.
pub(crate) fn take(session: &Session) -> Vec<Flash> {
    let waiting = read(session);
    if !waiting.is_empty() {
        session.remove(key::FLASH);
    }
    waiting
}

fn read(session: &Session) -> Vec<Flash> {
    // What cannot be read was written by another version; a lost line harms nobody.
    session.get(key::FLASH).ok().flatten().unwrap_or_default()
}

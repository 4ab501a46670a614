//! What the links in mails lead to. No session, no cookie, no script: a token in the path says who comes and what he may do.
//!
//! A token that does not open is a page that is not there (404), never an error of ours; and nothing here waits for a write but leaving.

mod answer;
mod click;
mod limits;
mod open;
mod recorder;
mod revisions;
mod unsubscribe;
mod view;

use std::sync::Arc;

use actix_web::{HttpRequest, web};
use tidings_compose::Recipient;
use tidings_store::{Sent, Store};

use crate::WebState;
use crate::inventory::Entry;
use limits::Limits;
use recorder::Recorder;
use revisions::Revisions;

/// The longest body of a wish to leave; RFC 8058 needs 26 octets.
const LEAVING_OCTETS: usize = 8 * 1024;

pub(crate) const ROUTES: &[Entry] = &[
    Entry::public("/t/o/{token}.gif", || web::to(open::pixel)),
    Entry::public("/t/c/{token}", || web::to(click::follow)),
    Entry::public("/u/{token}", || web::to(unsubscribe::ask)),
    Entry::public_action("/u/{token}", || web::to(unsubscribe::leave)).with_body(LEAVING_OCTETS),
    Entry::public("/v/{token}", || web::to(view::message)),
];

/// What the public pages keep in memory.
pub(crate) struct Public {
    recorder: Arc<Recorder>,
    revisions: Revisions,
    limits: Limits,
}

impl Public {
    pub(crate) fn new(store: Store) -> Self {
        Self { recorder: Arc::new(Recorder::new(store)), revisions: Revisions::default(), limits: Limits::default() }
    }
}

impl WebState {
    /// Writes the opens and clicks that still wait, and counts refused posts of webhooks; returns when those before the call are written
    /// or given up.
    pub async fn flush_responses(&self) {
        self.public.recorder.flush().await;
        self.hooks.flush().await;
    }
}

fn recipient(sent: &Sent) -> Recipient {
    Recipient {
        delivery: sent.delivery.0,
        email: sent.recipient.clone(),
        first_name: sent.first_name.clone(),
        last_name: sent.last_name.clone(),
        attributes: sent.attributes.clone(),
    }
}

/// Somebody looked, not a machine that looks ahead: a HEAD, or a browser that fetches what might be clicked next.
fn is_a_look(request: &HttpRequest) -> bool {
    let says_ahead = |name: &str| {
        let value = request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        value.contains("prefetch") || value.contains("prerender") || value.contains("preview")
    };
    request.method() == actix_web::http::Method::GET
        && !["sec-purpose", "purpose", "x-purpose", "x-moz"].into_iter().any(says_ahead)
}

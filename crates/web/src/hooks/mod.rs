//! Where e-mail services post what became of the mail that was sent through them: `POST /hooks/{service}/{token}`.
//!
//! No session and no form: the token in the path names the webhook, and the post is proven by what the service signs or sends with
//! it. The answer 200 is given after the commit only, because the service forgets the events with it.

mod answer;
mod body;
mod fetch;
mod keeper;
mod limits;
mod post;
mod proof;
mod sns;

use std::sync::Arc;

use actix_web::web;
use tidings_bounce::webhook::MAX_BODY_BYTES;
use tidings_store::Store;
use tokio::sync::Semaphore;

use crate::inventory::Entry;
use body::ROOM_KIB;
use fetch::Https;
use keeper::Keeper;
use limits::Limits;
use sns::Certificates;

pub use fetch::Fetch;
pub(crate) use proof::{EnteredProof, open, seal};

pub(crate) const ROUTES: &[Entry] =
    &[Entry::public_action("/hooks/{service}/{token}", || web::to(post::take)).with_body(MAX_BODY_BYTES)];

/// What the webhooks keep in memory.
pub(crate) struct Hooks {
    keeper: Arc<Keeper>,
    limits: Limits,
    /// Room for bodies, in KiB.
    room: Arc<Semaphore>,
    certificates: Certificates,
}

impl Hooks {
    pub(crate) fn new(store: Store) -> Self {
        Self {
            keeper: Arc::new(Keeper::new(store)),
            limits: Limits::default(),
            room: Arc::new(Semaphore::new(ROOM_KIB)),
            certificates: Certificates::new(Arc::new(Https::default())),
        }
    }

    /// With another way to fetch certificates.
    pub(crate) fn fetching(mut self, fetch: Arc<dyn Fetch>) -> Self {
        self.certificates = Certificates::new(fetch);
        self
    }

    /// Writes the refusals that are not counted yet.
    pub(crate) async fn flush(&self) {
        self.keeper.flush().await;
    }
}

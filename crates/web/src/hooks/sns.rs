use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tidings_bounce::webhook::sns::{self, Envelope, Kind, MAX_CERTIFICATE_BYTES};
use tidings_bounce::webhook::{Proof, Unproven};

use super::post::{Post, Refusal};
use super::{Fetch, seal};
use crate::WebState;

/// Certificates of all regions that a few accounts use; beyond it they are fetched again.
const CERTIFICATES_KEPT: usize = 32;
/// Fetches, of certificates and confirmations: what is posted cannot make us call Amazon more often than this.
const FETCH_EVERY: Duration = Duration::from_secs(2);
const FETCH_BURST: std::num::NonZeroU32 = std::num::NonZeroU32::new(10).unwrap();
/// What Amazon answers to a confirmation. Nobody reads it.
const MAX_CONFIRMATION_BYTES: usize = 64 * 1024;

/// SNS's certificates by their addresses. One is kept when it has proven a post.
pub struct Certificates {
    fetch: Arc<dyn Fetch>,
    fetches: DefaultDirectRateLimiter,
    kept: Mutex<HashMap<String, Arc<[u8]>>>,
}

impl Certificates {
    pub fn new(fetch: Arc<dyn Fetch>) -> Self {
        // `None` only for a zero duration, and ours is a constant above zero.
        let quota = Quota::with_period(FETCH_EVERY).unwrap_or(Quota::per_second(FETCH_BURST)).allow_burst(FETCH_BURST);
        Self { fetch, fetches: RateLimiter::direct(quota), kept: Mutex::default() }
    }

    async fn get(&self, url: &str) -> Result<Arc<[u8]>, String> {
        if let Some(kept) = self.kept().get(url) {
            return Ok(Arc::clone(kept));
        }
        self.fetch(url, MAX_CERTIFICATE_BYTES).await.map(Arc::from)
    }

    fn keep(&self, url: &str, certificate: Arc<[u8]>) {
        let mut kept = self.kept();
        if kept.len() >= CERTIFICATES_KEPT {
            kept.clear();
        }
        kept.insert(url.to_owned(), certificate);
    }

    async fn fetch(&self, url: &str, most_bytes: usize) -> Result<Vec<u8>, String> {
        if self.fetches.check().is_err() {
            return Err("Amazon was asked too often in the last seconds".to_owned());
        }
        self.fetch.fetch(url.to_owned(), most_bytes).await
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<String, Arc<[u8]>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether SNS posts this for the webhook's topic. A subscription's confirmation is answered, and its topic is the webhook's from
/// then on if it had none.
pub async fn check(state: &WebState, post: &Post) -> Result<(), Refusal> {
    let envelope = sns::envelope(&post.body).map_err(|_| Unproven::NoEnvelope)?;
    // The topic first: it costs nothing.
    post.verify()?;
    prove(state, post, &envelope).await?;
    match (envelope.kind(), &post.proof) {
        (Kind::SubscriptionConfirmation, proof) => {
            if *proof == Proof::None {
                remember(state, post, envelope.topic()).await?;
            }
            confirm(state, &envelope).await
        }
        (_, Proof::None) => Err(Refusal::NoTopic),
        _ => Ok(()),
    }
}

async fn prove(state: &WebState, post: &Post, envelope: &Envelope) -> Result<(), Refusal> {
    let url = envelope.certificate_url()?;
    let certificates = &state.hooks.certificates;
    let certificate = certificates.get(url).await.map_err(Refusal::NoCertificate)?;
    envelope.verify(&certificate, post.now)?;
    certificates.keep(url, certificate);
    Ok(())
}

/// Before the confirmation, because the first notification may come before its answer.
async fn remember(state: &WebState, post: &Post, topic: &str) -> Result<(), Refusal> {
    let sealed = seal(&state.keys, post.webhook.workspace_id, topic);
    match state.store.set_first_proof(post.webhook.id, sealed).await? {
        true => Ok(()),
        false => Err(Refusal::NotConfirmed("another topic was confirmed at the same time".to_owned())),
    }
}

async fn confirm(state: &WebState, envelope: &Envelope) -> Result<(), Refusal> {
    let Some(url) = envelope.subscribe_url()? else { return Ok(()) };
    let answered = state.hooks.certificates.fetch(url, MAX_CONFIRMATION_BYTES).await;
    answered.map_err(Refusal::NotConfirmed)?;
    tracing::info!(topic = envelope.topic(), "a subscription of SNS is confirmed");
    Ok(())
}

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use tidings_bounce::webhook::{self, Proof, Unproven, Unreadable, split, verify};
use tidings_compose::TokenKind;
use tidings_domain::{Service, UnixMs, Word};
use tidings_store::{NewReport, RefusedPost, StoreError, TakenPost, Webhook, WebhookId};

use super::body::{self, NoBody};
use super::{answer, open, sns};
use crate::envelope::client_ip;
use crate::{WebState, secret};

/// A larger post is judged apart from the threads that answer the others.
const LARGE_POST_BYTES: usize = 64 * 1024;

/// A post as it came, with the webhook that it came to.
pub struct Post {
    pub webhook: Webhook,
    pub proof: Proof,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub now: UnixMs,
}

/// Why nothing of a post is kept.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("{0}")]
    Unproven(#[from] Unproven),
    #[error("{0}")]
    Unreadable(#[from] Unreadable),
    #[error("no topic is confirmed yet: request the confirmation of the subscription again in the SNS console")]
    NoTopic,
    #[error("the key cannot be opened with this instance's secret: enter it again")]
    SealedKey,
    #[error("the certificate of SNS cannot be fetched: {0}")]
    NoCertificate(String),
    #[error("the subscription could not be confirmed: {0}; request the confirmation again in the SNS console")]
    NotConfirmed(String),
    /// The database, which the log has the words of.
    #[error("the database does not answer")]
    Database,
}

impl Refusal {
    fn answer(&self) -> HttpResponse {
        let status = match self {
            Self::Unproven(Unproven::NoCredentials | Unproven::WrongCredentials) => StatusCode::UNAUTHORIZED,
            Self::Unproven(_) | Self::NoTopic => StatusCode::FORBIDDEN,
            Self::Unreadable(Unreadable::TooLarge(_)) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unreadable(_) => StatusCode::BAD_REQUEST,
            // No fault of the post: it is welcome again.
            Self::SealedKey | Self::NoCertificate(_) | Self::NotConfirmed(_) | Self::Database => {
                return answer::later(&self.to_string());
            }
        };
        answer::refused(status, &self.to_string())
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "a webhook could not reach the database");
        Self::Database
    }
}

/// `POST /hooks/{service}/{token}`: 200 when every event of the post is committed.
pub async fn take(
    request: HttpRequest,
    state: web::Data<WebState>,
    path: web::Path<(String, String)>,
    payload: web::Payload,
) -> HttpResponse {
    if !state.hooks.limits.network(client_ip(&request, &state.config)) {
        return answer::too_many();
    }
    let webhook = match webhook(&state, &path.0, &path.1).await {
        Ok(Some(webhook)) => webhook,
        Ok(None) => return answer::unknown(),
        Err(refusal) => return refusal.answer(),
    };
    if !state.hooks.limits.webhook(webhook.id) {
        return answer::too_many();
    }
    // The share of the room for bodies is held until the events are written.
    let (body, _room) = match body::read(&request, payload, &state.hooks.room).await {
        Ok(body) => body.into_parts(),
        Err(why) => return no_body(&state, webhook.id, &why),
    };
    let id = webhook.id;
    match judge(&request, &state, webhook, body).await {
        Ok(events) => keep(&state, TakenPost { webhook: id, events }).await,
        Err(refusal) => refuse(&state, id, &refusal),
    }
}

/// `None`: the token does not open, or names a webhook that is gone or another service's.
async fn webhook(state: &WebState, service: &str, token: &str) -> Result<Option<Webhook>, Refusal> {
    let Some(id) = state.keys.open(TokenKind::Webhook, token) else { return Ok(None) };
    let found = state.store.webhook_for_post(WebhookId(id)).await?;
    Ok(found.filter(|webhook| webhook.service.as_str() == service))
}

async fn judge(
    request: &HttpRequest,
    state: &WebState,
    webhook: Webhook,
    body: Vec<u8>,
) -> Result<Vec<NewReport>, Refusal> {
    let proof = open(&state.keys, &webhook).ok_or(Refusal::SealedKey)?;
    let post = Post { webhook, proof, headers: headers(request), body, now: state.now() };
    if post.webhook.service == Service::Ses {
        sns::check(state, &post).await?;
    }
    if post.body.len() <= LARGE_POST_BYTES {
        return post.events();
    }
    web::block(move || post.events()).await.unwrap_or(Err(Refusal::Database))
}

/// What is not text is no field that a service sends.
fn headers(request: &HttpRequest) -> Vec<(String, String)> {
    let text = request.headers().iter().filter_map(|(name, value)| Some((name, value.to_str().ok()?)));
    text.map(|(name, value)| (name.as_str().to_owned(), value.to_owned())).collect()
}

async fn keep(state: &WebState, post: TakenPost) -> HttpResponse {
    let events = post.events.len();
    match state.hooks.keeper.keep(post).await {
        true => answer::taken(events),
        false => answer::later("the events could not be stored; post them again"),
    }
}

fn refuse(state: &WebState, webhook: WebhookId, refusal: &Refusal) -> HttpResponse {
    // When the database does not answer, it cannot count either.
    if !matches!(refusal, Refusal::Database) {
        tracing::info!(webhook = webhook.0, %refusal, "a webhook's post is refused");
        state.hooks.keeper.refuse(RefusedPost { webhook, why: refusal.to_string() });
    }
    refusal.answer()
}

fn no_body(state: &WebState, webhook: WebhookId, why: &NoBody) -> HttpResponse {
    match why {
        NoBody::TooLarge => {
            refuse(state, webhook, &Refusal::Unreadable(Unreadable::TooLarge(webhook::MAX_BODY_BYTES + 1)))
        }
        NoBody::TooSlow => answer::refused(StatusCode::REQUEST_TIMEOUT, "the post came too slowly"),
        NoBody::Broken => answer::refused(StatusCode::BAD_REQUEST, "the post ended in its middle"),
        NoBody::NoRoom => answer::later("too many posts are in hand; post again"),
    }
}

impl Post {
    pub fn verify(&self) -> Result<(), Unproven> {
        let post = webhook::Post { headers: &self.headers, body: &self.body, now: self.now };
        verify(self.webhook.service, &self.proof, &post)
    }

    /// The events, if the post is proven. Nothing of it is taken when one of them cannot be read.
    fn events(self) -> Result<Vec<NewReport>, Refusal> {
        self.verify()?;
        let events = split(self.webhook.service, &self.body)?;
        Ok(events.into_iter().map(|event| self.report(event)).collect())
    }

    fn report(&self, event: webhook::RawEvent) -> NewReport {
        let (id, raw) = (event.id, event.json.into_bytes());
        NewReport {
            received_at: self.now,
            source: format!("webhook:{}", self.webhook.service),
            source_name: self.webhook.name.clone(),
            dedup_key: Some(self.key(id, &raw)),
            mail_from: String::new(),
            rcpt_to: String::new(),
            size_bytes: i64::try_from(raw.len()).unwrap_or(i64::MAX),
            raw,
            workspace: Some(self.webhook.workspace_id),
        }
    }

    /// Equal in all copies of an event. One without an id is known by all that stands in it: services post again what they got no
    /// answer for.
    fn key(&self, id: Option<String>, raw: &[u8]) -> String {
        // PostgreSQL takes no NUL in text.
        let id = id.map(|id| id.replace('\0', "\u{fffd}"));
        let id = id.unwrap_or_else(|| format!("sha256:{}", secret::hash(&String::from_utf8_lossy(raw))));
        format!("webhook:{}:{id}", self.webhook.id)
    }
}

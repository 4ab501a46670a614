use std::sync::Arc;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use tidings_compose::{Preview, TokenKind};
use tidings_store::{DeliveryId, StoreResult};

use super::{answer, recipient};
use crate::WebState;
use crate::envelope::client_ip;

/// A mail is a stranger's HTML: no script, no form, no origin. Its links may open, in this tab or in a new one.
const VIEW_CSP: &str = "sandbox allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation; default-src 'none'; \
                        img-src https: http: data:; style-src 'unsafe-inline'; font-src https: data:; base-uri 'none'; \
                        form-action 'none'; frame-ancestors 'none'";

/// `/v/{token}`: the message as its recipient got it.
pub async fn message(request: HttpRequest, state: web::Data<WebState>, token: web::Path<String>) -> HttpResponse {
    let Some(delivery) = state.keys.open(TokenKind::View, &token) else { return answer::nothing_here() };
    if !state.public.limits.view(client_ip(&request, &state.config)) {
        return answer::too_many();
    }
    match preview(&state, DeliveryId(delivery)).await {
        Ok(Shown::Preview(preview)) => answer::private(StatusCode::OK)
            .content_type("text/html; charset=utf-8")
            .insert_header((header::CONTENT_SECURITY_POLICY, VIEW_CSP))
            .body(preview.html),
        Ok(Shown::Unknown) => answer::nothing_here(),
        Ok(Shown::Cannot) => answer::no_message(),
        Err(error) => answer::try_later(&error),
    }
}

enum Shown {
    Preview(Preview),
    Unknown,
    /// Its template fails for this recipient, as it did when it was to be sent.
    Cannot,
}

async fn preview(state: &WebState, delivery: DeliveryId) -> StoreResult<Shown> {
    let Some(sent) = state.store.sent(delivery).await? else { return Ok(Shown::Unknown) };
    let Some(revision) = state.public.revisions.get(&state.store, sent.revision).await? else {
        return Ok(Shown::Unknown);
    };
    let (public_url, keys) = (state.config.public_url.clone(), Arc::clone(&state.keys));
    // Compiling takes milliseconds of CPU: not on the thread that answers the others.
    let rendered = web::block(move || {
        revision.mailer(&public_url, keys).and_then(|mailer| mailer.preview(&recipient(&sent)).ok())
    })
    .await;
    Ok(rendered.ok().flatten().map_or(Shown::Cannot, Shown::Preview))
}

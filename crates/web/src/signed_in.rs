//! Beginning and ending a session.

use actix_session::SessionExt;
use actix_web::HttpRequest;
use actix_web::http::header;
use tidings_store::UserId;

use crate::envelope::client_ip;
use crate::problem::{WebError, WebResult};
use crate::session_store::key;
use crate::{WebState, secret};

/// Characters of the browser's name that are kept.
const USER_AGENT_CHARACTERS: usize = 300;

/// Signs the person in: a session under a new key (what somebody planted before is worth nothing), with a new token for its forms.
pub(crate) fn begin(request: &HttpRequest, state: &WebState, user: UserId) -> WebResult<()> {
    let session = request.get_session();
    let agent = request.headers().get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let agent: String = agent.chars().take(USER_AGENT_CHARACTERS).collect();
    session.clear();
    session.renew();
    let put = session
        .insert(key::USER, user.0)
        .and_then(|()| session.insert(key::CSRF, secret::token()))
        .and_then(|()| session.insert(key::IP, client_ip(request, &state.config).to_string()))
        .and_then(|()| session.insert(key::USER_AGENT, agent));
    put.map_err(|error| WebError::Internal(error.to_string()))
}

/// Signs out: the session is gone on the server too.
pub(crate) fn end(request: &HttpRequest) {
    request.get_session().purge();
}

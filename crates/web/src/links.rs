//! Links with a one-time token. The command line prints them.

use std::time::Duration;

use tidings_store::{Purpose, Store, TokenHash, UserId};

use crate::problem::WebResult;
use crate::{WebState, secret};

const SETUP_GOOD_FOR: Duration = Duration::from_secs(7 * 24 * 3600);
const SIGN_IN_GOOD_FOR: Duration = Duration::from_secs(3600);

/// The link to set a new instance up; `None` once somebody is. Each start prints a new one, and all that were printed within
/// a week work until the first is used.
///
/// # Errors
/// The database's own.
pub async fn setup_link(state: &WebState) -> WebResult<Option<String>> {
    if state.store.has_users().await? {
        return Ok(None);
    }
    let token = keep(&state.store, Purpose::Setup, None, SETUP_GOOD_FOR, state).await?;
    Ok(Some(state.config.link(&format!("/setup/{token}"))))
}

/// A link that signs a person in once, within the hour.
///
/// # Errors
/// The database's own.
pub async fn sign_in_link(state: &WebState, user: UserId) -> WebResult<String> {
    let token = keep(&state.store, Purpose::SignIn, Some(user), SIGN_IN_GOOD_FOR, state).await?;
    Ok(state.config.link(&format!("/sign-in/{token}")))
}

async fn keep(
    store: &Store,
    purpose: Purpose,
    user: Option<UserId>,
    good_for: Duration,
    state: &WebState,
) -> WebResult<String> {
    let (token, now) = (secret::token(), state.now());
    store.add_token(TokenHash(secret::hash(&token)), purpose, user, now.plus(good_for), now).await?;
    Ok(token)
}

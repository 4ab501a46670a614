use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use futures_util::StreamExt;
use tidings_compose::TokenKind;
use tidings_domain::DeliveryKind;
use tidings_store::{DeliveryId, Leaver, Leaving, StoreResult};

use super::{LEAVING_OCTETS, answer};
use crate::WebState;
use crate::envelope::client_ip;
use crate::filters;

const BODY_WITHIN: Duration = Duration::from_secs(10);

#[derive(Template)]
#[template(path = "public/unsubscribe.html")]
struct UnsubscribePage {
    token: String,
    /// Who sends: the workspace's name.
    sender: String,
    /// Enough to know oneself, too little for who was forwarded the mail.
    address: String,
    leaver: Leaver,
    just_left: bool,
}

impl UnsubscribePage {
    fn is_test(&self) -> bool {
        self.leaver.kind == DeliveryKind::Test
    }

    /// The lists that he can leave; and when he is on none, those that he has left.
    fn names(&self) -> Vec<&str> {
        let asks = self.is_on_one();
        self.leaver.lists.iter().filter(|(_, subscribed)| *subscribed == asks).map(|(name, _)| name.as_str()).collect()
    }

    /// There is a list of this campaign that he is still on.
    fn is_on_one(&self) -> bool {
        self.leaver.lists.iter().any(|(_, subscribed)| *subscribed)
    }

    fn title(&self) -> &'static str {
        match () {
            () if self.is_test() => "This is a test message",
            () if self.leaver.is_suppressed => "You get no more mail from us",
            () if self.just_left || (!self.is_on_one() && !self.leaver.lists.is_empty()) => "You are unsubscribed",
            () => "Unsubscribe?",
        }
    }
}

/// `GET /u/{token}` asks, and changes nothing: scanners open every link of a mail.
pub async fn ask(request: HttpRequest, state: web::Data<WebState>, token: web::Path<String>) -> HttpResponse {
    let Some(delivery) = state.keys.open(TokenKind::Unsubscribe, &token) else { return answer::nothing_here() };
    if !state.public.limits.view(client_ip(&request, &state.config)) {
        return answer::too_many();
    }
    let found = state.store.leaver(DeliveryId(delivery), state.now()).await;
    show(&state, token.into_inner(), found, false).await
}

/// `POST /u/{token}` acts: from our page, and from a mailbox provider's button (RFC 8058 §3.2: no cookie, no redirect, 200). Whatever
/// the body says or however it is encoded, who posts here wants to leave.
pub async fn leave(
    request: HttpRequest,
    state: web::Data<WebState>,
    token: web::Path<String>,
    body: web::Payload,
) -> HttpResponse {
    let Some(delivery) = state.keys.open(TokenKind::Unsubscribe, &token) else { return answer::nothing_here() };
    if !state.public.limits.leave(client_ip(&request, &state.config)) {
        return answer::too_many();
    }
    let leaving = leaving_of(&read(body).await);
    let left = state.store.unsubscribe(DeliveryId(delivery), leaving, state.now()).await;
    show(&state, token.into_inner(), left, true).await
}

async fn show(state: &WebState, token: String, found: StoreResult<Option<Leaver>>, just_left: bool) -> HttpResponse {
    let leaver = match found {
        Ok(Some(leaver)) => leaver,
        Ok(None) => return answer::nothing_here(),
        Err(error) => return answer::try_later(&error),
    };
    let workspace = state.store.workspace(leaver.workspace).details().await;
    let sender = workspace.map(|row| row.name).unwrap_or_else(|_| "this sender".to_owned());
    let address = masked(&leaver.recipient);
    answer::page(StatusCode::OK, &UnsubscribePage { token, sender, address, leaver, just_left })
}

/// What arrived of the body until its limit or its time.
async fn read(mut body: web::Payload) -> Vec<u8> {
    let mut octets = Vec::new();
    let reading = async {
        while let Some(Ok(chunk)) = body.next().await {
            if octets.len() + chunk.len() > LEAVING_OCTETS {
                break;
            }
            octets.extend_from_slice(&chunk);
        }
    };
    // Too slow is as good as empty: the address already says what is wanted.
    let _ = tokio::time::timeout(BODY_WITHIN, reading).await;
    octets
}

fn leaving_of(body: &[u8]) -> Leaving {
    let everything = body.split(|octet| *octet == b'&').any(|pair| pair == b"scope=everything");
    if everything { Leaving::Everything } else { Leaving::Lists }
}

/// `ana@example.org` → `a•••@example.org`.
fn masked(address: &str) -> String {
    let (local, domain) = address.rsplit_once('@').unwrap_or((address, ""));
    let first: String = local.chars().take(1).collect();
    format!("{first}•••@{domain}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_says_how_much_is_left() {
        assert_eq!(leaving_of(b"List-Unsubscribe=One-Click"), Leaving::Lists);
        assert_eq!(leaving_of(b""), Leaving::Lists);
        assert_eq!(leaving_of(b"scope=everything"), Leaving::Everything);
        assert_eq!(leaving_of(b"a=b&scope=everything"), Leaving::Everything);
        assert_eq!(leaving_of(b"scope=everythingelse"), Leaving::Lists);
    }

    #[test]
    fn an_address_is_not_shown_to_strangers() {
        assert_eq!(masked("ana@example.org"), "a•••@example.org");
        assert_eq!(masked("émile@example.org"), "é•••@example.org");
    }
}

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use tidings_compose::destination;
use tidings_store::{DeliveryId, Engaged, Seen, StoreResult};

use super::{answer, is_a_look, recipient};
use crate::WebState;
use crate::envelope::client_ip;

/// `/t/c/{token}`: on to the link that the revision holds. The address says only which one, so it cannot lead anywhere else.
pub async fn follow(request: HttpRequest, state: web::Data<WebState>, token: web::Path<String>) -> HttpResponse {
    let Some((delivery, link)) = state.keys.open_click(&token) else { return answer::nothing_here() };
    let delivery = DeliveryId(delivery);
    let to = match target(&state, delivery, link).await {
        Ok(Some(to)) => to,
        Ok(None) => return answer::nothing_here(),
        Err(error) => return answer::try_later(&error),
    };
    if is_a_look(&request) && state.public.limits.look(client_ip(&request, &state.config)) {
        state.public.recorder.add(Seen { delivery, what: Engaged::Click(link), at: state.now() });
    }
    answer::private(StatusCode::FOUND).insert_header((header::LOCATION, to)).finish()
}

async fn target(state: &WebState, delivery: DeliveryId, link: u16) -> StoreResult<Option<String>> {
    let Some(sent) = state.store.sent(delivery).await? else { return Ok(None) };
    let Some(revision) = state.public.revisions.get(&state.store, sent.revision).await? else { return Ok(None) };
    let link = revision.links.get(usize::from(link));
    Ok(link.and_then(|link| destination(link, &recipient(&sent))))
}

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use tidings_compose::TokenKind;
use tidings_store::{DeliveryId, Engaged, Seen};

use super::{answer, is_a_look};
use crate::WebState;
use crate::envelope::client_ip;

/// A transparent point (GIF89a).
const POINT: &[u8] = &[
    0x47, 0x49, 0x46, 0x38, 0x39, 0x61, 0x01, 0x00, 0x01, 0x00, 0x80, 0x00, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff,
    0x21, 0xf9, 0x04, 0x01, 0x00, 0x00, 0x00, 0x00, 0x2c, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x01, 0x00, 0x00, 0x02,
    0x02, 0x44, 0x01, 0x00, 0x3b,
];

/// `/t/o/{token}.gif`: always the point, the same for a good token and for none.
pub async fn pixel(request: HttpRequest, state: web::Data<WebState>, token: web::Path<String>) -> HttpResponse {
    let delivery = state.keys.open(TokenKind::Open, &token);
    if let Some(delivery) =
        delivery.filter(|_| is_a_look(&request) && state.public.limits.look(client_ip(&request, &state.config)))
    {
        state.public.recorder.add(Seen { delivery: DeliveryId(delivery), what: Engaged::Open, at: state.now() });
    }
    answer::private(StatusCode::OK)
        .content_type("image/gif")
        // Web mail shows it on another site's page.
        .insert_header(("cross-origin-resource-policy", "cross-origin"))
        .body(POINT)
}

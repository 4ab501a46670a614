use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, HttpResponseBuilder};
use serde_json::json;

/// Seconds after which a service may try again: most of them wait longer anyway.
const RETRY_AFTER_SECONDS: &str = "30";

/// Machines read these answers, and people in the log of the service.
fn answer(status: StatusCode) -> HttpResponseBuilder {
    let mut answer = HttpResponse::build(status);
    answer.insert_header((header::CACHE_CONTROL, "no-store"));
    answer
}

pub fn taken(events: usize) -> HttpResponse {
    answer(StatusCode::OK).json(json!({ "taken": events }))
}

pub fn refused(status: StatusCode, why: &str) -> HttpResponse {
    let mut answer = answer(status);
    if status == StatusCode::UNAUTHORIZED {
        answer.insert_header((header::WWW_AUTHENTICATE, "Basic realm=\"webhook\""));
    }
    answer.json(json!({ "error": why }))
}

pub fn unknown() -> HttpResponse {
    refused(StatusCode::NOT_FOUND, "there is no webhook at this address; copy it from the settings again")
}

pub fn too_many() -> HttpResponse {
    let mut answer = answer(StatusCode::TOO_MANY_REQUESTS);
    answer.insert_header((header::RETRY_AFTER, RETRY_AFTER_SECONDS));
    answer.json(json!({ "error": "too many posts at once" }))
}

/// Nothing was kept; the same post is welcome again.
pub fn later(why: &str) -> HttpResponse {
    let mut answer = answer(StatusCode::SERVICE_UNAVAILABLE);
    answer.insert_header((header::RETRY_AFTER, RETRY_AFTER_SECONDS));
    answer.json(json!({ "error": why }))
}

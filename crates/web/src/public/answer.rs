use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, HttpResponseBuilder};
use askama::Template;
use tidings_store::StoreError;

use crate::filters;

/// A page with a few words and nothing to do.
#[derive(Template)]
#[template(path = "public/notice.html")]
struct Notice {
    title: &'static str,
    detail: &'static str,
}

/// The token is in the address: nothing may keep the answer, list it, or pass the address on.
pub fn private(status: StatusCode) -> HttpResponseBuilder {
    let mut answer = HttpResponse::build(status);
    answer
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .insert_header(("x-robots-tag", "noindex, nofollow"));
    answer
}

pub fn page(status: StatusCode, page: &impl Template) -> HttpResponse {
    match page.render() {
        Ok(html) => private(status).content_type("text/html; charset=utf-8").body(html),
        Err(error) => {
            tracing::error!(%error, "a public page could not be rendered");
            private(StatusCode::INTERNAL_SERVER_ERROR)
                .content_type("text/plain; charset=utf-8")
                .body("Please try again later.")
        }
    }
}

pub fn nothing_here() -> HttpResponse {
    let detail = "The link is damaged or no longer known. Mail programs sometimes break long links in two: copy the whole link from \
                  the message and try again.";
    page(StatusCode::NOT_FOUND, &Notice { title: "This link leads nowhere", detail })
}

pub fn too_many() -> HttpResponse {
    let notice = Notice { title: "Too many requests", detail: "Please wait a few seconds and open the link again." };
    let mut answer = page(StatusCode::TOO_MANY_REQUESTS, &notice);
    answer.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("5"));
    answer
}

pub fn no_message() -> HttpResponse {
    let notice = Notice { title: "This message cannot be shown", detail: "It is in your mailbox as it was sent." };
    page(StatusCode::GONE, &notice)
}

/// The database does not answer. Logged here, because nobody else sees it.
pub fn try_later(error: &StoreError) -> HttpResponse {
    tracing::error!(%error, "a public page could not reach the database");
    let notice = Notice {
        title: "Please try again in a minute",
        detail: "Something on our side does not answer just now. Nothing was lost; the link in your message keeps working.",
    };
    let mut answer = page(StatusCode::SERVICE_UNAVAILABLE, &notice);
    answer.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("60"));
    answer
}

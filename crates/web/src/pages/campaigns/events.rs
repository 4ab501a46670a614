//! `/events/campaign/{id}`: the overview's changes as server-sent events. Each message is a full snapshot, so a reconnect
//! needs no replay.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, Responder, web};
use actix_web_lab::sse;
use futures_util::{Stream, StreamExt, future, stream};
use tokio_stream::wrappers::WatchStream;

use super::draft::id_of;
use super::live::Look;
use super::overview::update;
use crate::WebState;
use crate::page::Page;
use crate::problem::WebResult;

/// Proxies close what is silent; a comment goes out this often.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
const RETRY: Duration = Duration::from_secs(3);
/// Tells the page to stop listening: the campaign is over.
const OVER: &str = "over";

pub async fn events(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    path: web::Path<i64>,
) -> WebResult<HttpResponse> {
    let (id, data) = (id_of(&path), page.data(&state)?);
    data.campaign_head(id).await?;
    let looks = WatchStream::new(state.live.watch(&state, data, id)).filter_map(future::ready);
    let stream = sse::Sse::from_stream(messages(looks, page, state.clone()))
        .with_keep_alive(KEEP_ALIVE)
        .with_retry_duration(RETRY);
    let mut response = stream.respond_to(&request).map_into_boxed_body();
    // nginx would hold the stream back in its buffer.
    response
        .headers_mut()
        .insert(header::HeaderName::from_static("x-accel-buffering"), header::HeaderValue::from_static("no"));
    Ok(response)
}

/// Ends after the last snapshot; the end of the updater ends the stream as well.
fn messages(
    looks: impl Stream<Item = Arc<Look>>,
    page: Page,
    state: web::Data<WebState>,
) -> impl Stream<Item = Result<sse::Event, Infallible>> {
    let mut page = page;
    looks.flat_map(move |look| {
        page.now = state.now();
        let mut events = Vec::with_capacity(2);
        match update(&look, &page) {
            Ok(html) => events.push(Ok(sse::Event::Data(sse::Data::new(html).id(look.at.0.to_string())))),
            Err(error) => tracing::error!(%error, "a live update could not be rendered"),
        }
        if look.is_final() {
            events.push(Ok(sse::Event::Data(sse::Data::new("").event(OVER))));
        }
        stream::iter(events)
    })
}

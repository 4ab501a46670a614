use std::net::TcpListener;

use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};
use tokio_util::sync::CancellationToken;

use crate::WebState;
use crate::app::configure;
use crate::envelope::envelope;

/// A client has this long to send the head of its request.
const HEAD_WITHIN: std::time::Duration = std::time::Duration::from_secs(10);
/// Connections of one server thread; more wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 10_000;

/// Answers on the listener until `stop`, then lets requests in flight finish.
///
/// # Errors
/// The listener cannot be used.
pub async fn run(listener: TcpListener, state: WebState, stop: CancellationToken) -> std::io::Result<()> {
    let config = state.config.clone();
    let state = web::Data::new(state);
    let kept = state.clone();
    let server = HttpServer::new(move || App::new().wrap(from_fn(envelope)).configure(configure(state.clone())))
        .workers(config.threads.max(1))
        .max_connections(MAX_CONNECTIONS)
        .client_request_timeout(HEAD_WITHIN)
        .shutdown_timeout(config.stop_within.as_secs())
        .disable_signals()
        .listen(listener)?
        .run();
    let handle = server.handle();
    let stopping = tokio::spawn(async move {
        stop.cancelled().await;
        handle.stop(true).await;
    });
    let ended = server.await;
    stopping.abort();
    kept.flush_responses().await;
    ended
}

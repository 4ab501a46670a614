use std::net::TcpListener;

use std::sync::Arc;

use actix_web::{App, HttpServer, web};
use tokio_util::sync::CancellationToken;

use super::{Ops, health, metrics};

/// Probes are few and small.
const MAX_CONNECTIONS: usize = 100;

/// A small server of the probes alone, for the roles that serve no pages, and for an address that only the monitoring reaches.
/// It answers until `end`, which comes after the other loops have stopped.
///
/// # Errors
/// The listener cannot be used.
pub async fn run_probes(listener: TcpListener, ops: Arc<Ops>, end: CancellationToken) -> std::io::Result<()> {
    let ops = web::Data::from(ops);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(ops.clone())
            .route("/health/live", web::get().to(health::live))
            .route("/health/ready", web::get().to(health::ready))
            .route("/metrics", web::get().to(metrics::metrics))
    })
    .workers(1)
    .max_connections(MAX_CONNECTIONS)
    .shutdown_timeout(1)
    .disable_signals()
    .listen(listener)?
    .run();
    let handle = server.handle();
    let ending = tokio::spawn(async move {
        end.cancelled().await;
        handle.stop(false).await;
    });
    let ended = server.await;
    ending.abort();
    ended
}

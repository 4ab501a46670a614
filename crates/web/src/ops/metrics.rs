//! `/metrics`, in the OpenMetrics text that Prometheus reads.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use subtle::ConstantTimeEq;

use super::{Ops, installation, process};
use crate::problem::{WebError, WebResult};

const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// A proxy on this machine makes every client look local; it leaves one of these.
const FORWARDED: [&str; 4] = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];

pub(super) async fn metrics(request: HttpRequest, ops: web::Data<Ops>) -> WebResult<HttpResponse> {
    if !may_scrape(&request, ops.token.as_deref()) {
        // As if it were not there: nobody outside has to know.
        return Err(WebError::NotFound);
    }
    let text = ops.scrape().await.map_err(|error| WebError::Internal(error.to_string()))?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, CONTENT_TYPE))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(text))
}

/// With a token set only its bearer; without one only a client on this machine.
fn may_scrape(request: &HttpRequest, token: Option<&str>) -> bool {
    match token {
        Some(token) => {
            let shown = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
            let shown = shown.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
            shown.as_bytes().ct_eq(token.as_bytes()).into()
        }
        None => {
            let is_forwarded = FORWARDED.iter().any(|name| request.headers().contains_key(*name));
            request.peer_addr().is_some_and(|peer| peer.ip().is_loopback()) && !is_forwarded
        }
    }
}

impl Ops {
    /// What this process counted since its start, what it uses, and, where pages are served, how the installation stands.
    async fn scrape(&self) -> Result<String, std::fmt::Error> {
        let mut now = Registry::default();
        let build = Family::<Vec<(&str, String)>, Gauge>::default();
        let labels = vec![("version", env!("CARGO_PKG_VERSION").to_owned()), ("role", self.role.to_string())];
        build.get_or_create(&labels).set(1);
        now.register("tidings_build_info", "Always 1; the labels say what runs", build);
        process::register(&mut now);
        installation::register(self, self.role.serves_pages(), &mut now).await;
        let mut text = String::new();
        encode_registry(&mut text, &self.registry)?;
        encode_registry(&mut text, &now)?;
        encode_eof(&mut text)?;
        Ok(text)
    }
}

//! What a process tells of itself: its log on standard error and, when an operator names a collector, OpenTelemetry traces of
//! requests and attempts.

use std::io::IsTerminal;

use anyhow::{Context, ensure};
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tidings_domain::ProcessRole;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use crate::config::Config;

/// Where a collector takes traces by HTTP (OTLP specification, "OTLP/HTTP request").
const TRACES_PATH: &str = "/v1/traces";
/// The rooms whose spans are told; those of libraries would double them.
const TRACED: [&str; 3] = ["tidings_web", "tidings_worker", "tidings_app"];

/// Where traces go, and how many.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceConfig {
    /// A collector's address, `http://host:port`.
    pub collector: String,
    /// The share of requests and attempts that are told, 0 to 1.
    pub share: f64,
}

/// What has to be written before the process ends. Dropped without [`end`](Self::end), the last spans are lost.
#[must_use]
pub struct Telemetry(Option<SdkTracerProvider>);

impl Telemetry {
    /// Sends what is left. Blocks for up to the exporter's time-out (10 s) when the collector is away.
    pub async fn end(self) {
        if let Some(provider) = self.0 {
            let ended = tokio::task::spawn_blocking(move || provider.shutdown()).await;
            if let Ok(Err(error)) = ended {
                tracing::warn!(%error, "the last traces could not be sent");
            }
        }
    }
}

/// Starts the log and, when configured, the traces.
///
/// # Errors
/// The exporter cannot be made. A collector that is away is no error: spans are dropped until it is there.
pub fn start(config: &Config, role: ProcessRole) -> anyhow::Result<Telemetry> {
    let provider = config.traces.as_ref().map(|traces| tracer_provider(traces, config, role)).transpose()?;
    let traces = provider.as_ref().map(|provider| {
        let wanted: Targets = TRACED.iter().map(|target| (*target, tracing::Level::DEBUG)).collect();
        tracing_opentelemetry::layer().with_tracer(provider.tracer("tidings")).with_location(false).with_filter(wanted)
    });
    tracing_subscriber::registry().with(log(config)).with(traces).try_init().context("the log")?;
    Ok(Telemetry(provider))
}

/// For commands that bring their own world and end by themselves: the log alone.
pub fn start_log(config: &Config) {
    if let Err(error) = tracing_subscriber::registry().with(log(config)).try_init() {
        eprintln!("tidings: no log: {error}");
    }
}

fn log(config: &Config) -> impl Layer<Registry> + use<> {
    let filter = EnvFilter::try_new(&config.log).unwrap_or_else(|error| {
        eprintln!("tidings: the log filter {:?} is not valid ({error}); using info", config.log);
        EnvFilter::new("info")
    });
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_span_events(FmtSpan::NONE);
    let layer = if config.json_logs { layer.json().boxed() } else { layer.boxed() };
    layer.with_filter(filter)
}

fn tracer_provider(traces: &TraceConfig, config: &Config, role: ProcessRole) -> anyhow::Result<SdkTracerProvider> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{}{TRACES_PATH}", traces.collector))
        .build()
        .context("the exporter of traces")?;
    let mut resource = Resource::builder().with_service_name("tidings").with_attributes([
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("tidings.role", role.to_string()),
    ]);
    if let Some(id) = &config.worker_id {
        resource = resource.with_attribute(KeyValue::new("service.instance.id", id.clone()));
    }
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(traces.share))))
        .with_resource(resource.build())
        .build())
}

/// From the two options.
///
/// # Errors
/// Says what the option must be.
pub fn check(collector: Option<String>, share: Option<&str>) -> anyhow::Result<Option<TraceConfig>> {
    const WANTED: &str = "a number from 0 to 1, such as 0.01";
    let share: f64 = crate::config::parse("traces_share", share.unwrap_or("0.01"), WANTED)?;
    ensure!((0.0..=1.0).contains(&share), "traces_share is {share}: it must be {WANTED}");
    let Some(collector) = collector else { return Ok(None) };
    let collector = collector.trim_end_matches('/').trim_end_matches(TRACES_PATH).to_owned();
    let host = collector.strip_prefix("http://").unwrap_or_default();
    ensure!(
        !host.is_empty() && !host.contains(['/', '?', '#', '@', ' ']),
        "traces_collector is {collector:?}: it must be http:// and the host and port of a collector near by, such as http://127.0.0.1:4318"
    );
    Ok(Some(TraceConfig { collector, share }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_is_an_address_near_by() {
        let good = check(Some("http://127.0.0.1:4318/v1/traces".to_owned()), Some("0.5")).expect("good");
        assert_eq!(good, Some(TraceConfig { collector: "http://127.0.0.1:4318".to_owned(), share: 0.5 }));
        assert_eq!(check(None, None).expect("off"), None);
        for bad in ["https://collector:4318", "collector:4318", "http://", "http://a/b"] {
            let error = check(Some(bad.to_owned()), None).expect_err("refused");
            assert!(error.to_string().contains("http://127.0.0.1:4318"), "{error}");
        }
        assert!(check(None, Some("2")).is_err());
    }
}

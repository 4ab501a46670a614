//! What the SMTP listener has counted since its start, for whoever watches it.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use tidings_intake::smtp::{Refused, SmtpCounters};

/// Reads the listener's own counters at each scrape.
#[derive(Debug)]
pub struct IntakeMetrics(pub Arc<SmtpCounters>);

impl Collector for IntakeMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let counters = &self.0;
        for (name, help, n) in [
            ("tidings_intake_connections", "Connections that the SMTP listener took", counters.connections()),
            ("tidings_intake_mails", "Mails that were stored and answered with 250", counters.kept()),
            ("tidings_intake_octets", "Octets of mails, stored or not", counters.octets()),
        ] {
            let counter = ConstCounter::new(n);
            counter.encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)?;
        }
        let help = "Sessions of the SMTP listener that are open";
        let open = encoder.encode_descriptor("tidings_intake_sessions", help, None, MetricType::Gauge)?;
        ConstGauge::new(i64::try_from(counters.open()).unwrap_or(i64::MAX)).encode(open)?;
        refusals(counters, encoder)
    }
}

/// Each reason stands there from the start, so that its first refusal is seen as a change.
fn refusals(counters: &SmtpCounters, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
    let help = "Commands, mails and connections that the SMTP listener refused, by reason";
    let mut family = encoder.encode_descriptor("tidings_intake_refused", help, None, MetricType::Counter)?;
    for reason in Refused::ALL {
        let labels = [("reason", reason.word())];
        ConstCounter::new(counters.refused(reason)).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

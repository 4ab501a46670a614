//! How the product is set for the sandbox: its providers, its DNS, and time made short.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use tidings_delivery::ProviderTable;
use tidings_domain::{Lane, RetryPolicy};
use tidings_queue::QueueOptions;
use tidings_sandbox::{Habit, World, providers};

use crate::config::Config;
use crate::runtime::Tuning;

/// Messages a second at providers without a throttle: more than this machine can send.
const UNTHROTTLED: f64 = 20_000.0;
/// A provider that blocks or throttles is asked again after this.
const LONGEST_HOLD: Duration = Duration::from_secs(2);

pub fn config(data_dir: PathBuf, listen: SocketAddr, world: &World) -> anyhow::Result<Config> {
    let mut config = Config::for_sandbox(data_dir, listen)?;
    config.nameservers = vec![world.dns()];
    config.smtp_port = world.smtp_port();
    config.allow_private_targets = true;
    config.ehlo_name = "mail.tidings-demo.example".to_owned();
    config.bounce_domain = Some("bounces.tidings-demo.example".to_owned());
    Ok(config)
}

/// `messages_per_second`: what the throttling provider bears. We begin above it, so that its reply and our back-off show.
pub fn tuning(throttled_per_second: f64) -> anyhow::Result<Tuning> {
    let queue = QueueOptions {
        recovery_interval: Duration::from_secs(2),
        reaction_time: Duration::from_millis(500),
        ..QueueOptions::default()
    };
    Ok(Tuning { providers: table(throttled_per_second)?, retry, queue, longest_hold: LONGEST_HOLD })
}

/// A minute stands for three days.
fn retry(_lane: Lane) -> RetryPolicy {
    let waits = [4, 6, 8, 12].map(Duration::from_secs).to_vec();
    RetryPolicy { waits, give_up_after: Duration::from_secs(40), jitter_percent: 20 }
}

fn table(throttled_per_second: f64) -> anyhow::Result<ProviderTable> {
    let mut text = String::from("[default]\nconnections = 4\nmessages_per_connection = 500\nper_second = 20000.0\n");
    for provider in providers() {
        let label = provider.name.split('.').next().unwrap_or(provider.name);
        let (connections, per_second) = match provider.habit {
            Habit::Throttles => (5, throttled_per_second * 1.5),
            Habit::Plain => (8, UNTHROTTLED),
            _ => (4, UNTHROTTLED),
        };
        let _ = write!(
            text,
            "\n[[provider]]\nname = \"{label}\"\nlabel = \"{}\"\nmx = [\".{}\"]\ndomains = []\nconnections = {connections}\n\
             messages_per_connection = 500\nper_second = {per_second:?}\nis = [\"mx1.{}\"]\nis_not = [\"{}\"]\n",
            title(label),
            provider.name,
            provider.name,
            provider.name,
        );
    }
    ProviderTable::parse(&text).context("the sandbox's provider table")
}

fn title(label: &str) -> String {
    let mut letters = label.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

//! How the product is set for the sandbox: its providers, its DNS, and time made short.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use tidings_domain::{Lane, ProviderTable, RetryPolicy};
use tidings_queue::QueueOptions;
use tidings_sandbox::{Habit, SHIPPED_CSV, SHIPPED_ROWS, WITHOUT_MX, World, providers, subscribers_csv};
use tidings_store::{CampaignDetails, NewRoute};

use crate::config::Config;
use crate::runtime::Tuning;
use crate::scene;

/// Messages a second at providers without a throttle: more than this machine can send.
const UNTHROTTLED: f64 = 20_000.0;
/// The page that the demo's campaign is written on.
const CAMPAIGN_HTML: &str = include_str!("../data/demo-campaign.html");
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

/// `throttled_per_second`: what the throttling provider bears. We begin above it, so that its reply and our back-off show.
pub fn tuning(throttled_per_second: f64) -> anyhow::Result<Tuning> {
    tuning_at(throttled_per_second, UNTHROTTLED)
}

/// `pace`: messages a second to each of the other providers.
pub fn tuning_at(throttled_per_second: f64, pace: f64) -> anyhow::Result<Tuning> {
    let queue = QueueOptions {
        recovery_interval: Duration::from_secs(2),
        reaction_time: Duration::from_millis(500),
        lease: Duration::from_secs(6),
        ..QueueOptions::default()
    };
    Ok(Tuning { providers: table(throttled_per_second, pace)?, retry, queue, longest_hold: LONGEST_HOLD })
}

/// A minute stands for three days.
fn retry(_lane: Lane) -> RetryPolicy {
    let waits = [4, 6, 8, 12].map(Duration::from_secs).to_vec();
    RetryPolicy { waits, give_up_after: Duration::from_secs(40), jitter_percent: 20 }
}

fn table(throttled_per_second: f64, pace: f64) -> anyhow::Result<ProviderTable> {
    let mut text = String::from("[default]\nconnections = 4\nmessages_per_connection = 500\nper_second = 20000.0\n");
    for provider in providers() {
        let name = provider.name.split('.').next().unwrap_or(provider.name);
        let (connections, per_second) = match provider.habit {
            Habit::Throttles => (5, (throttled_per_second * 1.5).min(pace)),
            Habit::Plain => (8, pace),
            _ => (4, pace),
        };
        // The address of a domain without MX is its provider's. In the world at large its name would say so (a PTR record), but resolvers
        // answer for 127.0.0.0/8 by themselves.
        let too = if provider.domains.contains(&WITHOUT_MX) { format!(", \"{WITHOUT_MX}\"") } else { String::new() };
        let _ = write!(
            text,
            "\n[[provider]]\nname = \"{name}\"\nmx = [\".{host}\"{too}]\ndomains = []\nconnections = {connections}\n\
             messages_per_connection = 500\nper_second = {per_second:?}\nis = [\"mx1.{host}\"{too}]\nis_not = [\"{host}\"]\n",
            host = provider.name,
        );
    }
    ProviderTable::parse(&text).context("the sandbox's provider table")
}

/// The campaign that the demo sends.
pub fn campaign() -> scene::CampaignPlan {
    let details = CampaignDetails {
        name: "Autumn letter".to_owned(),
        from_name: "Tidings demo".to_owned(),
        from_email: sender().from_email.to_owned(),
        subject: "{{ first_name | default(\"Hello\") }}, the autumn letter is here".to_owned(),
        preview_text: "What we made for you in {{ city | default(\"your town\") }}".to_owned(),
        ..CampaignDetails::default()
    };
    scene::CampaignPlan { details, html: CAMPAIGN_HTML.to_owned(), track: true }
}

/// The shipped file, or one generated for another size.
pub fn audience_file(folder: &Path, subscribers: u64) -> anyhow::Result<PathBuf> {
    let path = folder.join("subscribers.csv");
    let mut file = BufWriter::new(File::create(&path).context("writing the subscribers' file")?);
    if subscribers == SHIPPED_ROWS {
        file.write_all(SHIPPED_CSV)?;
    } else {
        subscribers_csv(subscribers, &mut file)?;
    }
    file.flush()?;
    Ok(path)
}

pub fn sender() -> scene::Sender<'static> {
    scene::Sender {
        organisation: "Tidings demo",
        postal_address: "1 Harbour Street, Porto, Portugal",
        from_name: "Tidings demo",
        from_email: "letters@tidings-demo.example",
    }
}

pub fn direct_route() -> NewRoute {
    NewRoute::direct()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sandbox_has_a_table_of_its_providers() {
        let table = table(100.0, UNTHROTTLED).expect("a good table");
        assert_eq!(&*table.group(&[WITHOUT_MX]), "harbor-hosting");
    }
}

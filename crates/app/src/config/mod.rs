//! Configuration: a TOML file, then the environment, which wins. The only place that reads the environment.

mod check;
mod options;
mod raw;

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{bail, ensure};
use ipnet::IpNet;
use tidings_intake::mailbox::MailboxConfig;
use tidings_queue::Lanes;

use check::{
    check_database_connections, check_drain, check_intake, check_key, check_mailboxes, check_metrics_token,
    check_proxies, check_retention, check_url, host_name, parse_list,
};
pub use check::{check_worker_id, parse};
pub use options::print_options;
use raw::{Raw, read_file};

use crate::intake::ListenerConfig;
use crate::telemetry::{self, TraceConfig};

#[derive(Clone)]
pub struct Config {
    pub data_dir: PathBuf,
    pub database_url: String,
    pub database_connections: u32,
    /// 0: the ledger's rows are kept.
    pub ledger_retention_months: u32,
    /// `None`: the queue is inside the process.
    pub redis_url: Option<String>,
    pub redis_prefix: String,
    pub secret_key: Option<[u8; 32]>,
    pub listen: SocketAddr,
    pub public_url: String,
    /// `None`: the return path stays within the From address's domain.
    pub bounce_domain: Option<String>,
    /// `None`: no mail comes in by SMTP.
    pub intake: Option<ListenerConfig>,
    pub mailboxes: Vec<MailboxConfig>,
    pub ehlo_name: String,
    pub source_ip: Option<IpAddr>,
    /// `None`: the built-in table alone, and what is changed on screen.
    pub providers_file: Option<PathBuf>,
    pub nameservers: Vec<SocketAddr>,
    pub dns_validates: bool,
    pub smtp_port: u16,
    pub allow_private_targets: bool,
    pub max_connections: usize,
    /// What this process takes from the queue; a flag of `worker` only.
    pub lanes: Lanes,
    pub drain: Duration,
    /// `None`: one is made.
    pub worker_id: Option<String>,
    pub trusted_proxies: Vec<IpNet>,
    pub metrics_listen: Option<SocketAddr>,
    pub metrics_token: Option<String>,
    pub log: String,
    pub json_logs: bool,
    /// `None`: nothing is traced.
    pub traces: Option<TraceConfig>,
}

impl Config {
    /// # Errors
    /// An unreadable file, an unknown option, a value that is not what it should be: named, with what would be right.
    pub fn load(file: Option<&Path>) -> anyhow::Result<Self> {
        let mut raw = match file {
            Some(path) => read_file(path)?,
            None => Raw::default(),
        };
        raw.overlay(|variable| std::env::var(variable).ok().filter(|v| !v.is_empty()));
        raw.check()
    }

    /// For the commands that bring their own world.
    pub fn for_sandbox(data_dir: PathBuf, listen: SocketAddr) -> anyhow::Result<Self> {
        Raw { data_dir: Some(data_dir), listen: Some(listen.to_string()), ..Raw::default() }.check()
    }
}

impl Raw {
    fn check(self) -> anyhow::Result<Config> {
        let data_dir = self.data_dir.unwrap_or_else(|| "data".into());
        let listen: SocketAddr = parse(
            "listen",
            self.listen.as_deref().unwrap_or("127.0.0.1:8080"),
            "an address and port such as 127.0.0.1:8080",
        )?;
        let public_url = check_url(&self.public_url.unwrap_or_else(|| format!("http://{listen}")))?;
        let max_connections =
            parse("max_connections", self.max_connections.as_deref().unwrap_or("200"), "a number from 1 to 5000")?;
        ensure!(
            (1..=5000).contains(&max_connections),
            "max_connections is {max_connections}: it must be from 1 to 5000"
        );
        let intake = check_intake(self.intake_listen.as_deref(), self.intake_cert, self.intake_key)?;
        let json_logs = match self.log_format.as_deref().unwrap_or("text") {
            "text" => false,
            "json" => true,
            other => bail!("log_format is {other:?}: it must be text or json"),
        };
        Ok(Config {
            database_url: self
                .database_url
                .unwrap_or_else(|| data_dir.join("tidings.sqlite3").to_string_lossy().into_owned()),
            database_connections: check_database_connections(self.database_connections.as_deref())?,
            ledger_retention_months: check_retention(self.ledger_retention_months.as_deref())?,
            redis_url: self.redis_url,
            redis_prefix: self.redis_prefix.unwrap_or_else(|| "tidings".to_owned()),
            secret_key: self.secret_key.as_deref().map(check_key).transpose()?,
            listen,
            public_url,
            bounce_domain: self.bounce_domain,
            intake,
            mailboxes: check_mailboxes(self.mailboxes.as_deref().unwrap_or_default())?,
            ehlo_name: self.ehlo_name.unwrap_or_else(host_name),
            source_ip: self
                .source_ip
                .as_deref()
                .map(|ip| parse("source_ip", ip, "an IP address of this machine"))
                .transpose()?,
            providers_file: self.providers_file,
            nameservers: parse_list("nameservers", self.nameservers.as_deref(), "ip:port, such as 127.0.0.1:53")?,
            dns_validates: parse("dns_validates", self.dns_validates.as_deref().unwrap_or("false"), "true or false")?,
            smtp_port: parse("smtp_port", self.smtp_port.as_deref().unwrap_or("25"), "a port number")?,
            allow_private_targets: parse(
                "allow_private_targets",
                self.allow_private_targets.as_deref().unwrap_or("false"),
                "true or false",
            )?,
            max_connections,
            lanes: Lanes::ALL,
            drain: check_drain(self.drain_seconds.as_deref())?,
            worker_id: self.worker_id.map(check_worker_id).transpose()?,
            trusted_proxies: check_proxies(self.trusted_proxies.as_deref())?,
            metrics_listen: self
                .metrics_listen
                .as_deref()
                .map(|at| parse("metrics_listen", at, "an address and port such as 127.0.0.1:9464"))
                .transpose()?,
            metrics_token: self.metrics_token.map(check_metrics_token).transpose()?,
            log: self.log.unwrap_or_else(|| "info".to_owned()),
            json_logs,
            traces: telemetry::check(self.traces_collector, self.traces_share.as_deref())?,
            data_dir,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid_and_the_environment_wins() {
        let mut raw = Raw { listen: Some("127.0.0.1:1".into()), ..Raw::default() };
        raw.overlay(|v| (v == "TIDINGS_LISTEN").then(|| "127.0.0.1:2".into()));
        let config = raw.check().expect("valid");
        assert_eq!((config.listen.port(), config.public_url.as_str()), (2, "http://127.0.0.1:2"));
    }

    #[test]
    fn errors_name_the_option_and_what_would_be_right() {
        let error = Raw { listen: Some("nonsense".into()), ..Raw::default() }.check().err().expect("invalid");
        assert!(error.to_string().contains("listen") && error.to_string().contains("127.0.0.1:8080"), "{error}");
        assert!(Raw { public_url: Some("example.com".into()), ..Raw::default() }.check().is_err());
        assert!(Raw { max_connections: Some("0".into()), ..Raw::default() }.check().is_err());
        assert!(Raw { trusted_proxies: Some("10.0.0.0/33".into()), ..Raw::default() }.check().is_err());
    }
}

//! Configuration: a TOML file, then the environment, which wins. The only place that reads the environment.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use ipnet::IpNet;
use serde::Deserialize;
use tidings_intake::mailbox::MailboxConfig;
use tidings_queue::Lanes;
use tidings_store::DEFAULT_CONNECTIONS;

use crate::intake::ListenerConfig;
use crate::mailbox_url;
use crate::telemetry::{self, TraceConfig};

/// One option: its key in the file, its variable, and what it means. `deploy/env.example` and the README are held to
/// this table by a test.
pub struct OptionDoc {
    pub key: &'static str,
    pub variable: &'static str,
    pub default: &'static str,
    pub meaning: &'static str,
}

macro_rules! options {
    ($($key:literal, $variable:literal, $default:literal, $meaning:literal;)+) => {
        pub const OPTIONS: &[OptionDoc] = &[$(OptionDoc { key: $key, variable: $variable, default: $default, meaning: $meaning },)+];
    };
}

options! {
    "data_dir", "TIDINGS_DATA_DIR", "data", "Folder for the SQLite file, the instance key and uploaded files.";
    "database_url", "DATABASE_URL", "(SQLite in data_dir)", "postgres://user:password@host/name, or the path of an SQLite file.";
    "database_connections", "TIDINGS_DATABASE_CONNECTIONS", "12", "Connections of this process to the database (2 to 500); half of them write. PostgreSQL's max_connections has to hold those of all processes together.";
    "ledger_retention_months", "TIDINGS_LEDGER_RETENTION_MONTHS", "0", "Full months for which the rows of a campaign's recipients are kept after the month of its launch (3 to 1200); 0 keeps them. Sums stay, and links in mails go on working.";
    "redis_url", "REDIS_URL", "(a queue inside the process)", "redis://[user:password@]host[:port][/database] or rediss:// of the queue that several processes share.";
    "redis_prefix", "TIDINGS_REDIS_PREFIX", "tidings", "All keys in Redis begin with it. Two installations on one Redis need two.";
    "secret_key", "TIDINGS_SECRET_KEY", "(data_dir/instance.key)", "The instance key, 32 octets in base64, for processes on several machines: the content of data_dir/instance.key. Losing it breaks the links in mails already sent.";
    "listen", "TIDINGS_LISTEN", "127.0.0.1:8080", "Address and port of the web server.";
    "public_url", "TIDINGS_PUBLIC_URL", "http://<listen>", "How browsers and recipients reach it. Links in mails are built from this, never from a request.";
    "bounce_domain", "TIDINGS_BOUNCE_DOMAIN", "(the From address's domain)", "Domain of return paths (VERP). Its MX must lead back to you.";
    "intake_listen", "TIDINGS_INTAKE_LISTEN", "(off)", "Address and port of the SMTP listener for the bounce domain, such as 0.0.0.0:25.";
    "intake_cert", "TIDINGS_INTAKE_CERT", "(no STARTTLS)", "Certificate chain of the SMTP listener, a PEM file.";
    "intake_key", "TIDINGS_INTAKE_KEY", "(no STARTTLS)", "Its private key, a PEM file.";
    "mailboxes", "TIDINGS_MAILBOXES", "(none)", "Mailboxes to which bounces come, separated by spaces: imaps://user:password@host/INBOX?after=delete, pop3s://user:password@host, maildir:///path. after=keep leaves the mail, after=FOLDER moves it.";
    "ehlo_name", "TIDINGS_EHLO_NAME", "(this machine's host name)", "The name given in EHLO; should resolve to the sending IP and back.";
    "source_ip", "TIDINGS_SOURCE_IP", "(chosen by the system)", "Local address that direct deliveries leave from.";
    "providers_file", "TIDINGS_PROVIDERS_FILE", "(the built-in table)", "TOML over the built-in table of mailbox providers: limits, mail hosts, rules for replies. Read again when it changes; see tidings providers check.";
    "nameservers", "TIDINGS_NAMESERVERS", "(the system's)", "Comma-separated ip:port of the resolvers to ask.";
    "dns_validates", "TIDINGS_DNS_VALIDATES", "false", "These resolvers check DNSSEC signatures, and nobody else can write to the path to them (they run on this machine, say): then DANE applies.";
    "smtp_port", "TIDINGS_SMTP_PORT", "25", "Port of direct deliveries. Only tests and sandboxes change it.";
    "allow_private_targets", "TIDINGS_ALLOW_PRIVATE_TARGETS", "false", "Deliver directly to loopback and private addresses. Only tests and sandboxes need it.";
    "max_connections", "TIDINGS_MAX_CONNECTIONS", "200", "SMTP connections of this process at one time (1 to 5000).";
    "drain_seconds", "TIDINGS_DRAIN_SECONDS", "30", "After the order to stop, messages in flight may take this long (0 to 3600); what has no reply by then is in doubt. A peer may take 600.";
    "worker_id", "TIDINGS_WORKER_ID", "(made at each start)", "The name of this process among the others. No two that live may have the same.";
    "trusted_proxies", "TIDINGS_TRUSTED_PROXIES", "(none)", "Comma-separated IPs or networks, such as 10.0.0.0/8, whose X-Forwarded-For is believed.";
    "metrics_listen", "TIDINGS_METRICS_LISTEN", "(none)", "A second address for /metrics and /health alone, such as 127.0.0.1:9464: in every role, and the only one in a dispatcher or worker.";
    "metrics_token", "TIDINGS_METRICS_TOKEN", "(none: this machine only)", "Who reads /metrics has to send it as a bearer token. Without it only clients on the same machine may.";
    "log", "TIDINGS_LOG", "info", "Log filter, such as info or info,tidings_worker=debug.";
    "log_format", "TIDINGS_LOG_FORMAT", "text", "text or json.";
    "traces_collector", "TIDINGS_TRACES_COLLECTOR", "(off)", "OpenTelemetry collector that takes traces by OTLP over HTTP, such as http://127.0.0.1:4318.";
    "traces_share", "TIDINGS_TRACES_SHARE", "0.01", "The share of requests and attempts that are traced (0 to 1).";
}

/// The reference, for a terminal.
pub fn print_options() {
    for option in OPTIONS {
        println!("{} = {}\n    {}\n    {}\n", option.variable, option.default, option.meaning, in_the_file(option.key));
    }
}

fn in_the_file(key: &str) -> String {
    format!("in the file of --config: {key}")
}

/// As written in the file or the environment, nothing checked yet.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    data_dir: Option<PathBuf>,
    database_url: Option<String>,
    database_connections: Option<String>,
    ledger_retention_months: Option<String>,
    redis_url: Option<String>,
    redis_prefix: Option<String>,
    secret_key: Option<String>,
    listen: Option<String>,
    public_url: Option<String>,
    bounce_domain: Option<String>,
    intake_listen: Option<String>,
    intake_cert: Option<String>,
    intake_key: Option<String>,
    mailboxes: Option<String>,
    ehlo_name: Option<String>,
    source_ip: Option<String>,
    providers_file: Option<PathBuf>,
    nameservers: Option<String>,
    dns_validates: Option<String>,
    smtp_port: Option<String>,
    allow_private_targets: Option<String>,
    max_connections: Option<String>,
    drain_seconds: Option<String>,
    worker_id: Option<String>,
    trusted_proxies: Option<String>,
    metrics_listen: Option<String>,
    metrics_token: Option<String>,
    log: Option<String>,
    log_format: Option<String>,
    traces_collector: Option<String>,
    traces_share: Option<String>,
}

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

fn read_file(path: &Path) -> anyhow::Result<Raw> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read the configuration {}", path.display()))?;
    let table: toml::Table = toml::from_str(&text).with_context(|| format!("{} is not valid TOML", path.display()))?;
    // Numbers, booleans and arrays may be written as such; from here on all are text, like the environment's.
    let table: toml::Table =
        table.into_iter().map(|(key, value)| (key, toml::Value::String(as_text(&value)))).collect();
    table.try_into().with_context(|| format!("in {}", path.display()))
}

fn as_text(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Array(items) => items.iter().map(as_text).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

impl Raw {
    fn overlay(&mut self, variable: impl Fn(&str) -> Option<String>) {
        let take = |name: &str, field: &mut Option<String>| {
            if let Some(value) = variable(name) {
                *field = Some(value);
            }
        };
        take("DATABASE_URL", &mut self.database_url);
        take("TIDINGS_DATABASE_CONNECTIONS", &mut self.database_connections);
        take("TIDINGS_LEDGER_RETENTION_MONTHS", &mut self.ledger_retention_months);
        take("REDIS_URL", &mut self.redis_url);
        take("TIDINGS_REDIS_PREFIX", &mut self.redis_prefix);
        take("TIDINGS_SECRET_KEY", &mut self.secret_key);
        take("TIDINGS_LISTEN", &mut self.listen);
        take("TIDINGS_PUBLIC_URL", &mut self.public_url);
        take("TIDINGS_BOUNCE_DOMAIN", &mut self.bounce_domain);
        take("TIDINGS_INTAKE_LISTEN", &mut self.intake_listen);
        take("TIDINGS_INTAKE_CERT", &mut self.intake_cert);
        take("TIDINGS_INTAKE_KEY", &mut self.intake_key);
        take("TIDINGS_MAILBOXES", &mut self.mailboxes);
        take("TIDINGS_EHLO_NAME", &mut self.ehlo_name);
        take("TIDINGS_SOURCE_IP", &mut self.source_ip);
        take("TIDINGS_NAMESERVERS", &mut self.nameservers);
        take("TIDINGS_DNS_VALIDATES", &mut self.dns_validates);
        take("TIDINGS_SMTP_PORT", &mut self.smtp_port);
        take("TIDINGS_ALLOW_PRIVATE_TARGETS", &mut self.allow_private_targets);
        take("TIDINGS_MAX_CONNECTIONS", &mut self.max_connections);
        take("TIDINGS_DRAIN_SECONDS", &mut self.drain_seconds);
        take("TIDINGS_WORKER_ID", &mut self.worker_id);
        take("TIDINGS_TRUSTED_PROXIES", &mut self.trusted_proxies);
        take("TIDINGS_METRICS_LISTEN", &mut self.metrics_listen);
        take("TIDINGS_METRICS_TOKEN", &mut self.metrics_token);
        take("TIDINGS_LOG", &mut self.log);
        take("TIDINGS_LOG_FORMAT", &mut self.log_format);
        take("TIDINGS_TRACES_COLLECTOR", &mut self.traces_collector);
        take("TIDINGS_TRACES_SHARE", &mut self.traces_share);
        if let Some(file) = variable("TIDINGS_PROVIDERS_FILE") {
            self.providers_file = Some(file.into());
        }
        if let Some(folder) = variable("TIDINGS_DATA_DIR") {
            self.data_dir = Some(folder.into());
        }
    }

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

/// In a list of the file a comma may stand between them: no URL has one that is not encoded.
fn check_mailboxes(text: &str) -> anyhow::Result<Vec<MailboxConfig>> {
    text.split([' ', ',', '\n']).filter(|url| !url.is_empty()).map(mailbox_url::parse).collect()
}

fn check_intake(
    listen: Option<&str>,
    cert: Option<String>,
    key: Option<String>,
) -> anyhow::Result<Option<ListenerConfig>> {
    let tls = match (cert, key) {
        (Some(cert), Some(key)) => Some((cert.into(), key.into())),
        (None, None) => None,
        _ => bail!("intake_cert and intake_key belong together: set both, or neither"),
    };
    let listen = listen.map(|at| parse("intake_listen", at, "an address and port such as 0.0.0.0:25")).transpose()?;
    Ok(listen.map(|listen| ListenerConfig { listen, tls }))
}

/// An address alone is a network of one.
fn check_proxies(text: Option<&str>) -> anyhow::Result<Vec<IpNet>> {
    let parts = text.unwrap_or_default().split(',').map(str::trim).filter(|part| !part.is_empty());
    parts
        .map(|part| match part.parse::<IpAddr>() {
            Ok(address) => Ok(address.into()),
            Err(_) => parse("trusted_proxies", part, "IP addresses or networks, such as 10.0.0.0/8"),
        })
        .collect()
}

fn check_database_connections(text: Option<&str>) -> anyhow::Result<u32> {
    let Some(text) = text else { return Ok(DEFAULT_CONNECTIONS) };
    let wanted = "a number from 2 to 500";
    let connections = parse("database_connections", text, wanted)?;
    ensure!((2..=500).contains(&connections), "database_connections is {connections}: it must be {wanted}");
    Ok(connections)
}

/// Bounces come for days and complaints for weeks after a launch; they need the rows.
fn check_retention(text: Option<&str>) -> anyhow::Result<u32> {
    let wanted = "0 (keep everything) or a number of months from 3 to 1200";
    let months = parse("ledger_retention_months", text.unwrap_or("0"), wanted)?;
    ensure!(months == 0 || (3..=1200).contains(&months), "ledger_retention_months is {months}: it must be {wanted}");
    Ok(months)
}

/// The text itself is never repeated in a message.
fn check_key(text: &str) -> anyhow::Result<[u8; 32]> {
    crate::instance::parse_key(text)
        .context("secret_key must be 32 octets in base64: copy the content of data_dir/instance.key")
}

fn check_drain(text: Option<&str>) -> anyhow::Result<Duration> {
    const LONGEST_SECONDS: u64 = 3600;
    let wanted = "a number of seconds from 0 to 3600";
    let seconds = parse("drain_seconds", text.unwrap_or("30"), wanted)?;
    ensure!(seconds <= LONGEST_SECONDS, "drain_seconds is {seconds}: it must be {wanted}");
    Ok(Duration::from_secs(seconds))
}

pub fn check_worker_id(id: String) -> anyhow::Result<String> {
    const LONGEST: usize = 64;
    let is_good = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'.');
    ensure!(
        (1..=LONGEST).contains(&id.len()) && id.bytes().all(is_good),
        "worker_id is {id:?}: it must be 1 to {LONGEST} letters, digits, dots, dashes and underscores"
    );
    Ok(id)
}

/// The text itself is never repeated in a message.
fn check_metrics_token(token: String) -> anyhow::Result<String> {
    const FEWEST_CHARACTERS: usize = 16;
    let is_good = token.len() >= FEWEST_CHARACTERS && token.bytes().all(|octet| octet.is_ascii_graphic());
    ensure!(
        is_good,
        "metrics_token must be at least {FEWEST_CHARACTERS} characters without spaces: make one with `openssl rand -hex 16`"
    );
    Ok(token)
}

pub fn parse<T: std::str::FromStr>(key: &str, value: &str, wanted: &str) -> anyhow::Result<T> {
    value.trim().parse().map_err(|_| anyhow::anyhow!("{key} is {value:?}: it must be {wanted}"))
}

fn parse_list<T: std::str::FromStr>(key: &str, value: Option<&str>, wanted: &str) -> anyhow::Result<Vec<T>> {
    value.unwrap_or("").split(',').map(str::trim).filter(|v| !v.is_empty()).map(|v| parse(key, v, wanted)).collect()
}

/// Scheme and host, no trailing slash, nothing behind.
fn check_url(url: &str) -> anyhow::Result<String> {
    let url = url.trim_end_matches('/');
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    match rest {
        Some(host) if !host.is_empty() && !host.contains(['/', '?', '#', '@', ' ']) => Ok(url.to_owned()),
        _ => {
            bail!("public_url is {url:?}: it must be http:// or https:// and a host, such as https://mail.example.com")
        }
    }
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "localhost".to_owned() } else { name.to_owned() }
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

    #[test]
    fn proxies_are_addresses_or_networks() {
        let proxies = check_proxies(Some("192.0.2.7, 10.0.0.0/8,2001:db8::/32")).expect("valid");
        let believed = |ip: &str| proxies.iter().any(|net| net.contains(&ip.parse::<IpAddr>().expect("an address")));
        assert!(believed("192.0.2.7") && believed("10.9.8.7") && believed("2001:db8::1"));
        assert!(!believed("192.0.2.8") && !believed("2001:db9::1"));
    }

    #[test]
    fn every_option_is_read_from_its_variable_and_documented() {
        let example = include_str!("../../../deploy/env.example");
        for option in OPTIONS {
            assert!(example.contains(option.variable), "deploy/env.example lacks {}", option.variable);
            assert!(example.contains(option.meaning), "deploy/env.example lacks the meaning of {}", option.variable);
        }
    }
}

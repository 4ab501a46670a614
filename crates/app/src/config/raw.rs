//! What the file and the environment say, as text.

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Deserialize;

/// As written in the file or the environment, nothing checked yet.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    pub(super) data_dir: Option<PathBuf>,
    pub(super) database_url: Option<String>,
    pub(super) database_connections: Option<String>,
    pub(super) ledger_retention_months: Option<String>,
    pub(super) redis_url: Option<String>,
    pub(super) redis_prefix: Option<String>,
    pub(super) secret_key: Option<String>,
    pub(super) listen: Option<String>,
    pub(super) public_url: Option<String>,
    pub(super) bounce_domain: Option<String>,
    pub(super) intake_listen: Option<String>,
    pub(super) intake_cert: Option<String>,
    pub(super) intake_key: Option<String>,
    pub(super) mailboxes: Option<String>,
    pub(super) ehlo_name: Option<String>,
    pub(super) source_ip: Option<String>,
    pub(super) providers_file: Option<PathBuf>,
    pub(super) nameservers: Option<String>,
    pub(super) dns_validates: Option<String>,
    pub(super) smtp_port: Option<String>,
    pub(super) allow_private_targets: Option<String>,
    pub(super) max_connections: Option<String>,
    pub(super) drain_seconds: Option<String>,
    pub(super) worker_id: Option<String>,
    pub(super) trusted_proxies: Option<String>,
    pub(super) metrics_listen: Option<String>,
    pub(super) metrics_token: Option<String>,
    pub(super) log: Option<String>,
    pub(super) log_format: Option<String>,
    pub(super) traces_collector: Option<String>,
    pub(super) traces_share: Option<String>,
}

pub(super) fn read_file(path: &Path) -> anyhow::Result<Raw> {
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
    /// What a variable says wins over what is there.
    pub(super) fn overlay(&mut self, variable: impl Fn(&str) -> Option<String>) {
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
}

#[cfg(test)]
mod tests {
    use super::super::options::OPTIONS;
    use super::*;

    #[test]
    fn every_option_is_read_from_its_variable_and_from_its_key() {
        let written = |raw: &Raw| format!("{raw:?}").matches("the value").count();
        for option in OPTIONS {
            let mut raw = Raw::default();
            raw.overlay(|variable| (variable == option.variable).then(|| "the value".to_owned()));
            assert_eq!(written(&raw), 1, "{} is not read", option.variable);
            let table = toml::Table::from_iter([(option.key.to_owned(), toml::Value::String("the value".to_owned()))]);
            let from_file: Raw = table.try_into().unwrap_or_else(|e| panic!("{}: {e}", option.key));
            assert_eq!(format!("{from_file:?}"), format!("{raw:?}"), "{} and {} differ", option.key, option.variable);
        }
    }
}

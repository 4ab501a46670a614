//! Whether a value is what it should be; if not, its option is named, with what would be right.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use ipnet::IpNet;
use tidings_intake::mailbox::MailboxConfig;
use tidings_store::DEFAULT_CONNECTIONS;

use crate::intake::ListenerConfig;
use crate::mailbox_url;

/// In a list of the file a comma may stand between them: no URL has one that is not encoded.
pub(super) fn check_mailboxes(text: &str) -> anyhow::Result<Vec<MailboxConfig>> {
    text.split([' ', ',', '\n']).filter(|url| !url.is_empty()).map(mailbox_url::parse).collect()
}

pub(super) fn check_intake(
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
pub(super) fn check_proxies(text: Option<&str>) -> anyhow::Result<Vec<IpNet>> {
    let parts = text.unwrap_or_default().split(',').map(str::trim).filter(|part| !part.is_empty());
    parts
        .map(|part| match part.parse::<IpAddr>() {
            Ok(address) => Ok(address.into()),
            Err(_) => parse("trusted_proxies", part, "IP addresses or networks, such as 10.0.0.0/8"),
        })
        .collect()
}

pub(super) fn check_database_connections(text: Option<&str>) -> anyhow::Result<u32> {
    let Some(text) = text else { return Ok(DEFAULT_CONNECTIONS) };
    let wanted = "a number from 2 to 500";
    let connections = parse("database_connections", text, wanted)?;
    ensure!((2..=500).contains(&connections), "database_connections is {connections}: it must be {wanted}");
    Ok(connections)
}

/// Bounces come for days and complaints for weeks after a launch; they need the rows.
pub(super) fn check_retention(text: Option<&str>) -> anyhow::Result<u32> {
    let wanted = "0 (keep everything) or a number of months from 3 to 1200";
    let months = parse("ledger_retention_months", text.unwrap_or("0"), wanted)?;
    ensure!(months == 0 || (3..=1200).contains(&months), "ledger_retention_months is {months}: it must be {wanted}");
    Ok(months)
}

/// The text itself is never repeated in a message.
pub(super) fn check_key(text: &str) -> anyhow::Result<[u8; 32]> {
    crate::instance::parse_key(text)
        .context("secret_key must be 32 octets in base64: copy the content of data_dir/instance.key")
}

pub(super) fn check_drain(text: Option<&str>) -> anyhow::Result<Duration> {
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
pub(super) fn check_metrics_token(token: String) -> anyhow::Result<String> {
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

pub(super) fn parse_list<T: std::str::FromStr>(key: &str, value: Option<&str>, wanted: &str) -> anyhow::Result<Vec<T>> {
    value.unwrap_or("").split(',').map(str::trim).filter(|v| !v.is_empty()).map(|v| parse(key, v, wanted)).collect()
}

/// Scheme and host, no trailing slash, nothing behind.
pub(super) fn check_url(url: &str) -> anyhow::Result<String> {
    let url = url.trim_end_matches('/');
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    match rest {
        Some(host) if !host.is_empty() && !host.contains(['/', '?', '#', '@', ' ']) => Ok(url.to_owned()),
        _ => {
            bail!("public_url is {url:?}: it must be http:// or https:// and a host, such as https://mail.example.com")
        }
    }
}

pub(super) fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "localhost".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_addresses_or_networks() {
        let proxies = check_proxies(Some("192.0.2.7, 10.0.0.0/8,2001:db8::/32")).expect("valid");
        let believed = |ip: &str| proxies.iter().any(|net| net.contains(&ip.parse::<IpAddr>().expect("an address")));
        assert!(believed("192.0.2.7") && believed("10.9.8.7") && believed("2001:db8::1"));
        assert!(!believed("192.0.2.8") && !believed("2001:db9::1"));
    }
}

use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

/// What the operator decides about the pages. `app` reads it from the file and the environment.
#[derive(Debug, Clone)]
pub struct WebConfig {
    /// The address that people and mails use, without a slash at its end: `https://mail.example.org`. Links are made
    /// from this alone; a `Host` header never finds its way into one.
    pub public_url: String,
    /// Where uploads wait for the importer.
    pub spool_dir: PathBuf,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Threads of actix.
    pub threads: usize,
    /// How long requests in flight may go on after the stop.
    pub stop_within: Duration,
}

impl WebConfig {
    #[must_use]
    pub fn new(public_url: impl Into<String>, spool_dir: impl Into<PathBuf>) -> Self {
        Self {
            public_url: public_url.into().trim_end_matches('/').to_owned(),
            spool_dir: spool_dir.into(),
            trusted_proxies: Vec::new(),
            threads: 2,
            stop_within: Duration::from_secs(10),
        }
    }

    /// The public address is https, so cookies are `Secure` and carry the `__Host-` prefix.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.public_url.starts_with("https://")
    }

    /// Passwords pass in the clear over a network: plain HTTP, and not only inside this machine.
    pub(crate) fn is_exposed(&self) -> bool {
        let host = self.origin().trim_start_matches("http://");
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        !self.is_https() && !matches!(name, "localhost" | "[::1]") && !name.starts_with("127.")
    }

    /// An absolute link to a path that begins with a slash.
    #[must_use]
    pub fn link(&self, path: &str) -> String {
        format!("{}{path}", self.public_url)
    }

    /// `https://mail.example.org` of `https://mail.example.org/tidings`: what a browser sends as `Origin`.
    pub(crate) fn origin(&self) -> &str {
        let after_scheme = self.public_url.find("://").map_or(0, |at| at + 3);
        let end = self.public_url[after_scheme..].find('/').map_or(self.public_url.len(), |at| after_scheme + at);
        &self.public_url[..end]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_http_over_a_network_is_exposed() {
        let exposed = |url: &str| WebConfig::new(url, "").is_exposed();
        assert!(!exposed("https://mail.example.org"));
        assert!(!exposed("http://127.0.0.1:8080/"));
        assert!(!exposed("http://localhost"));
        assert!(!exposed("http://[::1]:8080"));
        assert!(exposed("http://192.168.1.20:8080"));
        assert!(exposed("http://mail.example.org"));
    }

    #[test]
    fn the_origin_is_the_address_without_its_path() {
        assert_eq!(WebConfig::new("https://mail.example.org/tidings/", "").origin(), "https://mail.example.org");
        assert_eq!(WebConfig::new("http://127.0.0.1:8080", "").origin(), "http://127.0.0.1:8080");
    }
}

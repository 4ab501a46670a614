use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

mod file;
mod lint;

pub use file::{ProviderEntry, ProviderFile, ProviderTls};

/// How fast to begin with a provider, for one source address. The ceiling for the adaptive control, too.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderLimits {
    /// At the same time.
    pub connections: u32,
    pub messages_per_connection: u32,
    /// Messages a second.
    pub per_second: f64,
}

#[derive(Debug, thiserror::Error)]
pub enum TableError {
    #[error("the provider table is not valid TOML: {0}")]
    Toml(#[from] toml::de::Error),
    /// Every fault of the table at once, one a line.
    #[error("the provider table has faults:\n{0}")]
    Faults(String),
}

/// Which provider operates which mail hosts (`data/providers.toml`), with what an operator changed in it.
#[derive(Debug, Clone)]
pub struct ProviderTable {
    default: ProviderLimits,
    providers: Vec<Provider>,
    /// `example.net` for `.example.net`.
    by_suffix: HashMap<String, usize>,
    by_host: HashMap<String, usize>,
    by_domain: HashMap<String, usize>,
}

/// One provider of the table.
#[derive(Debug, Clone)]
pub struct Provider {
    pub name: Arc<str>,
    pub limits: ProviderLimits,
    /// As it is written.
    pub entry: ProviderEntry,
}

impl ProviderLimits {
    /// For who is not known: what a small mail server bears.
    pub const CAUTIOUS: Self = Self { connections: 3, messages_per_connection: 20, per_second: 2.0 };
}

impl ProviderTable {
    /// The table that this program carries.
    ///
    /// # Errors
    /// Never with the table as tested; kept as an error because the file is data.
    pub fn builtin() -> Result<Self, TableError> {
        Self::parse(include_str!("../../data/providers.toml"))
    }

    /// Reads a table and checks it: a rule that can never fire is a fault, not a detail.
    ///
    /// # Errors
    /// Invalid TOML, or what [`TableError::Faults`] lists.
    pub fn parse(text: &str) -> Result<Self, TableError> {
        let file = ProviderFile::parse(text)?;
        Self::of(file.default.unwrap_or(ProviderLimits::CAUTIOUS), file.providers)
    }

    /// This table with changes, in their order: see [`ProviderEntry`]. A name that it does not know yet is a new provider, which
    /// needs mail hosts and samples; `mx:hoster.example`, a provider that no table knows, can have limits only.
    ///
    /// # Errors
    /// What [`TableError::Faults`] lists of the changed table.
    pub fn changed(&self, default: Option<ProviderLimits>, changes: &[ProviderEntry]) -> Result<Self, TableError> {
        let mut entries: Vec<ProviderEntry> = self.providers.iter().map(|p| p.entry.clone()).collect();
        for change in changes {
            match entries.iter_mut().find(|entry| entry.name == change.name) {
                Some(entry) => entry.change(change),
                None => entries.push(change.clone()),
            }
        }
        Self::of(default.unwrap_or(self.default), entries)
    }

    fn of(default: ProviderLimits, entries: Vec<ProviderEntry>) -> Result<Self, TableError> {
        let mut table = Self {
            default,
            providers: Vec::with_capacity(entries.len()),
            by_suffix: HashMap::new(),
            by_host: HashMap::new(),
            by_domain: HashMap::new(),
        };
        let mut faults = Vec::new();
        for entry in entries {
            table.add(entry, &mut faults);
        }
        for provider in &table.providers {
            table.check_samples(&provider.entry, &mut faults);
        }
        if faults.is_empty() { Ok(table) } else { Err(TableError::Faults(faults.join("\n"))) }
    }

    /// All of them, in the order of the table.
    #[must_use]
    pub fn providers(&self) -> &[Provider] {
        &self.providers
    }

    /// The provider of this name, if the table knows it.
    #[must_use]
    pub fn provider(&self, name: &str) -> Option<&Provider> {
        self.providers.iter().find(|provider| &*provider.name == name)
    }

    /// The provider behind a domain's mail hosts of the best preference, if all agree; else `mx:` and the registrable
    /// domain of the first, which already joins the customers of a small hoster. Names in any case, dot or not.
    #[must_use]
    pub fn group(&self, best_hosts: &[&str]) -> Arc<str> {
        let hosts: Vec<String> = best_hosts.iter().map(|host| canonical(host)).collect();
        let Some((first, others)) = hosts.split_first() else {
            return "mx:".into();
        };
        match self.of_host(first) {
            Some(index) if others.iter().all(|host| self.of_host(host) == Some(index)) => {
                Arc::clone(&self.providers[index].name)
            }
            _ => format!("mx:{}", psl::domain_str(first).unwrap_or(first)).into(),
        }
    }

    /// The provider that a recipient's domain is known to use, where DNS is not asked: a relay's mail.
    #[must_use]
    pub fn of_recipient_domain(&self, domain: &str) -> Option<Arc<str>> {
        self.by_domain.get(&canonical(domain)).map(|index| Arc::clone(&self.providers[*index].name))
    }

    /// Where to begin with this provider.
    #[must_use]
    pub fn limits(&self, provider: &str) -> ProviderLimits {
        self.provider(provider).map_or(self.default, |known| known.limits)
    }

    /// Whether nothing may go to this provider without TLS: it has had TLS for so long that its absence is somebody's work.
    #[must_use]
    pub fn requires_tls(&self, provider: &str) -> bool {
        self.provider(provider).is_some_and(|known| known.entry.tls == Some(ProviderTls::Required))
    }

    /// An exact host, else its longest known suffix, on label boundaries only.
    fn of_host(&self, host: &str) -> Option<usize> {
        if let Some(index) = self.by_host.get(host) {
            return Some(*index);
        }
        let mut rest = host;
        while let Some((_, parent)) = rest.split_once('.') {
            if let Some(index) = self.by_suffix.get(parent) {
                return Some(*index);
            }
            rest = parent;
        }
        None
    }
}

/// In lower case, without the trailing dot.
fn canonical(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider_label;

    #[test]
    fn the_builtin_table_has_no_fault() {
        let table = ProviderTable::builtin().unwrap_or_else(|e| panic!("{e}"));
        assert!(table.providers.len() >= 30);
    }

    #[test]
    fn hosts_are_grouped_by_operator() {
        let table = ProviderTable::builtin().unwrap();
        let group = |hosts: &[&str]| table.group(hosts).to_string();
        assert_eq!(group(&["ASPMX.L.Google.com.", "alt1.aspmx.l.google.com"]), "google");
        assert_eq!(group(&["aspmx.l.google.com", "mx.acme.example"]), "mx:google.com", "all hosts must agree");
        assert_eq!(group(&["mx1.mail.hoster.co.uk", "mx2.hoster.co.uk"]), "mx:hoster.co.uk");
        assert_eq!(group(&["mx.throttles.test"]), "mx:throttles.test");
        assert_eq!(group(&["com"]), "mx:com");
        assert_eq!(group(&[]), "mx:");
    }

    #[test]
    fn names_limits_and_domains() {
        let table = ProviderTable::builtin().unwrap();
        for known in &table.providers {
            assert_ne!(provider_label(&known.name), &*known.name, "a provider of the table has no label");
        }
        assert!(table.requires_tls("google") && !table.requires_tls("apple") && !table.requires_tls("mx:google.com"));
        assert_eq!(table.limits("apple").messages_per_connection, 5);
        assert_eq!(table.limits("mx:hoster.example"), table.default);
        assert_eq!(table.of_recipient_domain("Gmail.com").as_deref(), Some("google"));
        assert_eq!(table.of_recipient_domain("acme.example"), None);
    }
}

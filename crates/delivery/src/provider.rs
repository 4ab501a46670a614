use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;

/// How fast to begin with a provider, for one source address. The ceiling for the adaptive control, too.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
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

/// Which provider operates which mail hosts (`data/providers.toml`).
pub struct ProviderTable {
    default: Limits,
    providers: Vec<Provider>,
    /// `example.net` for `.example.net`.
    by_suffix: HashMap<String, usize>,
    by_host: HashMap<String, usize>,
    by_domain: HashMap<String, usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    default: Limits,
    provider: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    mx: Vec<String>,
    domains: Vec<String>,
    connections: u32,
    messages_per_connection: u32,
    per_second: f64,
    is: Vec<String>,
    is_not: Vec<String>,
}

struct Provider {
    name: Arc<str>,
    limits: Limits,
}

impl ProviderTable {
    /// The table that this program carries.
    ///
    /// # Errors
    /// Never with the table as tested; kept as an error because the file is data.
    pub fn builtin() -> Result<Self, TableError> {
        Self::parse(include_str!("../data/providers.toml"))
    }

    /// Reads a table and checks it: a rule that can never fire is a fault, not a detail.
    ///
    /// # Errors
    /// Invalid TOML, or what [`TableError::Faults`] lists.
    pub fn parse(text: &str) -> Result<Self, TableError> {
        let file: File = toml::from_str(text)?;
        let mut table = Self {
            default: file.default,
            providers: Vec::new(),
            by_suffix: HashMap::new(),
            by_host: HashMap::new(),
            by_domain: HashMap::new(),
        };
        let mut faults = Vec::new();
        for entry in &file.provider {
            table.add(entry, &mut faults);
        }
        for entry in &file.provider {
            table.check_samples(entry, &mut faults);
        }
        if faults.is_empty() { Ok(table) } else { Err(TableError::Faults(faults.join("\n"))) }
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
    pub fn limits(&self, provider: &str) -> Limits {
        self.named(provider).map_or(self.default, |known| known.limits)
    }

    fn named(&self, name: &str) -> Option<&Provider> {
        self.providers.iter().find(|provider| &*provider.name == name)
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

    fn add(&mut self, entry: &Entry, faults: &mut Vec<String>) {
        let Entry { name, connections, messages_per_connection, per_second, .. } = entry;
        let mut fault = |what: String| faults.push(format!("{name}: {what}"));
        let index = self.providers.len();
        if self.named(name).is_some() || name.is_empty() || name.contains(':') {
            fault("the name is taken, empty or has a colon".to_owned());
        }
        if *connections == 0 || *messages_per_connection == 0 || *per_second <= 0.0 {
            fault("limits above zero are needed".to_owned());
        }
        if entry.mx.is_empty() {
            fault("no mail hosts: nothing can match".to_owned());
        }
        for pattern in &entry.mx {
            let bare = pattern.strip_prefix('.').unwrap_or(pattern);
            let map = if bare.len() < pattern.len() { &mut self.by_suffix } else { &mut self.by_host };
            if canonical(bare) != *bare || !bare.contains('.') {
                fault(format!("{pattern:?} is not in lower case without trailing dot, or has one label"));
            }
            if map.insert(bare.to_owned(), index).is_some() {
                fault(format!("{pattern:?} stands twice"));
            }
        }
        for domain in &entry.domains {
            if canonical(domain) != *domain || self.by_domain.insert(domain.clone(), index).is_some() {
                fault(format!("domain {domain:?} stands twice or is not canonical"));
            }
        }
        let limits = Limits {
            connections: *connections,
            messages_per_connection: *messages_per_connection,
            per_second: *per_second,
        };
        self.providers.push(Provider { name: name.as_str().into(), limits });
    }

    fn check_samples(&self, entry: &Entry, faults: &mut Vec<String>) {
        let name = &entry.name;
        for host in &entry.is {
            if &*self.group(&[host]) != name {
                faults.push(format!("{name}: {host} is found to be {}", self.group(&[host])));
            }
        }
        for host in &entry.is_not {
            if &*self.group(&[host]) == name {
                faults.push(format!("{name}: {host} must not match"));
            }
        }
        for pattern in &entry.mx {
            let hit = |host: &String| if pattern.starts_with('.') { host.ends_with(pattern) } else { host == pattern };
            if !entry.is.iter().any(hit) {
                faults.push(format!("{name}: {pattern:?} has no sample that it matches"));
            }
        }
        if entry.is_not.is_empty() {
            faults.push(format!("{name}: no sample that must not match"));
        }
    }
}

fn canonical(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use tidings_domain::provider_label;

    use super::*;

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
        assert_eq!(table.limits("apple").messages_per_connection, 5);
        assert_eq!(table.limits("mx:hoster.example"), table.default);
        assert_eq!(table.of_recipient_domain("Gmail.com").as_deref(), Some("google"));
        assert_eq!(table.of_recipient_domain("acme.example"), None);
    }

    fn faults(mx: &str, is: &str, is_not: &str) -> String {
        let text = format!(
            "default = {{ connections = 1, messages_per_connection = 1, per_second = 1.0 }}\n\
             [[provider]]\nname = 'a'\nmx = {mx}\ndomains = []\nconnections = 1\n\
             messages_per_connection = 1\nper_second = 1.0\nis = {is}\nis_not = {is_not}\n"
        );
        ProviderTable::parse(&text).err().map(|e| e.to_string()).unwrap_or_default()
    }

    #[test]
    fn rules_that_cannot_fire_are_found() {
        assert_eq!(faults("['.a.example']", "['mx.a.example']", "['a.example']"), "");
        assert!(faults("[]", "[]", "['x.example']").contains("nothing can match"));
        assert!(faults("['.a.example.']", "['mx.a.example']", "['x.example']").contains("trailing dot"));
        assert!(faults("['.a.example', '.b.example']", "['mx.a.example']", "['x.example']").contains("no sample"));
        assert!(faults("['.a.example', '.a.example']", "['mx.a.example']", "['x.example']").contains("twice"));
        assert!(faults("['.a.example']", "['mx.a.example']", "['mx.a.example']").contains("must not match"));
        assert!(faults("['.a.example']", "['mx.b.example', 'mx.a.example']", "['x.example']").contains("mx:b.example"));
    }
}

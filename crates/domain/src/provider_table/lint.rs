//! What is wrong with a table. Published tables of others contain rules that can never fire, because nothing looks for them.

use super::{Provider, ProviderEntry, ProviderLimits, ProviderTable, canonical};

impl ProviderTable {
    /// Takes an entry in, with all that can be said of it alone.
    pub(super) fn add(&mut self, entry: ProviderEntry, faults: &mut Vec<String>) {
        let place = entry.place();
        let mut fault = |what: String| faults.push(format!("{place}: {what}"));
        let limits = ProviderLimits {
            connections: entry.connections.unwrap_or(self.default.connections),
            messages_per_connection: entry.messages_per_connection.unwrap_or(self.default.messages_per_connection),
            per_second: entry.per_second.unwrap_or(self.default.per_second),
        };
        if self.provider(&entry.name).is_some() || !is_name(&entry) {
            fault("the name is taken, empty, or has a colon or an @".to_owned());
        }
        if limits.connections == 0 || limits.messages_per_connection == 0 || !is_rate(limits.per_second) {
            fault("limits above zero are needed".to_owned());
        }
        let index = self.providers.len();
        self.add_hosts(&entry, index, &mut fault);
        for domain in &entry.domains {
            if canonical(domain) != *domain || self.by_domain.insert(domain.clone(), index).is_some() {
                fault(format!("domain {domain:?} stands twice or is not canonical"));
            }
        }
        self.providers.push(Provider { name: entry.name.as_str().into(), limits, entry });
    }

    fn add_hosts(&mut self, entry: &ProviderEntry, index: usize, fault: &mut impl FnMut(String)) {
        if entry.mx.is_empty() && !is_unlisted(&entry.name) {
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
            let covers =
                |other: &&String| other.starts_with('.') && *other != pattern && pattern.ends_with(other.as_str());
            if let Some(wider) = entry.mx.iter().find(covers) {
                fault(format!("{pattern:?} can never decide anything: {wider:?} holds for all of its hosts"));
            }
        }
    }

    pub(super) fn check_samples(&self, entry: &ProviderEntry, faults: &mut Vec<String>) {
        let (name, place) = (&entry.name, entry.place());
        for host in &entry.is {
            let found = self.group(&[host]);
            if &*found != name {
                faults.push(format!("{place}: {host} is found to be {found}"));
            }
        }
        for host in &entry.is_not {
            if &*self.group(&[host]) == name {
                faults.push(format!("{place}: {host} must not match"));
            }
        }
        for pattern in &entry.mx {
            let hit = |host: &String| if pattern.starts_with('.') { host.ends_with(pattern) } else { host == pattern };
            if !entry.is.iter().any(hit) {
                faults.push(format!("{place}: {pattern:?} has no sample that it matches"));
            }
        }
        if entry.is_not.is_empty() && !entry.mx.is_empty() {
            faults.push(format!("{place}: no sample that must not match"));
        }
    }
}

/// A group that no table knows: it may have limits of its own, but its hosts are what DNS says.
fn is_unlisted(name: &str) -> bool {
    name.strip_prefix("mx:").is_some_and(|domain| !domain.is_empty() && canonical(domain) == domain)
}

fn is_name(entry: &ProviderEntry) -> bool {
    let plain = !entry.name.is_empty() && !entry.name.contains([':', '@', ' ']);
    plain || (is_unlisted(&entry.name) && entry.mx.is_empty() && entry.domains.is_empty())
}

fn is_rate(per_second: f64) -> bool {
    per_second.is_finite() && per_second > 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let shadowed = faults("['.a.example', '.mx.a.example']", "['mx.a.example', 'b.mx.a.example']", "['x.example']");
        assert!(shadowed.contains("can never decide"), "{shadowed}");
    }

    #[test]
    fn faults_name_the_line() {
        let said = faults("[]", "[]", "['x.example']");
        assert!(said.contains("line 2: a: no mail hosts"), "{said}");
    }

    fn changed(change: ProviderEntry) -> Result<ProviderTable, String> {
        ProviderTable::builtin().unwrap().changed(None, &[change]).map_err(|e| e.to_string())
    }

    fn named(name: &str) -> ProviderEntry {
        ProviderEntry { name: name.to_owned(), ..ProviderEntry::default() }
    }

    #[test]
    fn a_change_names_only_what_is_different() {
        let table = changed(ProviderEntry {
            per_second: Some(4.0),
            mx: vec![".google-test.example".to_owned()],
            is: vec!["mx.google-test.example".to_owned()],
            ..named("google")
        })
        .unwrap();
        let builtin = ProviderTable::builtin().unwrap();
        assert_eq!(table.limits("google"), ProviderLimits { per_second: 4.0, ..builtin.limits("google") });
        assert_eq!(&*table.group(&["mx.google-test.example", "aspmx.l.google.com"]), "google");
        assert_eq!(table.limits("yahoo"), builtin.limits("yahoo"));
    }

    #[test]
    fn who_is_in_no_table_can_have_limits_but_no_hosts() {
        let own = ProviderEntry { connections: Some(9), ..named("mx:hoster.example") };
        assert_eq!(changed(own.clone()).unwrap().limits("mx:hoster.example").connections, 9);
        let hosts = ProviderEntry { mx: vec![".hoster.example".to_owned()], ..own };
        assert!(changed(hosts).unwrap_err().contains("colon"));
        assert!(changed(named("new")).unwrap_err().contains("no mail hosts"));
        assert!(changed(ProviderEntry { per_second: Some(f64::NAN), ..named("google") }).is_err());
    }
}

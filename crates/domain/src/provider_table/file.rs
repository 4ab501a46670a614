use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::TableError;
use crate::{ProviderLimits, ReplyRule};

/// Providers and reply rules as they are written down: what this program carries, or an operator's own file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProviderFile {
    pub default: Option<ProviderLimits>,
    pub providers: Vec<ProviderEntry>,
    pub rules: Vec<ReplyRule>,
}

/// What is written of one provider. Of one that the table has already, only what is to be different: limits take the
/// place of the table's, hosts, domains and samples are added to it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderEntry {
    pub name: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mx: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub domains: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages_per_connection: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_second: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<ProviderTls>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub is: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub is_not: Vec<String>,
    /// Where it stands in its file; 0: in none.
    #[serde(skip)]
    pub line: usize,
}

/// What a provider's hosts are held to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProviderTls {
    /// TLS where it is offered.
    Offered,
    /// Nothing goes there without TLS.
    Required,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    default: Option<ProviderLimits>,
    #[serde(default)]
    provider: Vec<Spanned<ProviderEntry>>,
    #[serde(default)]
    rule: Vec<Spanned<ReplyRule>>,
}

impl ProviderFile {
    /// # Errors
    /// Not TOML, or not of this form; the words name the line.
    pub fn parse(text: &str) -> Result<Self, TableError> {
        let written: Written = toml::from_str(text)?;
        let line = |at: usize| text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1;
        let mut file = Self { default: written.default, ..Self::default() };
        for entry in written.provider {
            let line = line(entry.span().start);
            file.providers.push(ProviderEntry { line, ..entry.into_inner() });
        }
        for rule in written.rule {
            let line = line(rule.span().start);
            file.rules.push(ReplyRule { line, ..rule.into_inner() });
        }
        Ok(file)
    }
}

impl ProviderEntry {
    /// Nothing is to be different from the table.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        *self == Self { name: self.name.clone(), line: self.line, ..Self::default() }
    }

    /// Takes over what `change` names.
    pub(super) fn change(&mut self, change: &Self) {
        self.connections = change.connections.or(self.connections);
        self.messages_per_connection = change.messages_per_connection.or(self.messages_per_connection);
        self.per_second = change.per_second.or(self.per_second);
        self.tls = change.tls.or(self.tls);
        let lists = [
            (&mut self.mx, &change.mx),
            (&mut self.domains, &change.domains),
            (&mut self.is, &change.is),
            (&mut self.is_not, &change.is_not),
        ];
        for (ours, theirs) in lists {
            ours.extend(theirs.iter().cloned());
        }
        if change.line > 0 {
            self.line = change.line;
        }
    }

    /// `line 12: google` where it stands in a file, for faults.
    pub(super) fn place(&self) -> String {
        if self.line == 0 { self.name.clone() } else { format!("line {}: {}", self.line, self.name) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# ours\n[[provider]]\nname = 'google'\nper_second = 4.5\n\n[[rule]]\nname = 'a'\nclass = 'throttled'\nis = ['421 x']\n";

    #[test]
    fn entries_know_their_lines() {
        let file = ProviderFile::parse(FILE).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!((file.providers[0].line, file.rules[0].line), (2, 6));
        assert_eq!((file.providers[0].per_second, file.providers[0].connections), (Some(4.5), None));
        assert!(!file.providers[0].is_blank());
        assert_eq!(ProviderFile::parse("").map(|file| file.providers.len()).unwrap_or(9), 0);
    }

    #[test]
    fn what_is_not_of_this_form_is_named_with_its_line() {
        let said = |text: &str| ProviderFile::parse(text).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(said("[[provider]]\nname = 'a'\nspeed = 3\n").contains("line 3"));
        assert!(said("[[provider]\n").contains("line 1"));
        assert!(said("[[provider]]\nname = 'a'\nconnections = -1\n").contains("line 3"));
    }
}

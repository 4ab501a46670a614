use std::sync::{Arc, LazyLock};

use tidings_domain::{ProviderEntry, ProviderFile, ProviderTable, ReplyRule};

use crate::RuleBook;

/// The provider table and the reply rules in force: the program's own, an operator's file over them, and over both what was changed on
/// screen. One value of one moment; clones share all.
#[derive(Clone)]
pub struct ProviderBook {
    pub table: Arc<ProviderTable>,
    pub rules: Arc<RuleBook>,
    /// Of what was changed on screen.
    pub version: i64,
    /// Why the newest file or changes are not in force, but these are.
    pub trouble: Option<String>,
    base: Arc<ProviderTable>,
    file: Arc<ProviderFile>,
    entries: Arc<[ProviderEntry]>,
    /// Asked before the file's.
    own_rules: Arc<[ReplyRule]>,
}

impl ProviderBook {
    /// The program's own, alone.
    ///
    /// # Panics
    /// Never with the table as tested: it is part of the program.
    #[must_use]
    pub fn builtin() -> Self {
        static TABLE: LazyLock<ProviderTable> =
            LazyLock::new(|| ProviderTable::builtin().expect("the table is part of the program and read by its tests"));
        Self::of(TABLE.clone())
    }

    /// A table in place of the program's: what a sandbox has.
    #[must_use]
    pub fn of(base: ProviderTable) -> Self {
        let base = Arc::new(base);
        Self {
            table: Arc::clone(&base),
            rules: Arc::new(RuleBook::builtin()),
            version: 0,
            trouble: None,
            base,
            file: Arc::default(),
            entries: Arc::default(),
            own_rules: Arc::default(),
        }
    }

    /// With another file. The words of an error name its line.
    ///
    /// # Errors
    /// The table or a rule would have a fault.
    pub fn with_file(&self, file: ProviderFile) -> Result<Self, String> {
        Self { file: Arc::new(file), ..self.clone() }.rebuilt()
    }

    /// With other changes from the screen.
    ///
    /// # Errors
    /// The table or a rule would have a fault.
    pub fn with_changes(
        &self,
        entries: Vec<ProviderEntry>,
        rules: Vec<ReplyRule>,
        version: i64,
    ) -> Result<Self, String> {
        Self { entries: entries.into(), own_rules: rules.into(), version, ..self.clone() }.rebuilt()
    }

    /// These go on; and why newer ones do not, if there are any.
    #[must_use]
    pub fn in_trouble(&self, trouble: Option<String>) -> Self {
        Self { trouble, ..self.clone() }
    }

    /// The table that the program carries.
    #[must_use]
    pub fn base(&self) -> &Arc<ProviderTable> {
        &self.base
    }

    /// The operator's file.
    #[must_use]
    pub fn file(&self) -> &ProviderFile {
        &self.file
    }

    /// What was changed on screen.
    #[must_use]
    pub fn entries(&self) -> &[ProviderEntry] {
        &self.entries
    }

    /// The rules that were added on screen.
    #[must_use]
    pub fn own_rules(&self) -> &[ReplyRule] {
        &self.own_rules
    }

    fn rebuilt(mut self) -> Result<Self, String> {
        let changed = |table: &ProviderTable, default, entries: &[ProviderEntry]| {
            table.changed(default, entries).map_err(|fault| fault.to_string())
        };
        let with_file = changed(&self.base, self.file.default, &self.file.providers)?;
        let table = changed(&with_file, None, &self.entries)?;
        let rules = self.own_rules.iter().chain(&self.file.rules).cloned().collect();
        self.rules = Arc::new(RuleBook::with(rules, &table).map_err(|faults| faults.to_string())?);
        self.table = Arc::new(table);
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use tidings_domain::{Phase, Reply};

    use super::*;

    const FILE: &str = "[[provider]]\nname = 'google'\nper_second = 4.0\nconnections = 2\n\n[[rule]]\nname = 'monday'\n\
                        provider = ['google']\ntext = 'on monday'\nclass = 'throttled'\nhold_minutes = 60\n\
                        is = ['421 come back on Monday']\nis_not = ['421 come back']\n";

    fn book() -> ProviderBook {
        ProviderBook::builtin()
    }

    fn of_file(text: &str) -> Result<ProviderBook, String> {
        book().with_file(ProviderFile::parse(text).unwrap_or_else(|e| panic!("{e}")))
    }

    #[test]
    fn the_screen_stands_over_the_file_and_the_file_over_the_program() {
        let filed = of_file(FILE).unwrap_or_else(|e| panic!("{e}"));
        let slower = ProviderEntry { name: "google".to_owned(), per_second: Some(1.0), ..ProviderEntry::default() };
        let both = filed.with_changes(vec![slower], Vec::new(), 7).unwrap_or_else(|e| panic!("{e}"));
        let limits = both.table.limits("google");
        assert_eq!((limits.per_second, limits.connections, limits.messages_per_connection), (1.0, 2, 50));
        let reply = Reply::from_text("421 come back on Monday", 0);
        assert_eq!(both.rules.classify(Phase::Mail, &reply, "google").rule, "monday");
        assert_eq!((both.version, both.with_file(ProviderFile::default()).map(|b| b.version)), (7, Ok(7)));
    }

    #[test]
    fn a_fault_names_its_line_and_changes_nothing() {
        let said = |text: &str| of_file(text).err().unwrap_or_default();
        assert!(said(&FILE.replace("4.0", "0.0")).contains("line 1: google: limits above zero"));
        assert!(said(&FILE.replace("'421 come back on", "'421 come back at")).contains("line 6: rule monday"));
        assert!(said(&FILE.replace("['google']", "['gmail']")).contains("line 6"));
        let good = book().in_trouble(Some("line 3".to_owned()));
        assert_eq!(good.table.limits("google"), good.base().limits("google"));
    }
}

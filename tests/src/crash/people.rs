//! Who is written to: the sandbox's people, each in one list of one campaign.

use std::collections::HashSet;
use std::fmt::Write as _;

use anyhow::{Context, ensure};
use tidings_compose::Recipient;
use tidings_domain::EmailAddress;
use tidings_sandbox::{Expectation, expected, subscribers_csv};

/// Rows that the sandbox makes for each person wanted: some are duplicates, some have no address, some wait too long.
const ROWS_FOR_TEN: u64 = 12;

#[derive(Debug, Clone)]
pub struct Someone {
    /// As the ledger has it.
    pub email: String,
    pub first_name: String,
    pub last_name: String,
    pub city: String,
    pub plan: String,
}

/// So many, always the same. `patient`: also those whose mailboxes are full until they are given up, which takes its time.
///
/// # Errors
/// The sandbox's list is not what it was.
pub fn everybody(count: usize, patient: bool) -> anyhow::Result<Vec<Someone>> {
    let mut csv = Vec::new();
    subscribers_csv(count as u64 * ROWS_FOR_TEN / 10 + 100, &mut csv)?;
    let mut seen = HashSet::new();
    let people: Vec<_> = String::from_utf8(csv)?
        .lines()
        .skip(1)
        .filter_map(someone)
        .filter(|one| patient || expected(&one.email) != Expectation::SoftBounce)
        .filter(|one| seen.insert(one.email.clone()))
        .take(count)
        .collect();
    ensure!(people.len() == count, "the sandbox knows only {} people", people.len());
    Ok(people)
}

fn someone(line: &str) -> Option<Someone> {
    let (email, rest) = line.split_once(',')?;
    let (first_name, rest) = rest.split_once(',')?;
    let (last_name, rest) = rest.split_once(',')?;
    let (city, plan) = rest.rsplit_once(',')?;
    let email = EmailAddress::parse(email).ok()?.as_str().to_owned();
    let [first_name, last_name, plan] = [first_name, last_name, plan].map(str::to_owned);
    Some(Someone { email, first_name, last_name, city: city.trim_matches('"').to_owned(), plan })
}

/// The file that is imported.
#[must_use]
pub fn csv(people: &[Someone]) -> String {
    people.iter().fold("email,first_name,last_name,city,plan\n".to_owned(), |mut csv, one| {
        let Someone { email, first_name, last_name, city, plan } = one;
        let _ = writeln!(csv, "{email},{first_name},{last_name},\"{city}\",{plan}");
        csv
    })
}

impl Someone {
    /// What merge tags may say of him in the message of this delivery.
    ///
    /// # Errors
    /// Never: text becomes JSON.
    pub fn recipient(&self, delivery: i64) -> anyhow::Result<Recipient> {
        let attributes = serde_json::json!({ "city": self.city, "plan": self.plan });
        Ok(Recipient {
            delivery,
            email: self.email.clone(),
            first_name: self.first_name.clone(),
            last_name: self.last_name.clone(),
            attributes: serde_json::to_string(&attributes).context("writing the attributes")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_is_somebody_else() {
        let people = everybody(3_000, false).expect("so many");
        assert!(people.iter().all(|one| expected(&one.email) != Expectation::SoftBounce));
        assert!(people.iter().any(|one| one.city == "Washington, D.C."), "quotes are understood");
        assert_eq!(csv(&people[..2]).lines().count(), 3);
        assert!(
            everybody(3_000, true).expect("so many").iter().any(|one| expected(&one.email) == Expectation::SoftBounce)
        );
    }
}

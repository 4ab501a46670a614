//! The sending domains, as the last look at DNS found them.

use tidings_domain::{RecordState, SendingDomainState};
use tidings_store::{DomainDetails, Store};

use super::Finding;

const NAME: &str = "domains";
/// More are not looked through; an installation of so many has its own monitoring.
const MAX_DOMAINS: i64 = 1_000;

pub async fn look(store: &Store, findings: &mut Vec<Finding>) {
    match store.all_sending_domains(MAX_DOMAINS).await {
        Ok(all) if all.is_empty() => findings.push(Finding::ok(NAME, "none: mail is not signed here")),
        Ok(all) => findings.extend(judge(&all)),
        Err(error) => findings.push(Finding::fail(NAME, error.to_string(), "look at the database first")),
    }
}

fn judge(all: &[DomainDetails]) -> Vec<Finding> {
    let mut found: Vec<Finding> = all.iter().flat_map(troubles).collect();
    let verified = all.iter().filter(|details| details.domain.state == SendingDomainState::Verified).count();
    found.push(Finding::ok(NAME, format!("{verified} of {} verified", all.len())));
    found
}

fn troubles(details: &DomainDetails) -> Vec<Finding> {
    let name = &details.domain.name;
    let mut found = Vec::new();
    match details.domain.state {
        SendingDomainState::Verified => {}
        SendingDomainState::Unverified => {
            let words = format!("{name} is not verified: none of its DKIM keys stands in DNS");
            found.push(Finding::warn(NAME, words, "publish the records that Settings, Domains shows"));
        }
        SendingDomainState::Failing => {
            let words = format!("{name}: no DKIM key that signs stands in DNS any more, its mail waits");
            found.push(Finding::fail(NAME, words, "publish the records again that Settings, Domains shows"));
        }
    }
    let wrong = |state: RecordState| matches!(state, RecordState::Wrong | RecordState::Broken | RecordState::Several);
    for record in details.records.iter().filter(|record| wrong(record.state) || lost(record)) {
        let words = format!("{} of {name} at {}: {}", record.kind, record.host, record.detail);
        found.push(Finding::warn(NAME, words, "Settings, Domains shows what belongs there"));
    }
    found
}

fn lost(record: &tidings_store::DomainRecord) -> bool {
    record.was_good && record.state == RecordState::Missing
}

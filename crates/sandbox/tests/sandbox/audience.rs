//! The demonstration's audience.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use tidings_domain::EmailAddress;
use tidings_sandbox::{Expectation, SHIPPED_CSV, SHIPPED_ROWS, expected, provider_of, subscribers_csv};

fn made(rows: u64) -> String {
    let mut csv = Vec::new();
    subscribers_csv(rows, &mut csv).expect("a vector takes all");
    String::from_utf8(csv).expect("UTF-8")
}

/// If this fails on purpose: `cargo run -p tidings-sandbox --example subscribers > crates/sandbox/data/subscribers-10000.csv`.
#[test]
fn the_shipped_file_is_what_the_generator_makes() {
    assert_eq!(made(SHIPPED_ROWS).as_bytes(), SHIPPED_CSV);
}

#[test]
fn a_longer_list_begins_with_a_shorter_one() {
    assert!(made(2_000).starts_with(&made(1_500)));
    assert_eq!(made(0), "email,first_name,last_name,city,plan\n");
}

#[test]
fn the_list_is_what_lists_are_like() {
    let csv = made(SHIPPED_ROWS);
    let emails: Vec<&str> = csv.lines().skip(1).map(|line| line.split(',').next().unwrap_or_default()).collect();
    assert_eq!(emails.len(), 10_000);
    let valid: Vec<_> = emails.iter().filter_map(|e| EmailAddress::parse(e).ok()).collect();
    let unique: HashSet<_> = valid.iter().collect();
    assert_eq!((valid.len(), unique.len()), (9_980, 9_960), "20 invalid rows, 20 duplicates");
    assert!(valid.iter().any(EmailAddress::needs_smtputf8));
    assert!(csv.contains("\"Washington, D.C.\""));
    let kinds: BTreeSet<Expectation> = unique.iter().map(|a| expected(a.as_str())).collect();
    assert_eq!(kinds.len(), 6, "something of each kind: {kinds:?}");
    let mut shares = BTreeMap::<_, u32>::new();
    for address in &unique {
        *shares.entry(provider_of(address.domain()).map_or("none", |p| p.name)).or_default() += 1;
    }
    assert!(shares.len() == 10 && shares["postbox.example"] > 3_000 && shares["none"] > 20, "{shares:?}");
}

/// Only where SMTPUTF8 is offered: elsewhere such an address can never be reached.
#[test]
fn smtputf8_addresses_are_where_they_are_understood() {
    for address in made(50_000).lines().filter_map(|l| EmailAddress::parse(l.split(',').next()?).ok()) {
        if address.needs_smtputf8() {
            assert!(provider_of(address.domain()).is_some_and(|p| p.smtputf8), "{address}");
        }
    }
}

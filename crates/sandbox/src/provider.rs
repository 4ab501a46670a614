use std::net::Ipv4Addr;

use crate::Habit;

/// One operator: the hosts that take its mail, and the domains whose mail it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Provider {
    /// The registrable domain of its MX hosts `mx1` and `mx2`.
    pub name: &'static str,
    pub habit: Habit,
    /// The last octet of its address in 127.0.0.0/24.
    pub octet: u8,
    /// The first is the best known.
    pub domains: &'static [&'static str],
    pub starttls: bool,
    pub smtputf8: bool,
    /// Of a thousand subscribers of the demonstration, how many are here.
    pub per_mille: u16,
}

/// A domain that takes no mail (RFC 7505), one that does not exist, and one whose name servers are broken.
pub const NULL_MX: &str = "nomail.example";
pub const NO_SUCH_DOMAIN: &str = "gone.invalid";
pub const BROKEN_DNS: &str = "broken-dns.test";
/// Has an address and no MX record: its mail goes to the address (RFC 5321 §5.1).
pub const WITHOUT_MX: &str = "oldschool.example";

const PROVIDERS: [Provider; 9] = [
    Provider {
        name: "postbox.example",
        habit: Habit::Plain,
        octet: 11,
        domains: &["postbox.example", "postbox.test", "mailfriend.example"],
        starttls: false,
        smtputf8: true,
        per_mille: 340,
    },
    Provider {
        name: "brightmail.example",
        habit: Habit::Plain,
        octet: 12,
        domains: &["brightmail.example", "bright.test"],
        starttls: true,
        smtputf8: true,
        per_mille: 190,
    },
    // Mail for companies with domains of their own: only the MX says who it is.
    Provider {
        name: "harbor-hosting.example",
        habit: Habit::Plain,
        octet: 13,
        domains: &[
            "acme-tools.example",
            "blue-kite.example",
            "fern-and-co.example",
            "lantern-press.example",
            "northwind-bakery.example",
            "river-school.test",
            "stone-bridge.test",
            "xn--bcher-kva.example",
            WITHOUT_MX,
        ],
        starttls: true,
        smtputf8: false,
        per_mille: 120,
    },
    Provider {
        name: "bigmail.example",
        habit: Habit::Throttles,
        octet: 14,
        domains: &["bigmail.example", "bigmail.test", "orchard-studio.example"],
        starttls: true,
        smtputf8: true,
        per_mille: 150,
    },
    Provider {
        name: "greypost.example",
        habit: Habit::Greylists,
        octet: 15,
        domains: &["greypost.example", "village-hall.example"],
        starttls: false,
        smtputf8: false,
        per_mille: 60,
    },
    Provider {
        name: "strictmail.example",
        habit: Habit::RefusesUnknown,
        octet: 16,
        domains: &["strictmail.example", "strict.test"],
        starttls: false,
        smtputf8: false,
        per_mille: 60,
    },
    Provider {
        name: "fullbox.example",
        habit: Habit::FullMailboxes,
        octet: 17,
        domains: &["fullbox.example"],
        starttls: false,
        smtputf8: false,
        per_mille: 30,
    },
    Provider {
        name: "droppy.example",
        habit: Habit::Drops,
        octet: 18,
        domains: &["droppy.example"],
        starttls: false,
        smtputf8: false,
        per_mille: 20,
    },
    Provider {
        name: "slowpost.example",
        habit: Habit::Slow,
        octet: 19,
        domains: &["slowpost.example", "slow-and-steady.example"],
        starttls: false,
        smtputf8: false,
        per_mille: 25,
    },
];

/// All of them, in a fixed order.
#[must_use]
pub const fn providers() -> &'static [Provider] {
    &PROVIDERS
}

/// Who takes the mail of a domain (lower-case A-labels).
#[must_use]
pub fn provider_of(domain: &str) -> Option<&'static Provider> {
    PROVIDERS.iter().find(|p| p.domains.contains(&domain))
}

impl Provider {
    #[must_use]
    pub const fn address(&self) -> Ipv4Addr {
        Ipv4Addr::new(127, 0, 0, self.octet)
    }

    /// Its MX hosts, the preferred one first. Both are at the same address.
    #[must_use]
    pub fn hosts(&self) -> [String; 2] {
        [format!("mx1.{}", self.name), format!("mx2.{}", self.name)]
    }
}

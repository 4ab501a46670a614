use std::io::{self, Write};

use crate::habit::mix;
use crate::names::{CITIES, FIRST, LAST, PLANS};
use crate::provider::{NO_SUCH_DOMAIN, NULL_MX};
use crate::{Habit, Provider, providers};

/// The audience that the demonstration imports, made by [`subscribers_csv`].
pub const SHIPPED_CSV: &[u8] = include_bytes!("../data/subscribers-10000.csv");
pub const SHIPPED_ROWS: u64 = 10_000;

const SEED: u64 = 0x7469_6469_6e67_7331;
const HEADER: &str = "email,first_name,last_name,city,plan";
/// One row in so many repeats an earlier one, in capitals.
const DUPLICATE_ONE_IN: u64 = 500;
const DUPLICATE_BACK: u64 = 250;
/// One row in so many has no valid address.
const INVALID_ONE_IN: u64 = 400;
/// One address in so many, where it is understood, is not ASCII.
const SMTPUTF8_ONE_IN: u64 = 400;
/// Of a thousand mailboxes anywhere, how many do not exist.
const UNKNOWN_PER_MILLE: u64 = 5;
/// … at a provider known for it, and how many of its kind are full at the other.
const UNKNOWN_THERE_PER_MILLE: u64 = 250;
const FULL_THERE_PER_MILLE: u64 = 400;

const INVALID: &[&str] = &[
    "no-at-sign.example",
    "two@@signs.example",
    "spaces in@postbox.example",
    "nobody@",
    "@postbox.example",
    "who@localhost",
];

/// Writes a list of `rows` subscribers with a header line, always the same for the same row: the list of 20,000 begins
/// with the list of 10,000. A few rows are duplicates or have no valid address, as lists have.
///
/// # Errors
/// Those of the writer.
pub fn subscribers_csv(rows: u64, mut to: impl Write) -> io::Result<()> {
    writeln!(to, "{HEADER}")?;
    (0..rows).try_for_each(|row| {
        let Row { email, first, last, city, plan } = Row::at(row);
        writeln!(to, "{email},{first},{last},{},{plan}", quoted(city))
    })
}

struct Row {
    email: String,
    first: &'static str,
    last: &'static str,
    city: &'static str,
    plan: &'static str,
}

impl Row {
    fn at(row: u64) -> Self {
        if row % DUPLICATE_ONE_IN == DUPLICATE_ONE_IN - 1 {
            let earlier = Self::person(row - DUPLICATE_BACK);
            return Self { email: earlier.email.to_ascii_uppercase(), ..earlier };
        }
        let person = Self::person(row);
        if row % INVALID_ONE_IN == INVALID_ONE_IN - 1 {
            let email = pick(INVALID, row / INVALID_ONE_IN);
            return Self { email: email.to_owned(), ..person };
        }
        person
    }

    fn person(row: u64) -> Self {
        let mut dice = Dice(mix(SEED ^ row));
        let ((first, first_plain), (last, last_plain)) = (pick(FIRST, dice.roll()), pick(LAST, dice.roll()));
        let name = match dice.roll() % 4 {
            0 => format!("{first_plain}{row}"),
            1 => format!("{}.{last_plain}.{row}", &first_plain[..1]),
            2 => format!("{last_plain}-{first_plain}-{row}"),
            _ => format!("{first_plain}.{last_plain}{row}"),
        };
        let email = address(&mut dice, &name, first);
        Self { email, first, last, city: pick(CITIES, dice.roll()), plan: pick(PLANS, dice.roll()) }
    }
}

/// The name with its word for the mailbox's state, at a provider drawn by share.
fn address(dice: &mut Dice, name: &str, first: &str) -> String {
    let place = dice.roll() % 1_000;
    let Some(provider) = provider_at(place) else {
        let domain = if place.is_multiple_of(2) { NULL_MX } else { NO_SUCH_DOMAIN };
        return format!("{name}@{domain}");
    };
    let domain = provider_domain(provider, dice.roll());
    let lot = dice.roll() % 1_000;
    let word = match provider.habit {
        Habit::FullMailboxes if lot < FULL_THERE_PER_MILLE / 2 => "full.",
        Habit::FullMailboxes if lot < FULL_THERE_PER_MILLE => "quota.",
        Habit::RefusesUnknown if lot < UNKNOWN_THERE_PER_MILLE => "unknown.",
        _ if lot < UNKNOWN_PER_MILLE => "unknown.",
        _ => "",
    };
    if provider.smtputf8 && word.is_empty() && dice.roll().is_multiple_of(SMTPUTF8_ONE_IN) {
        return format!("{}-{name}@{domain}", first.to_lowercase());
    }
    format!("{word}{name}@{domain}")
}

fn provider_at(place: u64) -> Option<&'static Provider> {
    let mut from = 0;
    providers().iter().find(|provider| {
        from += u64::from(provider.per_mille);
        place < from
    })
}

/// Two of three have an address at the best known domain of a provider that has one of its own.
fn provider_domain(provider: &Provider, lot: u64) -> &'static str {
    let own = provider.domains[0] == provider.name;
    if own && !lot.is_multiple_of(3) { provider.domains[0] } else { pick(provider.domains, lot / 3) }
}

fn pick<T: Copy>(from: &[T], lot: u64) -> T {
    from[(lot % from.len() as u64) as usize]
}

/// RFC 4180 §2.6.
fn quoted(field: &str) -> String {
    if field.contains(',') { format!("\"{field}\"") } else { field.to_owned() }
}

/// Numbers that follow from a seed alone, on every machine and with every version.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0) >> 8
    }
}

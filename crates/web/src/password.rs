//! Passwords: argon2id at rest, and the rules for choosing one (ASVS 6.2: length and no guessable ones; no rules of composition).

use std::sync::LazyLock;

use argon2::password_hash::rand_core::OsRng;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Argon2, Params};
use tokio::sync::Semaphore;

use crate::problem::{WebError, WebResult};

pub const MIN_CHARACTERS: usize = 12;
/// Long enough for every phrase; a limit, so that nobody makes us hash megabytes.
pub const MAX_CHARACTERS: usize = 256;
/// A password needs so many letters that are not part of a word that guessers try first.
const MIN_OWN_CHARACTERS: usize = 5;
const MIN_DIFFERENT_CHARACTERS: usize = 5;
/// Hashes at the same time: each takes 19 MiB, and a flood of sign-ins must not take all memory.
const HASHES_AT_ONCE: usize = 4;

static TURN: Semaphore = Semaphore::const_new(HASHES_AT_ONCE);

/// What guessers put together, with the rows of keyboards; digits and signs fall away before the comparison.
const GUESSED: &[&str] = &[
    "password",
    "passwort",
    "passwd",
    "wachtwoord",
    "contrasena",
    "motdepasse",
    "letmein",
    "welcome",
    "willkommen",
    "welkom",
    "bienvenue",
    "changeme",
    "default",
    "administrator",
    "admin",
    "secret",
    "geheim",
    "iloveyou",
    "sunshine",
    "princess",
    "dragon",
    "monkey",
    "football",
    "baseball",
    "superman",
    "batman",
    "master",
    "shadow",
    "michael",
    "jesus",
    "trustno",
    "whatever",
    "starwars",
    "pokemon",
    "computer",
    "internet",
    "samsung",
    "google",
    "summer",
    "winter",
    "spring",
    "autumn",
    "january",
    "february",
    "qwertyuiop",
    "qwertzuiop",
    "azertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "qwerty",
    "qwertz",
    "azerty",
    "asdf",
    "zxcv",
    "abcdefghijklmnopqrstuvwxyz",
    "abcdefgh",
    "abcdef",
    "abcd",
    "abc",
    "test",
    "login",
    "newsletter",
    "tidings",
    "mail",
    "email",
    "user",
    "root",
];

/// Says what is wrong with a chosen password. `context` is what a guesser knows of the person: name, address, organisation.
pub fn check(password: &str, context: &[&str]) -> Result<(), String> {
    let length = password.chars().count();
    if length < MIN_CHARACTERS {
        return Err(format!("Use at least {MIN_CHARACTERS} characters. A few words in a row are easy to remember."));
    }
    if length > MAX_CHARACTERS {
        return Err(format!("Use at most {MAX_CHARACTERS} characters."));
    }
    let plain = password.to_lowercase();
    let undisguised: String = plain.chars().map(unleet).collect();
    let mut different: Vec<char> = plain.chars().collect();
    different.sort_unstable();
    different.dedup();
    if different.len() < MIN_DIFFERENT_CHARACTERS {
        return Err("It repeats the same few characters. Mix in some others.".to_owned());
    }
    // As typed, too: read as disguised letters, a row of digits would look like words.
    let own = own_characters(&plain, context).min(own_characters(&undisguised, context));
    if own < MIN_OWN_CHARACTERS {
        return Err(
            "It is made of words that are guessed first, or of your own name. Choose something else.".to_owned()
        );
    }
    Ok(())
}

/// The usual disguises of letters.
fn unleet(c: char) -> char {
    match c {
        '0' => 'o',
        '1' | '!' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        other => other,
    }
}

/// The letters that are left when guessed words and what is known of the person are taken out.
fn own_characters(plain: &str, context: &[&str]) -> usize {
    let known = context.iter().flat_map(|text| text.split(|c: char| !c.is_alphanumeric()));
    let known = known.map(str::to_lowercase).filter(|word| word.chars().count() >= 3);
    let mut words: Vec<String> = known.flat_map(|word| [word.chars().map(unleet).collect(), word]).collect();
    words.extend(GUESSED.iter().map(|word| (*word).to_owned()));
    // The longest first, so that "password" goes whole and leaves no "word".
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    let mut rest = plain.to_owned();
    for word in words {
        rest = rest.replace(&word, " ");
    }
    rest.chars().filter(|c| c.is_alphabetic()).count()
}

/// A hash in the PHC form, with its parameters and a salt of its own.
pub async fn hash(password: String) -> WebResult<String> {
    hashing(move || {
        let salt = SaltString::generate(&mut OsRng);
        let hashed = Argon2::default().hash_password(password.as_bytes(), &salt);
        hashed.map(|hash| hash.to_string()).map_err(|e| WebError::Internal(format!("argon2: {e}")))
    })
    .await?
}

/// What a stored hash says of a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verified {
    No,
    Yes,
    /// Right, but the hash is of weaker parameters than today's.
    YesButOld,
}

/// Checks a password. Without a stored hash (nobody has that address) it works as long and says no.
pub async fn verify(password: String, stored: Option<String>) -> WebResult<Verified> {
    hashing(move || {
        let stored = stored.filter(|hash| !hash.is_empty());
        let is_real = stored.is_some();
        let hash = stored.unwrap_or_else(|| NOBODY.clone());
        let Ok(parsed) = PasswordHash::new(&hash) else { return Verified::No };
        let is_right = Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok();
        match is_right && is_real {
            false => Verified::No,
            true if is_current(&parsed) => Verified::Yes,
            true => Verified::YesButOld,
        }
    })
    .await
}

/// The hash of a password that nobody has.
static NOBODY: LazyLock<String> = LazyLock::new(|| {
    let salt = SaltString::generate(&mut OsRng);
    let hashed = Argon2::default().hash_password(crate::secret::token().as_bytes(), &salt);
    hashed.map(|hash| hash.to_string()).unwrap_or_default()
});

fn is_current(hash: &PasswordHash<'_>) -> bool {
    let of = |name: &str| hash.params.get_decimal(name).unwrap_or(0);
    hash.algorithm.as_str() == "argon2id" && of("m") >= Params::DEFAULT_M_COST && of("t") >= Params::DEFAULT_T_COST
}

async fn hashing<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> WebResult<T> {
    let _turn = TURN.acquire().await.map_err(|e| WebError::Internal(e.to_string()))?;
    tokio::task::spawn_blocking(work).await.map_err(|e| WebError::Internal(format!("argon2 was stopped: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_counts_and_guessable_ones_are_refused() {
        let ana = ["Ana Silva", "ana.silva@bakery.example", "Bakery North"];
        let good = |password: &str| check(password, &ana).is_ok();
        assert!(good("correct horse battery staple"));
        assert!(good("ördög a részletekben"));
        assert!(good(&"blue canoe ".repeat(20)));
        assert!(!good("short one"));
        assert!(!good("aaaaaaaaaaaaaaa"));
        assert!(!good("123456789012"));
        assert!(!good("P@ssw0rd1234!"));
        assert!(!good("qwertyuiop12"));
        assert!(!good("AnaSilvaBakery2026"));
        assert!(!good("tidingsadmin123"));
        assert!(!good(&"x1y2z3w4".repeat(40)));
    }

    #[tokio::test]
    async fn a_hash_verifies_only_its_password() {
        let stored = hash("correct horse battery".to_owned()).await.expect("hashes");
        assert!(stored.starts_with("$argon2id$"));
        let verified = |password: &str, stored: &str| verify(password.to_owned(), Some(stored.to_owned()));
        assert_eq!(verified("correct horse battery", &stored).await.expect("runs"), Verified::Yes);
        assert_eq!(verified("correct horse batterz", &stored).await.expect("runs"), Verified::No);
        assert_eq!(verified("", "").await.expect("runs"), Verified::No);
        assert_eq!(verify("x".to_owned(), None).await.expect("runs"), Verified::No);
    }
}

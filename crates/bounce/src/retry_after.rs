//! When to come back, where a deferral says so in words: "try again in 300 seconds", "retry in 5 minutes", "00:04:56".
//!
//! Read from postgrey ("Greylisted, see …, try again in 300 seconds"), milter-greylist ("delayed by 00:05:00"), gross, SQLgrey
//! ("Greylisting in action, please come back in 00:04:57"), OpenBSD spamd, rspamd, Exim's usual ACL texts, and the rate limits of
//! large providers ("retry after 600 seconds", "wait 1 hour").

use std::time::Duration;

use tidings_domain::{Reply, ReplyClass};

/// Less is the moment's load, not a plan.
pub const SHORTEST: Duration = Duration::from_secs(5);
/// More is not believed: it would be longer than most mail waits at all.
pub const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// Words between the verb and its time: "retry your message in about 5 minutes".
const REACH_WORDS: usize = 6;
/// Words that are looked at; a reply of any length costs no more.
const MAX_WORDS: usize = 400;

/// The time that a temporary refusal asks for, from [`SHORTEST`] to [`LONGEST`]. `None`: it names none that is believed.
#[must_use]
pub fn retry_after(reply: &Reply) -> Option<Duration> {
    if reply.class() != ReplyClass::Transient {
        return None;
    }
    let text = reply.text().to_lowercase();
    let words: Vec<&str> = text.split(is_gap).filter(|word| !word.is_empty()).take(MAX_WORDS).collect();
    (0..words.len()).find_map(|at| {
        let asks = is_verb(&words[at..]);
        let reach = words.get(at + 1..(at + 1 + REACH_WORDS).min(words.len()))?;
        if asks { (0..reach.len()).find_map(|i| time(&words[at + 1 + i..])) } else { None }
    })
}

/// Colons stay: `00:05:00` is one word.
fn is_gap(c: char) -> bool {
    !(c.is_alphanumeric() || c == ':' || c == '.')
}

/// "retry", "try again", "wait", "come back", "delayed": what follows may be a time.
fn is_verb(words: &[&str]) -> bool {
    match words {
        ["try", "again" | "later" | "back" | "in", ..] | ["come", "back", ..] | ["again", "in" | "after", ..] => true,
        [word, ..] => {
            ["retry", "retrying", "wait", "delay", "delayed", "reconnect", "resend", "retryafter"].contains(word)
                || word.starts_with("greylist")
                || word.starts_with("graylist")
        }
        [] => false,
    }
}

/// `300 seconds`, `5min`, `00:05:00`, `1 hour`. A bare number is a time only after "in" or "after" with nothing behind it; that
/// is too weak to act on, so it is none.
fn time(words: &[&str]) -> Option<Duration> {
    let first = words.first()?.trim_matches(['.', ':']);
    let seconds = clock(first).or_else(|| counted(first, words.get(1).copied().unwrap_or_default()))?;
    let time = Duration::from_secs(seconds);
    (SHORTEST..=LONGEST).contains(&time).then_some(time)
}

/// `00:04:57` or `04:57`: hours, minutes, seconds.
fn clock(word: &str) -> Option<u64> {
    let parts: Vec<&str> = word.split(':').collect();
    let number = |part: &&str| part.parse::<u64>().ok().filter(|n| part.len() == 2 && *n < 60);
    let numbers: Vec<u64> = parts.iter().map(number).collect::<Option<_>>()?;
    match numbers[..] {
        [hours, minutes, seconds] => Some(hours * 3600 + minutes * 60 + seconds),
        [minutes, seconds] => Some(minutes * 60 + seconds),
        _ => None,
    }
}

/// A number and its unit, apart or in one word.
fn counted(word: &str, next: &str) -> Option<u64> {
    let digits = word.find(|c: char| !c.is_ascii_digit()).unwrap_or(word.len());
    let (number, rest) = word.split_at(digits);
    let unit = if rest.is_empty() { next.trim_matches('.') } else { rest };
    let seconds = match unit {
        "s" | "sec" | "secs" | "second" | "seconds" => 1,
        "m" | "min" | "mins" | "minute" | "minutes" => 60,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3600,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seconds(text: &str) -> Option<u64> {
        retry_after(&Reply::from_text(text, 0)).map(|time| time.as_secs())
    }

    #[test]
    fn what_servers_say_is_understood() {
        let samples: &[(&str, u64)] = &[
            (
                "450 4.2.0 <ana@example.org>: Recipient address rejected: Greylisted, see http://postgrey.example/help/example.org.html",
                0,
            ),
            ("450 4.2.0 Recipient address rejected: Greylisted for 300 seconds", 300),
            ("451 4.7.1 Greylisting in action, please come back in 00:04:57", 297),
            ("451 4.7.1 Greylisting in action, please come back later (delayed by 00:05:00)", 300),
            ("450 4.7.1 Try again later: greylisted, retry in 5 minutes", 300),
            ("451 Please try again in 300 seconds.", 300),
            ("421 4.7.0 Too many messages. Please retry your message in about 5min", 300),
            ("451 4.7.650 The mail server has been temporarily rate limited. Retry after 1 hour", 3_600),
            ("452 4.3.1 wait 90s", 90),
            ("450-4.7.1 You have been greylisted.\n450 4.7.1 Try again in 10 minutes", 600),
        ];
        for (text, expected) in samples {
            assert_eq!(seconds(text), Some(*expected).filter(|n| *n > 0), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_to_come_back_is_none() {
        for text in [
            "550 5.7.1 blocked, try again in 300 seconds",
            "451 4.3.0 try again later",
            "451 try again in 1 second",
            "451 try again in 40 hours",
            "451 try again in 99999999999999999999 seconds",
            "421 4.7.0 300 connections per 60 seconds are allowed",
            "450 4.2.1 retry, ticket 300",
            "451 Your mail of 12:30 waits",
        ] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_said_the_time_is_bounded(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let text = format!("451 try again in {}", String::from_utf8_lossy(&bytes));
            if let Some(time) = retry_after(&Reply::from_text(&text, 0)) {
                prop_assert!((SHORTEST..=LONGEST).contains(&time));
            }
        }

        #[test]
        fn any_believable_number_is_read(n in 5u64..86_400) {
            prop_assert_eq!(seconds(&format!("450 4.7.1 Greylisted, try again in {n} seconds")), Some(n));
        }
    }
}

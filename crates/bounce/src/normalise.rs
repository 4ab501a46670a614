use std::net::IpAddr;

/// Enough to tell replies apart and to show.
const MAX_CHARS: usize = 300;
/// Shorter mixtures of letters and digits are codes that mean something: `S3150`, `TSS04`, `OFR_416`.
const MIN_ID_CHARS: usize = 8;
const MIN_NUMBER_DIGITS: usize = 4;

/// A reply's text without what differs from message to message (addresses, IPs, queue ids, times), so that equal
/// replies fall into one group.
#[must_use]
pub fn normalise(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(MAX_CHARS));
    for word in text.split_whitespace() {
        if out.len() >= MAX_CHARS {
            break;
        }
        if !out.is_empty() {
            out.push(' ');
        }
        push_word(&mut out, word);
    }
    if let Some((end, _)) = out.char_indices().nth(MAX_CHARS) {
        out.truncate(end);
    }
    out
}

/// Keeps the punctuation around a word and replaces its core.
fn push_word(out: &mut String, word: &str) {
    let around: &[char] = &['<', '>', '(', ')', '[', ']', '{', '}', '"', '\'', ',', ';', ':', '.', '!', '=', '#'];
    let core = word.trim_matches(around);
    let from = word.find(core).unwrap_or(0);
    let (before, after) = (&word[..from], &word[from + core.len()..]);
    out.push_str(before);
    if let Some((key, value)) = core.split_once('=').filter(|(key, _)| !key.contains("://")) {
        out.push_str(key);
        out.push('=');
        push_word(out, value);
    } else {
        out.push_str(stand_in(core));
    }
    out.push_str(after);
}

fn stand_in(core: &str) -> &str {
    let digits = core.bytes().filter(u8::is_ascii_digit).count();
    let letters = core.bytes().filter(u8::is_ascii_alphabetic).count();
    if let Some(at) = core.find("://") {
        // The path names the explanation, what follows "?" or "#" often the sender.
        return core[at..].find(['?', '#']).filter(|_| digits > 0).map_or(core, |end| &core[..at + end]);
    }
    if core.contains('@') {
        "<address>"
    } else if core.parse::<IpAddr>().is_ok() {
        "<ip>"
    } else if letters == 0 && digits >= MIN_NUMBER_DIGITS && !is_code(core) {
        "<number>"
    } else if core.len() >= MIN_ID_CHARS && letters > 0 && digits >= 2 && !core.contains(['(', ')', '/']) {
        if core.bytes().filter(|b| *b == b'.').count() >= 2 { "<host>" } else { "<id>" }
    } else {
        core
    }
}

/// `5.7.1`, `421-4.7.28`.
fn is_code(core: &str) -> bool {
    core.contains('.') && core.split(['.', '-']).all(|part| (1..=3).contains(&part.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_replaced_and_what_means_something_stays() {
        let same = |a: &str, b: &str| assert_eq!(normalise(a), b);
        same("550 5.1.1 <ana@example.org>: user unknown", "550 5.1.1 <<address>>: user unknown");
        same(
            "421 4.7.0 [TSS04] Messages from (100.100.100.100) temporarily",
            "421 4.7.0 [TSS04] Messages from (<ip>) temporarily",
        );
        same("Guidelines. b11si4410389ana.36 - gsmtp", "Guidelines. <id> - gsmtp");
        same("550 5.7.1 (S3150) queue 4F1xYz0Bz9c [2001:db8::1]", "550 5.7.1 (S3150) queue <id> [<ip>]");
        same("mta349.mail.mud.yahoo.com Resources 20260101", "<host> Resources <number>");
        same("see https://support.google.com/mail/?p=NoSuchUser", "see https://support.google.com/mail/?p=NoSuchUser");
        same("see https://x.example/e?ip=192.0.2.1", "see https://x.example/e");
        same("ip=192.0.2.1\n421-4.7.28  two", "ip=<ip> 421-4.7.28 two");
    }

    #[test]
    fn it_is_bounded_and_takes_anything() {
        assert!(normalise(&"é ".repeat(10_000)).chars().count() <= MAX_CHARS);
        assert_eq!(normalise(" \t\n"), "");
        assert_eq!(normalise("<<<>>> = == a= =b ://?"), "<<<>>> = == a= =b ://?");
    }
}

use std::sync::LazyLock;

use regex::{Regex, RegexBuilder};

use super::address::addresses;
use super::delivery_status::cut;

/// Octets of a notice that are read: what it has to say stands at its start.
const MAX_NOTICE_BYTES: usize = 16 * 1024;
/// Octets of text in which the returned original is looked for.
const MAX_SEARCHED_BYTES: usize = 64 * 1024;
const MAX_BLOCK_BYTES: usize = 2 * 1024;
const MAX_RECIPIENTS: usize = 50;
/// Before the address on the line that names a recipient.
const MAX_LEAD_BYTES: usize = 120;

/// Where a program begins to quote the message: a ruled line that says so, or the first field of its header.
static ORIGINAL: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?m)^[ \t]*(?:[-=_*#]{2,}.*(?:original|returned|unsent|undelivered|copy|forwarded|below this line|message (?:header|text|body|follows|content)|header|ursprüngliche|元の|原文|メッセージ|原邮件).*|(?:the )?(?:your )?original (?:message|mail)(?: headers?| text)?(?: follows?| is (?:attached|below|included).{0,30}| as follows)?[ \t]*[.:]?|message headers? follows?.{0,10}|(?:the )?(?:headers?|first \d+ lines|body|text) of (?:the|your) (?:original |returned )?(?:message|mail).*|(?:\S+ ){0,6}copy of (?:the|your) (?:original )?(?:message|mail).*|(?:Received|Return-Path|DKIM-Signature|X-Received|ARC-Seal|Message-ID|X-Originating-IP)[ \t]*:.*)\r?$",
    )
});

/// What stands before an address on a line that names a recipient.
static LEAD: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"^(?:[^\w\x80-\x{10ffff}]*|\W*(?:\d{1,3}[.):]|[45]\d\d[ -]\S{0,12})\W*|.*\b(?:to|for|recipients?|rcpt|address(?:es)?|user|mailbox|account|an|à|para|destinataire|destinatario|empfänger|failed|mail|name|宛先|宛)\W*)$"#,
    )
});

/// Lines about the sender or the message, not about a recipient.
static NOT_ABOUT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^\W*(?:message-?id|from|sender|received|reply-to|subject|x-|return-path|cc|sent|date|references|in-reply-to|mail from|(?:with|has) (?:the )?(?:message-?id|subject))\b",
    )
});

fn pattern(text: &str) -> Regex {
    RegexBuilder::new(text)
        .case_insensitive(true)
        .dfa_size_limit(crate::patterns::AUTOMATON_BYTES)
        .build()
        .expect("the pattern is part of the program and used by its tests")
}

/// The words of the notice, and the original that follows them in the same text, if it does.
pub(super) fn split(text: &str) -> (&str, Option<&str>) {
    let searched = cut(text, MAX_SEARCHED_BYTES);
    match ORIGINAL.find(searched).filter(|found| found.start() > 0) {
        Some(found) => {
            let rest = &text[found.start()..];
            let ruled =
                rest.trim_start().starts_with(|c: char| !c.is_ascii_alphabetic()) || !found.as_str().contains(':');
            let header = if ruled || found.as_str().trim_end().ends_with(':') { &text[found.end()..] } else { rest };
            (cut(&text[..found.start()], MAX_NOTICE_BYTES), Some(header.trim_start()))
        }
        None => (cut(text, MAX_NOTICE_BYTES), None),
    }
}

/// One recipient as a text names him.
pub(super) struct Named {
    pub address: Option<String>,
    /// The lines about him.
    pub words: String,
}

/// Where a notice's list of recipients begins; before it some repeat the header of the message.
static LIST: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?m)following (?:recipient|address|destination|user|person|e-?mail)[^\n]{0,60}:?[ \t]*\r?$")
});

/// Who a notice is about. `ours` are addresses that cannot be meant: the mail's own sender and receiver.
pub(super) fn named(notice: &str, ours: &[String]) -> Vec<Named> {
    let mut found = LIST.find(notice).map(|list| listed(&notice[list.end()..], ours)).unwrap_or_default();
    if found.is_empty() {
        found = listed(notice, ours);
    }
    if found.is_empty() {
        found.push(Named { address: mentioned(notice, ours), words: cut(notice, MAX_BLOCK_BYTES).trim().to_owned() });
    }
    found
}

fn listed(notice: &str, ours: &[String]) -> Vec<Named> {
    let mut found: Vec<Named> = Vec::new();
    let mut current = None;
    for line in notice.lines() {
        if let Some(address) = recipient_of(line, ours) {
            let known =
                found.iter().position(|n| n.address.as_deref().is_some_and(|a| a.eq_ignore_ascii_case(address)));
            if known.is_none() && found.len() < MAX_RECIPIENTS {
                found.push(Named { address: Some(address.to_owned()), words: String::new() });
            }
            current = known.or(Some(found.len() - 1));
        }
        if let Some(block) = current.map(|at| &mut found[at].words).filter(|words| words.len() < MAX_BLOCK_BYTES) {
            block.push_str(line.trim());
            block.push('\n');
        }
    }
    found
}

fn recipient_of<'a>(line: &'a str, ours: &[String]) -> Option<&'a str> {
    let (at, address) = addresses(line).find(|(_, a)| may_be_meant(a, ours))?;
    let lead = &line[..at];
    let names = lead.len() <= MAX_LEAD_BYTES && LEAD.is_match(lead) && !NOT_ABOUT.is_match(line);
    names.then_some(address)
}

fn mentioned(notice: &str, ours: &[String]) -> Option<String> {
    let lines = notice.lines().filter(|line| line.contains('@') && !NOT_ABOUT.is_match(line));
    let mut all = lines.flat_map(addresses).map(|(_, address)| address);
    all.find(|a| may_be_meant(a, ours)).map(str::to_owned)
}

fn may_be_meant(address: &str, ours: &[String]) -> bool {
    let local = address.split('@').next().unwrap_or_default();
    let daemon = ["mailer-daemon", "postmaster", "mail-daemon", "abuse", "support", "hostmaster"];
    !daemon.iter().any(|d| local.eq_ignore_ascii_case(d)) && !ours.iter().any(|o| o.eq_ignore_ascii_case(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_original_is_cut_off() {
        for mark in [
            "--- Below this line is a copy of the message.",
            "------ Original message ------",
            "Original message follows.",
        ] {
            let text = format!("<ana@example.org>:\nno such user\n\n{mark}\n\nReturn-Path: <x@y>\nSubject: s\n");
            let (notice, original) = split(&text);
            assert_eq!(notice.trim(), "<ana@example.org>:\nno such user");
            assert!(original.unwrap().starts_with("Return-Path"), "{original:?}");
        }
        let (notice, original) = split("it failed\nReceived: from x\n\tby y\n\nbody");
        assert_eq!((notice, original), ("it failed\n", Some("Received: from x\n\tby y\n\nbody")));
    }

    #[test]
    fn each_recipient_has_his_own_lines() {
        let ours = ["me@us.example".to_owned()];
        let text = "To me@us.example\n\n<a@x.example>:\nis full\n\n  b@x.example\n    550 unknown <b@x.example>\n";
        let found = named(text, &ours);
        let [a, b] = &found[..] else { panic!("{}", found.len()) };
        assert_eq!((a.address.as_deref(), a.words.as_str()), (Some("a@x.example"), "<a@x.example>:\nis full\n\n"));
        assert_eq!(b.address.as_deref(), Some("b@x.example"));
        assert!(b.words.contains("550 unknown"));
    }

    #[test]
    fn nobody_named_is_one_recipient_unknown() {
        let found = named("it failed\nFrom: x@y.example", &[]);
        assert_eq!((found.len(), found[0].address.as_deref()), (1, None));
    }
}

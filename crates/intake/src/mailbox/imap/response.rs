/// Lists within lists that are read; no list of ours has more than two.
const MAX_DEPTH: usize = 16;

/// A line of a server, with the literals in it, understood as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Response {
    /// `+`: go on.
    Continue,
    /// The end of a command.
    Tagged {
        tag: String,
        status: Status,
        words: Words,
    },
    Untagged {
        status: Status,
        words: Words,
    },
    Capability(Vec<String>),
    Exists(u32),
    Fetch(Mail),
    /// The name of a folder, as on the wire.
    Folder(String),
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Ok,
    No,
    Bad,
    Bye,
    PreAuth,
}

/// What stands behind a status: a code in brackets, and text for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Words {
    pub code: Option<String>,
    pub text: String,
}

/// What a FETCH tells about a mail.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Mail {
    pub uid: Option<u32>,
    pub octets: Option<u64>,
    pub deleted: bool,
    pub body: Option<Vec<u8>>,
}

/// Reads a response. `None` when it is none.
pub(super) fn parse(response: &[u8]) -> Option<Response> {
    let mut at = Cursor { octets: response };
    let tag = at.word()?;
    match tag.as_str() {
        "+" => Some(Response::Continue),
        "*" => untagged(&mut at),
        _ => {
            let status = status(&at.word()?)?;
            Some(Response::Tagged { tag, status, words: words(&at) })
        }
    }
}

/// How many octets the literal has that a line announces at its end (RFC 3501 §4.3).
pub(super) fn literal(line: &[u8]) -> Option<usize> {
    let inside = line.strip_suffix(b"}")?;
    let start = inside.iter().rposition(|octet| *octet == b'{')?;
    let digits = std::str::from_utf8(&inside[start + 1..]).ok()?;
    let is_number = (1..=20).contains(&digits.len()) && digits.bytes().all(|octet| octet.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(usize::MAX))
}

fn untagged(at: &mut Cursor) -> Option<Response> {
    let word = at.word()?;
    if let Ok(number) = word.parse::<u32>() {
        return match at.word()?.to_ascii_uppercase().as_str() {
            "EXISTS" => Some(Response::Exists(number)),
            "FETCH" => Some(Response::Fetch(mail(at)?)),
            _ => Some(Response::Other),
        };
    }
    if let Some(status) = status(&word) {
        return Some(Response::Untagged { status, words: words(at) });
    }
    Some(match word.to_ascii_uppercase().as_str() {
        "CAPABILITY" => Response::Capability(capabilities(&String::from_utf8_lossy(at.octets))),
        "LIST" => folder(at).map_or(Response::Other, Response::Folder),
        _ => Response::Other,
    })
}

pub(super) fn capabilities(text: &str) -> Vec<String> {
    text.split_ascii_whitespace().map(str::to_ascii_uppercase).collect()
}

fn status(word: &str) -> Option<Status> {
    match word.to_ascii_uppercase().as_str() {
        "OK" => Some(Status::Ok),
        "NO" => Some(Status::No),
        "BAD" => Some(Status::Bad),
        "BYE" => Some(Status::Bye),
        "PREAUTH" => Some(Status::PreAuth),
        _ => None,
    }
}

fn words(at: &Cursor) -> Words {
    let text = String::from_utf8_lossy(at.octets);
    let (code, text) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((code, text)) => (Some(code.to_owned()), text),
        None => (None, &*text),
    };
    Words { code, text: text.trim().to_owned() }
}

/// `(\HasNoChildren) "/" name`.
fn folder(at: &mut Cursor) -> Option<String> {
    at.skip_value()?;
    at.space();
    at.skip_value()?;
    at.space();
    Some(String::from_utf8_lossy(&at.string()?).into_owned())
}

fn mail(at: &mut Cursor) -> Option<Mail> {
    let mut mail = Mail::default();
    at.take(b'(')?;
    loop {
        at.space();
        if at.take(b')').is_some() {
            return Some(mail);
        }
        let name = at.item_name()?.to_ascii_uppercase();
        at.space();
        match name.as_str() {
            "UID" => mail.uid = Some(at.word_or_end()?.parse().ok()?),
            "RFC822.SIZE" => mail.octets = Some(at.word_or_end()?.parse().ok()?),
            "FLAGS" => mail.deleted = at.list()?.iter().any(|flag| flag.eq_ignore_ascii_case("\\Deleted")),
            name if name.starts_with("BODY[]") => mail.body = Some(at.string()?),
            _ => at.skip_value()?,
        }
    }
}

struct Cursor<'a> {
    octets: &'a [u8],
}

impl Cursor<'_> {
    fn take(&mut self, octet: u8) -> Option<()> {
        self.octets = self.octets.strip_prefix(&[octet])?;
        Some(())
    }

    fn space(&mut self) {
        while self.take(b' ').is_some() {}
    }

    /// Octets up to one of `ends`, at least one of them.
    fn until(&mut self, ends: &[u8]) -> Option<String> {
        let end = self.octets.iter().position(|octet| ends.contains(octet)).unwrap_or(self.octets.len());
        let (word, rest) = self.octets.split_at(end);
        self.octets = rest;
        (end > 0).then(|| String::from_utf8_lossy(word).into_owned())
    }

    /// A word, and the space behind it.
    fn word(&mut self) -> Option<String> {
        let word = self.until(b" \r\n")?;
        self.take(b' ');
        Some(word)
    }

    fn word_or_end(&mut self) -> Option<String> {
        self.until(b" ()\r\n")
    }

    /// The name of a FETCH item; what stands in brackets belongs to it.
    fn item_name(&mut self) -> Option<String> {
        let mut name = self.until(b" ([)\r\n")?;
        if self.octets.first() == Some(&b'[') {
            name.push_str(&self.until(b"]")?);
            name.push_str(&self.until(b" ()\r\n")?);
        }
        Some(name)
    }

    /// A quoted string, a literal, or an atom. NIL is empty.
    fn string(&mut self) -> Option<Vec<u8>> {
        match self.octets.first()? {
            b'"' => self.quoted(),
            b'{' => self.literal(),
            b'(' | b')' => None,
            _ => {
                let word = self.word_or_end()?;
                Some(if word.eq_ignore_ascii_case("NIL") { Vec::new() } else { word.into_bytes() })
            }
        }
    }

    fn quoted(&mut self) -> Option<Vec<u8>> {
        self.take(b'"')?;
        let mut text = Vec::new();
        loop {
            let (octet, rest) = self.octets.split_first()?;
            self.octets = rest;
            match octet {
                b'"' => return Some(text),
                b'\\' => {
                    let (escaped, rest) = rest.split_first()?;
                    self.octets = rest;
                    text.push(*escaped);
                }
                _ => text.push(*octet),
            }
        }
    }

    fn literal(&mut self) -> Option<Vec<u8>> {
        let end = self.octets.iter().position(|octet| *octet == b'}')?;
        let count = literal(&self.octets[..=end])?;
        let rest = self.octets[end + 1..].strip_prefix(b"\r\n")?;
        let (text, rest) = rest.split_at_checked(count)?;
        self.octets = rest;
        Some(text.to_vec())
    }

    /// The atoms of a list without lists in it.
    fn list(&mut self) -> Option<Vec<String>> {
        self.take(b'(')?;
        let mut words = Vec::new();
        loop {
            self.space();
            if self.take(b')').is_some() {
                return Some(words);
            }
            words.push(String::from_utf8_lossy(&self.string()?).into_owned());
        }
    }

    /// Steps over a value of any kind, without recursion: a server could nest lists until the stack is full.
    fn skip_value(&mut self) -> Option<()> {
        let mut depth = 0;
        loop {
            self.space();
            if self.take(b'(').is_some() {
                depth += 1;
            } else if depth > 0 && self.take(b')').is_some() {
                depth -= 1;
            } else {
                self.string()?;
            }
            match depth {
                0 => return Some(()),
                1..=MAX_DEPTH => {}
                _ => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(response: &str, expected: Option<Response>) {
        assert_eq!(parse(response.as_bytes()), expected, "{response}");
    }

    fn words(code: Option<&str>, text: &str) -> Words {
        Words { code: code.map(str::to_owned), text: text.to_owned() }
    }

    #[test]
    fn responses_are_read_as_far_as_they_matter() {
        check("+ ", Some(Response::Continue));
        check("* 23 EXISTS", Some(Response::Exists(23)));
        check("* 2 EXPUNGE", Some(Response::Other));
        check("* CAPABILITY IMAP4rev1 Move", Some(Response::Capability(vec!["IMAP4REV1".into(), "MOVE".into()])));
        let (status, tag) = (Status::Ok, "a1".to_owned());
        let untagged = Response::Untagged { status, words: words(Some("UIDVALIDITY 17"), "valid") };
        check("* OK [UIDVALIDITY 17] valid", Some(untagged));
        check("a1 ok done", Some(Response::Tagged { tag, status, words: words(None, "done") }));
        check("* LIST (\\HasNoChildren) \"/\" \"a \\\"b\"", Some(Response::Folder("a \"b".into())));
        check("* LIST () NIL {3}\r\nabc", Some(Response::Folder("abc".into())));
    }

    #[test]
    fn a_fetch_tells_of_a_mail_in_any_order() {
        let mail = |uid, octets, deleted, body: Option<&str>| {
            Some(Response::Fetch(Mail { uid, octets, deleted, body: body.map(|b| b.as_bytes().to_vec()) }))
        };
        check("* 1 FETCH (UID 5 FLAGS (\\Seen \\Deleted) RFC822.SIZE 99)", mail(Some(5), Some(99), true, None));
        check("* 1 FETCH (BODY[]<0> {5}\r\na)(\r\n UID 6)", mail(Some(6), None, false, Some("a)(\r\n")));
        check("* 1 FETCH (BODY[] \"x\\\"\" UID 6)", mail(Some(6), None, false, Some("x\"")));
        check("* 1 FETCH (BODY[] NIL)", mail(None, None, false, Some("")));
        check(
            "* 1 FETCH (ENVELOPE (NIL (((\"a\" NIL)) {1}\r\n)) x) BODY[HEADER.FIELDS (A B)] \"\" UID 1)",
            mail(Some(1), None, false, None),
        );
        check("* 1 FETCH ()", mail(None, None, false, None));
    }

    #[test]
    fn what_is_no_response_is_none() {
        let deep = format!("* 1 FETCH (X {}", "(".repeat(1_000_000));
        for garbage in [
            "",
            " ",
            "*",
            "* ",
            "HTTP/1.1 400 Bad Request",
            "* 1 FETCH",
            "* 1 FETCH (UID x)",
            "* 1 FETCH (UID 1",
            &deep,
        ] {
            check(garbage, None);
        }
        for short in ["* 1 FETCH (BODY[] {9}\r\nshort)", "* 1 FETCH (BODY[] {x}\r\n)", "* 1 FETCH (BODY[] \"open)"] {
            check(short, None);
        }
    }

    #[test]
    fn a_literal_is_announced_at_the_end_of_a_line() {
        assert_eq!(literal(b"* 1 FETCH (BODY[] {1234}"), Some(1234));
        assert_eq!(literal(b"{99999999999999999999}"), Some(usize::MAX));
        for none in [&b"{}"[..], b"{12", b"12}", b"{-1}", b"{1+}", b"{ 1}", b"{000000000000000000001}"] {
            assert_eq!(literal(none), None);
        }
    }

    proptest! {
        #[test]
        fn no_octets_stop_the_parser(octets in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&octets);
            let _ = parse(&[b"* 1 FETCH (", &octets[..]].concat());
            let _ = literal(&octets);
        }

        #[test]
        fn no_pieces_of_responses_stop_the_parser(
            pieces in prop::collection::vec(
                prop::sample::select(vec!["* ", "1 ", "FETCH ", "(", ")", "\"", "\\", "{3}\r\n", "BODY[", "]", "NIL", "UID ", "abc", " ", "[", "OK "]),
                0..30,
            ),
        ) {
            let _ = parse(pieces.concat().as_bytes());
        }

        #[test]
        fn any_body_comes_through_as_it_is(body in prop::collection::vec(any::<u8>(), 0..200), uid in 1..u32::MAX) {
            let head = format!("* 7 FETCH (UID {uid} BODY[]<0> {{{}}}\r\n", body.len());
            let response = [head.as_bytes(), &body, b")"].concat();
            prop_assert_eq!(
                parse(&response),
                Some(Response::Fetch(Mail { uid: Some(uid), octets: None, deleted: false, body: Some(body) }))
            );
        }
    }
}

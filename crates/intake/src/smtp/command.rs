use super::Refused;
use super::path::{self, Path};

/// One command line of a client, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command<'a> {
    Ehlo,
    Helo,
    Mail { from: &'a str, size: u64, utf8: bool },
    Rcpt { to: Path<'a> },
    Data,
    Rset,
    Noop,
    Vrfy,
    Help,
    Quit,
    StartTls,
}

impl<'a> Command<'a> {
    /// Reads a line without its CRLF.
    ///
    /// # Errors
    /// What to answer to a line that is no command of ours.
    pub fn parse(line: &'a [u8]) -> Result<Self, Refused> {
        let line = std::str::from_utf8(line).map_err(|_| Refused::UnknownCommand)?;
        if line.contains(|c: char| c.is_control() && c != '\t') {
            return Err(Refused::Argument);
        }
        let (verb, rest) = line.split_at(line.find([' ', '\t']).unwrap_or(line.len()));
        let argument = rest.trim_matches([' ', '\t']);
        let verb = verb.to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" if !argument.is_empty() => Ok(Self::Ehlo),
            "HELO" if !argument.is_empty() => Ok(Self::Helo),
            "EHLO" | "HELO" => Err(Refused::Argument),
            "MAIL" => mail(argument),
            "RCPT" => rcpt(argument),
            "NOOP" => Ok(Self::Noop),
            "VRFY" => Ok(Self::Vrfy),
            "HELP" => Ok(Self::Help),
            "DATA" => alone(argument, Self::Data),
            "RSET" => alone(argument, Self::Rset),
            "QUIT" => alone(argument, Self::Quit),
            "STARTTLS" => alone(argument, Self::StartTls),
            // What follows BDAT is no command but a chunk (RFC 3030); a browser's POST carries whatever its page likes.
            "BDAT" | "GET" | "POST" | "PUT" | "HEAD" | "OPTIONS" | "CONNECT" => Err(Refused::NotSmtp),
            _ => Err(Refused::UnknownCommand),
        }
    }
}

fn alone<'a>(argument: &str, command: Command<'a>) -> Result<Command<'a>, Refused> {
    if argument.is_empty() { Ok(command) } else { Err(Refused::Argument) }
}

fn mail(argument: &str) -> Result<Command<'_>, Refused> {
    let (path, parameters) = path_after("FROM:", argument).ok_or(Refused::SenderSyntax)?;
    let (mut size, mut utf8) = (0, false);
    for (key, value) in parameters.split_ascii_whitespace().map(parameter) {
        match (key.to_ascii_uppercase().as_str(), value) {
            ("SIZE", Some(octets)) => size = number(octets)?,
            ("BODY", Some(body)) if ["7BIT", "8BITMIME"].iter().any(|known| body.eq_ignore_ascii_case(known)) => {}
            ("SMTPUTF8", None) => utf8 = true,
            // Of use to who sends on (RFC 3461, RFC 4954); we send nothing on.
            ("RET" | "ENVID" | "AUTH", Some(_)) => {}
            _ => return Err(Refused::Parameter),
        }
    }
    if !path.text.is_ascii() && !utf8 {
        return Err(Refused::NotAscii);
    }
    Ok(Command::Mail { from: path.text, size, utf8 })
}

fn rcpt(argument: &str) -> Result<Command<'_>, Refused> {
    let (path, parameters) = path_after("TO:", argument).ok_or(Refused::RecipientSyntax)?;
    if path.text.is_empty() {
        return Err(Refused::RecipientSyntax);
    }
    for (key, value) in parameters.split_ascii_whitespace().map(parameter) {
        match (key.to_ascii_uppercase().as_str(), value) {
            ("NOTIFY" | "ORCPT", Some(_)) => {}
            _ => return Err(Refused::Parameter),
        }
    }
    Ok(Command::Rcpt { to: path })
}

/// The path behind `FROM:` or `TO:`, and the parameters behind it. Many clients write a space after the colon.
fn path_after<'a>(keyword: &str, argument: &'a str) -> Option<(Path<'a>, &'a str)> {
    let (start, rest) = argument.split_at_checked(keyword.len())?;
    if !start.eq_ignore_ascii_case(keyword) {
        return None;
    }
    let (path, parameters) = path::parse(rest.trim_start_matches([' ', '\t']))?;
    (parameters.is_empty() || parameters.starts_with([' ', '\t'])).then_some((path, parameters))
}

fn parameter(text: &str) -> (&str, Option<&str>) {
    text.split_once('=').map_or((text, None), |(key, value)| (key, Some(value)))
}

/// RFC 1870 §3: up to twenty digits. More than fits is too large, whatever it is.
fn number(digits: &str) -> Result<u64, Refused> {
    if digits.is_empty() || digits.len() > 20 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Refused::Argument);
    }
    Ok(digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(line: &str, expected: Result<Command, Refused>) {
        assert_eq!(Command::parse(line.as_bytes()), expected, "{line}");
    }

    fn mail(from: &str, size: u64, utf8: bool) -> Result<Command<'_>, Refused> {
        Ok(Command::Mail { from, size, utf8 })
    }

    #[test]
    fn commands_are_read_in_any_case_with_their_parameters() {
        check("ehlo mx.example", Ok(Command::Ehlo));
        check("HELO x", Ok(Command::Helo));
        check("Data", Ok(Command::Data));
        check("QUIT ", Ok(Command::Quit));
        check("NOOP whatever", Ok(Command::Noop));
        check("MAIL FROM:<>", mail("", 0, false));
        check("mail from: <a@b.example> size=1000 body=8bitmime", mail("a@b.example", 1000, false));
        check("MAIL FROM:<ä@b.example> SMTPUTF8 RET=HDRS ENVID=x", mail("ä@b.example", 0, true));
        check("MAIL FROM:<a@b> SIZE=99999999999999999999", mail("a@b", u64::MAX, false));
        let to = Path { text: "b-1@bounce.example", is_routed: false };
        check("RCPT TO:<b-1@bounce.example> NOTIFY=NEVER ORCPT=rfc822;x", Ok(Command::Rcpt { to }));
    }

    #[test]
    fn what_is_no_command_says_what_is_wrong() {
        for (line, why) in [
            ("", Refused::UnknownCommand),
            ("EHLO", Refused::Argument),
            ("DATA now", Refused::Argument),
            ("MAIL", Refused::SenderSyntax),
            ("MAIL FROM:a@b", Refused::SenderSyntax),
            ("MAIL TO:<a@b>", Refused::SenderSyntax),
            ("MAIL FROM:<a@b>SIZE=1", Refused::SenderSyntax),
            ("MAIL FROM:<a@b> SIZE=", Refused::Argument),
            ("MAIL FROM:<a@b> SIZE=-1", Refused::Argument),
            ("MAIL FROM:<a@b> BODY=BINARYMIME", Refused::Parameter),
            ("MAIL FROM:<a@b> X=1", Refused::Parameter),
            ("MAIL FROM:<ä@b>", Refused::NotAscii),
            ("RCPT TO:<>", Refused::RecipientSyntax),
            ("RCPT TO:a@b", Refused::RecipientSyntax),
            ("RCPT TO:<a@b> SIZE=1", Refused::Parameter),
            ("NOOP \0", Refused::Argument),
            ("BDAT 5 LAST", Refused::NotSmtp),
            ("POST / HTTP/1.1", Refused::NotSmtp),
            ("TURN", Refused::UnknownCommand),
            ("EXPN x", Refused::UnknownCommand),
        ] {
            check(line, Err(why));
        }
        assert_eq!(Command::parse(b"MAIL FROM:<\xff@b>"), Err(Refused::UnknownCommand));
    }

    proptest! {
        #[test]
        fn no_line_stops_the_parser(line in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Command::parse(&line);
        }

        #[test]
        fn what_is_read_has_no_octet_that_could_end_a_line(
            verb in "(?i:MAIL FROM:|RCPT TO:)[ <]{0,2}", rest in "\\PC{0,60}>?[ A-Z=0-9\\n\\r\\x00]{0,20}",
        ) {
            if let Ok(Command::Mail { from: text, .. } | Command::Rcpt { to: Path { text, .. } }) =
                Command::parse(format!("{verb}{rest}").as_bytes())
            {
                prop_assert!(!text.contains(char::is_control));
            }
        }
    }
}

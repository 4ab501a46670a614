/// One command of a client, understood.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    Ehlo(String),
    Helo(String),
    Mail(Path),
    Rcpt(Path),
    Data,
    Rset,
    Noop,
    Vrfy,
    StartTls,
    Quit,
    /// A known command with an argument that is none.
    BadArgument,
    Unknown,
}

/// What stands between angle brackets, and the parameters after it.
#[derive(Debug, PartialEq, Eq)]
pub struct Path {
    pub address: String,
    pub parameters: Vec<String>,
}

impl Command {
    pub fn parse(line: &str) -> Self {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.trim();
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" if !rest.is_empty() => Self::Ehlo(rest.to_owned()),
            "HELO" if !rest.is_empty() => Self::Helo(rest.to_owned()),
            "MAIL" => path(rest, "FROM:").map_or(Self::BadArgument, Self::Mail),
            "RCPT" => path(rest, "TO:").filter(|p| !p.address.is_empty()).map_or(Self::BadArgument, Self::Rcpt),
            "DATA" if rest.is_empty() => Self::Data,
            "RSET" if rest.is_empty() => Self::Rset,
            "STARTTLS" if rest.is_empty() => Self::StartTls,
            "QUIT" if rest.is_empty() => Self::Quit,
            "NOOP" => Self::Noop,
            "VRFY" => Self::Vrfy,
            "EHLO" | "HELO" | "DATA" | "RSET" | "STARTTLS" | "QUIT" => Self::BadArgument,
            _ => Self::Unknown,
        }
    }
}

/// `FROM:<address> PARAMETER…` (RFC 5321 §4.1.2: no space after the colon).
fn path(text: &str, word: &str) -> Option<Path> {
    let after = text.get(..word.len()).filter(|w| w.eq_ignore_ascii_case(word)).map(|_| &text[word.len()..])?;
    let (address, rest) = after.strip_prefix('<')?.split_once('>')?;
    let bad =
        address.chars().any(|c| c.is_control() || c == ' ' || c == '<') || !(rest.is_empty() || rest.starts_with(' '));
    let parameters = rest.split_ascii_whitespace().map(str::to_ascii_uppercase).collect();
    (!bad).then(|| Path { address: address.to_owned(), parameters })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_strictly() {
        let mail = |address: &str, parameters: &[&str]| {
            Command::Mail(Path {
                address: address.into(),
                parameters: parameters.iter().map(|p| (*p).into()).collect(),
            })
        };
        for (line, expected) in [
            ("mail from:<>", mail("", &[])),
            ("MAIL FROM:<a@b.example> size=17 SMTPUTF8", mail("a@b.example", &["SIZE=17", "SMTPUTF8"])),
            ("MAIL FROM: <a@b.example>", Command::BadArgument),
            ("MAIL FROM:a@b.example", Command::BadArgument),
            ("MAIL FROM:<a@b.example>SIZE=1", Command::BadArgument),
            ("RCPT TO:<>", Command::BadArgument),
            ("RCPT TO:<a b@x.example>", Command::BadArgument),
            ("RCPT TÖ:<a@x.example>", Command::BadArgument),
            ("DATA now", Command::BadArgument),
            ("EHLO", Command::BadArgument),
            ("ehlo me", Command::Ehlo("me".into())),
            ("BDAT 3", Command::Unknown),
            ("", Command::Unknown),
        ] {
            assert_eq!(Command::parse(line), expected, "{line:?}");
        }
    }
}

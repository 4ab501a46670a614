use std::fmt;

/// A server's reply (RFC 5321 §4.2), every line kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// 200 to 599.
    pub code: u16,
    /// The last enhanced code among the lines: of a multi-line reply the last line decides.
    pub enhanced: Option<EnhancedCode>,
    /// The text of each line, without the reply code and its separator.
    pub lines: Vec<String>,
}

/// The first digit's meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyClass {
    /// 2yz
    Positive,
    /// 3yz
    Intermediate,
    /// 4yz
    Transient,
    /// 5yz
    Permanent,
}

impl Reply {
    /// A reply whose lines are already freed of code and separator.
    #[must_use]
    pub fn new(code: u16, lines: Vec<String>) -> Self {
        let enhanced = lines.iter().rev().find_map(|line| EnhancedCode::parse_prefix(line));
        Self { code, enhanced, lines }
    }

    /// Reads a reply from text such as `550-5.1.1 no such\n550 5.1.1 user`. Text without codes becomes a reply with
    /// `default_code`.
    #[must_use]
    pub fn from_text(text: &str, default_code: u16) -> Self {
        let mut code = default_code;
        let mut lines = Vec::new();
        for line in text.lines() {
            let (digits, rest) = line.split_at_checked(3).unwrap_or((line, ""));
            match digits.parse::<u16>() {
                Ok(c) if (200..600).contains(&c) && (rest.is_empty() || rest.starts_with([' ', '-'])) => {
                    code = c;
                    lines.push(rest.get(1..).unwrap_or("").to_owned());
                }
                _ => lines.push(line.to_owned()),
            }
        }
        Self::new(code, lines)
    }

    #[must_use]
    pub const fn class(&self) -> ReplyClass {
        match self.code {
            ..300 => ReplyClass::Positive,
            300..400 => ReplyClass::Intermediate,
            400..500 => ReplyClass::Transient,
            _ => ReplyClass::Permanent,
        }
    }

    #[must_use]
    pub const fn is_positive(&self) -> bool {
        matches!(self.class(), ReplyClass::Positive)
    }

    /// The lines joined by one space, without codes: what rules match against.
    #[must_use]
    pub fn text(&self) -> String {
        self.lines.join(" ")
    }
}

/// As it came over the wire, lines separated by `\n`.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((last, first)) = self.lines.split_last() else {
            return write!(f, "{}", self.code);
        };
        for line in first {
            writeln!(f, "{}-{}", self.code, line)?;
        }
        write!(f, "{} {}", self.code, last)
    }
}

/// class.subject.detail (RFC 3463).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EnhancedCode {
    /// 2, 4 or 5
    pub class: u8,
    pub subject: u16,
    pub detail: u16,
}

impl EnhancedCode {
    /// The code at the start of a line's text, if the first word is one.
    #[must_use]
    pub fn parse_prefix(line: &str) -> Option<Self> {
        let word = line.trim_start().split(|c: char| c.is_whitespace() || c == ':' || c == ';').next()?;
        Self::parse(word)
    }

    /// Exactly `d.ddd.ddd`.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let mut parts = word.split('.');
        let mut number = |max_digits: usize| {
            let part = parts.next()?;
            let good = !part.is_empty() && part.len() <= max_digits && part.bytes().all(|b| b.is_ascii_digit());
            good.then(|| part.parse::<u16>().ok())?
        };
        let (class, subject, detail) = (number(1)?, number(3)?, number(3)?);
        let class = u8::try_from(class).ok().filter(|c| matches!(c, 2 | 4 | 5))?;
        parts.next().is_none().then_some(Self { class, subject, detail })
    }
}

impl fmt::Display for EnhancedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_decides_and_nothing_is_lost() {
        let wire = "550-5.7.1 policy\n550-more\n550 5.1.1 no such user";
        let reply = Reply::from_text(wire, 0);
        assert_eq!(reply.code, 550);
        assert_eq!(reply.enhanced, EnhancedCode::parse("5.1.1"));
        assert_eq!(reply.to_string(), wire);
    }

    #[test]
    fn only_real_enhanced_codes_count() {
        for not_one in ["1.2.3", "5.1", "5.1.1.1", "5.1234.1", "a.b.c", "5..1", "10.1.1"] {
            assert_eq!(EnhancedCode::parse(not_one), None, "{not_one}");
        }
        assert_eq!(EnhancedCode::parse_prefix("4.7.28: slow").map(|c| c.to_string()), Some("4.7.28".into()));
    }

    #[test]
    fn text_without_codes_is_kept() {
        let reply = Reply::from_text("mailbox is sad", 550);
        assert_eq!((reply.code, reply.text().as_str()), (550, "mailbox is sad"));
    }
}

use tidings_domain::Reply;

/// What the peer offered in its EHLO reply, as far as we use it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Capabilities {
    /// What it calls itself; empty when it did not say.
    pub name: String,
    /// RFC 2920
    pub pipelining: bool,
    /// RFC 6152
    pub eight_bit_mime: bool,
    /// RFC 6531
    pub smtputf8: bool,
    /// RFC 3207
    pub starttls: bool,
    /// RFC 1870: offered, and the most octets when it names a limit.
    pub size: bool,
    pub max_octets: Option<u64>,
    /// RFC 4954
    pub auth_plain: bool,
    pub auth_login: bool,
}

impl Capabilities {
    /// The first line of the reply is the peer's name, each further one a keyword with its parameters.
    pub fn parse(reply: &Reply) -> Self {
        let name = reply.lines.first().and_then(|line| line.split_whitespace().next()).unwrap_or_default();
        let mut found = Self { name: name.to_owned(), ..Self::default() };
        for line in reply.lines.iter().skip(1) {
            found.add(line);
        }
        found
    }

    fn add(&mut self, line: &str) {
        // "AUTH=PLAIN" is an old form that some servers send beside the right one.
        let mut words = line.split([' ', '\t', '=']).filter(|word| !word.is_empty());
        match words.next().unwrap_or_default().to_ascii_uppercase().as_str() {
            "PIPELINING" => self.pipelining = true,
            "8BITMIME" => self.eight_bit_mime = true,
            "SMTPUTF8" => self.smtputf8 = true,
            "STARTTLS" => self.starttls = true,
            "SIZE" => {
                self.size = true;
                self.max_octets = words.next().and_then(|n| n.parse().ok()).filter(|n| *n > 0);
            }
            "AUTH" => {
                for mechanism in words {
                    self.auth_plain |= mechanism.eq_ignore_ascii_case("PLAIN");
                    self.auth_login |= mechanism.eq_ignore_ascii_case("LOGIN");
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_in_any_case_and_order() {
        let lines = ["mx.example", "pipelining", "SIZE 1000", "8BITMIME", "AUTH=LOGIN", "AUTH CRAM-MD5 PLAIN", "X-NEW"];
        let found = Capabilities::parse(&Reply::new(250, lines.map(str::to_owned).to_vec()));
        let expected = Capabilities {
            name: "mx.example".to_owned(),
            pipelining: true,
            eight_bit_mime: true,
            size: true,
            max_octets: Some(1000),
            auth_plain: true,
            auth_login: true,
            ..Capabilities::default()
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn the_greeting_line_offers_nothing_and_size_zero_is_no_limit() {
        let found = Capabilities::parse(&Reply::new(250, vec!["PIPELINING".into(), "SIZE 0".into()]));
        assert_eq!(found, Capabilities { name: "PIPELINING".into(), size: true, ..Capabilities::default() });
    }
}

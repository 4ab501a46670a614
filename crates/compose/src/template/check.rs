use std::fmt::Write;

use super::pieces::{Piece, TagKind, pieces};
use super::tokens::{Kind, Token, tokens};
use super::{Complaint, filters};

/// Words a block may begin with.
const BLOCKS: [&str; 6] = ["if", "elif", "else", "endif", "for", "endfor"];
/// Words that may stand beside a name.
const CONNECTIVES: [&str; 10] = ["and", "or", "not", "in", "is", "if", "elif", "else", "for", "true"];
/// `~`, `+`, `*` could grow text without bound; nothing in a message needs them.
const SIGNS: &str = ".,|()[]<>=!-:";

/// The engine reads a tag and what stands between blocks recursively; these keep it far from the end of any stack.
const MAX_TAG_TOKENS: usize = 200;
const MAX_OPEN_BLOCKS: usize = 40;

/// The filters on offer, for a person to read.
struct FilterNames;

impl std::fmt::Display for FilterNames {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&filters::NAMES.join(", "))
    }
}

/// Checks every tag against the lists and returns the template as the engine reads it: fallbacks in Liquid's spelling
/// (`default: "there"`) in Jinja's, typographic quotation marks straight, entities in tags decoded, `{#` as text.
/// Preparing what was prepared changes nothing.
///
/// # Errors
/// Every tag that is not allowed, with its line.
pub(crate) fn prepare(source: &str) -> Result<String, Vec<Complaint>> {
    let found = pieces(source).map_err(|complaint| vec![complaint])?;
    let mut prepared = String::with_capacity(source.len() + 64);
    let mut complaints = Vec::new();
    let mut nesting = Nesting::default();
    for piece in found {
        match piece {
            Piece::Text(text) => push_text(&mut prepared, text),
            Piece::Tag { kind, source, line } => match prepare_tag(kind, source) {
                Ok(tag) => {
                    nesting.pass(kind, &tag);
                    prepared.push_str(&tag);
                }
                Err(message) => complaints.push(Complaint::new(line, message)),
            },
        }
        if nesting.open > MAX_OPEN_BLOCKS {
            let line = if let Piece::Tag { line, .. } = piece { line } else { 1 };
            return Err(vec![Complaint::new(
                line,
                format!("more than {MAX_OPEN_BLOCKS} blocks are open here, one in another."),
            )]);
        }
    }
    if complaints.is_empty() { Ok(prepared) } else { Err(complaints) }
}

/// How deep the blocks lie. To the engine an `elif` is an `if` in an `else`: it stays open until the `endif`.
#[derive(Default)]
struct Nesting {
    open: usize,
    branches: Vec<usize>,
}

impl Nesting {
    fn pass(&mut self, kind: TagKind, tag: &str) {
        if kind == TagKind::Print {
            return;
        }
        let first = tag.trim_start_matches(['{', '%', '-', ' ', '\t', '\r', '\n']);
        if first.starts_with("end") {
            self.open -= self.branches.pop().unwrap_or(0);
        } else if first.starts_with("elif") {
            let Some(branches) = self.branches.last_mut() else { return };
            *branches += 1;
            self.open += 1;
        } else if !first.starts_with("else") {
            self.open += 1;
            self.branches.push(1);
        }
    }
}

fn push_text(prepared: &mut String, text: &str) {
    for (number, part) in text.split("{#").enumerate() {
        if number > 0 {
            prepared.push_str("{{ \"{#\" }}");
        }
        prepared.push_str(part);
    }
}

fn prepare_tag(kind: TagKind, source: &str) -> Result<String, String> {
    let (open, inner, close) = (&source[..2], &source[2..source.len() - 2], &source[source.len() - 2..]);
    let inner = straighten(&crate::entities::decode(inner));
    let inner = jinja_arguments(&inner);
    let words = tokens(&inner);
    let tag = Tag { kind, inner: &inner, words: &words };
    tag.check()?;
    Ok(format!("{open}{inner}{close}"))
}

/// Word processors turn quotation marks and spaces into typographic ones, and editors keep them in tags.
fn straighten(inner: &str) -> String {
    let mut straight = String::with_capacity(inner.len());
    let mut quote = None;
    for character in inner.chars() {
        match (quote, character) {
            (None, '“' | '”' | '„') => {
                quote = Some('”');
                straight.push('"');
            }
            (Some('”'), '“' | '”') => {
                quote = None;
                straight.push('"');
            }
            (None, '\u{a0}') => straight.push(' '),
            (None, '"' | '\'') => {
                quote = Some(character);
                straight.push(character);
            }
            (Some(open), _) if open == character => {
                quote = None;
                straight.push(character);
            }
            _ => straight.push(character),
        }
    }
    straight
}

/// `| default: "there"` becomes `| default("there")`.
fn jinja_arguments(inner: &str) -> String {
    let words = tokens(inner);
    let mut out = String::with_capacity(inner.len() + 2);
    let mut copied = 0;
    for window in words.windows(4) {
        let [pipe, name, colon, argument] = window else { continue };
        let is_call = pipe.kind == Kind::Sign('|')
            && filters::NAMES.contains(&&inner[name.at.clone()])
            && colon.kind == Kind::Sign(':')
            && matches!(argument.kind, Kind::Quoted | Kind::Number | Kind::Name);
        if is_call {
            out.push_str(&inner[copied..name.at.end]);
            // Writing to a String cannot fail.
            let _ = write!(out, "({})", &inner[argument.at.clone()]);
            copied = argument.at.end;
        }
    }
    out.push_str(&inner[copied..]);
    out
}

struct Tag<'a> {
    kind: TagKind,
    inner: &'a str,
    words: &'a [Token],
}

impl Tag<'_> {
    fn check(&self) -> Result<(), String> {
        let shown = self.shown();
        if self.words.is_empty() {
            return Err(format!("the tag “{shown}” is empty. Write a field's name in it, as in {{{{ first_name }}}}."));
        }
        if self.words.len() > MAX_TAG_TOKENS {
            return Err(format!("this tag has more than {MAX_TAG_TOKENS} words and signs."));
        }
        self.check_block()?;
        for (position, word) in self.words.iter().enumerate() {
            match word.kind {
                Kind::Sign(sign) => self.check_sign(position, sign)?,
                Kind::Name => self.check_name(position)?,
                Kind::Quoted | Kind::Number => {}
            }
        }
        Ok(())
    }

    fn check_block(&self) -> Result<(), String> {
        if self.kind == TagKind::Print {
            return Ok(());
        }
        let first = self.text(self.words.iter().position(|w| w.kind != Kind::Sign('-')).unwrap_or(0));
        if BLOCKS.contains(&first) {
            return Ok(());
        }
        Err(format!("“{{% {first} … %}}” is not available here. Blocks can be {}.", BLOCKS.join(", ")))
    }

    fn check_sign(&self, position: usize, sign: char) -> Result<(), String> {
        match sign {
            '(' if !self.is_argument_list(position) => {
                Err(format!("“{}” calls a function, and there are none in messages.", self.shown()))
            }
            ',' if !(self.is_constant(position - position.min(1)) && self.is_constant(position + 1)) => {
                Err(format!("a comma in “{}” can stand only between texts and numbers.", self.shown()))
            }
            '"' | '\'' => Err(format!("a quotation mark in “{}” has no partner.", self.shown())),
            sign if SIGNS.contains(sign) => Ok(()),
            sign => Err(format!("the sign “{sign}” cannot be used in a tag, as in “{}”.", self.shown())),
        }
    }

    fn check_name(&self, position: usize) -> Result<(), String> {
        let name = self.text(position);
        if self.is_filter(position) {
            if filters::NAMES.contains(&name) {
                return Ok(());
            }
            return Err(format!("there is no filter “{name}”. There are: {FilterNames}."));
        }
        if self.is_test(position) {
            if filters::TESTS.contains(&name) {
                return Ok(());
            }
            return Err(format!("there is no test “is {name}”. There are: {}.", filters::TESTS.join(", ")));
        }
        let next_is_name = self.words.get(position + 1).is_some_and(|w| w.kind == Kind::Name);
        if next_is_name && !CONNECTIVES.contains(&name) && !CONNECTIVES.contains(&self.text(position + 1)) {
            let second = self.text(position + 1);
            return Err(format!(
                "“{name} {second}” is two words. A field's name is one word, like {name}_{second}, or write attributes[\"{name} {second}\"]."
            ));
        }
        Ok(())
    }

    /// After a filter, a test, or where a bracket only groups.
    fn is_argument_list(&self, position: usize) -> bool {
        let Some(before) = position.checked_sub(1) else { return true };
        match self.words[before].kind {
            Kind::Name => self.is_filter(before) || self.is_test(before) || CONNECTIVES.contains(&self.text(before)),
            Kind::Sign(')' | ']') | Kind::Quoted | Kind::Number => false,
            Kind::Sign(_) => true,
        }
    }

    /// A list of fields, in a list, in a list, doubles with every level: the fields stay out of lists.
    fn is_constant(&self, position: usize) -> bool {
        let kind = self.words.get(position).map(|word| word.kind);
        matches!(kind, Some(Kind::Quoted | Kind::Number | Kind::Sign('[' | ']' | '-')))
            || matches!(self.text(position), "true" | "false")
    }

    fn is_filter(&self, position: usize) -> bool {
        position > 0 && self.words[position - 1].kind == Kind::Sign('|')
    }

    fn is_test(&self, position: usize) -> bool {
        let before = |n: usize| position.checked_sub(n).map(|p| self.text(p));
        let negated = before(1) == Some("not") && before(2) == Some("is");
        (before(1) == Some("is") && self.text(position) != "not") || negated
    }

    fn text(&self, position: usize) -> &str {
        self.words.get(position).map_or("", |word| &self.inner[word.at.clone()])
    }

    fn shown(&self) -> String {
        match self.kind {
            TagKind::Print => format!("{{{{{}}}}}", self.inner),
            TagKind::Block => format!("{{%{}%}}", self.inner),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, expected: &str) {
        let prepared = prepare(source);
        assert_eq!(prepared.as_deref(), Ok(expected), "{source}");
        assert_eq!(prepare(expected).as_deref(), Ok(expected), "again: {source}");
    }

    fn refuse(source: &str, part: &str) {
        let complaints = prepare(source).expect_err(source);
        assert!(complaints[0].message.contains(part), "{source}: {}", complaints[0]);
    }

    #[test]
    fn other_spellings_are_understood() {
        check("{{ first_name }}", "{{ first_name }}");
        check("{{ first_name | default: \"there\" }}!", "{{ first_name | default(\"there\") }}!");
        check("{{ a | default: 'x' | upper }}", "{{ a | default('x') | upper }}");
        check("{{ a | default(“there”) }}", "{{ a | default(\"there\") }}");
        check("{{ a | default(&quot;it's&quot;) }}", "{{ a | default(\"it's\") }}");
        check("{{\u{a0}a\u{a0}}}", "{{ a }}");
        check("@media{#top{}}", "@media{{ \"{#\" }}top{}}");
        check("{% if a and not (b or c is defined) %}{% endif %}", "{% if a and not (b or c is defined) %}{% endif %}");
        check(
            "{%- for x in [1, 2] -%}{{ loop.index }}{% endfor %}",
            "{%- for x in [1, 2] -%}{{ loop.index }}{% endfor %}",
        );
        check("{{ attributes[\"Favourite colour\"] }}", "{{ attributes[\"Favourite colour\"] }}");
        check("{{ 'yes' if city == \"Oslo\" else 'no' }}", "{{ 'yes' if city == \"Oslo\" else 'no' }}");
    }

    #[test]
    fn what_is_not_on_the_lists_is_refused_in_a_sentence() {
        refuse("{{ first name }}", "first_name");
        refuse("{{ a | replace('a', 'aa') }}", "no filter “replace”. There are: default,");
        refuse("{{ a | safe }}", "no filter");
        refuse("{{ range(1000000) }}", "calls a function");
        refuse("{{ a.upper() }}", "calls a function");
        refuse("{{ [1](2) }}", "calls a function");
        refuse("{{ a ~ a }}", "the sign “~”");
        refuse("{% for x in [a, a] %}", "a comma in");
        refuse("{% for x in (a), (a) %}", "a comma in");
        refuse("{{ , }}", "a comma in");
        refuse("{{ a * 9 }}", "the sign “*”");
        refuse("{{ a + b }}", "the sign “+”");
        refuse("{% set a = 1 %}", "“{% set … %}” is not available");
        refuse("{% include 'x' %}", "not available");
        refuse("{%- macro f() %}", "not available");
        refuse("{% autoescape false %}", "not available");
        refuse("{% for x in y recursive %}", "two words");
        refuse("{{ }}", "is empty");
        refuse("{{ a | default(\"x) }}", "has no partner");
        refuse("{{ a | default(\"x\")", "is not closed");
        refuse("{% if a is divisibleby(3) %}", "no test “is divisibleby”");
    }

    #[test]
    fn every_bad_tag_is_named_with_its_line() {
        let complaints = prepare("{{ a | nix }}\n\n{{ b | nox }}").expect_err("two bad tags");
        assert_eq!(complaints.iter().map(|c| c.line).collect::<Vec<_>>(), [1, 3]);
    }
}

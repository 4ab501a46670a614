use std::borrow::Cow;

/// An address cell as spreadsheets leave it: without the white space and invisible characters around it.
pub(crate) fn address_text(cell: &str) -> &str {
    cell.trim_matches(|c: char| c.is_whitespace() || matches!(c, '\u{200B}'..='\u{200F}' | '\u{2060}' | '\u{FEFF}'))
}

/// A name: one line, no control characters. It goes into mail headers.
pub(crate) fn name_text<'a>(cell: &'a str) -> Cow<'a, str> {
    let cell = cell.trim();
    if !cell.chars().any(char::is_control) {
        return Cow::Borrowed(cell);
    }
    let spaced: String = cell.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    Cow::Owned(spaced.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Any other value: line ends and tabs may stay, other control characters (PostgreSQL takes no NUL) go.
pub(crate) fn value_text<'a>(cell: &'a str) -> Cow<'a, str> {
    let cell = cell.trim();
    let is_bad = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if cell.chars().any(is_bad) {
        Cow::Owned(cell.chars().filter(|c| !is_bad(*c)).collect())
    } else {
        Cow::Borrowed(cell)
    }
}

/// Adds `"name":"value"` to a JSON object under construction.
pub(crate) fn push_member(json: &mut String, name: &str, value: &str) {
    json.push(if json.is_empty() { '{' } else { ',' });
    push_string(json, name);
    json.push(':');
    push_string(json, value);
}

fn push_string(json: &mut String, text: &str) {
    json.push('"');
    for c in text.chars() {
        match c {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            '\t' => json.push_str("\\t"),
            c if c < ' ' => json.extend(format!("\\u{:04x}", u32::from(c)).chars()),
            c => json.push(c),
        }
    }
    json.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_spreadsheets_leave_goes() {
        assert_eq!(address_text("\u{FEFF} ana@example.org\u{A0}\u{200B}"), "ana@example.org");
        assert_eq!(name_text(" Ana\r\nBcc: x@y \0"), "Ana Bcc: x@y");
        assert_eq!(value_text("a\0b\nc\u{7}"), "ab\nc");
    }

    proptest! {
        #[test]
        fn members_are_json(name in ".*", value in ".*") {
            let mut json = String::new();
            push_member(&mut json, &name, &value);
            push_member(&mut json, "z", "");
            json.push('}');
            let read: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&json).unwrap();
            if name != "z" {
                prop_assert_eq!(read[&name].as_str(), Some(value.as_str()));
            }
        }
    }
}

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// The longest name of a merge field, in octets.
pub const MAX_MERGE_TAG_OCTETS: usize = 64;

/// Names with a meaning of their own in a template: ours, and the template language's words.
const RESERVED: &[&str] = &[
    "and",
    "block",
    "call",
    "do",
    "elif",
    "else",
    "email",
    "endblock",
    "endfor",
    "endif",
    "endmacro",
    "endset",
    "endwith",
    "extends",
    "false",
    "filter",
    "first_name",
    "for",
    "from",
    "if",
    "import",
    "in",
    "include",
    "is",
    "last_name",
    "list_name",
    "loop",
    "macro",
    "none",
    "not",
    "or",
    "postal_address",
    "preview_text",
    "recursive",
    "self",
    "set",
    "subject",
    "super",
    "true",
    "unsubscribe_url",
    "view_url",
    "with",
];

/// Makes a merge field's name out of any heading: `Plan type` → `plan_type`, `Größe (cm)` → `grosse_cm`. Lower-case ASCII
/// letters, digits and single underscores, a letter first, and no word that a template reserves. Never empty.
#[must_use]
pub fn merge_tag(heading: &str) -> String {
    let mut tag = String::new();
    for c in heading.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase) {
        match c {
            'a'..='z' | '0'..='9' => tag.push(c),
            'ß' => tag.push_str("ss"),
            'ø' => tag.push('o'),
            'ł' => tag.push('l'),
            'æ' => tag.push_str("ae"),
            _ if !tag.is_empty() && !tag.ends_with('_') => tag.push('_'),
            _ => {}
        }
        if tag.len() >= MAX_MERGE_TAG_OCTETS - "field_".len() {
            break;
        }
    }
    let tag = tag.trim_end_matches('_');
    let starts_well = tag.starts_with(|c: char| c.is_ascii_lowercase());
    match tag {
        "" => "field".to_owned(),
        _ if !starts_well || RESERVED.contains(&tag) => format!("field_{tag}"),
        _ => tag.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_become_names() {
        for (heading, tag) in [
            ("Plan type", "plan_type"),
            ("  City ", "city"),
            ("Größe (cm)", "grosse_cm"),
            ("PRÉNOM", "prenom"),
            ("2nd address", "field_2nd_address"),
            ("email", "field_email"),
            ("for", "field_for"),
            ("", "field"),
            ("???", "field"),
            ("日本", "field"),
            ("a--b__c", "a_b_c"),
            ("{{ evil }}", "evil"),
        ] {
            assert_eq!(merge_tag(heading), tag, "{heading:?}");
        }
        assert!(merge_tag(&"x ".repeat(500)).len() <= MAX_MERGE_TAG_OCTETS);
    }

    #[test]
    fn a_name_stays_itself() {
        for heading in ["Plan type", "2nd", "email", "", &"long name ".repeat(50)] {
            assert_eq!(merge_tag(&merge_tag(heading)), merge_tag(heading));
        }
    }
}

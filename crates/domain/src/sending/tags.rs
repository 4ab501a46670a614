/// A list of `name=value` tags (RFC 6376 §3.2), in order; white space around names and values is not theirs.
///
/// # Errors
/// The first piece that is no tag, or a name that stands twice.
pub(super) fn tags(text: &str) -> Result<Vec<(&str, &str)>, String> {
    let mut found: Vec<(&str, &str)> = Vec::new();
    for piece in text.split(';').map(str::trim).filter(|piece| !piece.is_empty()) {
        let Some((name, value)) = piece.split_once('=') else {
            return Err(format!("“{}” is no tag", short(piece)));
        };
        let name = name.trim();
        if found.iter().any(|(known, _)| *known == name) {
            return Err(format!("the tag “{}” stands in it twice", short(name)));
        }
        found.push((name, value.trim()));
    }
    Ok(found)
}

pub(super) fn value<'a>(tags: &[(&'a str, &'a str)], name: &str) -> Option<&'a str> {
    tags.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}

/// What of a stranger's text is repeated in a sentence.
pub(super) fn short(text: &str) -> String {
    const SHOWN_CHARS: usize = 40;
    let shown: String = text.chars().take(SHOWN_CHARS).map(|c| if c.is_control() { '·' } else { c }).collect();
    if text.chars().nth(SHOWN_CHARS).is_some() { format!("{shown}…") } else { shown }
}

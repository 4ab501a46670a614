use serde_json::Value;

/// Items of one list within an event that are looked at.
const MAX_ITEMS: usize = 200;

static NULL: Value = Value::Null;

/// A value of a stranger's document. Whatever is missing or of another type reads as empty, so that one odd field costs
/// that field and not the event.
#[derive(Debug, Clone, Copy)]
pub(super) struct Json<'a>(&'a Value);

impl<'a> Json<'a> {
    pub fn new(value: &'a Value) -> Self {
        Self(value)
    }

    /// The member of that name.
    pub fn at(self, name: &str) -> Self {
        Self(self.0.get(name).unwrap_or(&NULL))
    }

    pub fn is_object(self) -> bool {
        self.0.is_object()
    }

    pub fn is_true(self) -> bool {
        self.0.as_bool() == Some(true)
    }

    /// The first member's name and value: some services wrap an event into an object that names its sort.
    pub fn first(self) -> Option<(&'a str, Self)> {
        self.0.as_object()?.iter().next().map(|(name, value)| (name.as_str(), Self(value)))
    }

    /// The value itself as text, trimmed.
    pub fn as_text(self) -> &'a str {
        self.0.as_str().unwrap_or_default().trim()
    }

    /// A member as text, trimmed.
    pub fn text(self, name: &str) -> &'a str {
        self.at(name).as_text()
    }

    /// A member that is text and not empty.
    pub fn some(self, name: &str) -> Option<String> {
        Some(self.text(name)).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    /// A member that some write as a number and some as text.
    pub fn word(self, name: &str) -> String {
        match self.at(name).0 {
            Value::Number(number) => number.to_string(),
            _ => self.text(name).to_owned(),
        }
    }

    /// The items of a member that is a list.
    pub fn items(self, name: &str) -> impl Iterator<Item = Self> + use<'a> {
        self.at(name).0.as_array().into_iter().flatten().take(MAX_ITEMS).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_of_another_type_reads_as_empty() {
        let value = serde_json::json!({"text": " a ", "number": 7, "list": [1, "b"], "object": {"c": true}});
        let json = Json::new(&value);
        assert_eq!((json.text("text"), json.text("number"), json.text("none")), ("a", "", ""));
        assert_eq!((json.word("number"), json.word("text")), ("7".to_owned(), "a".to_owned()));
        assert_eq!(json.items("list").map(Json::as_text).collect::<Vec<_>>(), ["", "b"]);
        assert_eq!(json.items("text").count(), 0);
        assert!(json.at("object").at("c").is_true() && !json.at("number").at("c").is_true());
    }
}

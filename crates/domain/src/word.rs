/// A closed set of words as they stand in a text column, a URL or a file.
pub trait Word: Copy + Sized + 'static {
    const ALL: &'static [Self];

    fn as_str(self) -> &'static str;

    /// # Errors
    /// [`UnknownWord`] when the text is none of the set's words. An unknown word is never a default.
    fn parse(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL.iter().copied().find(|word| word.as_str() == text).ok_or_else(|| UnknownWord(text.to_owned()))
    }
}

#[derive(Debug, thiserror::Error)]
#[error("unknown word {0:?}")]
pub struct UnknownWord(pub String);

/// Defines an enum whose variants have one word each, and its [`Word`].
macro_rules! words {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$vmeta])* $variant,)+ }

        impl crate::Word for $name {
            const ALL: &'static [Self] = &[$(Self::$variant,)+];
            fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(crate::Word::as_str(*self))
            }
        }
    };
}
pub(crate) use words;

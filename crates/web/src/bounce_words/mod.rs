//! Bounces in words for who never read an RFC: the one place that says what each class means, what follows, and what to do.

mod classes;
mod follows;
mod groups;
mod reports;

pub use classes::{ClassWords, class_words, explain};
pub use follows::{action, action_sentence, effect};
pub use groups::{CLASS_GROUPS, ClassGroup};
pub use reports::{kind, source};

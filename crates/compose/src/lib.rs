//! From a revision and a subscriber to a message on the wire: templates, links, tracking, MIME.
//!
//! Three steps, each with its own cost. [`freeze`] runs once at launch and finds the links. [`Mailer::compile`] runs once for each
//! revision and process. [`Mailer::message`] runs for every recipient and is the only one that must be fast.
//! Nothing here reads a clock, a disk, a network or a source of randomness: the same input gives the same bytes.

mod content;
mod destination;
mod entities;
mod finding;
mod footer;
mod freeze;
mod headers;
mod keys;
mod mailer;
mod preflight;
mod quoted_printable;
mod service_field;
mod skeleton;
mod survey;
mod template;
mod text;
mod url;

pub use content::{Content, Frozen, Origin, Recipient, Site};
pub use destination::destination;
pub use finding::{Finding, Level};
pub use footer::add_footer;
pub use freeze::freeze;
pub use keys::{Keys, SealError, TokenKind};
pub use mailer::{BOUNCE_PREFIX, Mailer, Message, Preview, RenderError, UNSUBSCRIBE_PREFIX};
pub use preflight::preflight;
pub use text::text_from_html;

//! From a revision and a subscriber to a message on the wire: templates, links, tracking, MIME.
//!
//! Three steps, each with its own cost. [`freeze`] runs once at launch and finds the links. [`Mailer::compile`] runs once for each
//! revision and process. [`Mailer::message`] runs for every recipient and is the only one that must be fast.
//! Nothing here reads a clock, a disk or a network: the same input gives the same bytes. Randomness makes DKIM keys and blinds the
//! arithmetic of RSA; no octet of a message comes from it.

mod content;
mod destination;
mod dkim;
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
pub use dkim::{DkimError, DkimKey, MadeDkimKey, Signer, make_dkim_key};
pub use finding::{Finding, Level};
pub use footer::add_footer;
pub use freeze::freeze;
pub use keys::{Keys, SealError, TokenKind};
pub use mailer::{BOUNCE_PREFIX, Mailer, Message, Preview, RenderError, UNSUBSCRIBE_PREFIX};
pub use preflight::preflight;
pub use text::text_from_html;

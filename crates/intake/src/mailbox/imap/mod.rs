//! IMAP4rev1 (RFC 3501, the part that RFC 9051 kept), with STARTTLS, SASL-IR, UIDPLUS and MOVE where they are offered.

mod client;
mod login;
mod names;
mod response;
mod round;

pub(super) use round::round;

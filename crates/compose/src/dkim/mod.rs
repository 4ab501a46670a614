//! DKIM (RFC 6376, RFC 8463): mail-auth brings the canonical form and writes the field; the arithmetic is aws-lc's, of the libraries
//! that build here the one that signs with RSA the fastest.

mod fields;
mod key;
mod make;
mod signer;

pub use key::{DkimError, DkimKey};
pub use make::{MadeDkimKey, make_dkim_key};
pub use signer::Signer;

//! Message → outcome: where a domain's mail goes, who runs it, and one SMTP transaction with it.
//!
//! * [`Resolver`] finds the mail hosts of a domain and says which provider operates them, by the table that it is given.
//! * [`StsClient`] finds what a domain demands of TLS by MTA-STS; [`Resolver::tlsa`] what it demands by DANE.
//! * [`Connection`] is one SMTP session. A message takes two steps, so that the intent can be committed to the ledger
//!   between them: [`Connection::offer`] sends everything but the final dot, [`Connection::finish`] sends the dot and
//!   reads its reply. Whatever goes wrong before the dot may be tried again; after its first byte nobody knows.
//!
//! Nothing here returns an error for what a peer does: a refusal or a broken connection is an
//! [`Outcome`](tidings_domain::Outcome).

mod dns;
mod smtp;
mod sts;

pub use dns::{
    DnsFailure, HostTlsa, MailHosts, MxHost, Resolver, ResolverOptions, ReverseNames, SpfAnswer, Texts, TlsaMatching,
    TlsaRecord, TlsaSelector, TlsaUsage, is_public,
};
pub use smtp::{
    Connection, Credentials, Dane, Envelope, Failure, Offer, Parsed, Session, Target, Timeouts, TlsClients, TlsError,
    TlsPolicy, parse_reply,
};
pub use sts::{StsClient, StsFault, StsMode, StsOptions, StsPolicy, StsRecord};

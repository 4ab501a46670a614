use std::net::IpAddr;
use std::time::Duration;

use crate::word::words;
use crate::{Protection, Reply, TlsDemand, TlsUse, UnixMs};

words! {
    /// How far an SMTP transaction had come (RFC 5321 §3). It decides what a failure means.
    pub enum Phase {
        /// Looking up MX and addresses.
        Dns = "dns",
        Connect = "connect",
        /// Waiting for the 220.
        Greeting = "greeting",
        Ehlo = "ehlo",
        StartTls = "starttls",
        Auth = "auth",
        Mail = "mail",
        Rcpt = "rcpt",
        Data = "data",
        /// Sending the body, before the final dot.
        Body = "body",
        /// From the first byte of `<CRLF>.<CRLF>` on: without a reply nobody knows.
        Dot = "dot",
        /// Making the message, before any connection.
        Compose = "compose",
    }
}

words! {
    /// What went wrong where no reply says it.
    pub enum Problem {
        /// An answer of DNS: the domain does not exist (NXDOMAIN). One such answer may be a mistake of a resolver's.
        NoSuchDomain = "no_such_domain",
        /// The domain exists and has neither MX nor address.
        NoMailHost = "no_mail_host",
        /// As [`Problem::NoSuchDomain`], and DNS has said so before, an hour ago or more.
        DomainGone = "domain_gone",
        /// As [`Problem::NoMailHost`], and DNS has said so before, an hour ago or more.
        MailHostGone = "mail_host_gone",
        /// The domain's mail host is this machine: the message would come back to us for ever.
        MailLoop = "mail_loop",
        /// `MX 0 .` (RFC 7505): the domain says that it takes no mail.
        NullMx = "null_mx",
        /// SERVFAIL, REFUSED, time-out of the resolver.
        DnsFailure = "dns_failure",
        /// All targets lie in ranges that must not be sent to.
        ForbiddenTarget = "forbidden_target",
        ConnectionRefused = "connection_refused",
        Unreachable = "unreachable",
        Timeout = "timeout",
        /// The peer closed or reset the connection.
        ConnectionLost = "connection_lost",
        /// The peer's words are not SMTP.
        Garbage = "garbage",
        /// TLS was required and could not be had, or its certificate is bad.
        Tls = "tls",
        /// AUTH was required and is not offered, or no mechanism fits.
        AuthUnavailable = "auth_unavailable",
        /// The message needs SMTPUTF8 and the peer does not offer it (RFC 6531 §3.2).
        SmtpUtf8Unsupported = "smtputf8_unsupported",
        /// The message is larger than the peer's SIZE (RFC 1870).
        TooLarge = "too_large",
        /// The template could not be rendered for this recipient.
        Render = "render",
        /// The From domain signs its mail, and no key of it can be used.
        NoSigningKey = "no_signing_key",
        /// We stopped on purpose: shutdown, pause, or a suppression that came in between. Never the peer's doing.
        Withdrawn = "withdrawn",
    }
}

/// What one attempt came to: a value, not an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// 2yz after the final dot.
    Accepted { reply: Reply },
    /// 4yz or 5yz at some phase.
    Refused { phase: Phase, reply: Reply },
    /// No reply, and the final dot was not sent: safe to try again. `detail` is for people.
    Broken { phase: Phase, problem: Problem, detail: String },
    /// The final dot was sent and no reply could be read.
    InDoubt { problem: Problem, detail: String },
}

/// Who the attempt spoke to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    pub host: String,
    pub ip: Option<IpAddr>,
    pub tls: TlsUse,
    /// What was asked of it.
    pub demand: TlsDemand,
}

impl Peer {
    #[must_use]
    pub const fn protection(&self) -> Protection {
        Protection { demand: self.demand, used: self.tls }
    }
}

/// One SMTP transaction for one delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    pub at: UnixMs,
    pub duration: Duration,
    pub peer: Option<Peer>,
    pub outcome: Outcome,
}

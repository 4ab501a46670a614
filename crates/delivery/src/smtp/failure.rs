use tidings_domain::{Outcome, Phase, Problem, Reply, TlsResult};

/// Why no session came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The peer said no.
    Refused { phase: Phase, reply: Reply },
    /// The peer said nothing that counts.
    Broken { phase: Phase, problem: Problem, detail: String },
    /// TLS could not be had, or not as the policy wants it. Under a policy that allows it, one more try without TLS, on a new connection,
    /// is right.
    Tls {
        result: TlsResult,
        /// It was the handshake itself, and not what was said before it: that will be so the next time too.
        in_handshake: bool,
        detail: String,
    },
}

impl Failure {
    pub(crate) fn broken(phase: Phase, problem: Problem, detail: impl Into<String>) -> Self {
        Self::Broken { phase, problem, detail: detail.into() }
    }

    /// TLS failed before its handshake.
    pub(crate) fn no_tls(result: TlsResult, detail: impl Into<String>) -> Self {
        Self::Tls { result, in_handshake: false, detail: detail.into() }
    }
}

/// A failure before the dot is never in doubt.
impl From<Failure> for Outcome {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused { phase, reply } => Self::Refused { phase, reply },
            Failure::Broken { phase, problem, detail } => Self::Broken { phase, problem, detail },
            Failure::Tls { detail, .. } => Self::Broken { phase: Phase::StartTls, problem: Problem::Tls, detail },
        }
    }
}

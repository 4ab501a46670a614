use tidings_domain::{Outcome, Phase, Problem, Reply};

/// Why no session came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The peer said no.
    Refused { phase: Phase, reply: Reply },
    /// The peer said nothing that counts.
    Broken { phase: Phase, problem: Problem, detail: String },
}

impl Failure {
    pub(crate) fn broken(phase: Phase, problem: Problem, detail: impl Into<String>) -> Self {
        Self::Broken { phase, problem, detail: detail.into() }
    }

    /// TLS failed. Under an opportunistic policy one more try without it, on a new connection, is right.
    #[must_use]
    pub const fn is_tls(&self) -> bool {
        matches!(self, Self::Broken { problem: Problem::Tls, .. })
    }
}

/// A failure before the dot is never in doubt.
impl From<Failure> for Outcome {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused { phase, reply } => Self::Refused { phase, reply },
            Failure::Broken { phase, problem, detail } => Self::Broken { phase, problem, detail },
        }
    }
}

//! What the outcome of an attempt says of its route.

use tidings_bounce::{classify, classify_problem};
use tidings_domain::{BounceClass, Outcome, Phase, Problem, RouteFault, RouteKind};
use tidings_store::{Route, Work};

/// `None`: the route did its part, whatever became of the message.
pub fn fault_of(route: &Route, work: &Work, outcome: &Outcome) -> Option<RouteFault> {
    match route.kind {
        RouteKind::Relay => relay_fault(work, outcome),
        RouteKind::Direct => direct_fault(work, outcome),
    }
}

fn relay_fault(work: &Work, outcome: &Outcome) -> Option<RouteFault> {
    let class = match outcome {
        Outcome::Refused { phase, reply } => classify(*phase, reply, &work.provider).class,
        Outcome::Broken { phase, problem, .. } => classify_problem(*phase, *problem).class,
        Outcome::Accepted { .. } | Outcome::InDoubt { .. } => return None,
    };
    if class == BounceClass::RelayAuth {
        return Some(RouteFault::Credentials);
    }
    match outcome {
        Outcome::Broken { problem: Problem::Withdrawn, .. } => None,
        Outcome::Broken { phase, .. } if is_before_mail(*phase) => Some(RouteFault::Relay),
        _ => None,
    }
}

/// What a relay does before the first message says nothing of that message. A name in DNS that cannot be found is the relay's own.
const fn is_before_mail(phase: Phase) -> bool {
    matches!(phase, Phase::Dns | Phase::Connect | Phase::Greeting | Phase::Ehlo | Phase::StartTls | Phase::Auth)
}

fn direct_fault(work: &Work, outcome: &Outcome) -> Option<RouteFault> {
    let Outcome::Broken { phase: Phase::Connect, .. } = outcome else { return None };
    let domain = work.recipient.rsplit('@').next().unwrap_or_default().to_owned();
    Some(RouteFault::Provider { name: work.provider.to_string(), domain })
}

#[cfg(test)]
mod tests {
    use tidings_domain::Reply;

    use super::*;
    use crate::sender::samples::work;

    fn relay(outcome: &Outcome) -> Option<RouteFault> {
        relay_fault(&work(), outcome)
    }

    fn refused(phase: Phase, text: &str) -> Outcome {
        Outcome::Refused { phase, reply: Reply::from_text(text, 0) }
    }

    fn broken(phase: Phase, problem: Problem) -> Outcome {
        Outcome::Broken { phase, problem, detail: String::new() }
    }

    #[test]
    fn a_relay_that_refuses_us_or_is_silent_is_at_fault() {
        for text in ["535 5.7.8 Authentication credentials invalid", "535 Incorrect authentication data"] {
            assert_eq!(relay(&refused(Phase::Auth, text)), Some(RouteFault::Credentials), "{text}");
        }
        assert_eq!(relay(&refused(Phase::Mail, "530 5.7.0 Authentication required")), Some(RouteFault::Credentials));
        assert_eq!(relay(&broken(Phase::Connect, Problem::ConnectionRefused)), Some(RouteFault::Relay));
        assert_eq!(relay(&broken(Phase::StartTls, Problem::Tls)), Some(RouteFault::Relay));
    }

    #[test]
    fn what_is_about_the_message_or_ourselves_is_no_fault_of_the_relay() {
        assert_eq!(relay(&refused(Phase::Rcpt, "550 5.1.1 User unknown")), None);
        assert_eq!(relay(&refused(Phase::Greeting, "421 4.7.0 Too many connections")), None);
        assert_eq!(relay(&broken(Phase::Body, Problem::ConnectionLost)), None);
        assert_eq!(relay(&broken(Phase::Auth, Problem::Withdrawn)), None);
        assert_eq!(relay(&broken(Phase::Compose, Problem::Render)), None);
    }

    #[test]
    fn a_direct_route_names_whom_it_could_not_reach() {
        let unreachable = broken(Phase::Connect, Problem::Timeout);
        let fault = RouteFault::Provider { name: "mx:receiver.example".into(), domain: "receiver.example".into() };
        assert_eq!(direct_fault(&work(), &unreachable), Some(fault));
        assert_eq!(direct_fault(&work(), &broken(Phase::Greeting, Problem::Timeout)), None);
    }
}

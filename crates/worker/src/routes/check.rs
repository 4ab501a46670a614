//! Finds out whether a route gets through, without a message: a connection, and everything up to where MAIL would come.

use std::net::IpAddr;

use tidings_delivery::Resolver;
use tidings_domain::{Outcome, RouteKind};
use tidings_store::Route;

use super::why_not_here;
use crate::sender::Targets;

/// What was found, in lines for people, and whether all is well.
pub struct Checked {
    pub good: bool,
    pub words: String,
}

pub async fn check(targets: &Targets, resolver: &Resolver, route: &Route, peer_domain: Option<&str>) -> Checked {
    match route.kind {
        RouteKind::Relay => relay(targets, route).await,
        RouteKind::Direct => direct(targets, resolver, route, peer_domain).await,
    }
}

async fn relay(targets: &Targets, route: &Route) -> Checked {
    let signed_in = if route.username.is_empty() { "without a user name" } else { "signed in" };
    match targets.greet_relay(route).await {
        Ok(peer) => Checked { good: true, words: format!("{peer}, {signed_in}.") },
        Err(outcome) => Checked { good: false, words: words_of(&outcome) },
    }
}

/// The addresses, their names in DNS, and a connection to the mail server of a domain that is known to have one.
async fn direct(targets: &Targets, resolver: &Resolver, route: &Route, peer_domain: Option<&str>) -> Checked {
    let missing = why_not_here(route);
    if !missing.is_empty() {
        return Checked { good: false, words: missing };
    }
    let (mut good, mut lines) = (true, Vec::new());
    for (source, ehlo) in targets.sources(route) {
        let (fits, words) = names(resolver, source, &ehlo).await;
        good &= fits;
        lines.push(words);
    }
    if let Some(domain) = peer_domain {
        match targets.greet_mail_host(route, domain).await {
            Ok(peer) => lines.push(format!("{peer}.")),
            Err(outcome) => {
                good = false;
                lines.push(words_of(&outcome));
            }
        }
    }
    Checked { good, words: lines.join("\n") }
}

/// Large receivers refuse an address whose name does not lead back to it (FCrDNS), and some compare it with EHLO.
async fn names(resolver: &Resolver, source: IpAddr, ehlo: &str) -> (bool, String) {
    match resolver.reverse(source).await {
        Err(failure) => (false, format!("The name of {source} could not be looked up: {}", failure.detail)),
        Ok(reverse) if reverse.names.is_empty() => {
            (false, format!("{source} has no name in DNS (PTR): large receivers refuse its mail."))
        }
        Ok(reverse) if reverse.confirmed.is_empty() => {
            (false, format!("{source} is called {}, but that name does not lead back to it.", reverse.names.join(", ")))
        }
        Ok(reverse) if reverse.confirms(ehlo) => (true, format!("{source} is {ehlo}, and {ehlo} is {source}.")),
        Ok(reverse) => (
            false,
            format!("{source} is {}, but the name in EHLO is {ehlo}: they should be the same.", reverse.confirmed[0]),
        ),
    }
}

pub fn words_of(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Refused { phase, reply } => format!("Refused at {phase}: {reply}"),
        Outcome::Broken { detail, .. } | Outcome::InDoubt { detail, .. } => detail.clone(),
        Outcome::Accepted { reply } => reply.to_string(),
    }
}

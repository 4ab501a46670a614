//! The names of the queue's destinations: whose budget a delivery stands under.

use std::fmt;

/// One provider as one direct route meets it, or one relay. Its text is the name of the queue's shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Destination<'a> {
    /// `google@3`: what one source address does says nothing of another. Without a route, as deliveries of long ago stand: `google`.
    Direct { provider: &'a str, route: Option<i64> },
    /// `relay:5`: a relay has one budget for all whom it delivers to.
    Relay { route: i64 },
}

const RELAY: &str = "relay:";

impl<'a> Destination<'a> {
    /// Any text is some destination: a name without a route is a provider's.
    #[must_use]
    pub fn of(name: &'a str) -> Self {
        if let Some(route) = name.strip_prefix(RELAY).and_then(|id| id.parse().ok()) {
            return Self::Relay { route };
        }
        match name.rsplit_once('@').and_then(|(provider, id)| Some((provider, id.parse().ok()?))) {
            Some((provider, route)) => Self::Direct { provider, route: Some(route) },
            None => Self::Direct { provider: name, route: None },
        }
    }

    /// Whose budget the name is of, as pace, its history, orders and pages call it: the provider on whatever route, or the relay by its whole name.
    #[must_use]
    pub fn owner_of(name: &'a str) -> &'a str {
        Self::of(name).provider().unwrap_or(name)
    }

    /// The same owner by that route. A relay is a route already and stays as it is.
    #[must_use]
    pub const fn by(self, route: Option<i64>) -> Self {
        match self {
            Self::Direct { provider, .. } => Self::Direct { provider, route },
            Self::Relay { .. } => self,
        }
    }

    #[must_use]
    pub const fn is_relay(self) -> bool {
        matches!(self, Self::Relay { .. })
    }

    #[must_use]
    pub const fn route(self) -> Option<i64> {
        match self {
            Self::Direct { route, .. } => route,
            Self::Relay { route } => Some(route),
        }
    }

    /// `None`: a relay takes mail for all of them.
    #[must_use]
    pub const fn provider(self) -> Option<&'a str> {
        match self {
            Self::Direct { provider, .. } => Some(provider),
            Self::Relay { .. } => None,
        }
    }
}

impl fmt::Display for Destination<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Direct { provider, route: Some(route) } => write!(f, "{provider}@{route}"),
            Self::Direct { provider, route: None } => f.write_str(provider),
            Self::Relay { route } => write!(f, "{RELAY}{route}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_provider_and_route_and_comes_back_as_it_was() {
        let direct = |provider, route| Destination::Direct { provider, route };
        for (name, destination) in [
            ("google@3", direct("google", Some(3))),
            ("mx:hoster.example@12", direct("mx:hoster.example", Some(12))),
            ("google", direct("google", None)),
            ("mx:hoster.example", direct("mx:hoster.example", None)),
            ("relay:5", Destination::Relay { route: 5 }),
            ("odd@name", direct("odd@name", None)),
            ("relay:x", direct("relay:x", None)),
        ] {
            assert_eq!(Destination::of(name), destination);
            assert_eq!(destination.to_string(), name);
        }
    }

    #[test]
    fn the_route_is_no_part_of_the_owner_and_a_relay_owns_itself() {
        for (name, owner, by_seven) in [
            ("google@3", "google", "google@7"),
            ("google", "google", "google@7"),
            ("mx:a.example", "mx:a.example", "mx:a.example@7"),
            ("odd@name", "odd@name", "odd@name@7"),
            ("relay:5", "relay:5", "relay:5"),
        ] {
            assert_eq!(Destination::owner_of(name), owner);
            assert_eq!(Destination::of(name).by(Some(7)).to_string(), by_seven);
        }
    }
}

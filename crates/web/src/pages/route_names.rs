//! The names of routes, for what knows them by number: the queue's destinations, and the history of their pace.

use std::collections::BTreeMap;

use tidings_domain::Destination;
use tidings_store::{PaceOf, Store, StoreResult};

use super::campaigns::wording;

/// Of the whole installation, as the queue is.
#[derive(Debug, Clone, Default)]
pub struct RouteNames(BTreeMap<i64, String>);

impl RouteNames {
    /// # Errors
    /// The database's own.
    pub async fn read(store: &Store) -> StoreResult<Self> {
        let routes = store.all_routes().await?;
        Ok(Self(routes.into_iter().map(|route| (route.id.0, route.name)).collect()))
    }

    /// Also of one that is gone.
    pub fn of(&self, route: i64) -> String {
        self.0.get(&route).cloned().unwrap_or_else(|| format!("route {route} (deleted)"))
    }

    /// A destination of the queue: `Gmail and Google Workspace by Berlin`, `Relay Mailgun`.
    pub fn destination(&self, name: &str) -> String {
        let by = match Destination::of(name) {
            Destination::Direct { route: Some(route), .. } => format!(" by {}", self.of(route)),
            _ => String::new(),
        };
        format!("{}{by}", self.owner(name))
    }

    /// The same without the way to it.
    pub fn owner(&self, name: &str) -> String {
        match Destination::of(name) {
            Destination::Relay { route } => format!("Relay {}", self.of(route)),
            Destination::Direct { provider, .. } => wording::provider(provider),
        }
    }

    /// ` by Berlin for harbour.example`: of whose pace it is a part; empty when it is all of the owner's.
    pub fn part(&self, of: &PaceOf) -> String {
        let route = of.route.filter(|_| !Destination::of(&of.provider).is_relay());
        let route = route.map_or_else(String::new, |route| format!(" by {}", self.of(route.0)));
        let stream = if of.stream.is_empty() { String::new() } else { format!(" for {}", of.stream) };
        format!("{route}{stream}")
    }
}

/// The page that says more of a destination's owner.
pub fn page_of(owner: &str) -> String {
    match Destination::of(owner) {
        Destination::Relay { route } => format!("/settings/sending/routes/{route}"),
        Destination::Direct { provider, .. } => format!("/providers/{provider}"),
    }
}

#[cfg(test)]
mod tests {
    use tidings_store::RouteId;

    use super::*;

    #[test]
    fn a_destination_is_told_by_its_names_and_leads_to_its_page() {
        let names = RouteNames(BTreeMap::from([(3, "Berlin".into()), (5, "Mailgun".into())]));
        assert_eq!(names.destination("google@3"), "Gmail and Google Workspace by Berlin");
        assert_eq!(names.destination("mx:a.example@4"), "a.example by route 4 (deleted)");
        assert_eq!(names.destination("relay:5"), "Relay Mailgun");
        let of = |provider: &str, route| PaceOf {
            provider: provider.into(),
            route: Some(RouteId(route)),
            stream: "acme.example".into(),
        };
        assert_eq!(names.part(&of("google", 3)), " by Berlin for acme.example");
        assert_eq!(names.part(&of("relay:5", 5)), " for acme.example", "a relay is its route");
        assert_eq!([page_of("google"), page_of("relay:5")], ["/providers/google", "/settings/sending/routes/5"]);
    }
}

//! Which pages the browser looks at; none may be forgotten.

use tidings_web::Access;

/// After a newcomer's first campaign, which has the number 1, and its copy 2.
pub const NEWCOMERS: &[&str] = &[
    "/",
    "/campaigns",
    "/campaigns/new",
    "/lists",
    "/lists/new",
    "/lists/1",
    "/lists/1/edit",
    "/subscribers",
    "/subscribers/new",
    "/subscribers/1",
    "/suppressions",
    "/suppressions/new",
    "/suppressions/import",
    "/installation/suppressions/import",
    "/imports",
    "/imports/new",
    "/imports/1",
    "/bounces",
    "/bounces/strangers",
    "/settings",
    "/settings/profile",
    "/settings/bounces",
    "/campaigns/1",
    "/campaigns/1/people",
    "/campaigns/2",
    "/campaigns/2/recipients",
    "/campaigns/2/details",
    "/campaigns/2/content",
    "/campaigns/2/preview",
    "/campaigns/2/test",
    "/campaigns/2/launch",
    // Nothing is there yet: what these say then.
    "/queues",
    "/providers",
    "/transport",
    "/deferred",
    "/dead-letters",
    "/settings/domains",
    "/settings/webhooks",
];

/// Of the [`Showcase`](crate::showcase::Showcase).
pub const SHOWCASE: &[&str] = &[
    "/",
    "/queues",
    "/queues/why?provider=google",
    "/queues/why?provider=yahoo",
    "/queues/why?provider=relay:3",
    "/workers",
    "/providers",
    "/providers/google?reply=421+4.7.28+unusual+rate+of+unsolicited+mail",
    "/providers/yahoo",
    "/providers/mx:hoster.example",
    "/providers/google/rules/new",
    "/transport",
    "/transport/domains/bank.example",
    "/deferred",
    "/dead-letters",
    "/unsent/confirm?act=retry",
    "/unsent/confirm?act=discard",
    "/campaigns/1",
    "/campaigns/1/why",
    "/campaigns/1/bounces",
    "/campaigns/1/people/26",
    "/campaigns/1/people/26/why",
    "/campaigns/1/people/30/why",
    "/bounces",
    "/bounces/1",
    "/bounces/strangers/2",
    "/suppressions/history",
    "/installation/suppressions",
    "/installation/suppressions/new",
    "/installation/suppressions/history",
    "/settings/sending",
    "/settings/sending/routes/new",
    "/settings/sending/routes/1",
    "/settings/sending/routes/1/edit",
    "/settings/sending/routes/2",
    "/settings/sending/routes/3",
    "/settings/sending/routes/3/edit",
    "/settings/sending/pools/new",
    "/settings/sending/pools/1",
    "/settings/domains",
    "/settings/domains/new",
    "/settings/domains/1",
    "/settings/domains/2",
    "/settings/domains/3",
    "/settings/retries",
    "/settings/webhooks",
    "/settings/webhooks/new",
    "/settings/webhooks/new/postmark",
    "/settings/webhooks/1",
];

/// What answers and is no page by itself: files, streams, JSON, parts of pages.
const PARTS: &[&str] = &[
    "/bounces/{id}/raw",
    "/bounces/strangers/{id}/raw",
    "/campaigns/{id}/people.csv",
    "/campaigns/{id}/people/{delivery}/why.json",
    "/campaigns/{id}/preview/frame",
    "/campaigns/{id}/recipients/count",
    "/campaigns/{id}/test/results",
    "/campaigns/{id}/why.json",
    "/dead-letters.csv",
    "/events/campaign/{id}",
    "/home/campaigns",
    "/imports/{id}/rejected.csv",
    "/installation/suppressions/export.csv",
    "/queues/why.json",
    "/suppressions/export.csv",
    "/transport/report.json",
    "/unsent/orders",
];

/// The newcomer passes through them, or uploads a file to see them.
const ON_THE_WAY: &[&str] =
    &["/setup/organisation", "/setup/sending", "/suppressions/imports/{id}", "/installation/suppressions/imports/{id}"];

/// Pages for people that nobody looks at.
#[must_use]
pub fn forgotten() -> Vec<&'static str> {
    let is_looked_at = |pattern: &str| {
        NEWCOMERS.iter().chain(SHOWCASE).any(|path| fits(pattern, path))
            || [PARTS, ON_THE_WAY].concat().contains(&pattern)
    };
    let pages = tidings_web::routes().filter(|entry| entry.method == "GET");
    let for_people = pages.filter(|entry| matches!(entry.access, Access::SignedIn | Access::Admin));
    for_people.map(|entry| entry.path).filter(|path| !is_looked_at(path)).collect()
}

/// Whether a path, without its query, is one of the pattern's.
fn fits(pattern: &str, path: &str) -> bool {
    let path = path.split('?').next().unwrap_or_default();
    let (mut wanted, mut given) = (pattern.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(wanted), Some(given)) if wanted == given || wanted.starts_with('{') => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_page_is_forgotten() {
        assert_eq!(forgotten(), Vec::<&str>::new());
    }

    #[test]
    fn a_number_fits_its_place_and_a_part_does_not() {
        assert!(fits("/campaigns/{id}/why", "/campaigns/1/why?x=/y"));
        assert!(!fits("/campaigns/{id}/why", "/campaigns/1") && !fits("/campaigns/{id}", "/campaigns/1/why"));
    }
}

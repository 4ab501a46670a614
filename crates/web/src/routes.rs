//! The route inventory: every address that the product answers. A page file brings its own table; this joins them.

use crate::inventory::Entry;
use crate::{assets, hooks, ops, pages, public};

/// Every route there is.
pub fn all() -> impl Iterator<Item = &'static Entry> {
    TABLES.iter().flat_map(|table| table.iter())
}

const TABLES: &[&[Entry]] = &[
    assets::ROUTES,
    hooks::ROUTES,
    ops::ROUTES,
    pages::bounce_rules::ROUTES,
    pages::bounces::ROUTES,
    pages::campaigns::ROUTES,
    pages::domain::ROUTES,
    pages::domains::ROUTES,
    pages::home::ROUTES,
    pages::imports::COLUMNS,
    pages::imports::HISTORY,
    pages::imports::NEW,
    pages::imports::REJECTED,
    pages::imports::SHOW,
    pages::imports::UPLOAD,
    pages::list::ROUTES,
    pages::lists::ROUTES,
    pages::organisation::ROUTES,
    pages::profile::ROUTES,
    pages::providers::ROUTES,
    pages::queues::ROUTES,
    pages::retries::ROUTES,
    pages::sending::ROUTES,
    pages::sending_lock::ROUTES,
    pages::setup::ROUTES,
    pages::sign_in::ROUTES,
    pages::subscriber::ROUTES,
    pages::subscribers::ROUTES,
    public::ROUTES,
    pages::suppressions::ROUTES,
    pages::transport::ROUTES,
    pages::unsent::ROUTES,
    pages::webhook::ROUTES,
    pages::webhooks::ROUTES,
    pages::why::ROUTES,
    pages::workers::ROUTES,
];

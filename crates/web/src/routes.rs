//! The route inventory: every address that the product answers. A page file brings its own table; this joins them.

use crate::inventory::Entry;
use crate::{assets, pages};

/// Every route there is.
pub fn all() -> impl Iterator<Item = &'static Entry> {
    TABLES.iter().flat_map(|table| table.iter())
}

const TABLES: &[&[Entry]] = &[assets::ROUTES, pages::home::ROUTES, pages::sign_in::ROUTES];

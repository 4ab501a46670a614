//! `/settings/bounces`: what follows from each class of bounce, the limits, what people said of unknown texts, and who changed what.

mod acts;
mod limits;
mod show;

use actix_web::web;

use crate::inventory::{Access, Entry};

pub(crate) const ROUTES: &[Entry] = &[
    Entry::page("/settings/bounces", || web::to(show::show)),
    Entry::action("/settings/bounces/rules", || web::to(acts::save_rules)).with_access(Access::Admin),
    Entry::action("/settings/bounces/limits", || web::to(acts::save_limits)).with_access(Access::Admin),
    Entry::action("/settings/bounces/labels", || web::to(acts::remove_label)).with_access(Access::Admin),
    Entry::action("/settings/bounces/again", || web::to(acts::again)).with_access(Access::Admin),
];

/// Reports are kept so long with their octets; older ones cannot be read again.
const MOST_DAYS_AGAIN: u16 = 90;

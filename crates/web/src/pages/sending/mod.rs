//! How mail leaves: the sender that campaigns start with, routes, and pools of routes. In the settings, and as the last step of the
//! set-up.

mod acts;
mod edit;
mod form;
mod index;
mod pool;
mod route;
mod setup;
pub(crate) mod standing;
pub(crate) mod ways;

use actix_web::web;

use crate::inventory::{Access, Entry};

pub(crate) const ROUTES: &[Entry] = &[
    Entry::page("/settings/sending", || web::to(index::show)),
    Entry::action("/settings/sending", || web::to(index::save)).with_access(Access::Admin),
    Entry::page("/setup/sending", || web::to(setup::step)).with_access(Access::Admin),
    Entry::action("/setup/sending", || web::to(setup::save)).with_access(Access::Admin),
    Entry::page("/settings/sending/routes/new", || web::to(edit::new)).with_access(Access::Admin),
    Entry::action("/settings/sending/routes/new", || web::to(edit::add)).with_access(Access::Admin),
    Entry::page("/settings/sending/routes/{id}", || web::to(route::show)),
    Entry::page("/settings/sending/routes/{id}/edit", || web::to(edit::form)).with_access(Access::Admin),
    Entry::action("/settings/sending/routes/{id}/edit", || web::to(edit::save)).with_access(Access::Admin),
    Entry::action("/settings/sending/routes/{id}/enable", || web::to(acts::enable)).with_access(Access::Admin),
    Entry::action("/settings/sending/routes/{id}/check", || web::to(acts::check)).with_access(Access::Admin),
    Entry::action("/settings/sending/routes/{id}/retry", || web::to(acts::retry)).with_access(Access::Admin),
    Entry::action("/settings/sending/routes/{id}/warm-up", || web::to(acts::restart_warm_up))
        .with_access(Access::Admin),
    Entry::action("/settings/sending/routes/{id}/delete", || web::to(acts::delete)).with_access(Access::Admin),
    Entry::page("/settings/sending/pools/new", || web::to(pool::new)).with_access(Access::Admin),
    Entry::action("/settings/sending/pools/new", || web::to(pool::add)).with_access(Access::Admin),
    Entry::page("/settings/sending/pools/{id}", || web::to(pool::form)).with_access(Access::Admin),
    Entry::action("/settings/sending/pools/{id}", || web::to(pool::save)).with_access(Access::Admin),
    Entry::action("/settings/sending/pools/{id}/delete", || web::to(pool::delete)).with_access(Access::Admin),
];

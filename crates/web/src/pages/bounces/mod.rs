//! What came back: the log of reports, one report with its words and its consequence, and what is nobody's.

mod acts;
mod log;
mod raw;
mod report;
mod row;
mod strangers;

pub(crate) use row::{ReportLine, plain};

use actix_web::web;

use crate::inventory::{Access, Entry};

pub(crate) const ROUTES: &[Entry] = &[
    Entry::page("/bounces", || web::to(log::index)),
    Entry::page("/bounces/strangers", || web::to(strangers::index)).with_access(Access::Admin),
    Entry::page("/bounces/strangers/{id}", || web::to(strangers::show)).with_access(Access::Admin),
    Entry::page("/bounces/strangers/{id}/raw", || web::to(strangers::raw)).with_access(Access::Admin),
    Entry::action("/bounces/strangers/{id}/again", || web::to(strangers::again)).with_access(Access::Admin),
    Entry::page("/bounces/{id}", || web::to(report::show)),
    Entry::page("/bounces/{id}/raw", || web::to(raw::download)),
    Entry::action("/bounces/{id}/again", || web::to(acts::again)),
    Entry::action("/bounces/{id}/undo", || web::to(acts::undo)),
    Entry::action("/bounces/{id}/label", || web::to(acts::label)).with_access(Access::Admin),
];

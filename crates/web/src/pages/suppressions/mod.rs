//! Suppression lists: the workspace's own, and the installation's, which only admins see. Both have the same pages; the path says
//! which one is meant.

mod export;
mod history;
mod import;
mod index;
mod new;
mod owner;
mod remove;

use actix_web::web;

pub(crate) use owner::shown;

use crate::inventory::{Access, Entry};

pub(crate) const ROUTES: &[Entry] = &[
    Entry::page("/suppressions", || web::to(index::index)),
    Entry::action("/suppressions", || web::to(new::add)).with_body(new::MAX_FORM_OCTETS),
    Entry::page("/suppressions/new", || web::to(new::form)),
    Entry::page("/suppressions/export.csv", || web::to(export::export)),
    Entry::page("/suppressions/history", || web::to(history::history)),
    Entry::page("/suppressions/import", || web::to(import::form)),
    Entry::upload("/suppressions/import", import::MAX_UPLOAD_OCTETS, || web::to(import::upload)),
    Entry::page("/suppressions/imports/{id}", || web::to(import::show)),
    Entry::action("/suppressions/imports/{id}/cancel", || web::to(import::cancel)),
    Entry::action("/suppressions/{id}/remove", || web::to(remove::remove)),
    admin(Entry::page("/installation/suppressions", || web::to(index::index))),
    admin(Entry::action("/installation/suppressions", || web::to(new::add)).with_body(new::MAX_FORM_OCTETS)),
    admin(Entry::page("/installation/suppressions/new", || web::to(new::form))),
    admin(Entry::page("/installation/suppressions/export.csv", || web::to(export::export))),
    admin(Entry::page("/installation/suppressions/history", || web::to(history::history))),
    admin(Entry::page("/installation/suppressions/import", || web::to(import::form))),
    admin(Entry::upload("/installation/suppressions/import", import::MAX_UPLOAD_OCTETS, || web::to(import::upload))),
    admin(Entry::page("/installation/suppressions/imports/{id}", || web::to(import::show))),
    admin(Entry::action("/installation/suppressions/imports/{id}/cancel", || web::to(import::cancel))),
    admin(Entry::action("/installation/suppressions/{id}/remove", || web::to(remove::remove))),
];

const fn admin(entry: Entry) -> Entry {
    entry.with_access(Access::Admin)
}

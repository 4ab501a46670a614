//! What refusals keep from its recipients: what is put off now, and dead letters, over all campaigns; and what a person does about it.

mod acts;
mod asked;
mod confirm;
mod dead;
mod deferred;
mod export;
mod orders;
mod words;

use actix_web::web;

use crate::inventory::Entry;

pub(crate) const ROUTES: &[Entry] = &[
    Entry::page("/dead-letters", || web::to(dead::index)),
    Entry::page("/dead-letters.csv", || web::to(export::dead_csv)),
    Entry::action("/dead-letters/picked", || web::to(acts::picked)),
    Entry::page("/deferred", || web::to(deferred::index)),
    Entry::page("/unsent/confirm", || web::to(confirm::confirm)),
    Entry::page("/unsent/orders", || web::to(orders::progress)),
    Entry::action("/unsent/orders", || web::to(acts::order)),
    Entry::action("/unsent/orders/{id}/stop", || web::to(acts::stop)),
];

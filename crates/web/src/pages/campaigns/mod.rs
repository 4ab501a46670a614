//! Campaigns: the list, a draft's checklist and its editors, the launch, and the live overview with its people.

mod actions;
mod badge;
mod bounces;
mod checklist;
mod content;
mod deadline;
mod delivery;
mod details;
mod draft;
mod events;
mod export;
mod index;
mod launch;
mod live;
mod merge_fields;
mod new;
mod overview;
mod pace;
mod people;
mod preview;
mod providers;
pub(crate) mod rate;
mod readiness;
mod recipients;
#[cfg(test)]
pub(crate) mod samples;
mod show;
mod signing_check;
mod stuck;
mod tally;
mod test;
pub(crate) mod wording;

pub(crate) use draft::encoded;
pub(crate) use live::LiveCampaigns;
#[cfg(test)]
pub(crate) use stuck::facts as stuck_facts;
pub(crate) use wording::{
    provider as provider_name, reason as delivery_reason, state as delivery_state, state_tone as delivery_tone,
};

use actix_web::web;

use crate::inventory::Entry;

/// The largest form of a content editor: HTML and text, each percent-encoded.
const CONTENT_FORM_OCTETS: usize = 6 * 1024 * 1024;

pub const ROUTES: &[Entry] = &[
    Entry::page("/campaigns", || web::to(index::index)),
    Entry::page("/campaigns/new", || web::to(new::form)),
    Entry::action("/campaigns/new", || web::to(new::create)),
    Entry::page("/campaigns/{id}", || web::to(show::show)),
    Entry::action("/campaigns/{id}/duplicate", || web::to(actions::duplicate)),
    Entry::action("/campaigns/{id}/delete", || web::to(actions::delete)),
    Entry::action("/campaigns/{id}/pause", || web::to(actions::pause)),
    Entry::action("/campaigns/{id}/resume", || web::to(actions::resume)),
    Entry::action("/campaigns/{id}/cancel", || web::to(actions::cancel)),
    Entry::action("/campaigns/{id}/send-again", || web::to(actions::send_again)),
    Entry::page("/campaigns/{id}/details", || web::to(details::form)),
    Entry::action("/campaigns/{id}/details", || web::to(details::save)),
    Entry::page("/campaigns/{id}/recipients", || web::to(recipients::form)),
    Entry::action("/campaigns/{id}/recipients", || web::to(recipients::save)),
    Entry::page("/campaigns/{id}/recipients/count", || web::to(recipients::count)),
    Entry::page("/campaigns/{id}/content", || web::to(content::form)),
    Entry::action("/campaigns/{id}/content", || web::to(content::save)).with_body(CONTENT_FORM_OCTETS),
    Entry::page("/campaigns/{id}/preview", || web::to(preview::preview)),
    Entry::page("/campaigns/{id}/preview/frame", || web::to(preview::frame)),
    Entry::page("/campaigns/{id}/test", || web::to(test::form)),
    Entry::action("/campaigns/{id}/test", || web::to(test::send)),
    Entry::page("/campaigns/{id}/test/results", || web::to(test::results)),
    Entry::page("/campaigns/{id}/launch", || web::to(launch::review)),
    Entry::action("/campaigns/{id}/launch", || web::to(launch::launch)),
    Entry::page("/campaigns/{id}/people", || web::to(people::people)),
    Entry::page("/campaigns/{id}/people.csv", || web::to(export::people_csv)),
    Entry::page("/campaigns/{id}/people/{delivery}", || web::to(delivery::delivery)),
    Entry::page("/campaigns/{id}/bounces", || web::to(bounces::bounces)),
    Entry::page("/events/campaign/{id}", || web::to(events::events)),
];

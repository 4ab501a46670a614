//! The pages over a real store: what the browser sends, and what comes back.

mod browser;
mod domains;
mod guard;
mod headers;
mod imports;
mod lists;
mod operations;
mod ops;
mod people;
mod providers;
mod routes;
mod sessions;
mod settings;
mod setup;
mod site;
mod suppressions;
mod transport;
mod webhooks;

//! The campaign pages, asked like a browser asks them.

mod bounce_rules;
mod bounces;
mod draft;
mod launched;
mod people;
mod site;
mod unsent;

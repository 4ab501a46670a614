//! The campaign pages, asked like a browser asks them.

mod draft;
mod launched;
mod people;
mod site;

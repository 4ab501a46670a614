//! The web process over real databases: pages, hooks and the links in mails, asked like a browser asks them.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the message")]

mod campaigns;
mod hooks;
mod pages;
mod public;

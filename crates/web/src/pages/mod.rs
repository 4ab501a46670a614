//! One file for each page or group of actions: its routes, its handlers, its page structs, and nothing else.

pub(crate) mod bounce_rules;
pub(crate) mod bounces;
pub(crate) mod campaigns;
pub(crate) mod domain;
pub(crate) mod domains;
pub(crate) mod home;
pub(crate) mod imports;
pub(crate) mod list;
pub(crate) mod lists;
pub(crate) mod organisation;
pub(crate) mod profile;
pub(crate) mod providers;
pub(crate) mod queues;
pub(crate) mod sending;
pub(crate) mod sending_lock;
pub(crate) mod setup;
pub(crate) mod sign_in;
pub(crate) mod subscriber;
pub(crate) mod subscribers;
pub(crate) mod suppressions;
pub(crate) mod timeline;
pub(crate) mod webhook;
mod webhook_guide;
pub(crate) mod webhooks;
pub(crate) mod workers;

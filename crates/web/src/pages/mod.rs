//! One file for each page or group of actions: its routes, its handlers, its page structs, and nothing else.

pub(crate) mod home;
pub(crate) mod sign_in;

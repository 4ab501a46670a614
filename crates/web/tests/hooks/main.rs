//! What e-mail services post: proven, kept whole and once, or refused with a reason that the operator sees.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the message")]

mod services;
mod site;
mod sns;
mod storm;

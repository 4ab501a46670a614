//! The sandbox, seen from outside.

mod audience;
mod client;
mod fast_sink;
mod names;
mod world;

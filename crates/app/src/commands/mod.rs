//! One file for each command.

pub mod bounce;
pub mod demo;
pub mod import;
pub mod sandbox;
pub mod serve;
pub mod sign_in_link;

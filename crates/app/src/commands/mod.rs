//! One file for each command.

pub mod backup;
pub mod bounce;
pub mod demo;
pub mod doctor;
pub mod import;
pub mod migrate;
pub mod providers;
pub mod queue;
pub mod restore;
pub mod sandbox;
pub mod serve;
pub mod sign_in_link;
pub mod unlock_sending;
pub mod workers;

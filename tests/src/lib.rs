//! What the end-to-end tests share: starting the real binary and real mail servers, the crash
//! harness, and finding the repository.

pub mod binary;
pub mod browser;
pub mod crash;
pub mod every_page;
pub mod greylisting;
pub mod judges;
pub mod mail_servers;
pub mod receivers;
pub mod repository;
pub mod sending_world;
pub mod showcase;

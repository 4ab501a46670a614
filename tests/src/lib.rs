//! What the end-to-end tests share: starting the real binary, and finding the repository.

pub mod binary;
pub mod browser;
pub mod repository;

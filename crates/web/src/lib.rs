#![doc = include_str!("../README.md")]

mod app;
mod assets;
mod bounce_words;
pub mod chart;
mod clock;
mod config;
mod csrf;
mod disk;
mod envelope;
mod filters;
mod flash;
mod form;
mod guard;
mod hooks;
mod inventory;
mod links;
mod ops;
mod page;
mod pages;
mod paging;
mod password;
mod problem;
mod public;
mod routes;
mod run;
mod secret;
mod session_store;
mod signed_in;
mod state;
mod text;
mod throttle;
mod who;
mod words;

pub use app::configure;
pub use config::WebConfig;
pub use disk::free_bytes;
pub use envelope::{CSP, envelope};
pub use hooks::Fetch;
pub use inventory::{Access, Csrf, Entry};
pub use links::{setup_link, sign_in_link};
pub use ops::{Check, Grade, Ops, Report, run_probes};
pub use routes::all as routes;
pub use run::run;
pub use state::WebState;

pub(crate) use who::Who;

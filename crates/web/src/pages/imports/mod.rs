//! Imports: the history, the upload, and one import from its first look to its report.

mod columns;
mod history;
mod new;
mod rejected;
mod show;
pub(super) mod spool;
pub(super) mod upload;

pub(crate) use columns::ROUTES as COLUMNS;
pub(crate) use history::ROUTES as HISTORY;
pub(crate) use new::ROUTES as NEW;
pub(crate) use rejected::ROUTES as REJECTED;
pub(crate) use show::ROUTES as SHOW;
pub(crate) use upload::ROUTES as UPLOAD;

//! What a worker knows of the routes: which it may send by now, which addresses it has, and how those do that failed.

mod check;
mod fault;
mod keeper;
mod source;
mod watch;

pub use check::words_of;
pub use fault::fault_of;
pub use keeper::RouteKeeper;
pub use source::why_not_here;
pub use watch::SharedWatch;

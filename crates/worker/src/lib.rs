//! The loops of Tidings: the dispatcher fans campaigns out and feeds the queue, the sender makes attempts, the sweeper mends what a
//! crash left, the importer reads files, the postmaster reads what came back. Every loop has the one shape of [`run_until_stopped`].
//!
//! Nothing here decides what a reply means (`bounce`), how SMTP is spoken (`delivery`) or how rows change (`store`): the loops only carry
//! values between those rooms.

mod book_keeper;
mod boot;
mod clock;
mod dispatcher;
mod domains;
pub mod import;
mod leadership;
mod looping;
mod mailboxes;
mod metrics;
mod postmaster;
mod routes;
mod sender;
mod sweeper;

pub use book_keeper::BookKeeper;
pub use boot::recover;
pub use clock::now;
pub use dispatcher::{Dispatcher, DispatcherOptions, QUEUE_FACT};
pub use domains::{DomainKeeper, SendingFacts};
pub use looping::{Looping, Step, run_until_stopped};
pub use mailboxes::Mailbox;
pub use metrics::{DispatcherMetrics, SenderMetrics};
pub use postmaster::{Postmaster, StoredMail};
pub use sender::{Parts as SenderParts, Sender, SenderOptions, SenderStats, SiteOptions, TargetOptions};
pub use sweeper::{Mends, Pace, Sweeper};

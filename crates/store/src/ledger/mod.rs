//! The ledger: one row for each campaign and recipient, in exactly one state, and the transactions that move it.
//!
//! Nothing else decides what was sent. The queue is an index of these rows, the numbers on screen are sums over them, and
//! a campaign is done when none of them can move any more.

mod attempts;
mod campaign;
mod cancel;
mod commit;
mod counts;
mod events;
mod fan_out;
mod intents;
mod launch;
mod marks;
mod outcomes;
mod pause;
mod providers;
mod queueing;
mod recovery;
mod resend;
mod revision;
mod step;
mod test_message;
mod work;

pub use campaign::{ActiveCampaign, Applied};
pub use commit::{
    AttemptFacts, CommitReport, Intent, IntentAnswer, LedgerBatch, OutcomeAnswer, OutcomeRecord, ReplyRecord, Settled,
};
pub use counts::{CountKey, Miscount};
pub use events::SYSTEM_ACTOR;
pub use fan_out::FanOut;
pub use launch::{Launch, Launched};
pub use queueing::{OpenJob, QueuedJob};
pub use recovery::Recovered;
pub use resend::Resent;
pub use revision::{FrozenContent, Revision};
pub use test_message::{TestMessage, TestStanding};
pub use work::{MergeData, Work};

//! The ledger: one row for each campaign and recipient, in exactly one state, and the transactions that move it.
//!
//! Nothing else decides what was sent. The queue is an index of these rows, the numbers on screen are sums over them, and
//! a campaign is done when none of them can move any more.
//!
//! # The commits
//!
//! Each line is one transaction. A process may die before or after any of them; the last column says what is found then.
//!
//! | commit | from → to | what it holds | after a kill |
//! |---|---|---|---|
//! | C0 `Workspace::launch` | draft → queuing | frozen content, the highest subscriber id, empty books | the dispatcher finds a campaign in queuing |
//! | C1 [`Store::fan_out`](crate::Store::fan_out) | — → pending, queued (its domain's provider is known), skipped | rows, counters and the cursor together | goes on at the cursor; a row that exists is left alone |
//! | C2 [`Store::queue_pending`](crate::Store::queue_pending), [`Store::take_due`](crate::Store::take_due) | pending, deferred → queued | rows with their provider, counters | [`Store::open_jobs`](crate::Store::open_jobs) finds what was never pushed, and [`Store::unpushed`](crate::Store::unpushed) what a shared queue may lack |
//! | C3 [`Store::commit`](crate::Store::commit), intents | queued → sending, skipped, cancelled | the last check of pause, suppression and subscription; then, and only then, the final dot | C5 |
//! | C4 [`Store::commit`](crate::Store::commit), outcomes | sending, queued → what the reply says | row, counters, history, last words, reply groups, subscriber marks, suppressions | the row is still sending: C5 |
//! | C5 [`Store::recover`](crate::Store::recover), [`Store::lose_sight`](crate::Store::lose_sight) | sending → in doubt | rows and counters | is run again |
//! | C6 `Workspace::resend_in_doubt` | in doubt → deferred, due now | at a person's word only | C2 takes them |
//! | [`Store::operate`](crate::Store::operate) | queued → deferred (held, moved), soft bounced, failed → deferred, open → cancelled | at an operator's word only, rows and counters | is run again |
//! | `Workspace::act_on_picked`, [`Store::step_orders`](crate::Store::step_orders) | deferred → soft bounced; soft bounced, failed → deferred | as above, picked by the group of the last refusal; an order's checkpoint with its rows | goes on at the checkpoint |
//! | [`Store::end_at_deadline`](crate::Store::end_at_deadline) | pending, queued, deferred → skipped; queued, deferred → soft bounced | when the campaign's deadline has passed, in bounded steps | is run again |
//! | C7 `Workspace::cancel`, [`Store::cancel_rows`](crate::Store::cancel_rows) | pending, queued, deferred → cancelled | the campaign first, its rows in bounded steps | [`Store::cancelled_with_rows`](crate::Store::cancelled_with_rows) |
//! | [`Store::remove_old_rows`](crate::Store::remove_old_rows) | ended rows of old months → gone | who got what is kept first, in bounded steps; then the month's part is dropped with the note of it | goes on where it was |
//! | C8 [`Store::settle_reports`](crate::Store::settle_reports) | accepted, in doubt → hard bounced, soft bounced, failed, complained | row, counters, subscriber mark, suppression, and the end of the report that brought it | the report is still to be read |
//!
//! # What holds
//!
//! - All rows of a campaign lie in the month of its launch ([`months`]), which PostgreSQL keeps apart from the others; a statement
//!   says in which range of numbers its rows lie.
//! - A row changes its state only by a [`Step`](step::Step), which exists only where
//!   `DeliveryState::may_become` has an edge, guarded by the state (and attempt) that it starts from.
//! - A transaction that moves rows moves the counters with them ([`counts::Deltas`]), so their sum is the audience at
//!   every commit. Test messages (kind 1) are in no counter, keep no campaign open and mark no subscriber.
//! - `attempt` counts SMTP transactions and is the fence: an intent raises it, so who comes with an old number is `Lost`.
//!   A peer that slows us down before the final dot costs none.
//! - To be sent to, a person must be subscribed to at least one included list that still exists. Deleting every such list
//!   skips the row as unsubscribed; deleting the person skips it as deleted.
//! - Deferred rows and dead letters name the group of their last refusal (`reply_groups`), and the group's two sums move with
//!   them. A dead letter without a group was discarded.
//! - Locks are taken in one order: campaigns by id ([`locks`]), deliveries by id, the refusals of campaigns by id, groups of replies by key,
//!   subscribers and suppressions, and last what all workers meet ([`sums`]). On SQLite there is one writer and the question does not arise.
//!
//! On PostgreSQL a pause or a cancellation waits for the groups that share the campaign's lock, and later ones wait for it, so the barrier is
//! exact. A suppression that commits while a group is between its check and its commit (some milliseconds) comes too late for
//! that group; on SQLite, with its one writer, there is no such gap.

mod attempts;
pub(crate) mod campaign;
mod cancel;
mod commit;
pub(crate) mod counts;
mod deadline;
mod events;
mod fan_out;
mod fan_out_rows;
mod intents;
mod last_words;
mod late;
mod launch;
mod locks;
pub(crate) mod marks;
pub(crate) mod months;
mod operate;
mod outcome_rows;
mod outcomes;
mod pause;
mod providers;
mod queueing;
mod recovery;
mod rerouting;
mod resend;
mod retention;
mod revision;
mod route_counts;
mod route_minutes;
mod special;
mod step;
mod stream;
mod sums;
mod test_message;
mod unpushed;
pub(crate) mod unsent;
mod watch;
mod work;

pub use attempts::ACCEPTED;
pub use campaign::{ActiveCampaign, Applied};
pub use commit::{
    AttemptFacts, CommitReport, Intent, IntentAnswer, LedgerBatch, OutcomeAnswer, OutcomeRecord, ReplyRecord, Settled,
};
pub use counts::{CountKey, GroupMiscount, Miscount};
pub use events::SYSTEM_ACTOR;
pub use fan_out::FanOut;
pub use late::{Finding, LateNews};
pub use launch::{Launch, Launched};
pub use operate::{Operated, Operation, QueueFilter};
pub use queueing::{OpenJob, QueuedJob};
pub use recovery::Recovered;
pub use resend::Resent;
pub use retention::Retention;
pub use revision::{FrozenContent, Revision};
pub use route_counts::RouteOutcome;
pub use route_minutes::HandedOver;
pub use test_message::{TestMessage, TestStanding};
pub use unsent::{ByWhom, MAX_PICKED, UnsentStep};
pub use work::{MergeData, Work};

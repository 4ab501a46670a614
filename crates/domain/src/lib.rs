//! The rules of Tidings: words, states, edges, values. Nothing here reads a clock, a disk or a network; an instant is
//! an argument. Types are made by parsing, so that a value that exists is a value that is valid.

mod address;
mod attempt;
mod audience;
mod bounce_rules;
mod campaign;
mod delivery;
mod held;
mod import;
mod lane;
mod member;
mod merge_tag;
mod process;
mod provider;
mod reply;
mod report;
mod retry;
mod route;
mod suppression;
mod time;
mod verdict;
mod windows;
mod word;

pub use address::{AddressError, EmailAddress, MAX_ADDRESS_OCTETS};
pub use attempt::{Attempt, Outcome, Peer, Phase, Problem, TlsUse};
pub use audience::Audience;
pub use bounce_rules::{BounceAction, BounceLimits, BounceRules, ReportEffect};
pub use campaign::{CampaignState, CampaignTransition};
pub use delivery::{DeliveryKind, DeliveryState, SkipReason};
pub use held::{HELD_MS, held_until_released, hold};
pub use import::{ColumnTarget, ImportState, ImportTransition, RejectKind};
pub use lane::Lane;
pub use member::{Role, Theme};
pub use merge_tag::{MAX_MERGE_TAG_OCTETS, merge_tag};
pub use process::ProcessRole;
pub use provider::provider_label;
pub use reply::{EnhancedCode, Reply, ReplyClass};
pub use report::{FeedbackType, ReportKind, ReportedAction, Service};
pub use retry::{RetryPolicy, RetryVerdict};
pub use route::{RouteKind, RouteTls, SubscriptionStatus};
pub use suppression::{SubscriberStatus, SuppressionKind, SuppressionReason};
pub use time::UnixMs;
pub use verdict::{BounceClass, Consequence, Knob, Verdict};
pub use windows::{Alarm, Sums, WINDOW_MESSAGES, Windows};
pub use word::{UnknownWord, Word};

//! The rules of Tidings: words, states, edges, values. Nothing here reads a clock, a disk or a network; an instant is
//! an argument. Types are made by parsing, so that a value that exists is a value that is valid.

mod address;
mod address_pattern;
mod attempt;
mod audience;
mod bounce_rules;
mod breaker;
mod campaign;
mod content_windows;
mod deadline;
mod delivery;
mod destination;
mod held;
mod import;
mod lane;
mod member;
mod merge_tag;
mod pace;
mod pool;
mod process;
mod provider;
mod provider_table;
mod relay;
mod reply;
mod reply_rule;
mod report;
mod retry;
mod route;
mod sending;
mod shared;
mod suppression;
mod suppression_entry;
mod time;
mod transport;
mod unsent;
mod verdict;
mod warm_up;
mod windows;
mod word;

pub use address::{AddressError, EmailAddress, MAX_ADDRESS_OCTETS};
pub use address_pattern::{AddressPattern, MAX_WILDCARDS, PatternError};
pub use attempt::{Attempt, Outcome, Peer, Phase, Problem};
pub use audience::Audience;
pub use bounce_rules::{BounceAction, BounceLimits, BounceRules, ReportEffect};
pub use breaker::{Breaker, BreakerState, FIRST_BACK_OFF, LONGEST_BACK_OFF, PROBE_TIME, RouteFault};
pub use campaign::{CampaignState, CampaignTransition};
pub use content_windows::{
    CONTENT_REFUSALS_PERCENT, CONTENT_WINDOW_MESSAGES, ContentAlarm, ContentSums, ContentWindows,
    FEWEST_CONTENT_REFUSALS,
};
pub use deadline::Deadline;
pub use delivery::{DeliveryKind, DeliveryState, SkipReason};
pub use destination::Destination;
pub use held::{HELD_MS, held_until_released, hold};
pub use import::{ColumnTarget, ImportState, ImportTransition, RejectKind};
pub use lane::Lane;
pub use member::{Role, Theme};
pub use merge_tag::{MAX_MERGE_TAG_OCTETS, merge_tag};
pub use pace::PaceAct;
pub use pool::{PoolShare, pick_route};
pub use process::ProcessRole;
pub use provider::provider_label;
pub use provider_table::{
    Provider, ProviderEntry, ProviderFile, ProviderLimits, ProviderTable, ProviderTls, TableError,
};
pub use relay::RelayPreset;
pub use reply::{EnhancedCode, Reply, ReplyClass};
pub use reply_rule::ReplyRule;
pub use report::{FeedbackType, ReportKind, ReportedAction, Service};
pub use retry::{Asked, RetryPolicy, RetryVerdict, Tries};
pub use route::{RouteKind, RouteTls, SubscriptionStatus};
pub use sending::{
    DMARC_SUGGESTION, DkimAlgorithm, DkimKeyState, DomainNameError, Judged, KEY_MISSED_FOR, ROTATION_DUE,
    ROTATION_OVERLAP, RecordKind, RecordState, SendingDomainName, SendingDomainState, covers, dkim_host, dkim_value,
    dmarc_host, judge_bounce_mx, judge_dkim, judge_dmarc, judge_retired_dkim, judge_spf, new_selector, organisation_of,
    suggested_spf, zone_strings,
};
pub use shared::Shared;
pub use suppression::{SubscriberStatus, SuppressionKind, SuppressionReason};
pub use suppression_entry::{EntryError, SuppressionEntry};
pub use time::UnixMs;
pub use transport::{Protection, TlsDemand, TlsPolicyType, TlsResult, TlsUse, TlsVersion};
pub use unsent::{Unsent, UnsentAct};
pub use verdict::{BounceClass, Consequence, Cut, Knob, PaceKey, Verdict};
pub use warm_up::{DayFigures, GROWTH_PERCENT, MOST_A_DAY, StaysOnDay, WarmUpDay, WarmUpPlan};
pub use windows::{Alarm, Sums, WINDOW_MESSAGES, Windows};
pub use word::{UnknownWord, Word};

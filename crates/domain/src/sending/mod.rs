//! Sending domains: whose name mail carries, the keys that sign it, and what DNS has to say for both.

mod dkim_key;
mod dkim_record;
mod dmarc_record;
mod domain;
mod judged;
mod mx_record;
mod spf_record;
mod tags;

pub use dkim_key::{DkimAlgorithm, DkimKeyState, KEY_MISSED_FOR, ROTATION_DUE, ROTATION_OVERLAP, new_selector};
pub use dkim_record::{dkim_host, dkim_value, judge_dkim, judge_retired_dkim, zone_strings};
pub use dmarc_record::{DMARC_SUGGESTION, dmarc_host, judge_dmarc};
pub use domain::{DomainNameError, SendingDomainName, SendingDomainState, covers, organisation_of};
pub use judged::{Judged, RecordKind, RecordState};
pub use mx_record::judge_bounce_mx;
pub use spf_record::{judge_spf, suggested_spf};

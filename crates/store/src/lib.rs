//! All SQL of Tidings, for PostgreSQL and SQLite. One file for each table; what differs by backend stands in `dialect.rs`.
//!
//! A [`Store`] is a cheap handle. Tenant data is reached only through [`Store::workspace`], whose methods put the workspace's id into
//! every statement; the ledger's loops, which serve all tenants, have their own functions on [`Store`].

mod audience;
mod campaign_drafts;
mod campaign_overview;
mod campaigns;
mod connection;
mod error;
mod fixed;
mod ids;
mod import_leases;
mod import_people;
mod import_rejects;
mod import_rows;
mod import_slices;
mod imports;
mod ledger;
mod list_counts;
mod lists;
mod migrate;
mod one_time_tokens;
mod preview_people;
mod progress;
mod recipients;
mod routes;
mod schema;
mod sessions;
mod store;
mod subscriber_edits;
mod subscribers;
mod subscriptions;
mod suppressions;
mod text;
mod users;
mod words;
mod workers;
mod workspaces;

pub use campaign_drafts::{CampaignBody, CampaignDetails, Edited, NewCampaign};
pub use campaign_overview::{CampaignEvent, LastReply, Overview, ProviderProgress, ReplyGroup, Responses, WorkerBeat};
pub use campaigns::{Campaign, CampaignContent, CampaignHead, CampaignList, CampaignRow, CampaignTab};
pub use connection::AnyConn;
pub use error::{StoreError, StoreResult};
pub use ids::*;
pub use import_leases::{Analysis, DueImport, OldSpool};
pub use import_rejects::{NewReject, Reject, RejectGroup};
pub use import_rows::{ImportRow, ImportRows, RowParts};
pub use import_slices::{ImportSlice, MAX_RECORD_KEPT_BYTES, SliceResult};
pub use imports::{Checkpoint, FormatChoice, Import, ImportColumn, ImportCounts, ImportFormat, NewImport};
pub use ledger::*;
pub use lists::{DeletedList, List, ListWithCounts};
pub use one_time_tokens::{Purpose, TokenHash};
pub use preview_people::PreviewPerson;
pub use progress::SetupProgress;
pub use recipients::{AttemptRow, DeliveryHistory, EngagementRow, PeopleCursor, PeopleFilter, PeoplePage, Person};
pub use routes::{NewRoute, Route, relay_password_place};
pub use sessions::{SessionRow, SessionWrite};
pub use store::{Store, StoreOptions, Workspace};
pub use subscriber_edits::{Added, NewSubscriber, SubscriberEdit};
pub use subscribers::{Received, Subscriber, SubscriberDetails, SubscriberKey, SubscriberRow};
pub use subscriptions::{Choice, Subscription};
pub use suppressions::{NewSuppression, Removed, Suppression};
pub use users::{FirstAdmin, Member, NewAdmin, User};
pub use workers::Heartbeat;
pub use workspaces::{Organisation, WorkspaceRow};

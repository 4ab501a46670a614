//! Who changed a workspace's rules for bounces, and how they were before: an address that is suppressed by a rule may ask whose rule it was.

use diesel::prelude::*;
use tidings_domain::{BounceClass, BounceLimits, UnixMs, Word};

use crate::schema::bounce_changes;
use crate::text::storable;
use crate::{AnyConn, StoreResult, Workspace, WorkspaceId};

/// One of the numbers of [`BounceLimits`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BounceLimit {
    SecondWithinDays,
    HoldAfter,
    HoldOverDays,
    PauseHardBounces,
    PauseComplaints,
    WarnComplaints,
}

impl BounceLimit {
    pub const ALL: &'static [Self] = &[
        Self::SecondWithinDays,
        Self::HoldAfter,
        Self::HoldOverDays,
        Self::PauseHardBounces,
        Self::PauseComplaints,
        Self::WarnComplaints,
    ];

    /// The name of its column.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SecondWithinDays => "second_within_days",
            Self::HoldAfter => "hold_after",
            Self::HoldOverDays => "hold_over_days",
            Self::PauseHardBounces => "pause_hard_bounces",
            Self::PauseComplaints => "pause_complaints",
            Self::WarnComplaints => "warn_complaints",
        }
    }

    #[must_use]
    pub const fn of(self, limits: &BounceLimits) -> u16 {
        match self {
            Self::SecondWithinDays => limits.second_within_days,
            Self::HoldAfter => limits.hold_after,
            Self::HoldOverDays => limits.hold_over_days,
            Self::PauseHardBounces => limits.pause_hard_bounces,
            Self::PauseComplaints => limits.pause_complaints,
            Self::WarnComplaints => limits.warn_complaints,
        }
    }
}

/// What was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BounceSubject {
    /// What follows from a class.
    Action(BounceClass),
    Limit(BounceLimit),
    /// What a text means.
    Label(String),
}

impl BounceSubject {
    fn parts(&self) -> (&'static str, &str) {
        match self {
            Self::Action(class) => ("action", class.as_str()),
            Self::Limit(limit) => ("limit", limit.name()),
            Self::Label(text) => ("label", text),
        }
    }

    /// `None`: of a newer version.
    fn of(kind: &str, subject: String) -> Option<Self> {
        match kind {
            "action" => BounceClass::parse(&subject).ok().map(Self::Action),
            "limit" => BounceLimit::ALL.iter().copied().find(|limit| limit.name() == subject).map(Self::Limit),
            "label" => Some(Self::Label(subject)),
            _ => None,
        }
    }
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BounceChange {
    pub at_ms: i64,
    pub by: String,
    pub subject: BounceSubject,
    /// An action's word, a number, a class's word; empty: there was no label.
    pub was: String,
    pub becomes: String,
}

impl Workspace {
    /// The latest changes, newest first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn bounce_changes(&self, limit: i64) -> StoreResult<Vec<BounceChange>> {
        type Row = (i64, String, String, String, String, String);
        self.read(move |conn, ws| {
            let own = bounce_changes::table.filter(bounce_changes::workspace_id.eq(ws.0));
            let columns = (
                bounce_changes::at_ms,
                bounce_changes::changed_by,
                bounce_changes::kind,
                bounce_changes::subject,
                bounce_changes::was,
                bounce_changes::becomes,
            );
            let rows: Vec<Row> = own.order(bounce_changes::id.desc()).limit(limit).select(columns).load(conn)?;
            let change = |(at_ms, by, kind, subject, was, becomes): Row| {
                Some(BounceChange { at_ms, by, subject: BounceSubject::of(&kind, subject)?, was, becomes })
            };
            Ok(rows.into_iter().filter_map(change).collect())
        })
        .await
    }
}

/// Who changes something, and when.
pub(crate) struct Note<'a> {
    pub ws: WorkspaceId,
    pub by: &'a str,
    pub now: UnixMs,
}

impl Note<'_> {
    /// In the transaction of the change itself.
    pub(crate) fn write(
        &self,
        conn: &mut AnyConn,
        subject: BounceSubject,
        was: &str,
        becomes: &str,
    ) -> StoreResult<()> {
        let (kind, about) = subject.parts();
        diesel::insert_into(bounce_changes::table)
            .values((
                bounce_changes::workspace_id.eq(self.ws.0),
                bounce_changes::at_ms.eq(self.now.0),
                bounce_changes::changed_by.eq(storable(self.by)),
                bounce_changes::kind.eq(kind),
                bounce_changes::subject.eq(storable(about)),
                bounce_changes::was.eq(was),
                bounce_changes::becomes.eq(becomes),
            ))
            .execute(conn)?;
        Ok(())
    }
}

//! Who changed what in the provider table and the reply rules. The highest id is the version: a process that has read it has all before it.

use diesel::dsl::max;
use diesel::prelude::*;
use tidings_domain::UnixMs;

use crate::schema::provider_changes;
use crate::text::storable;
use crate::{AnyConn, Store, StoreError, StoreResult};

/// What was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProviderSubject {
    /// The limits or hosts of the provider of this name.
    Settings(String),
    /// The own rule of this name.
    Rule(String),
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderChange {
    pub id: i64,
    pub at_ms: i64,
    pub by: String,
    pub subject: ProviderSubject,
    /// JSON of a `ProviderEntry` or a `ReplyRule`; empty: there was none, or there is none any more.
    pub was: String,
    pub becomes: String,
    /// The change that this one took back.
    pub undoes: Option<i64>,
}

/// Who changes something, when, and whether it takes an earlier change back.
#[derive(Debug, Clone)]
pub struct ProviderNote {
    pub by: String,
    pub undoes: Option<i64>,
    pub now: UnixMs,
}

impl ProviderSubject {
    fn parts(&self) -> (&'static str, &str) {
        match self {
            Self::Settings(provider) => ("settings", provider),
            Self::Rule(name) => ("rule", name),
        }
    }

    fn of(kind: &str, subject: String) -> StoreResult<Self> {
        match kind {
            "settings" => Ok(Self::Settings(subject)),
            "rule" => Ok(Self::Rule(subject)),
            other => Err(StoreError::Corrupt(format!("a change of the unknown kind {other:?}"))),
        }
    }
}

type Row = (i64, i64, String, String, String, String, String, Option<i64>);

fn change((id, at_ms, by, kind, subject, was, becomes, undoes): Row) -> StoreResult<ProviderChange> {
    Ok(ProviderChange { id, at_ms, by, subject: ProviderSubject::of(&kind, subject)?, was, becomes, undoes })
}

impl Store {
    /// The version of what operators changed: 0 when nothing was. Cheap.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn provider_version(&self) -> StoreResult<i64> {
        self.read(version).await
    }

    /// The latest changes, newest first: of everything, or of one subject.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn provider_changes(
        &self,
        subject: Option<ProviderSubject>,
        limit: i64,
    ) -> StoreResult<Vec<ProviderChange>> {
        self.read(move |conn| {
            let mut rows = provider_changes::table
                .order(provider_changes::id.desc())
                .limit(limit)
                .select(provider_changes::all_columns)
                .into_boxed();
            if let Some(subject) = &subject {
                let (kind, name) = subject.parts();
                let (kind, name) = (kind.to_owned(), name.to_owned());
                rows = rows.filter(provider_changes::kind.eq(kind)).filter(provider_changes::subject.eq(name));
            }
            rows.load::<Row>(conn)?.into_iter().map(change).collect()
        })
        .await
    }

    /// # Errors
    /// [`StoreError::NotFound`] when there is no such change.
    pub async fn provider_change(&self, id: i64) -> StoreResult<ProviderChange> {
        self.read(move |conn| change(provider_changes::table.find(id).first::<Row>(conn)?)).await
    }
}

pub(crate) fn version(conn: &mut AnyConn) -> StoreResult<i64> {
    let highest: Option<i64> = provider_changes::table.select(max(provider_changes::id)).first(conn)?;
    Ok(highest.unwrap_or(0))
}

impl ProviderNote {
    /// In the transaction of the change itself.
    pub(crate) fn write(
        &self,
        conn: &mut AnyConn,
        subject: &ProviderSubject,
        was: &str,
        becomes: &str,
    ) -> StoreResult<()> {
        let (kind, name) = subject.parts();
        diesel::insert_into(provider_changes::table)
            .values((
                provider_changes::at_ms.eq(self.now.0),
                provider_changes::changed_by.eq(storable(&self.by)),
                provider_changes::kind.eq(kind),
                provider_changes::subject.eq(name),
                provider_changes::was.eq(was),
                provider_changes::becomes.eq(becomes),
                provider_changes::undoes.eq(self.undoes),
            ))
            .execute(conn)?;
        Ok(())
    }
}
